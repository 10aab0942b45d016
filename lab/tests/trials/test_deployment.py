"""How the demo, the benchmark and the tests find a lab that an earlier run left behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from jujulab.trials.deployment import Deployment


class World:
    """A lab whose nodes an earlier run, or the computer's restart, has left off."""

    def __init__(self, applications: dict[str, Any]) -> None:
        self.log: list[str] = []
        self.nodes: list[Any] = [self.node(0), self.node(1)]
        self.deployment: Any = Deployment.__new__(Deployment)
        self.deployment.lab = SimpleNamespace(
            up=lambda: self.log.append("up"),
            machines=lambda: self.nodes,
            machine=lambda number: self.nodes[int(number)],
            storage="",
        )
        self.deployment.console = SimpleNamespace(
            step=self.step,
            say=self.log.append,
            juju=lambda *arguments: self.log.append(" ".join(arguments)),
            status=lambda: {"applications": applications},
            wait_active=lambda what, timeout: self.log.append(f"{what} is awaited"),
        )

    @contextmanager
    def step(self, _title: str) -> Iterator[None]:
        yield

    def node(self, number: int) -> Any:
        name = f"node{number}"
        node = SimpleNamespace(hostname=name, state="off", parent=None)
        node.power_on = lambda: self.log.append(f"{name} boots")
        node.thaw = lambda: self.log.append(f"{name} thaws")
        node.restore = lambda: self.log.append(f"{name} is connected")
        return node


def test_nodes_left_off_are_powered_on_first_whatever_they_carry() -> None:
    """Without the one that carries the control plane everybody would wait for its units.

    So would they for a hypervisor that the last test of another run left frozen or cut off.
    """
    world = World({"nova-compute": {"units": {"nova-compute/0": {"machine": "1"}}}})
    world.nodes[1].state = "on"
    world.nodes.append(SimpleNamespace(hostname="juju-lab-0-lxd-0", state="off", parent="0"))
    world.deployment.deploy_cloud()
    boot = ["node0 is off: power on", "node0 boots"]
    assert world.log == [
        "up", "node1 thaws", "node1 is connected", *boot, "the cloud is awaited",
    ]  # fmt: skip


def test_an_empty_lab_gets_its_cloud() -> None:
    world = World({})
    world.deployment.deploy_cloud()
    assert world.log[0] == "up" and world.log[-1] == "the cloud is awaited"
    assert world.log[1].startswith("deploy ./bundles/base.yaml ")


def test_with_ceph_the_cloud_has_it_and_masakari_is_let_in_once() -> None:
    masakari: dict[str, Any] = {"relations": {"ha": []}}
    world = World({"masakari": masakari})
    world.deployment.lab.storage = "ceph"
    world.deployment.deploy_cloud()
    assert world.log[1].endswith("--overlay ./lab/overlays/ceph.yaml")
    world.deployment._site_overlay = lambda: "site.yaml"
    for _ in range(2):
        world.log.clear()
        world.deployment.deploy_overlay()
        related = "ceph" in masakari["relations"]
        assert ("integrate masakari:ceph ceph-mon:client" in world.log) != related
        assert world.log[-2:] == [
            "config masakari storage-fencing=parallel",
            "the overlay is awaited",
        ]
        masakari["relations"]["ceph"] = []


def test_a_hypervisor_that_was_added_gets_a_member_of_consul_on_each_network() -> None:
    consul = {
        "charm": "local:consul-0",  # of a real Juju, where it is a pack
        "charm-name": "consul",
        "units": {"consul/0": {"machine": "0"}, "consul/1": {"machine": "1"}},
    }
    hosts = {"nova-compute/0": {"machine": "1"}, "nova-compute/1": {"machine": "4"}}
    world = World(
        {
            "consul-storage": consul,
            "consul-tenant": {"charm-name": "consul", "units": None},
            "nova-compute": {"charm-name": "nova-compute", "units": hosts},
        }
    )
    world.deployment.lab.machine = lambda number: SimpleNamespace(id=number)
    world.deployment._site_overlay = lambda: "site.yaml"
    world.deployment.deploy_consul()
    assert world.log[1:] == [
        "add-unit consul-storage --to 4",
        "add-unit consul-tenant --to 1",
        "add-unit consul-tenant --to 4",
        "Consul is awaited",
    ]


def test_the_database_is_where_it_was_made_first_whoever_leads_now() -> None:
    units = {
        f"mysql/{n}": {"machine": f"0/lxd/{n}", "leader": number == 2}
        for number, n in enumerate((3, 4, 5))
    }
    world = World({"mysql": {"units": units}})
    world.deployment.lab.machine = lambda number: number
    bag = {"application-data": {"primary": "mysql/4"}}
    shown = json.dumps({"mysql/3": {"relation-info": [bag]}})
    world.deployment.console.juju = lambda *arguments, show: (
        shown if arguments[:2] == ("show-unit", "mysql/3") else ""
    )
    assert world.deployment.database() == "0/lxd/4"
