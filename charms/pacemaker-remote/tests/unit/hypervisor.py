"""A hypervisor, its daemon and its cluster, as the tests arrange them."""

from __future__ import annotations

import base64
import dataclasses
from pathlib import Path

import charm
import instance_ha_common.testing as common
from instance_ha_common.machine.memory import Memory
from instance_ha_common.machine.templates import Templates
from instance_ha_common.testing import FakeHost, FakeService
from ops import testing
from workload import compute as nova_compute
from workload import unblock
from workload.orderly_stop import DROP_IN, SCRIPT
from workload.pacemaker_remote import KEY, SERVICE

CHARM_ROOT = Path(__file__).parents[2]
NAME, ADDRESS = "node1.maas", "10.0.0.21"
SECRET = bytes(range(256))
KEY_TEXT = base64.b64encode(SECRET).decode()
ARCHIVE = {"pacemaker-remote": "2.1.6-5", "pacemaker-cli-utils": "2.1.6-5"}
GOLDEN = {
    "remote-hostname": f'"{NAME}"',
    "remote-ip": f'"{ADDRESS}"',
    "enable-resources": "false",
    "stonith-hostname": "null",
}


def install(host: FakeHost) -> None:
    """What the packages bring: programs, and a daemon that runs at once with a random key."""
    for program in ("pacemaker-remoted", "crm_resource", "cibadmin"):
        host.write(f"/usr/sbin/{program}", "")
    host.write("/etc/group", "root:x:0:\nhaclient:x:115:hacluster\n")
    host.write(KEY, b"random", mode=0o640, group="haclient")
    host.systemd.services[SERVICE] = FakeService(active=True, enabled=True)
    host.systemd.services[unblock.SERVICE] = FakeService()  # whose unit the charm will write


def looked(argv: list[str]) -> str:
    """What the command says that `compute.found` runs to look at Nova's directory."""
    directory, name = Path(argv[-2]).resolve(), argv[-1]
    file = directory / name
    return f"{directory}\n{file.read_text() if file.is_file() else ''}"


def templates(host: FakeHost) -> Templates:
    """The charm's templates, with what it remembers on this machine."""
    memory = Memory(host, "pacemaker-remote")
    return Templates(host, memory, CHARM_ROOT / "src/templates")


def connect(
    host: FakeHost,
    *,
    name: str = NAME,
    meta: str = "",
    machine: str = "",
    interval: str = "2s",
    timeout: str = "4s",
    storage: str = "",
    compute: str | None = None,
) -> None:
    """The cluster has created the node and is connected to it."""
    said = nova_compute.found(host) if compute is None else compute
    attribute = f'<nvpair id="m" name="juju-machine" value="{machine}"/>' if machine else ""
    if storage:
        attribute += f"<nvpair id='s' name='instance-ha-storage' value='{storage}'/>"
    if said:
        attribute += f"<nvpair id='c' name='instance-ha-compute' value='{said}'/>"
    host.runner.answer(
        ["cibadmin"],
        f'<xpath-query><node id="{name}" type="remote">'
        f'<instance_attributes id="i">{attribute}</instance_attributes></node>'
        f'<primitive id="{name}"><operations><op id="s" name="start" interval="0s"/>'
        f'<op id="m" name="monitor" interval="{interval}" timeout="{timeout}"/></operations>'
        f'<meta_attributes id="x">{meta}</meta_attributes></primitive>'
        "</xpath-query>",
    )


@dataclasses.dataclass
class Daemon:
    """Whether the daemon accepts connections; what was asked."""

    accepts: bool = True
    asked: list[tuple[str, int, float]] = dataclasses.field(default_factory=list)

    def __call__(self, address: str, port: int, *, wait: float = 0) -> bool:
        self.asked.append((address, port, wait))
        return self.accepts


def make_context(machine: str = "3", principal: str = "nova-compute/0") -> testing.Context:
    return common.make_context(
        charm.PacemakerRemoteCharm, machine_id=machine, principal_unit=principal
    )


def hacluster(*keys: str | None, local: dict[str, str] | None = None) -> testing.Relation:
    """The relation, with one hacluster unit for each key."""
    return testing.Relation(
        "pacemaker-remote",
        remote_app_name="hacluster",
        remote_units_data={
            number: {} if key is None else {"pacemaker-key": key}
            for number, key in enumerate(keys or (KEY_TEXT,) * 3)
        },
        local_unit_data=local or {},
    )


def network(address: str = ADDRESS) -> testing.Network:
    return testing.Network(
        "pacemaker-remote",
        bind_addresses=[testing.BindAddress([testing.Address(address)])],
    )


def state(*relations: testing.RelationBase, address: str = ADDRESS, **config) -> testing.State:
    return testing.State(
        relations=[testing.SubordinateRelation("juju-info"), *relations],
        networks={network(address)},
        config={key.replace("_", "-"): value for key, value in config.items()},
    )


def published(out: testing.State, relation: testing.Relation) -> dict[str, str]:
    """Our databag, without the keys that are Juju's."""
    juju = ("egress-subnets", "ingress-address", "private-address")
    bag = out.get_relation(relation.id).local_unit_data
    return {key: value for key, value in bag.items() if key not in juju}


def joined(ctx, host, **config) -> tuple[testing.Relation, testing.State]:
    """A unit that has joined the cluster and is online in it."""
    connect(host, machine="3")
    relation = hacluster()
    out = ctx.run(ctx.on.relation_changed(relation, remote_unit=0), state(relation, **config))
    host.runner.calls.clear()
    host.systemd.log.clear()
    return out.get_relation(relation.id), out


def stop_files(host: FakeHost) -> list[bool]:
    return [host.path(path).exists() for path in (SCRIPT, DROP_IN)]


def changed(ctx, relation, **kwargs):
    return ctx.run(ctx.on.relation_changed(relation, remote_unit=0), state(relation, **kwargs))
