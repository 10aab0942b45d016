"""A machine for the tests: the charm's real workload on a temporary root."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from fencing_cib import ELECTED, Cib
from instance_ha_common.testing import FakeHost, FakeService, fake_host

import reconcile
from workload import packages, services

VERSION = "14.0.2"
OS_RELEASE = 'ID=ubuntu\nVERSION_CODENAME=jammy\nVERSION_ID="22.04"\n'
GROUPS = "root:x:0:\nmasakari:x:64061:\nhaclient:x:115:\n"

CRM_MON = """
<pacemaker-result api-version="2.25"><summary>
  <current_dc present="true" version="2.1.5-a3f44794f94" name="node1" with_quorum="true"/>
  <cluster_options stonith-enabled="true" maintenance-mode="false"/>
</summary><nodes><node name="node1" type="member" online="true"/></nodes>
<status code="0"/></pacemaker-result>
"""
CIB = f"""
<cib have-quorum="1" dc-uuid="1"><configuration><crm_config>{ELECTED}</crm_config>
<nodes/><resources/>
<constraints/></configuration><status/></cib>
"""


@dataclasses.dataclass
class Machine:
    """Everything around the workload that a test may want to look at or to change."""

    host: FakeHost
    cib: Cib = dataclasses.field(default_factory=lambda: Cib(CIB))
    listening: set[int] = dataclasses.field(default_factory=set)
    now: float = 1_000_000.0
    slept: float = 0.0

    def workload(self) -> reconcile.Workload:
        return reconcile.Workload(
            self.host, probe=self._probe, sleep=self._sleep, clock=self._clock
        )

    def _probe(self, port: int) -> bool:
        systemd = self.host.systemd
        by_service = {15848: services.API, 15858: services.HAPROXY, 15868: services.HAPROXY}
        return port in self.listening or systemd.running(by_service[port])

    def _sleep(self, seconds: float) -> None:
        self.slept += seconds

    def _clock(self) -> float:
        return self.now

    def cibadmin(self, argv: list[str]) -> str | tuple[int, str]:
        """Answer as the cluster's configuration is, and change it."""
        answer = self.cib.answer(argv, self.host.runner.inputs[-1])
        return (answer, f"failed: {answer}") if isinstance(answer, int) else answer

    def has_run(self, *prefix: str) -> list[list[str]]:
        """Commands that begin so."""
        return [argv for argv in self.host.runner.calls if argv[: len(prefix)] == list(prefix)]

    def forget(self) -> None:
        """Look only at what happens from now on."""
        self.host.runner.calls.clear()
        self.host.systemd.log.clear()
        self.host.apt.log.clear()

    def restarts(self) -> list[tuple[str, str]]:
        """What was done to services."""
        verbs = ("start", "restart", "reload", "reload-or-restart", "resume", "stop", "pause")
        return [entry for entry in self.host.systemd.log if entry[0] in verbs]

    def files(self) -> dict[str, tuple[int, int]]:
        """Inode and time of every file; a file that is written again has another inode."""
        found = (path for path in self.host.root.rglob("*") if path.is_file())
        return {str(p): (p.stat().st_ino, p.stat().st_mtime_ns) for p in found}

    def read(self, path: str) -> str:
        text = self.host.read(path)
        assert text is not None, f"no {path}"
        return text


def make(root: Path, *, groups: str = GROUPS, installed: bool = True) -> Machine:
    host = fake_host(root, archive=dict.fromkeys(packages.PACKAGES, f"{VERSION}-2"))
    machine = Machine(host)
    for path, text in (("/etc/os-release", OS_RELEASE), ("/etc/group", groups)):
        host.path(path).parent.mkdir(parents=True, exist_ok=True)
        host.path(path).write_text(text)
    host.apt.on_install = lambda names: _unpack(host, names)
    host.runner.answer(["crm_mon"], CRM_MON)
    host.runner.answer(["cibadmin"], machine.cibadmin)
    host.runner.answer(["crm_node", "--name"], "node1\n")
    host.runner.answer(["ip", "-json", "address"], "[]")
    if installed:
        for name in (services.API, services.ENGINE):  # held back, as the charm installs them
            host.systemd.mask(name)
        host.apt.install(packages.PACKAGES)
        machine.forget()
    return machine


def _unpack(host: FakeHost, names: Iterable[str]) -> None:
    """What the packages bring: programs, metadata and services that start at once."""
    if "python3-masakari" not in host.apt.present:
        return
    version = host.apt.present["python3-masakari"].partition("-")[0]
    modules = host.path("/usr/lib/python3/dist-packages")
    for old in modules.glob("masakari-*"):
        old.rmdir()
    (modules / f"masakari-{version}.egg-info").mkdir(parents=True)
    for program in ("masakari-api", "masakari-engine"):
        host.path("/usr/bin").mkdir(parents=True, exist_ok=True)
        host.path("/usr/bin", program).touch()
    for name in (services.API, services.ENGINE, services.HAPROXY):
        service = host.systemd.services.setdefault(name, FakeService())
        if not service.masked:
            service.active = service.enabled = True
    host.systemd.services.setdefault(services.NOTIFIER, FakeService())
