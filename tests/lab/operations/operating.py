"""What an operator has at hand: `juju`, the `openstack` client, and a look at services."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import jubilant
from jujulab.cloud.console import SLOWER, StepError
from jujulab.files import REPOSITORY
from jujulab.machines.lab import Machine
from jujulab.trials.deployment import BASE, OVERLAY, Deployment

OURS = {
    "masakari": ("haproxy", "masakari-api", "masakari-engine", "masakari-fencing-notifier"),
    "masakari-monitors": (
        "masakari-host-monitor",
        "masakari-instance-monitor",
        "masakari-process-monitor",
    ),
    "pacemaker-remote": ("pacemaker_remote",),
}
"""The services of each application."""

CLIENT = "0"
"""The machine that the `openstack` client runs on; it is none of a hypervisor or a cluster."""

PORT = 15868
VIPS = {"public": "10.77.1.250", "admin": "10.77.2.250", "internal": "10.77.3.250"}

_OPENRC = "/root/openrc"
_SETTLED = 240.0
_PAUSE = 1.0

Starts = Mapping[tuple[str, str], str]
"""What systemd calls the present run of a service, by unit and service; '' if it does not run."""


class Refused(Exception):  # noqa: N818 - what the client did, not a defect
    """The `openstack` client refused a command; the text is its own."""


def wait_until(what: str, true: Callable[[], bool], timeout: float) -> float:
    """Poll until something is true; return the seconds that it took.

    Raises:
        StepError: it is not within the timeout, in seconds, or `SLOWER` times that.
    """
    begin = time.monotonic()
    timeout *= SLOWER
    while not true():
        if time.monotonic() - begin > timeout:
            raise StepError(f"not within {timeout:g} s: {what}")
        time.sleep(_PAUSE)
    return time.monotonic() - begin


@dataclass
class Operator:
    """Operates a deployment.

    Attributes:
        demo: the deployment.
        juju: drives it.
        authority: file on the client's machine with the authority that signed the endpoints'
            certificates; '' for none.
    """

    demo: Deployment
    juju: jubilant.Juju
    authority: str = ""
    _written: str | None = None

    # The model.

    def deploy(self, *overlays: str) -> None:
        """Deploy the bundle with masakari.yaml, overlays named here, and the site's own values."""
        site = self.demo.lab.home / "demo" / "site.yaml"
        files = [
            REPOSITORY / OVERLAY,
            *(REPOSITORY / f"overlays/{n}.yaml" for n in overlays),
            site,
        ]
        arguments = [word for file in files for word in ("--overlay", str(file))]
        self.juju.cli("deploy", str(REPOSITORY / BASE), *arguments, "--map-machines=existing")

    def settle(self, timeout: float = _SETTLED) -> None:
        """Wait until every unit is active and has nothing left to do."""
        self.juju.wait(
            lambda status: jubilant.all_active(status) and jubilant.all_agents_idle(status),
            error=jubilant.any_error,
            timeout=timeout * SLOWER,
        )

    def wait_gone(self, *applications: str, timeout: float = _SETTLED) -> None:
        """Wait until applications are removed, and the others have taken note."""
        self.juju.wait(
            lambda status: (
                not set(applications) & set(status.apps) and jubilant.all_agents_idle(status)
            ),
            error=jubilant.any_error,
            timeout=timeout * SLOWER,
        )

    def leader(self, application: str) -> str:
        """Name of the unit that leads an application; '' while none does."""
        units = self.juju.status().get_units(application)
        return next((name for name, unit in units.items() if unit.leader), "")

    def leader_says(self, application: str) -> str:
        """Message of the unit that leads an application; '' while none does."""
        units = self.juju.status().get_units(application).values()
        return next((unit.workload_status.message for unit in units if unit.leader), "")

    def machines(
        self, application: str, status: jubilant.Status | None = None
    ) -> dict[str, Machine]:
        """The machine of each unit, those of a subordinate being their principals'."""
        status = status or self.juju.status()
        found = {}
        for app in status.apps.values():
            for name, unit in app.units.items():
                for owner in (name, *unit.subordinates):
                    if owner.partition("/")[0] == application:
                        found[owner] = self.demo.lab.machine(unit.machine)
        return dict(sorted(found.items()))

    def action(self, unit: str, name: str, /, **parameters: object) -> dict[str, object]:
        """Run an action and return its results; those that fail raise what jubilant raises."""
        dashed = {key.replace("_", "-"): value for key, value in parameters.items()}
        return dict(self.juju.run(unit, name, dashed, wait=180).results)

    # Services.

    def starts(self, *applications: str) -> Starts:
        """When the services of applications (all of ours by default) were started.

        A restart changes it, and a reload does not.
        """
        found: dict[tuple[str, str], str] = {}
        status = self.juju.status()
        for application in applications or OURS:
            services = OURS[application]
            command = ["systemctl", "show", "-p", "InvocationID,ActiveState", *services]
            for unit, machine in self.machines(application, status).items():
                blocks = machine.run(command).stdout.strip().split("\n\n")
                for service, block in zip(services, blocks, strict=True):
                    about = dict(line.split("=", 1) for line in block.splitlines())
                    runs = about["ActiveState"] == "active"
                    found[unit, service] = about["InvocationID"] if runs else ""
        return found

    def restarted(self, before: Starts) -> set[str]:
        """The services that were started, restarted or stopped on any unit since then."""
        after = self.starts(*{unit.partition("/")[0] for unit, _ in before})
        return {key[1] for key in {*before, *after} if before.get(key) != after.get(key)}

    # The client.

    def openstack(self, command: str, *, timeout: float = 120) -> str:
        """Run a command of the `openstack` client as it is written; return what it prints.

        Raises:
            Refused: the command failed.
        """
        client = self.demo.lab.machine(CLIENT)
        if self._written != self.authority:
            self._write_openrc(client)
            self._written = self.authority
        line = f". {_OPENRC} && {command}"
        result = client.run(["/bin/bash", "-c", line], timeout=timeout, check=False)
        if result.returncode:
            raise Refused(result.stderr.strip())
        return result.stdout

    def _write_openrc(self, client: Machine) -> None:
        password = self.action("keystone/leader", "get-admin-password")["admin-password"]
        keystone = next(iter(self.juju.status().apps["keystone"].units.values())).public_address
        settings = {
            "AUTH_URL": f"http://{keystone}:5000/v3",
            "USERNAME": "admin",
            "PASSWORD": password,
            "PROJECT_NAME": "admin",
            "USER_DOMAIN_NAME": "admin_domain",
            "PROJECT_DOMAIN_NAME": "admin_domain",
            "IDENTITY_API_VERSION": "3",
            "CACERT": self.authority,
        }
        lines = [f"export OS_{name}='{value}'\n" for name, value in settings.items() if value]
        write = f"umask 077 && cat > {_OPENRC}"
        client.run(["/bin/sh", "-c", write], input="".join(lines))

    def endpoints(self) -> dict[str, str]:
        """URL of each of Masakari's endpoints in Keystone's catalogue."""
        command = "openstack endpoint list --service masakari -f value -c Interface -c URL"
        return dict(line.split() for line in self.openstack(command).splitlines())

    def fetch(self, url: str, *flags: str) -> tuple[int, str]:
        """Ask with curl from the client's machine; return its exit status and the HTTP status."""
        argv = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "10"]
        client = self.demo.lab.machine(CLIENT)
        result: subprocess.CompletedProcess[str] = client.run([*argv, *flags, url], check=False)
        return result.returncode, result.stdout

    def answers(self, address: str, *flags: str, scheme: str = "http") -> bool:
        """Whether the API answers at an address."""
        code, status = self.fetch(f"{scheme}://{address}:{PORT}/", *flags)
        return code == 0 and status in ("200", "300")


def fields(table: str) -> dict[str, str]:
    """The rows of a table of fields and their values, as the client prints one thing."""
    rows = list(_rows(table))
    assert rows[0] == ["Field", "Value"], table
    return {row[0]: row[1] for row in rows[1:]}


def rows(table: str) -> list[dict[str, str]]:
    """The rows of a table by the names of its columns, as the client prints a list.

    Some of its lists are blank when they are empty.
    """
    lines = list(_rows(table))
    return [dict(zip(lines[0], row, strict=True)) for row in lines[1:]]


def columns(table: str) -> list[str]:
    """The names of a table's columns, in their order."""
    return next(iter(_rows(table)))


def _rows(table: str) -> Iterable[list[str]]:
    for line in table.splitlines():
        if line.startswith("|"):
            yield [cell.strip() for cell in line.strip("|").split("|")]
