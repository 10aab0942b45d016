"""Is the host proven dead? The decision that every recovery has to pass.

A host counts as fenced when the cluster's replicated record says so. Pacemaker writes the time of
a confirmed fence into that record, and clears it as soon as it has connected to the host again:
a fence from before the host's return can therefore never count. It must also belong to the
failure that was reported, and the host's compute service must not have been heard of since, which
covers a host that came back without Pacemaker.

Nothing here knows Masakari or Nova; the tasks hand in what they know.
"""

from __future__ import annotations

import enum
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from masakari_fencing import pacemaker
from masakari_fencing.commands import Runner

LOG = logging.getLogger(__name__)

CLOCK_TOLERANCE = 10.0
"""Seconds that the clocks of two machines, or a late message, may be off."""

RETURN_TIME = 15.0
"""Seconds after a fence before which no host can have booted again."""

HEALTHY_TIME = 30.0
"""Seconds after which a host that has been healthy all the while need not be recovered: Pacemaker
itself notices a loss several times sooner."""

FENCE_RETRY = 5.0
"""Seconds between two attempts to have a host fenced."""


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


class ComputeUnknown(Exception):  # noqa: N818 - a missing answer
    """Nova could not be asked about a compute service."""


class Verdict(enum.Enum):
    """What follows from one look at the cluster."""

    FENCED = "fenced"
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
    """

    verdict: Verdict
    reason: str
    healthy: bool = False


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
        cluster_status: `OFFLINE` or `ONLINE`: whether the reporter saw the host in the cluster.
    """

    host: str
    generated: float
    cluster_status: str = "OFFLINE"


@dataclass(frozen=True)
class Observation:
    """All that was seen about one host at one moment.

    Attributes:
        status: the cluster.
        node: the host's node in it.
        fenced: when it was fenced, None when not, or not since its last return.
        connected: when its connection was last made; only looked up where it matters.
        compute_seen: when its compute service was last heard of, None when it counts as down.
        recovered: when another recovery of its guests last ended; only looked up where it matters.
    """

    status: pacemaker.Status
    node: pacemaker.Node
    fenced: float | None = None
    connected: float | None = None
    compute_seen: float | None = None
    recovered: float | None = None


def judge(seen: Observation, report: Report, policy: Policy) -> Judgement:
    """Decide from one observation; no side effects, no waiting."""
    if not seen.status.quorum:
        return Judgement(Verdict.WAIT, "this unit's part of the cluster has no quorum")
    if seen.status.being_fenced(seen.node):
        return Judgement(Verdict.WAIT, "Pacemaker is fencing it, and it is not confirmed yet")
    if seen.node.unclean:
        return Judgement(Verdict.WAIT, "Pacemaker wants to fence it, and has not succeeded yet")
    if seen.fenced is not None:
        return _judge_fenced(seen, seen.fenced, report, policy)
    return _judge_unfenced(seen, report, policy)


def _judge_fenced(seen: Observation, fenced: float, report: Report, policy: Policy) -> Judgement:
    age = report.generated - fenced
    if age > policy.fence_max_age:
        text = f"its last fence is {age:.0f} s older than the reported failure"
        return _believe(seen, report, policy, text)
    if seen.compute_seen is not None and seen.compute_seen > fenced + CLOCK_TOLERANCE:
        text = "its compute service has reported since it was fenced: it came back"
        return _again(policy, text)
    return Judgement(Verdict.FENCED, f"fenced at {_clock(fenced)}")


def _judge_unfenced(seen: Observation, report: Report, policy: Policy) -> Judgement:
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
    if report.cluster_status == "ONLINE":
        return _again(policy, "it is in the cluster and reported failed")
    if _fenced_for(seen, report, policy):
        return _again(policy, "it was fenced and came back before its guests were recovered")
    judgement = _believe(seen, report, policy, "it is a healthy member of the cluster")
    return replace(judgement, healthy=judgement.verdict is Verdict.WAIT)


def _fenced_for(seen: Observation, report: Report, policy: Policy) -> bool:
    """Whether the history has a fence of the host for what was reported.

    That is one at the time of the report, or since. An earlier one is, too, where the host has
    connected only after the report: somebody who polls notices late that a host is gone, and saw
    the fenced one. Where another recovery has ended since, the host was fenced for that.
    """
    fences = _fences(seen)
    since = report.generated - CLOCK_TOLERANCE
    if any(fence >= since for fence in fences):
        return True
    if seen.connected is None or seen.connected <= since:
        return False
    first = max(report.generated - policy.fence_max_age, seen.recovered or 0.0)
    return any(fence >= first for fence in fences)


def _fences(seen: Observation) -> list[float]:
    """Return when the host was fenced, from the history, which outlasts the host's return."""
    events = seen.status.fencing_of(seen.node.name)
    return [event.completed for event in events if event.confirmed and event.completed is not None]


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
        compute_seen: returns when the host's compute service was last heard of, in seconds since
            the epoch, or None while Nova holds it for down; raises ComputeUnknown. Only asked
            about a fence that is long enough ago for the host to have booted again.
        progress: told every new state in words.
        excess: returns why no host may be fenced now because it was reported failed, or None;
            asked once the reports about other hosts have had `report_settle` seconds to come in.
            Without it there is no limit.
        withdrawn: returns why a report about a host that the cluster can reach no longer holds,
            or None; asked just before such a host is fenced.
        recovered: returns when another recovery of the host's guests last ended, in seconds since
            the epoch, or None; asked before a host is fenced that the cluster can reach.
        confirmed: whether anybody still sees what a report about such a host was made for; asked
            before the report is given up, because the host has been healthy all the time.
        sleep: waits for so many seconds.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        runner: Runner,
        policy: Policy,
        *,
        compute_seen: Callable[[], float | None],
        progress: Callable[[str], None],
        excess: Callable[[], str | None] | None = None,
        withdrawn: Callable[[], str | None] = lambda: None,
        recovered: Callable[[], float | None] = lambda: None,
        confirmed: Callable[[], bool] = lambda: False,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._runner = runner
        self._policy = policy
        self._compute_seen = compute_seen
        self._progress = progress
        self._excess = excess
        self._withdrawn = withdrawn
        self._recovered = recovered
        self._confirmed = confirmed
        self._sleep = sleep
        self._clock = clock
        self._told = ""
        self._node = ""
        self._settled: float | None = None
        self._next_fence = 0.0
        self._failure = ""

    def ensure(self, report: Report) -> str:
        """Return once the host is proven dead.

        Returns:
            the proof in words, or why none was needed.

        Raises:
            Refused: there is no proof, and recovery without one is not allowed.
            Withdrawn: the host works, and need not be recovered.
        """
        begin = healthy_since = self._clock()
        end = begin + self._policy.fencing_timeout
        while True:
            judgement = self._look(report)
            if judgement.verdict is Verdict.FENCE:
                judgement = self._fence(judgement.reason, end)
            if judgement.verdict is Verdict.FENCED:
                return judgement.reason
            now = self._clock()
            if not judgement.healthy:
                healthy_since = now
            elif now - healthy_since >= min(HEALTHY_TIME, self._policy.fencing_timeout):
                self._withdraw(report.host, f"{judgement.reason} ({now - healthy_since:.0f} s)")
            if judgement.verdict is Verdict.REFUSE or now >= end:
                return self._without_proof(report.host, judgement)
            self._tell(f"Waiting for host '{report.host}' to be fenced: {judgement.reason}")
            self._sleep(self._policy.poll_interval)

    def _withdraw(self, host: str, reason: str) -> None:
        """Give a report up, unless its reason may be one that Pacemaker does not see."""
        policy = self._policy
        if policy.allow_unfenced_recovery or policy.fence_reported_failed == "never":
            return
        if not self._confirmed():
            raise Withdrawn(f"{host}: {reason}")

    def _without_proof(self, host: str, judgement: Judgement) -> str:
        reason = judgement.reason
        if judgement.verdict is not Verdict.REFUSE:
            reason = f"{reason} (waited {self._policy.fencing_timeout:g} s)"
        if not self._policy.allow_unfenced_recovery:
            raise Refused(host, reason)
        LOG.warning("Recovering host %s WITHOUT a proof that it is dead: %s", host, reason)
        return f"not proven dead ({reason}), but recovery without fencing is allowed"

    def _look(self, report: Report) -> Judgement:
        try:
            return self._judge(report)
        except (pacemaker.PacemakerError, ValueError) as error:
            return Judgement(Verdict.WAIT, f"the cluster cannot be asked: {error}")
        except ComputeUnknown as error:
            return Judgement(Verdict.WAIT, f"its compute service cannot be looked up: {error}")

    def _judge(self, report: Report) -> Judgement:
        limit = self._policy.command_timeout
        status = pacemaker.status(self._runner, timeout=limit)
        nodes = status.named(report.host)
        if len(nodes) != 1 or nodes[0].kind != "remote":
            found = ", ".join(f"{node.name} ({node.kind})" for node in nodes) or "none"
            text = f"the cluster has no single remote node of that name (found: {found})"
            return Judgement(Verdict.REFUSE, text)
        name = self._node = nodes[0].name
        record = pacemaker.remote_record(self._runner, name, timeout=limit)
        seen = Observation(status, nodes[0], record.fenced)
        # A host whose fence is on record has not been back: it is not kept waiting for this.
        returned = record.fenced is None and bool(_fences(seen))
        if self._policy.fence_reported_failed == "always" or returned:
            connected = pacemaker.connected_since(self._runner, name, timeout=limit)
            seen = replace(seen, connected=connected)
        judgement = judge(seen, report, self._policy)
        if (
            judgement.verdict is Verdict.FENCED
            and record.fenced is not None
            and self._clock() - record.fenced > RETURN_TIME
        ):
            seen = replace(seen, compute_seen=self._compute_seen())
            judgement = judge(seen, report, self._policy)
        if judgement.verdict is Verdict.FENCE and returned:
            judgement = judge(replace(seen, recovered=self._recovered()), report, self._policy)
        return judgement

    def _fence(self, why: str, end: float) -> Judgement:
        now, host = self._clock(), self._node
        if now < self._next_fence:
            return Judgement(Verdict.WAIT, self._failure)
        if self._excess is not None:
            self._settled = self._settled or now + self._policy.report_settle
            if now < self._settled:
                return Judgement(Verdict.WAIT, f"{why}; other reports may follow")
            if (reason := self._excess()) is not None:
                return Judgement(Verdict.REFUSE, reason)
        if (reason := self._withdrawn()) is not None:
            raise Withdrawn(reason)
        self._tell(f"Having Pacemaker fence host '{host}': {why}")
        LOG.warning("Having Pacemaker fence host %s: %s", host, why)
        try:
            pacemaker.fence(self._runner, host, timeout=max(1.0, end - now))
        except (pacemaker.PacemakerError, ValueError) as error:
            self._next_fence = self._clock() + FENCE_RETRY
            self._failure = f"{why}, but it could not be fenced: {error}"
            return Judgement(Verdict.WAIT, self._failure)
        return Judgement(Verdict.FENCED, f"fenced on request: {why}")

    def _tell(self, text: str) -> None:
        if text != self._told:
            self._told = text
            self._progress(text)
