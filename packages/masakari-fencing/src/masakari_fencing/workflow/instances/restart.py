"""Having an instance run where it is, on a host that is back in service.

What somebody else has done with it since its host was fenced is left as it is: what Nova does by
itself has no user, and what a recovery does has its own.
"""

from __future__ import annotations

from typing import Any

from masakari_fencing.openstack import evacuations, instances
from masakari_fencing.openstack.instances import POWERING, TASK
from masakari_fencing.workflow.instances import selection
from masakari_fencing.workflow.instances.evacuation import Evacuation, wanted
from masakari_fencing.workflow.instances.requests import Failed, may_run

AT_REST = 10.0
"""Seconds in which Nova stops an instance that its host does not run, as it does with each when it
is back. A stop that is on its way would end what is started meanwhile."""


_STATES = {"stop": "stopped", "start": "active", "reboot": "active"}
"""What an instance is wanted to be once somebody has asked Nova for this."""


class Restart(Evacuation):
    """One instance; see `Evacuation` for the arguments."""

    def run_here(self, since: float, fenced: float, own: str | None) -> str:
        """Have it as it was, unless somebody else has seen to it.

        Args:
            since: when its host was fenced first, in seconds since the epoch.
            fenced: when it was fenced last: what was done before has an end by that; 0: nobody
                knows.
            own: the user of what recoveries do.

        Returns:
            the host that it is on, empty where its owner has deleted it.

        Raises:
            Failed: it is not as it was.
            Exception: whatever `check` raises.
        """
        server = self._get()
        if server is None or not self._is_here(server):
            return self.run(fresh=False)
        actions = self._request(lambda nova: selection.deeds(nova, self._uuid))
        touched, touch = selection.last_touch(actions, since, own)
        # Attempts to evacuate it have left it so, and nobody has seen to that.
        broken = getattr(server, instances.STATE, "") == "error"
        seen_to = touch and touched >= fenced and not broken
        # That alone says that it runs nowhere else: another may have looked at it.
        started = seen_to and _STATES.get(touch) == "active"
        if not started and self._goes_on(server):
            raise Failed("its evacuation goes on")
        if not started and (left_at := self._left_at(server)):
            raise Failed(may_run(left_at))
        if started:
            self._unlock(server)
        else:
            self.release(over=True)
        if seen_to:
            return self._host
        goal = _STATES.get(touch) or wanted(self._before)
        server = self._at_rest()
        if server is None:
            return ""
        if goal == "active":
            if self._request(lambda n: evacuations.is_unended(n, self._host, self._uuid)):
                text = "Nova has no end on record of an evacuation of it, and the next start of"
                cure = f"restart that on {self._host} before it is started there"
                raise Failed(f"{text} nova-compute would end it: {cure}")
            self._restart(server)
        else:
            self._keep_down(server, goal, broken=broken)
        return self._host

    def _at_rest(self) -> Any:
        """Return the instance once Nova has done what it was told last, or has lost that."""
        end = self._clock() + AT_REST
        while True:
            server = self._get()
            if getattr(server, TASK, None) not in POWERING or self._clock() >= end:
                return server
            self._sleep(self._limits.interval)

    def _restart(self, server: Any) -> None:
        state, task = getattr(server, instances.STATE, ""), getattr(server, TASK, None)
        if state == "stopped" and not task:
            self._power(server, "start", "active")
            return
        if state == "resized" or task:
            # Nova reboots none; Masakari does the same before it restarts one.
            self._order(self._call_active)
        # Nova takes it for running, and has not looked yet.
        self._order(self._start)
        self._await_power("start", "active")

    def _keep_down(self, server: Any, goal: str, *, broken: bool) -> None:
        # What was asked for was lost, and as long as it has a task nobody can do anything; nor can
        # anybody with one that is paused, without a process.
        stuck = getattr(server, TASK, None) or getattr(server, instances.STATE, "") == "paused"
        if stuck:
            self._order(self._call_error)
        if goal == "stopped" and (stuck or broken):
            self._order(self._stop)
            self._await_power("stop", goal)
