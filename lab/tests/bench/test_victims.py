"""Which hypervisor the benchmark loses."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from jujulab.bench.victims import Victims


class World:
    """Three hypervisors that carry a member each, and one that does not."""

    def __init__(self) -> None:
        self.log: list[str] = []
        members = [
            SimpleNamespace(id=f"{n}/lxd/0", hostname=f"m{n}", run=self.run) for n in (1, 2, 3)
        ]
        hosts = [
            SimpleNamespace(id=str(n), fqdn=f"node{n}", children=[f"{n}/lxd/0"] if n < 4 else [])
            for n in (1, 2, 3, 4)
        ]
        deployment: Any = SimpleNamespace(hypervisors=lambda: hosts)
        cluster: Any = SimpleNamespace(
            members=members,
            watcher=lambda node: members[int(node[-1]) - 1],
            controller=lambda: members[0],
            address_holder=lambda: members[2],
            leader=lambda: members[2],
        )
        settling: Any = SimpleNamespace(is_idle=lambda: True, member=lambda: members[0])
        self.victims = Victims(deployment, cluster, settling)

    def run(self, argv: list[str], **_options: float) -> None:
        self.log.append(" ".join(argv))


@pytest.mark.parametrize(
    ("role", "machine"),
    [("connection", "2"), ("dc", "1"), ("vip", "3"), ("leader", "3"), ("member", "1"), ("", "4")],
)
def test_the_victim_carries_the_role_or_nothing(role: str, machine: str) -> None:
    with World().victims.of_role(role) as found:
        assert found.id == machine


def test_the_connection_is_moved_to_its_own_machine_for_the_run() -> None:
    world = World()
    with world.victims.of_role("connection"):
        assert world.log == ["crm_resource --resource node2 --move --node m2"]
    assert world.log[1:] == ["crm_resource --resource node2 --clear"]
