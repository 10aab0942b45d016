"""The lab's Pacemaker and the simulation's, side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cluster_lab import LabCluster
from cluster_model import ModelCluster
from jujulab.trials.deployment import SEGMENT, Deployment, have_fourth
from jujulab.trials.trial import Trial
from members import ClusterSide, code, view

Rule = Callable[[ClusterSide], Any]

WINDOW = 30
"""Seconds for which a fenced hypervisor counts towards the fencing limit."""

BACK = 240
"""Seconds in which a node that has power is connected to again."""

CALM = 15
"""Seconds in which a fencing would have begun."""


class Both:
    """The lab and the model, which go through the same."""

    def __init__(self, lab: LabCluster, model: ModelCluster) -> None:
        self.lab = lab
        self.model = model

    def alike(self, rule: Rule) -> Any:
        """Have both do something, and return what both saw."""
        real = self.lab.do(rule)
        modelled = self.model.do(rule)
        print(f"\nPacemaker: {real}\nmodel:     {modelled}")
        assert modelled == real
        return real


@pytest.fixture(scope="module")
def module(demo: Deployment) -> Iterator[Both]:
    """The deployment with a hypervisor whose machine has no member, and no guests."""
    have_fourth(demo)
    options = (f"fencing-limit-window={WINDOW}", "remote-reconnect-interval=20")
    demo.console.juju("config", "masakari", *options)
    nodes = sorted(machine.fqdn for machine in demo.hypervisors())
    found = demo.cloud.get("instance-ha", "/segments")["segments"][0]["uuid"]
    hosts = demo.cloud.get("instance-ha", f"/segments/{found}/hosts")["hosts"]
    if nodes[-1] not in {host["name"] for host in hosts}:
        arguments = (f"segment={SEGMENT}", f"hosts={nodes[-1]}")
        demo.console.run_action("masakari/leader", "add-hosts", *arguments)
    lab = LabCluster(Trial(demo), nodes[-1])
    lab.trial.settle()
    lab.dump_alerts()
    with lab.repairs:
        yield Both(lab, ModelCluster(lab.members, nodes))


@pytest.fixture
def both(module: Both, demo: Deployment) -> Both:
    """Both are whole, and nothing was fenced lately."""
    demo.restore()
    module.lab.trial.settle()
    module.lab.trial.await_calm(WINDOW)

    def whole(side: ClusterSide) -> Any:
        side.wait(lambda: connected(side) and view(side).record == "not fenced", BACK)
        # What had failed is forgotten when somebody readmits a node or cleans up.
        code(side, "crm_resource", "--resource", side.node, "--cleanup")
        side.wait(lambda: view(side).failures == () and connected(side), BACK)
        # The guard takes one that was connected to a moment ago for one that is not lost.
        side.sleep(CALM)
        return view(side)

    module.alike(whole)
    return module


def connected(side: ClusterSide) -> bool:
    """Whether the node is connected and nothing is wrong with it."""
    shown = view(side)
    return shown.role == "Started" and shown.online and not shown.unclean and not shown.failed
