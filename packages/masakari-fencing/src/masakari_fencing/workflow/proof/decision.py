"""Is the host proven dead? The decision that every recovery has to pass.

A host counts as fenced when the cluster's replicated record says so. Pacemaker writes the time of
a confirmed fence into that record, and clears it as soon as it has connected to the host again:
a fence from before the host's return can therefore never count. It must also belong to the
failure that was reported, and the host's compute service must not have been heard of since, which
covers a host that came back without Pacemaker. And it counts once: the recovery that it began
uses it up (see `records.recovery`).

Nothing here knows Masakari or Nova; what they know comes in as `Evidence`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from masakari_fencing.pacemaker import crm_mon
from masakari_fencing.records.recovery import (
    FRUITLESS,
    Record,
    lacks_room,
    same_fence,
)
from masakari_fencing.times import day_time

CLOCK_TOLERANCE = 10.0
"""Seconds that the clocks of two machines, or a late message, may be off."""

RETURN_TIME = 15.0
"""Seconds after a fence before which no host can have booted again."""

STARTING = 60.0
"""Seconds since a host's return in which its nova-compute may have yet to report: as long as Nova
goes on believing in one that does not. Those in which no other reports, either, do not count:
without Nova's broker, conductor or database none can."""


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
        since: the same of its first fence that no recovery followed: its instances are down since.
        reported: only the report says so, which may be one of many about what is no failure.
        unknown: not everything could be looked up.
        storage: it is cut off from its storage, which proves it dead for what is kept there only.
        late: its fence is on record, and counts where it cannot be fenced again.
        elsewhere: it is back, and none of its instances is on it any more.
    """

    verdict: Verdict
    reason: str
    healthy: bool = False
    final: bool = False
    moment: float = 0.0
    since: float = 0.0
    reported: bool = False
    unknown: bool = False
    storage: bool = False
    late: bool = False
    elsewhere: bool = False


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


@dataclass(frozen=True)
class Observation:
    """All that was seen about one host at one moment.

    Attributes:
        status: the cluster.
        node: the host's node in it.
        now: the moment, in seconds since the epoch.
        fenced: when it was fenced, None when not, or not since its last return.
        connected: when its connection was last made; only looked up where it matters.
        compute_seen: since when at the earliest its compute service may have been silent, None
            when it counts as down.
        compute_changed: when Nova's record of it was changed last, by a report or by an operator.
        compute_last: the same where it counts as down, and nobody has forced it down.
        in_service: whether Nova places instances there; only looked up where it matters.
        cut_off: since when it is known to be cut off from its storage; only looked up where it is
            lost, and not fenced.
        quorate: since when this member has had quorum without a break; None: nobody says.
        others_heard: since when the nova-computes of other hosts have been heard of without a
            break; None where they are not, or it is not looked up.
    """

    status: crm_mon.Status
    node: crm_mon.Node
    now: float
    fenced: float | None = None
    connected: float | None = None
    compute_seen: float | None = None
    compute_changed: float | None = None
    compute_last: float | None = None
    in_service: bool = False
    cut_off: float | None = None
    quorate: float | None = None
    others_heard: float | None = None


def judge(seen: Observation, report: Report, record: Record, policy: Policy) -> Judgement:
    """Decide from one observation; no side effects, no waiting."""
    if not seen.status.quorum:
        return Judgement(Verdict.WAIT, "this unit's part of the cluster has no quorum")
    if seen.cut_off is not None:
        return _judge_cut_off(seen.cut_off, record)
    if seen.status.being_fenced(seen.node) and not _by_word(seen):
        return Judgement(Verdict.WAIT, "Pacemaker is fencing it, and it is not confirmed yet")
    if seen.node.unclean:
        return Judgement(Verdict.WAIT, "Pacemaker wants to fence it, and has not succeeded yet")
    if seen.fenced is not None:
        return _judge_fenced(seen, seen.fenced, report, record, policy)
    return _judge_unfenced(seen, report, record, policy)


def awaits_fence(seen: Observation) -> bool:
    """Whether a host is lost, and its power not yet confirmed to be off."""
    pending = seen.node.unclean or seen.status.being_fenced(seen.node)
    return pending and seen.fenced is None


def _judge_cut_off(since: float, record: Record) -> Judgement:
    """Judge a host whose instances can write to none of the disks that matter.

    It may run on, and so may its compute service: what that reports says nothing.
    """
    if same_fence(since, record.used):
        text = f"its instances were recovered since, at {day_time(record.recovered)}"
        return Judgement(Verdict.DONE, text)
    text = f"cut off from its storage at {day_time(since)}, its power is not confirmed off"
    return Judgement(Verdict.FENCED, text, storage=True)


def _judge_fenced(
    seen: Observation, fenced: float, report: Report, record: Record, policy: Policy
) -> Judgement:
    used = same_fence(fenced, record.used)
    if _reports(seen, fenced):
        text = "its compute service has reported since it was fenced: it came back"
        if used:
            text += ", without Pacemaker, which does not watch it; start pacemaker_remote there"
            return Judgement(Verdict.REFUSE, text)
        return _came_back(seen, record, policy, text)
    if _may_report(seen, fenced):
        return _DOUBTFUL
    if (seen.compute_last or 0.0) > fenced + CLOCK_TOLERANCE:
        # Pacemaker has not connected to it since, so it does not know. It may only be cut off.
        return _again(policy, "it was in service again since it was fenced, and is not any more")
    if used:
        text = f"its instances were recovered after this fence, at {day_time(record.recovered)}"
        return Judgement(Verdict.DONE, text)
    resumed = record.proof is not None and same_fence(fenced, record.proof.fenced)
    age = report.generated - fenced
    if age > policy.fence_max_age and not resumed:
        text = f"its last fence is {age:.0f} s older than the reported failure"
        return _believe(seen, report, policy, text)
    if _by_word(seen):
        return Judgement(Verdict.FENCED, f"confirmed dead by an operator at {day_time(fenced)}")
    if _is_late(seen, fenced, record, policy):
        text = f"it was restarted at {day_time(fenced)}, and may have been back without quorum"
        return Judgement(Verdict.FENCE, text, late=True)
    return Judgement(Verdict.FENCED, f"fenced at {day_time(fenced)}")


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
    if record.down:
        # Never fenced for what it was taken back from; it may have been once more since.
        text = "it was taken back before its instances were recovered"
        later = [fence for fence in _unused(seen, record) if fence > record.down]
        moment = max([*later, record.used])
        if _reports(seen, max([*later, record.down])):
            return Judgement(Verdict.BACK, text, moment=moment, since=record.down)
        text += "; its nova-compute does not report yet"
        return Judgement(Verdict.WAIT, text, unknown=True)
    if record.proof is not None and record.proof.fenced:
        text = "it came back before its instances were recovered"
        return _came_back(seen, record, policy, text)
    fence = _fenced_for(seen, report, record, policy)
    if fence is not None:
        return _judge_returned(seen, record, policy, fence)
    if record.recovered and report.generated <= record.recovered + CLOCK_TOLERANCE:
        text = f"it works, and was recovered from this failure at {day_time(record.recovered)}"
        return Judgement(Verdict.DONE, text)
    judgement = _believe(seen, report, policy, "it is a healthy member of the cluster")
    return replace(judgement, healthy=judgement.verdict is Verdict.WAIT)


def _judge_returned(seen: Observation, record: Record, policy: Policy, fence: float) -> Judgement:
    """Judge a host that is back, and of whose fence no recovery has made use."""
    text = "it was fenced and came back before its instances were recovered"
    if seen.in_service and _reports(seen, fence):
        # It works: its instances are started where they are.
        since = _down_since(seen, record, policy, fence)
        return Judgement(Verdict.BACK, text, moment=fence, since=since)
    if seen.in_service and _may_report(seen, fence):
        return _DOUBTFUL
    if seen.others_heard is None:
        text += "; its nova-compute may be starting, and those of the other hosts are silent, too:"
        text += " see to Nova's broker, or to these hosts"
        return Judgement(Verdict.WAIT, text, unknown=True)
    if seen.now - max(seen.connected or 0.0, seen.others_heard) < STARTING:
        text += "; its nova-compute may be starting"
        return Judgement(Verdict.WAIT, text, unknown=True)
    if seen.now - fence > policy.fence_max_age:
        return Judgement(Verdict.REFUSE, f"{text}, {seen.now - fence:.0f} s ago{_START}")
    return _again(policy, text)


_START = "; start those that do not run: openstack server start"


def _came_back(seen: Observation, record: Record, policy: Policy, text: str) -> Judgement:
    """Judge a host that is back although its recovery has not ended."""
    # What began the recovery need not be its last fence: it may have died once more since.
    proven = record.proof.fenced if record.proof else 0.0
    fenced = seen.fenced or max([*_unused(seen, record), proven])
    if seen.in_service and fenced and _reports(seen, fenced):
        # Somebody took it back, or Nova could not be asked to force it down: its instances are
        # started where they are. But if it died again before Pacemaker watches it, nobody would
        # notice.
        if seen.fenced is not None:
            text += ", and Pacemaker is not connected to it yet: pacemaker_remote must run there"
            return Judgement(Verdict.WAIT, text, unknown=True)
        since = _down_since(seen, record, policy, fenced)
        return Judgement(Verdict.BACK, text, moment=fenced, since=since)
    if seen.in_service and record.instances is not None:
        # This recovery had forced it down, so somebody has taken it back.
        return _DOUBTFUL
    if seen.in_service and fenced and _may_report(seen, fenced):
        return _DOUBTFUL
    if record.fruitless >= FRUITLESS:
        text += ", and is not fenced for that again; return it with return-host, which starts what"
        text += " it does not run"
        return Judgement(Verdict.REFUSE, text)
    return _again(policy, text)


def _reports(seen: Observation, fence: float) -> bool:
    """Whether its compute service has reported since a fence, for certain."""
    return (seen.compute_seen or 0.0) > fence + CLOCK_TOLERANCE


def _may_report(seen: Observation, fence: float) -> bool:
    """Whether it has, or an operator has enabled or disabled it: the next minute will tell."""
    return (seen.compute_changed or 0.0) > fence + CLOCK_TOLERANCE


_DOUBTFUL = Judgement(
    Verdict.WAIT, "its compute service may have reported since it was fenced", unknown=True
)


def _fenced_for(seen: Observation, report: Report, record: Record, policy: Policy) -> float | None:
    """Return the latest fence of the host for what was reported, from the history.

    That is one at the time of the report, or since. An earlier one is, too, where the host has
    connected only after the report: somebody who polls notices late that a host is gone, and saw
    the fenced one. One that a recovery has used up is none.
    """
    found = _unused(seen, record)
    since = report.generated - CLOCK_TOLERANCE
    if seen.connected is not None and seen.connected > since:
        since = report.generated - policy.fence_max_age
    return max((fence for fence in found if fence >= since), default=None)


def _down_since(seen: Observation, record: Record, policy: Policy, fence: float) -> float:
    """Return when the host was fenced first of several times that no recovery followed."""
    earlier = [f for f in _unused(seen, record) if fence - policy.fence_max_age <= f < fence]
    return min([*earlier, fence, *([record.lost] if record.lost else [])])


def _unused(seen: Observation, record: Record) -> list[float]:
    return record.unused(fences(seen))


def fences(seen: Observation) -> list[float]:
    """Return when the host was fenced, from the history, which outlasts the host's return."""
    return seen.status.fenced_at(seen.node.name)


def _by_word(seen: Observation) -> bool:
    """Whether the recorded fence is the word of an operator, who needs to wait for no device."""
    events = seen.status.fencing_of(seen.node.name)
    timeless = [e for e in events if e.confirmed and e.completed is None][:1]
    return any(
        event.delegate == crm_mon.A_HUMAN
        and (event in timeless or same_fence(event.completed or 0.0, seen.fenced or 0.0))
        for event in events
    )


def _is_late(seen: Observation, fenced: float, record: Record, policy: Policy) -> bool:
    """Whether a host may have been back since its fence, and lost again.

    While the cluster had no quorum, nobody has connected to it. Not where it makes no sense to
    have it fenced for that, or the operator does not want it.
    """
    if seen.now - fenced <= RETURN_TIME or policy.fence_reported_failed == "never":
        return False
    if seen.quorate is not None and seen.quorate <= fenced:
        return False
    if record.fruitless >= FRUITLESS or lacks_room(record.left):
        return False
    return not _stays_off(seen, fenced, record)


def _stays_off(seen: Observation, fenced: float, record: Record) -> bool:
    """Whether the recorded fence has switched the host off, and nobody switched it on again."""
    events = [e for e in seen.status.fencing_of(seen.node.name) if e.status == "success"]
    last = max(events, key=lambda event: event.completed or 0.0, default=None)
    if last is None or last.action != "off":
        return False
    if last.completed is None:  # a release that does not tell when, the latest first
        return record.held
    return same_fence(last.completed, fenced)


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
    return Judgement(Verdict.FENCE, text, reported=True)
