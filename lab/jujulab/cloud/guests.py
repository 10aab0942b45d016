"""The demo's and the tests' guests: heartbeat guests in the cloud, and their disks."""

import functools
import time
from collections.abc import Iterable
from typing import Any

from jujulab.cloud import disks, heartbeat
from jujulab.cloud.connection import Cloud, CloudError
from jujulab.cloud.console import StepError
from jujulab.machines.lab import Lab
from jujulab.waiting import answered, poll

IMAGE = "heartbeat"
FLAVOR = "heartbeat"
_MEMORY = 32
"""MiB of a guest: a boot sector needs next to nothing, QEMU itself takes more."""

DELETED = 5.0
"""Seconds for which Nova may list a guest whose disk is gone."""


class Guests:
    """Creates, finds and follows heartbeat guests.

    What does not come within its timeout, in seconds, or a guest in ERROR, is a StepError.
    """

    def __init__(self, lab: Lab, cloud: Cloud) -> None:
        self._lab = lab
        self._cloud = cloud

    def prepare(self) -> None:
        """Make sure that the image and the flavor exist, and that no quota is in the way."""
        self._image()
        quotas = {"quota_class_set": dict.fromkeys(("instances", "cores", "ram"), -1)}
        self._cloud.request("PUT", "compute", "/os-quota-class-sets/default", body=quotas)
        flavors = self._cloud.get("compute", "/flavors")["flavors"]
        if not any(flavor["name"] == FLAVOR for flavor in flavors):
            flavor = {"name": FLAVOR, "ram": _MEMORY, "vcpus": 1, "disk": 0}
            self._cloud.post("compute", "/flavors", {"flavor": flavor})

    def _image(self) -> str:
        images = self._cloud.get("image", f"/v2/images?name={IMAGE}&status=active")["images"]
        if images:
            return str(images[0]["id"])
        machine = self._lab.machine("0")
        heartbeat.build_image(machine.juju_dir / "heartbeat.raw")
        about = {"name": IMAGE, "disk_format": "raw", "container_format": "bare"}
        image = self._cloud.post("image", "/v2/images", about)["id"]
        path = f"/v2/images/{image}/file"
        self._cloud.request("PUT", "image", path, data="/var/lib/juju/heartbeat.raw")
        (machine.juju_dir / "heartbeat.raw").unlink()
        return str(image)

    def find(self, prefix: str) -> dict[str, dict[str, Any]]:
        """Return the guests whose names start so, by name."""
        return {s["name"]: s for s in self._cloud.servers() if s["name"].startswith(prefix)}

    def delete(self, prefix: str, timeout: float = 60) -> None:
        """Delete the guests whose names start so, and wait until they are gone."""
        for server in self.find(prefix).values():
            path = f"/servers/{server['id']}"
            self._cloud.post("compute", f"{path}/action", {"os-resetState": {"state": "active"}})
            self._cloud.request("DELETE", "compute", path)
        if not poll(lambda: not self.find(prefix), timeout):
            left = ", ".join(self.find(prefix))
            raise StepError(f"guests are not deleted after {timeout:g} s: {left}")

    def boot(
        self,
        names: Iterable[str],
        host: str,
        *,
        ha_enabled: Iterable[str] = (),
        timeout: float = 120,
    ) -> None:
        """Boot guests on one hypervisor and wait until each is ACTIVE and has a heartbeat.

        Args:
            names: of the guests.
            host: Nova's name of the hypervisor.
            ha_enabled: those that get the property HA_Enabled=True.
            timeout: seconds for all of them together.
        """
        wanted, deadline = list(names), time.monotonic() + timeout
        self.ask(wanted, host, ha_enabled=ha_enabled, timeout=timeout)
        try:
            self.wait(wanted, host, deadline - time.monotonic())
        except StepError:
            # A nova-compute that has just been started tells Placement what it has. Of two that
            # change that at once Nova gives one up, which has no other host to go to
            # (`ResourceProviderUpdateConflict`).
            found = self.find("").items()
            broken = [n for n, server in found if n in wanted and server["status"] == "ERROR"]
            if not broken:
                raise
            for name in broken:
                self.delete(name)
            again = [name for name in wanted if name.startswith(tuple(broken))]
            self.ask(again, host, ha_enabled=ha_enabled, timeout=deadline - time.monotonic())
            self.wait(wanted, host, deadline - time.monotonic())

    def ask(
        self,
        names: Iterable[str],
        host: str,
        *,
        ha_enabled: Iterable[str] = (),
        timeout: float = 120,
    ) -> None:
        """Ask Nova for guests, and leave it to boot them; the arguments are those of `boot`."""
        tagged = set(ha_enabled)
        image = self._image()
        flavors = self._cloud.get("compute", "/flavors")["flavors"]
        flavor = next(f["id"] for f in flavors if f["name"] == FLAVOR)
        deadline = time.monotonic() + timeout
        for name in names:
            server = {
                "name": name,
                "imageRef": image,
                "flavorRef": flavor,
                "networks": "none",
                "host": host,
                "metadata": {"HA_Enabled": "True"} if name in tagged else {},
            }
            self._create(server, deadline)

    def wait(self, names: Iterable[str], host: str, timeout: float = 120) -> None:
        """Wait until each is ACTIVE and has a heartbeat; arguments and errors as of `boot`."""
        wanted = list(names)
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            servers = [s for s in self.find("").values() if s["name"] in wanted]
            broken = [s for s in servers if s["status"] == "ERROR"]
            if broken:
                fault = broken[0].get("fault", {}).get("message", "no reason given")
                raise StepError(f"{broken[0]['name']} could not be booted on {host}: {fault}")
            # On a busy machine one beats seconds before Nova says so, and lets nobody change it.
            active = len(servers) == len(wanted) and all(_active(s) for s in servers)
            if active and all(heartbeat.Pulse(self.disk(s["id"])).poll() for s in servers):
                return
            time.sleep(0.5)
        raise StepError(f"{', '.join(wanted)}: not ACTIVE and beating after {timeout:g} s")

    def _create(self, server: dict[str, Any], deadline: float) -> None:
        """Ask for a guest; a new hypervisor is unknown until Nova has mapped it to a cell."""
        while True:
            try:
                self._cloud.post("compute", "/servers", {"server": server}, microversion="2.74")
                return
            except CloudError as error:
                if "could not be found" not in str(error) or time.monotonic() > deadline:
                    raise
            time.sleep(1)

    def disk(self, server: str) -> disks.Disk:
        """Return a guest's disk, by the server's UUID."""
        return disks.find(self._lab, server)

    def pulses(self, prefix: str) -> dict[str, heartbeat.Pulse]:
        """Return guest name -> pulse."""
        found = self.find(prefix)
        return {name: heartbeat.Pulse(self.disk(server["id"])) for name, server in found.items()}

    def lives(self, prefix: str) -> dict[str, list[heartbeat.Boot]]:
        """Return guest name -> its lives, read from its disk now, of all that are not deleted.

        Raises:
            NoHeartbeatError: a disk has no record.
            OSError: one is missing, or cannot be read.
        """
        lives = {}
        for name, server in self.find(prefix).items():
            try:
                lives[name] = heartbeat.read(self.disk(server["id"]))
            except FileNotFoundError:
                # Of one that is being deleted, Nova takes away the disk first.
                if not poll(functools.partial(self._is_deleted, name), DELETED, 0.2):
                    raise
        return lives

    def _is_deleted(self, name: str) -> bool:
        return name not in self.find(name)


def _active(server: dict[str, Any]) -> bool:
    return (server["status"], server["OS-EXT-STS:task_state"]) == ("ACTIVE", None)


def wait_for_api(cloud: Cloud) -> None:
    """Wait until Nova answers, or raise StepError."""
    try:
        answered(cloud.servers, CloudError, 60, 0.5)
    except CloudError as error:
        raise StepError(f"Nova does not answer: {error}") from error
