"""Is the host proven dead? The decision that every recovery has to pass.

A host counts as fenced when the cluster's replicated record says so. Pacemaker writes the time of
a confirmed fence into that record, and clears it as soon as it has connected to the host again:
a fence from before the host's return can therefore never count. It must also belong to the
failure that was reported, and the host's compute service must not have been heard of since, which
covers a host that came back without Pacemaker. And it counts once: the recovery that it began
uses it up (see `recovery_record`).

Nothing here knows Masakari or Nova; what they know comes in as `Evidence`.
"""

from __future__ import annotations

import enum
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from masakari_fencing import pacemaker
from masakari_fencing.commands import Runner
from masakari_fencing.recovery_record import Proof, Record

LOG = logging.getLogger(__name__)

CLOCK_TOLERANCE = 10.0
"""Seconds that the clocks of two machines, or a late message, may be off."""

RETURN_TIME = 15.0
"""Seconds after a fence before which no host can have booted again."""

HEALTHY_TIME = 30.0
"""Seconds after which a host that has been healthy all the while need not be recovered: Pacemaker
itself notices a loss several times sooner."""

STARTING = 60.0
"""Seconds since a host's return in which its nova-compute may have yet to report: as long as Nova
goes on believing in one that does not."""

FENCE_RETRY = 5.0
"""Seconds between two attempts to have a host fenced."""

RECORD_DELAY = 10.0
"""Seconds in which the cluster records a fence that it has confirmed: milliseconds, mostly."""

SAME_FENCE = 5.0
"""Seconds by which the times of one fence in the history and in the record may differ at most."""

FRUITLESS = 2
"""How often a host is fenced again that comes back before an instance of it was recovered."""


class Refused(Exception):  # noqa: N818 - a decision, not an accident
    """The host is not proven dead, so nothing may be started elsewhere.

    Attributes:
        host: the host.
        reason: why, in a sentence for the operator.
    """

    def __init__(self, host: str, reason: str) -> None:
        self.host = host
        self.reason = reason
        super().__init__(f"host {host} is not proven dead: {reason}")


class Withdrawn(Exception):  # noqa: N818 - a state, not an accident
    """The host works, and what was reported about it is over; the text says why."""


class CameBack(Exception):  # noqa: N818 - a state, not an accident
    """The host was fenced, and is in service again, before its instances were recovered.

    Attributes:
        fenced: when it was fenced, in seconds since the epoch.
    """

    def __init__(self, host: str, fenced: float) -> None:
        self.fenced = fenced
        super().__init__(f"{host} was fenced at {_clock(fenced)}, and is in service again")


class ComputeUnknown(Exception):  # noqa: N818 - a missing answer
    """Nova or Masakari could not be asked about the host."""


class Verdict(enum.Enum):
    """What follows from one look at the cluster."""

    FENCED = "fenced"
    DONE = "nothing left to recover"
    BACK = "back in service"
    WAIT = "wait"
    FENCE = "fence"
    REFUSE = "refuse"


@dataclass(frozen=True)
class Judgement:
    """A verdict and its reason in words.

    Attributes:
        verdict: what follows.
        reason: from what.
        healthy: the cluster is in touch with the host; nothing but the report speaks against it.
        final: not even an operator who allows recovery without a proof wants it now.
        moment: when the host was fenced that is back, in seconds since the epoch.
    """

    verdict: Verdict
    reason: str
    healthy: bool = False
    final: bool = False
    moment: float = 0.0


@dataclass(frozen=True)
class Policy:
    """What the operator has chosen; see the README for the meaning of each."""

    allow_unfenced_recovery: bool = False
    fence_reported_failed: str = "confirmed"
    fencing_timeout: float = 120
    fence_max_age: float = 600
    poll_interval: float = 0.5
    command_timeout: float = 15
    report_settle: float = 5


@dataclass(frozen=True)
class Report:
    """The notification that asks for the recovery.

    Attributes:
        host: Masakari's name of the host.
        generated: when the failure was noticed, in seconds since the epoch.
    """

    host: str
    generated: float


class Evidence(Protocol):
    """What others than the cluster know about a host."""

    def switched_off(self) -> str | None:
        """Return why the host is neither fenced nor recovered, such as a disabled segment."""

    def compute_seen(self) -> float | None:
        """Return when its compute service was last heard of, in seconds since the epoch.

        None while Nova holds it for down. Raises `ComputeUnknown`. Only asked about a fence that
        is long enough ago for the host to have booted again.
        """

    def in_service(self) -> bool:
        """Whether Nova has instances placed there: enabled, up, not forced down.

        Raises `ComputeUnknown`.
        """

    def excess(self) -> str | None:
        """Return why no host may be fenced now because it was reported failed, or None.

        Asked once the reports about other hosts have had `report_settle` seconds to come in.
        """

    def withdrawn(self) -> str | None:
        """Return why a report about a host that the cluster can reach no longer holds, or None."""

    def confirmed(self) -> bool:
        """Whether anybody still sees what a report about such a host was made for.

        Asked before the report is given up, because the host has been healthy all the time.
        """


@dataclass(frozen=True)
class Observation:
    """All that was seen about one host at one moment.

    Attributes:
        status: the cluster.
        node: the host's node in it.
        now: the moment, in seconds since the epoch.
        fenced: when it was fenced, None when not, or not since its last return.
        connected: when its connection was last made; only looked up where it matters.
        compute_seen: when its compute service was last heard of, None when it counts as down.
        in_service: whether Nova places instances there; only looked up where it matters.
    """

    status: pacemaker.Status
    node: pacemaker.Node
    now: float
    fenced: float | None = None
    connected: float | None = None
    compute_seen: float | None = None
    in_service: bool = False


def judge(seen: Observation, report: Report, record: Record, policy: Policy) -> Judgement:
    """Decide from one observation; no side effects, no waiting."""
    if not seen.status.quorum:
        return Judgement(Verdict.WAIT, "this unit's part of the cluster has no quorum")
    if seen.status.being_fenced(seen.node):
        return Judgement(Verdict.WAIT, "Pacemaker is fencing it, and it is not confirmed yet")
    if seen.node.unclean:
        return Judgement(Verdict.WAIT, "Pacemaker wants to fence it, and has not succeeded yet")
    if seen.fenced is not None:
        return _judge_fenced(seen, seen.fenced, report, record, policy)
    return _judge_unfenced(seen, report, record, policy)


def _judge_fenced(
    seen: Observation, fenced: float, report: Report, record: Record, policy: Policy
) -> Judgement:
    used = _same(fenced, record.used)
    if seen.compute_seen is not None and seen.compute_seen > fenced + CLOCK_TOLERANCE:
        text = "its compute service has reported since it was fenced: it came back"
        if used:
            text += ", without Pacemaker, which does not watch it; start pacemaker_remote there"
            return Judgement(Verdict.REFUSE, text)
        return _came_back(seen, record, policy, text)
    if used:
        text = f"its instances were recovered after this fence, at {_clock(record.recovered)}"
        return Judgement(Verdict.DONE, text)
    resumed = record.proof is not None and _same(fenced, record.proof.fenced)
    age = report.generated - fenced
    if age > policy.fence_max_age and not resumed:
        text = f"its last fence is {age:.0f} s older than the reported failure"
        return _believe(seen, report, policy, text)
    return Judgement(Verdict.FENCED, f"fenced at {_clock(fenced)}")


def _judge_unfenced(
    seen: Observation, report: Report, record: Record, policy: Policy
) -> Judgement:
    connection = seen.status.connection(seen.node.name)
    if connection is not None and connection.stopped_on_purpose:
        # Mostly for a moment: a daemon that is restarted, a package that is upgraded.
        text = "its connection to the cluster is unmanaged, or stopped on purpose"
        return Judgement(Verdict.WAIT, text)
    if seen.status.maintenance_mode or seen.node.maintenance:
        return Judgement(Verdict.REFUSE, "Pacemaker is in maintenance mode and fences nothing")
    if not seen.status.stonith_enabled:
        return Judgement(Verdict.REFUSE, "STONITH is disabled, so Pacemaker fences nothing")
    if not seen.node.online or connection is None or not connection.live:
        return Judgement(Verdict.WAIT, "it is offline, and Pacemaker has not fenced it")
    return _judge_live(seen, report, record, policy)


def _judge_live(seen: Observation, report: Report, record: Record, policy: Policy) -> Judgement:
    """Judge a host that the cluster is in touch with."""
    if record.proof is not None and record.proof.fenced:
        text = "it came back before its instances were recovered"
        return _came_back(seen, record, policy, text)
    if record.recovered and report.generated <= record.recovered + CLOCK_TOLERANCE:
        text = f"it works, and was recovered from this failure at {_clock(record.recovered)}"
        return Judgement(Verdict.DONE, text)
    fence = _fenced_for(seen, report, record, policy)
    if fence is not None:
        text = "it was fenced and came back before its instances were recovered"
        if seen.in_service and (seen.compute_seen or 0.0) > fence + CLOCK_TOLERANCE:
            # It works: its instances are started where they are.
            return Judgement(Verdict.BACK, text, moment=fence)
        if seen.now - fence > policy.fence_max_age:
            return Judgement(Verdict.REFUSE, f"{text}, {seen.now - fence:.0f} s ago{_START}")
        if seen.connected is not None and seen.now - seen.connected < STARTING:
            return Judgement(Verdict.WAIT, f"{text}; its nova-compute may be starting")
        return _again(policy, text)
    judgement = _believe(seen, report, policy, "it is a healthy member of the cluster")
    return replace(judgement, healthy=judgement.verdict is Verdict.WAIT)


_START = "; start those that do not run: openstack server start"


def _came_back(seen: Observation, record: Record, policy: Policy, text: str) -> Judgement:
    """Judge a host that is back although its recovery has not ended."""
    if record.instances is not None and seen.in_service:
        # This recovery had forced its compute service down, so somebody took it back.
        return Judgement(Verdict.REFUSE, f"{text}, and is in service again{_START}")
    if record.fruitless >= FRUITLESS:
        text = f"{text}, {record.fruitless + 1} times in a row; return it with return-host"
        return Judgement(Verdict.REFUSE, text + _START)
    return _again(policy, text)


def _fenced_for(seen: Observation, report: Report, record: Record, policy: Policy) -> float | None:
    """Return the latest fence of the host for what was reported, from the history.

    That is one at the time of the report, or since. An earlier one is, too, where the host has
    connected only after the report: somebody who polls notices late that a host is gone, and saw
    the fenced one. One that a recovery has used up is none.
    """
    fences = [
        fence for fence in _fences(seen) if not record.used or fence > record.used + SAME_FENCE
    ]
    since = report.generated - CLOCK_TOLERANCE
    if seen.connected is not None and seen.connected > since:
        since = report.generated - policy.fence_max_age
    return max((fence for fence in fences if fence >= since), default=None)


def _fences(seen: Observation) -> list[float]:
    """Return when the host was fenced, from the history, which outlasts the host's return."""
    events = seen.status.fencing_of(seen.node.name)
    return [event.completed for event in events if event.confirmed and event.completed is not None]


def _same(first: float, second: float) -> bool:
    """Whether two times are of one fence; 0 is of none."""
    return bool(first and second) and abs(first - second) < SAME_FENCE


def _again(policy: Policy, text: str) -> Judgement:
    """Have it fenced, unless the operator does not want that."""
    if policy.fence_reported_failed == "never":
        return Judgement(Verdict.REFUSE, f"{text}; fence_reported_failed is 'never'")
    return Judgement(Verdict.FENCE, text)


def _believe(seen: Observation, report: Report, policy: Policy, text: str) -> Judgement:
    """Have it fenced only where every report is believed that is newer than its connection."""
    if policy.fence_reported_failed != "always":
        choice = f"fence_reported_failed is '{policy.fence_reported_failed}'"
        return Judgement(Verdict.WAIT, f"{text}; {choice}")
    if seen.connected is not None and seen.connected > report.generated - CLOCK_TOLERANCE:
        return Judgement(Verdict.WAIT, f"{text}, and it has connected since it was reported")
    return Judgement(Verdict.FENCE, text)


def _clock(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(moment))


class HostFence:
    """Waits until a host is proven dead, and has it fenced where that is called for.

    Args:
        runner: runs Pacemaker's commands.
        policy: the operator's choices.
        evidence: what others than the cluster know about the host.
        record: its recovery, as it was taken.
        progress: told every new state in words.
        sleep: waits for so many seconds.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        runner: Runner,
        policy: Policy,
        evidence: Evidence,
        record: Record,
        *,
        progress: Callable[[str], None],
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._runner = runner
        self._policy = policy
        self._evidence = evidence
        self._record = record
        self._progress = progress
        self._sleep = sleep
        self._clock = clock
        self._told = ""
        self._node = ""
        self._settled: float | None = None
        self._next_fence = 0.0
        self._failure = ""
        self._asked = ""

    def ensure(self, report: Report) -> Proof:
        """Return once the host is proven dead.

        Returns:
            the proof.

        Raises:
            Refused: there is no proof, and recovery without one is not allowed.
            Withdrawn: the host works, or was recovered, and need not be.
            CameBack: it works again, and its instances were not recovered.
        """
        begin = healthy_since = self._clock()
        end = begin + self._policy.fencing_timeout
        while True:
            judgement, fenced = self._look(report)
            if judgement.verdict is Verdict.FENCE:
                judgement = self._fence(report, judgement, end)
            if judgement.verdict is Verdict.FENCED:
                return Proof(fenced or 0.0, self._asked or judgement.reason, self._node)
            if judgement.verdict is Verdict.DONE:
                raise Withdrawn(judgement.reason)
            if judgement.verdict is Verdict.BACK:
                raise CameBack(report.host, judgement.moment)
            now = self._clock()
            if not judgement.healthy:
                healthy_since = now
            elif now - healthy_since >= min(HEALTHY_TIME, self._policy.fencing_timeout):
                self._withdraw(report.host, f"{judgement.reason} ({now - healthy_since:.0f} s)")
            # What was fenced on request is recorded, too, be it late.
            last = max(end, self._next_fence + RECORD_DELAY) if self._asked else end
            if judgement.verdict is Verdict.REFUSE or now >= last:
                return self._without_proof(report.host, judgement)
            self._tell(f"Waiting for host '{report.host}' to be fenced: {judgement.reason}")
            self._sleep(self._policy.poll_interval)

    def _withdraw(self, host: str, reason: str) -> None:
        """Give a report up, unless its reason may be one that Pacemaker does not see."""
        policy = self._policy
        if policy.allow_unfenced_recovery or policy.fence_reported_failed == "never":
            return
        if not self._evidence.confirmed():
            raise Withdrawn(f"{host}: {reason}")

    def _without_proof(self, host: str, judgement: Judgement) -> Proof:
        reason = judgement.reason
        if judgement.verdict is not Verdict.REFUSE:
            reason = f"{reason} (waited {self._policy.fencing_timeout:g} s)"
        if not self._policy.allow_unfenced_recovery or judgement.final:
            raise Refused(host, reason)
        LOG.warning("Recovering host %s WITHOUT a proof that it is dead: %s", host, reason)
        how = f"not proven dead ({reason}), but recovery without fencing is allowed"
        return Proof(0.0, how, self._node)

    def _look(self, report: Report) -> tuple[Judgement, float | None]:
        """Return what follows from what is seen now, and the recorded fence."""
        try:
            off = self._evidence.switched_off()
            if off is not None:
                return Judgement(Verdict.REFUSE, off, final=True), None
            return self._judge(report)
        except (pacemaker.PacemakerError, ValueError) as error:
            return Judgement(Verdict.WAIT, f"the cluster cannot be asked: {error}"), None
        except ComputeUnknown as error:
            return Judgement(Verdict.WAIT, f"not everything can be looked up: {error}"), None

    def _judge(self, report: Report) -> tuple[Judgement, float | None]:
        limit = self._policy.command_timeout
        status = pacemaker.status(self._runner, timeout=limit)
        nodes = status.named(report.host)
        if len(nodes) != 1 or nodes[0].kind != "remote":
            found = ", ".join(f"{node.name} ({node.kind})" for node in nodes) or "none"
            text = f"the cluster has no single remote node of that name (found: {found})"
            return Judgement(Verdict.REFUSE, text), None
        name = self._node = nodes[0].name
        record = pacemaker.remote_record(self._runner, name, timeout=limit)
        seen = Observation(status, nodes[0], self._clock(), record.fenced)
        # A host whose fence is on record has not been back: it is not kept waiting for this.
        returned = record.fenced is None and bool(_fences(seen))
        if self._policy.fence_reported_failed == "always" or returned:
            connected = pacemaker.connected_since(self._runner, name, timeout=limit)
            seen = replace(seen, connected=connected)
        if record.fenced is None and (returned or self._record.instances is not None):
            seen = replace(
                seen,
                in_service=self._evidence.in_service(),
                compute_seen=self._evidence.compute_seen(),
            )
        judgement = judge(seen, report, self._record, self._policy)
        if (
            judgement.verdict in (Verdict.FENCED, Verdict.DONE)
            and record.fenced is not None
            and seen.now - record.fenced > RETURN_TIME
        ):
            seen = replace(
                seen,
                compute_seen=self._evidence.compute_seen(),
                in_service=self._evidence.in_service(),
            )
            judgement = judge(seen, report, self._record, self._policy)
        return judgement, record.fenced

    def _fence(self, report: Report, judgement: Judgement, end: float) -> Judgement:
        now, host, why = self._clock(), self._node, judgement.reason
        if now < self._next_fence or (self._asked and now >= end):
            return Judgement(Verdict.WAIT, self._failure)
        self._settled = self._settled or now + self._policy.report_settle
        if now < self._settled:
            return Judgement(Verdict.WAIT, f"{why}; other reports may follow")
        try:
            excess = self._evidence.excess()
        except pacemaker.PacemakerError as error:
            return Judgement(Verdict.WAIT, f"the cluster cannot be asked: {error}")
        if excess is not None:
            return Judgement(Verdict.REFUSE, excess)
        if (reason := self._evidence.withdrawn()) is not None:
            raise Withdrawn(reason)
        # All that has taken its time; nothing is cut off for what was true before.
        judgement, _ = self._look(report)
        if judgement.verdict is not Verdict.FENCE:
            return judgement if judgement.verdict is not Verdict.FENCED else _AGAIN
        self._tell(f"Having Pacemaker fence host '{host}': {why}")
        LOG.warning("Having Pacemaker fence host %s: %s", host, why)
        try:
            pacemaker.fence(self._runner, host, timeout=max(1.0, end - now))
        except (pacemaker.PacemakerError, ValueError) as error:
            self._next_fence = self._clock() + FENCE_RETRY
            self._failure = f"{why}, but it could not be fenced: {error}"
            return Judgement(Verdict.WAIT, self._failure)
        self._asked = f"fenced on request: {why}"
        self._next_fence = self._clock() + FENCE_RETRY
        self._failure = "it is fenced, and the cluster has not recorded it yet"
        return Judgement(Verdict.WAIT, self._failure)

    def _tell(self, text: str) -> None:
        if text != self._told:
            self._told = text
            self._progress(text)


_AGAIN = Judgement(Verdict.WAIT, "it was fenced just now")
