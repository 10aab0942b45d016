"""A hypervisor and its neighbours, as the tests arrange them."""

from __future__ import annotations

import base64
import configparser
from pathlib import Path

import charm
import instance_ha_common.testing as common
from instance_ha_common.testing import FakeHost, FakeService
from instance_ha_common.testing_certificates import CERTIFICATES
from ops import testing
from workload.files import CONF
from workload.table import MONITORS

NAME = "node1.maas"
HOST, INSTANCE = "masakari-host-monitor", "masakari-instance-monitor"
PROCESS, INTROSPECTIVE = "masakari-process-monitor", "masakari-introspective-instance-monitor"
PACKAGES = (
    *(monitor.service for monitor in MONITORS),
    *("masakari-monitors-common", "pacemaker-cli-utils", "pacemaker-remote", "sudo"),
)
ARCHIVE = dict.fromkeys(PACKAGES, "18.0.0")
PEM, CHAIN, OTHER_PEM, _ = CERTIFICATES
READY = testing.ActiveStatus("Unit is ready")

KEYSTONE = {
    "auth_host": "10.7.100.0",
    "auth_port": "35357",
    "auth_protocol": "https",
    "credentials_host": "10.5.100.0",
    "credentials_port": "5000",
    "credentials_protocol": "https",
    "credentials_username": "masakari-monitors",
    "credentials_password": "h7V$x",
    "credentials_project": "services",
    "credentials_project_id": "7e2f",
    "credentials_user_domain_name": "service_domain",
    "credentials_user_domain_id": "4e1f",
    "credentials_project_domain_name": "service_domain",
    "credentials_project_domain_id": "4e1f",
    "domain": "service_domain",
    "api_version": "3",
    "region": "Elsewhere",
}


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def install(host: FakeHost, names: list[str], user: str = "masakari") -> None:
    """What the packages bring: an account, and services that run at once if they may."""
    if "masakari-monitors-common" in names:
        host.write("/etc/passwd", f"root:x:0:0::/root:/bin/sh\n{user}:x:9:9::/:/bin/false\n")
    for name in names:
        if name.endswith("-monitor"):
            started(host, name)
        if name == "pacemaker-remote":
            started(host, "pacemaker_remote")


def started(host: FakeHost, name: str) -> None:
    """What a package does with its service."""
    may = name not in host.systemd.held
    host.systemd.services[name] = FakeService(active=may, enabled=True)
    if may:
        host.systemd.log.append(("start", name))


def gpasswd(host: FakeHost, argv: list[str]) -> str:
    """What `gpasswd --delete USER GROUP` does to /etc/group."""
    user, group = argv[2:]
    rows = [row.split(":") for row in (host.read("/etc/group") or "").splitlines()]
    for row in rows:
        if row[0] == group:
            row[3] = ",".join(name for name in row[3].split(",") if name != user)
    host.write("/etc/group", "".join(":".join(row) + "\n" for row in rows))
    return ""


def make_context(principal: str = "nova-compute/0") -> testing.Context:
    return common.make_context(charm.MasakariMonitorsCharm, principal_unit=principal)


def keystone(*bags: dict[str, str]) -> testing.Relation:
    return testing.Relation(
        "identity-credentials",
        remote_app_name="keystone",
        remote_units_data=dict(enumerate(bags or (KEYSTONE,))),
    )


def vault(*bags: dict[str, str]) -> testing.Relation:
    return testing.Relation(
        "certificates", remote_app_name="vault", remote_units_data=dict(enumerate(bags))
    )


def state(*relations: testing.RelationBase, **config) -> testing.State:
    return testing.State(
        relations=[testing.SubordinateRelation("container"), *relations],
        config={
            key if key == "ssl_ca" else key.replace("_", "-"): value
            for key, value in config.items()
        },
    )


def cluster(host: FakeHost) -> None:
    """The pacemaker-remote charm has done its part."""
    host.systemd.services["pacemaker_remote"] = FakeService(active=True, enabled=True)


def conf(host: FakeHost) -> configparser.RawConfigParser:
    """The configuration as the monitors read it."""
    parser = configparser.RawConfigParser(default_section="\0")
    parser.read_string(host.read(CONF) or "")
    return parser


def running(ctx, host, **config) -> testing.State:
    """A unit in service; what led there is forgotten."""
    ctx.run(ctx.on.install(), state())
    cluster(host)
    relation = keystone()
    out = ctx.run(ctx.on.relation_changed(relation, remote_unit=0), state(relation, **config))
    host.systemd.log.clear()
    host.apt.log.clear()
    host.runner.calls.clear()
    return out


def files(host: FakeHost) -> dict[Path, tuple[int, bytes]]:
    """Every file with when it was written."""
    found = [path for path in host.root.rglob("*") if path.is_file()]
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in found}


def up(host):
    return {name for name, s in host.systemd.services.items() if s.active and "monitor" in name}


def restarted(host):
    return {name for verb, name in host.systemd.log if verb == "restart"}
