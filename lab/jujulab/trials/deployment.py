"""A deployment in the lab: a running cloud, this project on top of it, and its hypervisors.

Every Juju command that it runs is shown, and can be typed by hand with `lab/juju`. It can be
interrupted and run again: what is there already is kept.
"""

import contextlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import yaml

from jujulab.cloud.cluster import Cluster
from jujulab.cloud.connection import Cloud, CloudError
from jujulab.cloud.console import MANNERS, Console, StepError, machines_of
from jujulab.cloud.database import DatabaseView
from jujulab.cloud.guests import Guests, wait_for_api
from jujulab.cloud.operator import credentials
from jujulab.cloud.records import segment_hosts
from jujulab.errors import LabError
from jujulab.files import REPOSITORY
from jujulab.juju import pack
from jujulab.machines.lab import Lab, Machine
from jujulab.waiting import answered, poll

CHARMS = ("masakari", "masakari-monitors", "pacemaker-remote")
SEGMENT = "rack1"
NO_SEGMENT = "masakari-fencing-no-segment"
"""The cluster property that lists them (`properties.IN_NO_SEGMENT` of masakari_fencing)."""
PREFIX = "demo-"
VIPS = "10.77.1.250 10.77.2.250 10.77.3.250"
MAAS_URL = "http://10.77.2.1:5240/MAAS"

BASE = "./bundles/base.yaml"
LAB_OVERLAY = "./lab/overlays/cloud.yaml"
STORAGE_OVERLAYS = {"ceph": ["./lab/overlays/ceph.yaml"]}
OVERLAY = "./overlays/masakari.yaml"
CONSUL_OVERLAYS = ("./overlays/consul.yaml", "./lab/overlays/consul.yaml")

DEPLOYMENT = 900.0
"""Seconds after which a deployment is given up. It takes 60 to 130; a busy machine needs more."""

RESTARTS = 5
"""Of a nova-compute, at most, before its host is returned: each ends one evacuation of each of its
instances that was lost on its way."""


class Deployment:
    """The steps of a deployment, each of which can be run again.

    What does not come to be within its time, in seconds, is a StepError.
    """

    def __init__(self, lab: Lab, console: Console) -> None:
        self.lab = lab
        self.console = console
        self._cloud: Cloud | None = None

    @property
    def cloud(self) -> Cloud:
        """The administrator's connection, made when first needed."""
        if self._cloud is None:
            self._cloud = Cloud(self.lab.machine("0"), credentials(self.console))
            wait_for_api(self._cloud)
        return self._cloud

    def close(self) -> None:
        """Close the connection into the lab."""
        if self._cloud is not None:
            self._cloud.close()
            self._cloud = None

    def deploy_cloud(self) -> None:
        """Bring up the lab with the cloud of bundles/base.yaml, before this project is in it."""
        with self.console.step("The lab, and a running cloud in it"):
            self.lab.up()
            if "nova-compute" not in self.console.status()["applications"]:
                overlays = [LAB_OVERLAY, *STORAGE_OVERLAYS.get(self.lab.storage, ())]
                self.console.juju("deploy", BASE, *_overlays(overlays))
            else:
                self._undo_faults()
            self.console.wait_active("the cloud", timeout=DEPLOYMENT)

    def deploy_overlay(self) -> None:
        """Add this project to the cloud that runs."""
        with self.console.step("The overlay: instance HA for the cloud that is running"):
            overlay = self._site_overlay()
            before = self._stable_facts()
            command = ["deploy", BASE, "--overlay", OVERLAY, "--overlay", str(overlay)]
            self.console.juju(*command, "--map-machines=existing")
            if lost := before - self._stable_facts():
                raise StepError(f"the overlay changed what was running: {sorted(lost)}")
            if self.lab.storage == "ceph":
                _fence_storage(self.console)
            self.console.wait_active("the overlay", timeout=DEPLOYMENT)

    def deploy_consul(self) -> None:
        """Add Consul on three networks, and the network matrix, to this project's overlay."""
        with self.console.step("Consul on three networks, and the matrix"):
            files = (OVERLAY, str(self._site_overlay()), *CONSUL_OVERLAYS)
            self.console.juju("deploy", BASE, *_overlays(files), "--map-machines=existing")
            self._spread_consul()
            self.console.wait_active("Consul", timeout=DEPLOYMENT)

    def _spread_consul(self) -> None:
        """Have a member on the hypervisors, too, that were added to those of the bundle."""
        status = self.console.status()
        hypervisors = set(machines_of(status, "nova-compute").values())
        for name, application in status["applications"].items():
            if application["charm-name"] == "consul":
                units = (application.get("units") or {}).values()
                for machine in sorted(hypervisors - {str(unit["machine"]) for unit in units}):
                    self.console.juju("add-unit", name, "--to", machine)

    def _stable_facts(self) -> set[tuple[str, str]]:
        """Return the units and their machines, none of which the overlay may touch."""
        applications = self.console.status()["applications"].values()
        units = [unit for app in applications for unit in (app.get("units") or {}).items()]
        return {(name, str(unit.get("machine"))) for name, unit in units}

    def _site_overlay(self) -> Path:
        """Write what Appendix L leaves to the site: MAAS, the VIPs, the charms packed here."""
        directory = self.lab.home / "demo"
        directory.mkdir(mode=0o700, exist_ok=True)
        packs = self.lab.cache / "charms"
        applications: dict[str, dict[str, Any]] = {
            name: {"charm": str(pack.pack(REPOSITORY / "charms" / name, packs))} for name in CHARMS
        }
        # With the architecture, so that the same can be deployed again: Juju 4 has added it.
        applications["masakari"] |= {"options": {"vip": VIPS}, "constraints": "arch=amd64"}
        credentials = (self.lab.home / "maas-credentials").read_text().strip()
        options = {"maas_url": MAAS_URL, "maas_credentials": credentials}
        if MANNERS:
            options["lab-manners"] = MANNERS
        applications["hacluster"] = {"options": options}
        overlay = directory / "site.yaml"
        overlay.touch(mode=0o600)
        overlay.write_text(yaml.safe_dump({"applications": applications}))
        return overlay

    def create_segment(self) -> None:
        """Put all hypervisors into one failover segment."""
        with self.console.step("A failover segment, by an action"):
            hosts = sorted(service["host"] for service in self.cloud.compute_services())
            self._action("create-segment", f"name={SEGMENT}", f"hosts={','.join(hosts)}")
            # The cluster fences no host that is in no segment.
            member = Cluster(self.lab, self.console).members[0]
            if not poll(lambda: not set(hosts) & _unsegmented(member), timeout=60):
                raise StepError(f"the cluster takes {hosts} for hosts in no segment")

    def _action(self, name: str, *parameters: str) -> None:
        results = self.console.run_action("masakari/leader", name, *parameters)
        results.pop("return-code", None)
        self.console.say(yaml.safe_dump(results, sort_keys=False).rstrip())

    def boot_guests(self, count: int, host: str | None = None, *, wait: bool = True) -> str:
        """Boot fresh guests on one hypervisor; return its name in Nova.

        Args:
            count: how many.
            host: Nova's name of the hypervisor; any where none is given.
            wait: until they beat; otherwise Nova boots them meanwhile.
        """
        with self.console.step(f"{count} guests that write their heartbeat to their disks"):
            guests = Guests(self.lab, self.cloud)
            guests.prepare()
            guests.delete(PREFIX)
            host = host or self._roomy_host()
            names = [f"{PREFIX}{number}" for number in range(1, count + 1)]
            guests.ask(names, host, ha_enabled=names[:1])
            if wait:
                self.await_guests(host)
        return host

    def await_guests(self, host: str) -> None:
        """Wait until the guests beat that Nova was asked for."""
        guests = Guests(self.lab, self.cloud)
        guests.wait(guests.find(PREFIX), host)
        for server in guests.find(PREFIX).values():
            self.console.say(f"{server['name']}: ACTIVE and beating on {host}")

    def _roomy_host(self) -> str:
        if not poll(lambda: bool(self._hosts_in_duty()), timeout=60):
            raise StepError(f"no hypervisor is up and enabled: {self.cloud.compute_services()}")
        return min(self._hosts_in_duty())

    def hypervisors(self) -> list[Machine]:
        """Return the machines of nova-compute."""
        machines = machines_of(self.console.status(), "nova-compute")
        return [self.lab.machine(machine) for machine in machines.values()]

    def power_on(self) -> None:
        """Power on the nodes that are off: units there stay lost, however one waits."""
        for machine in self.lab.machines():
            if machine.parent is None and machine.state == "off":
                self.console.say(f"{machine.hostname} is off: power on")
                machine.power_on()

    def _undo_faults(self) -> None:
        """Thaw the hypervisors, connect them again, and power on what is off."""
        for machine in self.hypervisors():
            machine.thaw()
            machine.restore()
        self.power_on()

    def restore(self, timeout: float = 240) -> None:
        """Undo every fault, and bring every hypervisor back to duty."""
        with self.console.step("Every hypervisor back to duty"):
            machines = self.hypervisors()
            self._undo_faults()
            hosts = [machine.fqdn for machine in machines]
            # A member that is not back yet would be missing when the next one is lost.
            members = Cluster(self.lab, self.console).members
            nodes = [*hosts, *(member.hostname for member in members)]

            def whole() -> bool:
                for member in members:
                    _start_pacemaker(member)
                return self._offline(nodes) == set()

            if not poll(whole, timeout, 2):
                raise StepError(f"Pacemaker does not see {sorted(self._offline(nodes))} again")
            for host in self.off_duty():
                self._return(host)
            # What a recovery had reserved, and did not need, it has reserved again.
            reserve = {h["name"] for h in segment_hosts(self.cloud) if h["reserved"]}
            if not poll(lambda: set(hosts) - reserve <= set(self._hosts_in_duty()), timeout):
                raise StepError(f"in duty are only {self._hosts_in_duty()}")

    def _return(self, host: str) -> None:
        """Take a hypervisor back, as its operator would."""
        arguments = ("return-host", f"host={host}", "timeout=60", "--wait=5m")
        for last in (*(False,) * RESTARTS, True):
            try:
                self._action(*arguments)
                return
            except StepError as error:
                if last or "restart its nova-compute" not in str(error):
                    raise
                self.console.say(str(error))
            self.lab.find(host).run(["systemctl", "restart", "nova-compute"], timeout=120)

    def _offline(self, names: list[str]) -> set[str]:
        try:
            nodes = Cluster(self.lab, self.console).look().iterfind("nodes/node[@online='true']")
        except LabError:
            return set(names)
        return set(names) - {n.get("name") for n in nodes if n.get("unclean") != "true"}

    def _hosts_in_duty(self) -> list[str]:
        services = self.cloud.compute_services()
        return [s["host"] for s in services if (s["state"], s["status"]) == ("up", "enabled")]

    def off_duty(self) -> list[str]:
        """Return the hosts that an earlier run took out of duty.

        Masakari may not answer for a moment after a fault.
        """
        try:
            hosts = answered(lambda: segment_hosts(self.cloud), CloudError, 60, 1)
        except CloudError as error:
            raise StepError(f"Masakari does not say which hosts are on duty: {error}") from error
        return sorted(host["name"] for host in hosts if host["on_maintenance"])

    def database_view(self) -> DatabaseView:
        """Return a new view of the cloud's database."""
        return DatabaseView(self.database())

    def database(self) -> Machine:
        """Return the machine that holds the database; those of mysql's other units are idle."""
        machines = machines_of(self.console.status(), "mysql")
        name = min(machines)
        arguments = ("show-unit", name, "--endpoint", "cluster", "--format", "json")
        (relation,) = json.loads(self.console.juju(*arguments, show=False))[name]["relation-info"]
        primary = relation["application-data"]["primary"]
        return self.lab.machine(machines[primary])


def _start_pacemaker(member: Machine) -> None:
    """Start it where it does not run, as hacluster's status asks for.

    It stops for good on a member that is back before the cluster, without a quorum until then,
    has carried out the member's fencing, which cuts no power (2.1.5: "We were allegedly just
    fenced").
    """
    with contextlib.suppress(LabError):  # it boots
        member.run(["systemctl", "start", "pacemaker"], timeout=60, check=False)


def _overlays(files: Iterable[str]) -> list[str]:
    return [part for file in files for part in ("--overlay", file)]


def _fence_storage(console: Console) -> None:
    """Let masakari shut hypervisors out of Ceph, as its README says."""
    if "ceph" not in console.status()["applications"]["masakari"].get("relations", {}):
        console.juju("integrate", "masakari:ceph", "ceph-mon:client")
    console.juju("config", "masakari", "storage-fencing=parallel")


def have_fourth(deployment: Deployment) -> None:
    """Have a hypervisor more than the bundle's, whose machine carries no member of the cluster."""
    if len(deployment.hypervisors()) < 4:
        with deployment.console.step("A fourth hypervisor, on a machine of its own"):
            deployment.console.juju("add-unit", "nova-compute")
            deployment.console.wait_active("the fourth hypervisor", timeout=DEPLOYMENT)


def _unsegmented(member: Machine) -> set[str]:
    """Return the hosts that the cluster's configuration lists as being in no segment."""
    query = ["cibadmin", "--query", "--xpath", f"//nvpair[@name='{NO_SEGMENT}']"]
    reply = member.run(query, timeout=20, check=False)
    if reply.returncode:
        return set()  # no list: all are looked after
    pair = ElementTree.fromstring(reply.stdout)  # noqa: S314 - our own member
    return set(pair.get("value", "").split())
