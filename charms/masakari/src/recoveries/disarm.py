"""Where nothing is fenced or recovered for a while, as the cluster's configuration says."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from instance_ha_common.juju.problems import Problem, blocked
from instance_ha_common.machine.awaited import AGAIN
from instance_ha_common.machine.host import Host
from masakari_fencing import times
from masakari_fencing.pacemaker import crm_mon
from masakari_fencing.pacemaker.tools import PacemakerError
from masakari_fencing.records import disarmed

if TYPE_CHECKING:
    from masakari_fencing.records.disarmed import Disarmed, Left

logger = logging.getLogger(__name__)

_CLOCK_TOLERANCE = 10.0  # seconds that the clocks of two units may differ


class Disarm:
    """What an operator has disarmed, and what failed meanwhile.

    All of it is in the cluster's configuration, so every unit says and does the same.
    """

    def __init__(self, host: Host, clock: Callable[[], float] = time.time) -> None:
        self._runner = host.runner
        self._clock = clock

    def begin(
        self, scope: str, segment: str, hosts: Sequence[str], seconds: float, reason: str
    ) -> Disarmed:
        """Disarm a part of the cloud, whatever was said for it before.

        Args:
            scope: the segment's UUID, or `disarmed.CLOUD`.
            segment: the segment's name; empty for the whole cloud.
            hosts: its hosts; none for the whole cloud.
            seconds: for so long.
            reason: in the operator's words.

        Raises:
            PacemakerError: the cluster does not answer, or refuses.
        """
        if not crm_mon.status(self._runner).quorum:
            raise PacemakerError("this unit's part of the cluster has no quorum")
        now = self._clock()
        wanted = disarmed.Disarmed(scope, segment, tuple(hosts), now, now + seconds, reason)
        disarmed.disarm(self._runner, wanted)
        return wanted

    def end(self, scope: str | None) -> list[Disarmed]:
        """Arm a part again, all for None; return what was said of it, in force or over.

        Raises:
            PacemakerError: the cluster does not answer, or refuses.
        """
        found = disarmed.all_of(disarmed.read(self._runner))
        ended = [one for one in found if scope in (None, one.scope)]
        disarmed.arm(self._runner, [one.scope for one in ended])
        return ended

    def goes_on(self, part: Disarmed) -> bool:
        """Whether that is not over by itself."""
        return self._clock() < part.until

    def in_force(self, hypervisor: str | None = None) -> Disarmed | None:
        """What keeps a hypervisor, or any, from being fenced and recovered now.

        Raises:
            PacemakerError: the cluster does not answer.
        """
        return disarmed.in_force(disarmed.read(self._runner), hypervisor, self._clock())

    def left(self) -> list[Left]:
        """What failed meanwhile, and what nobody has seen to since.

        Raises:
            PacemakerError: the cluster does not answer.
        """
        return disarmed.left(disarmed.read(self._runner))

    def busy(self) -> tuple[list[str], list[str]]:
        """The hypervisors that are lost, and those that are being fenced now.

        Raises:
            PacemakerError: the cluster does not answer.
        """
        status = crm_mon.status(self._runner)
        fenced = [node.name for node in status.remotes if status.being_fenced(node)]
        return [node.name for node in status.remotes if node.unclean], fenced

    def recover(self, entry: Left) -> tuple[bool, bool]:
        """Have one that failed meanwhile be fenced and recovered, as if it failed now.

        Pacemaker wants to fence it all the while, and is let do so; a recovery that was refused
        is begun again. Where it works again, its recovery finds that there is nothing to do.

        Returns:
            Whether the cluster is connected to it, and whether its recovery is begun again.

        Raises:
            PacemakerError: the cluster does not answer, or refuses.
        """
        from masakari_fencing.records.recoveries import Records, Superseded
        from masakari_fencing.records.recovery import REFUSED

        store = Records(self._runner)
        record, again = store.read(entry.node), False
        end = None if record is None else record.end
        if record is not None and end is not None and end.outcome == REFUSED:
            again = end.time >= entry.lost - _CLOCK_TOLERANCE
        if record is not None and again:
            try:
                # Open, and nobody's: the notifier has it begun again, once it may be.
                store.write(record, dataclasses.replace(record, end=None, engine=""))
            except Superseded as error:
                raise PacemakerError(str(error)) from None
        works = crm_mon.status(self._runner).works(entry.node)
        disarmed.forget(self._runner, entry)
        return works, again

    def returned(self, hypervisor: str) -> None:
        """The operator has taken a hypervisor back: that it failed then does not matter now."""
        try:
            entry = disarmed.left_of(disarmed.read(self._runner), hypervisor)
            if entry is not None:
                disarmed.forget(self._runner, entry)
        except PacemakerError as error:
            logger.warning("what failed while disarmed cannot be looked up: %s", error)

    def status(self) -> tuple[list[Problem], list[str]]:
        """What the leader's status says: what is left to do, and what is only to be known.

        Raises:
            PacemakerError: the cluster does not answer.
        """
        said, now = disarmed.read(self._runner), self._clock()
        problems, notes = [], []
        for one in disarmed.all_of(said):
            if now < one.until:
                notes.append(f"{one}, {_left_of(one.until - now)} left")
        for entry in disarmed.left(said):
            if entry.back:
                notes.append(
                    f"{entry.node} was lost while disarmed and is back: see that its instances"
                    f" run, then run recover-host host={entry.node}"
                )
                continue
            what = "reported failed" if entry.reported else "lost"
            cure = f"to have it recovered, run recover-host host={entry.node}; if it answers"
            cure += " again, it is taken back unfenced"
            if disarmed.in_force(said, entry.node, now):
                cure = f"nothing is done until arm is run; then, {cure}"
            moment = times.day_time(entry.lost)
            text = f"{entry.node}: {what} at {moment} while disarmed, and left alone ({cure})"
            problems.append(blocked(text, AGAIN))
        return problems, notes


def _left_of(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
