"""A trial of the network matrix: networks of a hypervisor are cut, and Masakari is asked."""

from __future__ import annotations

import json
from typing import Any

from jujulab.trials.trial import Trial
from jujulab.waiting import poll

SPACES = {"manage": "internal", "tenant": "tenant", "storage": "storage"}
"""The lab's space of each of Masakari's networks."""

WITNESS = 8509

UNDECIDED = 45.0
"""Seconds in which a recovery without cause would have begun: the samples take 10, and Serf needs
at most 25 to give up a member when hardly anybody is left to agree with."""


class Matrix:
    """What the tests of the matrix ask and do, around a trial.

    Args:
        trial: guests, faults and the judgement.
    """

    def __init__(self, trial: Trial) -> None:
        self.trial = trial

    def cut(self, host: str, *networks: str) -> None:
        """Cut networks of a hypervisor, but not of the cluster member on its machine."""
        spaces = [SPACES[name] for name in networks]
        self.trial.faults.cut(self.trial.machine(host), *spaces, containers=False)

    def mend(self, host: str) -> None:
        """Plug everything in again."""
        self.trial.faults.restore(self.trial.machine(host))

    def networks(self, host: str) -> dict[str, Any]:
        """Return what the witness on a hypervisor says about the networks."""
        command = ["curl", "-s", "-m", "20", f"http://127.0.0.1:{WITNESS}/v1/networks"]
        reply = self.trial.machine(host).run(command, check=False, timeout=30)
        return dict(json.loads(reply.stdout or "{}"))

    def settle(self, timeout: float = 120) -> None:
        """Wait until every witness sees all hypervisors in all networks, with their agents."""
        hosts = self.trial.hypervisors()

        def complete() -> bool:
            views = [view for host in hosts for view in self.networks(host).values()]
            return len(views) == 3 * len(hosts) and all(
                set(hosts) <= set(view["members"]) and not view["silent"] and not view["problems"]
                for view in views
            )

        assert poll(complete, timeout, 1), {host: self.networks(host) for host in hosts}

    def maintenance(self) -> set[str]:
        """Return the hosts that Masakari has put into maintenance."""
        segments = self.trial.cloud.get("instance-ha", "/segments")["segments"]
        found = [
            host
            for segment in segments
            for host in self.trial.cloud.get("instance-ha", f"/segments/{segment['uuid']}/hosts")[
                "hosts"
            ]
        ]
        return {host["name"] for host in found if host["on_maintenance"]}

    def await_maintenance(self, *hosts: str, timeout: float = 120) -> None:
        """Wait until exactly these hosts are in maintenance."""
        assert poll(lambda: self.maintenance() == set(hosts), timeout, 1), self.maintenance()

    def return_to_duty(self, *hosts: str) -> None:
        """Mend and run `return-host`, as an operator does."""
        for host in hosts:
            self.mend(host)
        self.trial.settle()
        for host in hosts:
            # Behind the hooks that the recovery of the networks has brought.
            arguments = ("return-host", f"host={host}", "--wait=5m")
            self.trial.demo.console.run_action("masakari/leader", *arguments)
        services = self.trial.cloud.compute_services()
        able = {s["host"] for s in services if (s["state"], s["status"]) == ("up", "enabled")}
        assert set(hosts) <= able
        assert not self.maintenance() & set(hosts)
