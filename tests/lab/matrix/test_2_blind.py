"""Consul in part or altogether away: nothing is recovered by mistake, and the status says why."""

from __future__ import annotations

import time

import yaml
from jujulab.trials.trial import Trial
from matrix_lab import UNDECIDED, Matrix

FLAP = 8.0
"""Seconds of an outage that the agents may notice, and that is over before the samples agree."""


def service(trial: Trial, host: str, action: str, network: str, part: str) -> None:
    trial.faults.service(trial.machine(host), action, f"consul-{network}-{part}")


def test_a_flap_shorter_than_the_samples_does_nothing(matrix: Matrix) -> None:
    trial = matrix.trial
    host = trial.hypervisors()[1]
    trial.populate(host)
    with trial.watched(f"storage of {host} flaps"):
        for _ in range(3):
            matrix.cut(host, "storage")
            time.sleep(FLAP)
            matrix.mend(host)
            time.sleep(2 * FLAP)
        trial.await_nothing()
    assert not matrix.maintenance()


def test_an_agent_that_leaves_a_healthy_host_costs_it_nothing(matrix: Matrix) -> None:
    trial = matrix.trial
    host, other = trial.hypervisors()[1:3]
    trial.populate(host, other)
    trial.repair(service, trial, host, "start", "storage", "serf")
    trial.repair(service, trial, other, "start", "storage", "serf")
    with trial.watched(f"agents of {host} stopped, of {other} killed"):
        service(trial, host, "stop", "storage", "serf")
        trial.faults.kill(trial.machine(other), "serf agent .*storage")
        service(trial, other, "stop", "storage", "serf")
        trial.await_nothing(UNDECIDED)
    trial.await_status("masakari-monitors", "storage network", f"the agent of {host} is gone")
    assert not matrix.maintenance()


def test_without_the_agent_that_is_asked_nothing_happens_and_it_shows(matrix: Matrix) -> None:
    trial = matrix.trial
    host = trial.hypervisors()[1]
    asked = trial.lab.machine("0")
    trial.populate(host)
    trial.repair(trial.faults.service, asked, "start", "consul-storage-agent")
    with trial.watched("the storage network's Consul is away, and the storage network, too"):
        trial.faults.service(asked, "stop", "consul-storage-agent")
        trial.await_status("masakari-monitors", "storage network", "does not answer")
        matrix.cut(host, "storage")
        trial.await_nothing(UNDECIDED)
    assert not matrix.maintenance()
    matrix.mend(host)


def test_with_several_agents_one_may_be_away(matrix: Matrix) -> None:
    trial = matrix.trial
    host = trial.hypervisors()[1]
    juju = trial.demo.console.juju
    agents = " ".join(
        f"{trial.lab.machine(number).addresses['storage'].ip}:8500" for number in "0123"
    )
    asked = trial.lab.machine("0")
    juju("config", "masakari-monitors", f"consul-storage-agents={agents}")
    trial.repair(juju, "config", "masakari-monitors", "--reset", "consul-storage-agents")
    trial.demo.console.wait_active("several agents", timeout=120)
    trial.populate(host)
    trial.repair(trial.faults.service, asked, "start", "consul-storage-agent")
    with trial.watched(f"an agent is away, and the storage of {host} fails"):
        trial.faults.service(asked, "stop", "consul-storage-agent")
        matrix.cut(host, "storage")
        trial.await_recovery(host)
    trial.verify(host)
    matrix.return_to_duty(host)


def test_members_with_other_names_are_told_of(matrix: Matrix) -> None:
    trial = matrix.trial
    juju = trial.demo.console.juju
    host = trial.hypervisors()[1]
    trial.populate(host)
    juju("config", "consul-storage", "node-names=short")
    trial.repair(trial.demo.console.wait_active, "names", 180)
    trial.repair(juju, "config", "consul-storage", "--reset", "node-names")
    with trial.watched(f"names without a domain, and the storage of {host} fails"):
        short = host.split(".")[0]
        trial.await_status(
            "masakari-monitors",
            "storage network",
            f"calls this host {short}",
            f"node_name to {host}",
        )
        matrix.cut(host, "storage")
        trial.await_nothing(UNDECIDED)
    assert not matrix.maintenance()
    matrix.mend(host)


def test_a_matrix_that_lacks_a_row_is_refused_by_its_name(matrix: Matrix) -> None:
    trial = matrix.trial
    juju = trial.demo.console.juju
    host = trial.hypervisors()[1]
    trial.populate(host)
    rows = [
        {"health": [m, t, s], "action": ["recovery"] if s == "down" else []}
        for m in ("up", "down")
        for t in ("up", "down")
        for s in ("up", "down")
        if (m, t, s) != ("down", "up", "down")
    ]
    text = yaml.safe_dump({"sequence": ["manage", "tenant", "storage"], "matrix": rows})
    juju("config", "masakari-monitors", f"network-matrix={text}", show=False)
    trial.repair(trial.demo.console.wait_active, "the default matrix", 120)
    trial.repair(juju, "config", "masakari-monitors", "--reset", "network-matrix")
    with trial.watched("a matrix without a row for management and storage down"):
        trial.await_status(
            "masakari-monitors", "network-matrix: the row for manage down, tenant up, storage down"
        )
        trial.await_nothing()
    assert not matrix.maintenance()
