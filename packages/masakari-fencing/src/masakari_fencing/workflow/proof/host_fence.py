"""Waits for the proof that a host is dead, and has the host fenced where that is called for."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from masakari_fencing import quorum_since
from masakari_fencing.commands import Runner
from masakari_fencing.openstack.compute_service import ServiceState
from masakari_fencing.pacemaker import cibadmin, crm_mon, stonith_admin, tools
from masakari_fencing.records import storage_fences
from masakari_fencing.records.recoveries import Superseded
from masakari_fencing.records.recovery import Proof, Record
from masakari_fencing.times import day_time
from masakari_fencing.workflow.proof import quorum
from masakari_fencing.workflow.proof.compute_reports import ComputeReports
from masakari_fencing.workflow.proof.decision import (
    RETURN_TIME,
    Judgement,
    Observation,
    Policy,
    Report,
    Verdict,
    awaits_fence,
    fences,
    judge,
)

LOG = logging.getLogger(__name__)

HEALTHY_TIME = 30.0
"""Seconds after which a host that has been healthy all the while need not be recovered: Pacemaker
itself notices a loss several times sooner."""

FENCE_RETRY = 5.0
"""Seconds between two attempts to have a host fenced."""

STOOD = 10.0
"""Seconds beyond its pause between two looks after which an engine's machine has stood still: that
time is none in which the host was waited for, and nothing is fenced for what was seen before."""

LATE_TIMEOUT = 30.0
"""Seconds for a second fence, of a host whose first one is on record."""

RECORD_DELAY = 10.0
"""Seconds in which the cluster records a fence that it has confirmed: milliseconds, mostly."""


class NotProvenDead(Exception):  # noqa: N818 - a decision, not an accident
    """The host is not proven dead, so nothing may be started elsewhere.

    Attributes:
        host: the host.
        reason: why, in a sentence for the operator.
        unknown: not everything could be looked up: it is worth another attempt.
        elsewhere: none of its instances is on it any more, so that it need not be.
    """

    def __init__(
        self, host: str, reason: str, *, unknown: bool = False, elsewhere: bool = False
    ) -> None:
        self.host = host
        self.reason = reason
        self.unknown = unknown
        self.elsewhere = elsewhere
        super().__init__(f"host {host} is not proven dead: {reason}")


class Withdrawn(Exception):  # noqa: N818 - a state, not an accident
    """The host works, and what was reported about it is over; the text says why."""


class CameBack(Exception):  # noqa: N818 - a state, not an accident
    """The host was fenced, and is in service again, before its instances were recovered.

    Attributes:
        fenced: when it was fenced, in seconds since the epoch; before `since`: nobody knows
            whether it was since its instances are down.
        since: when it was fenced first, where no recovery followed that.
    """

    def __init__(self, host: str, fenced: float, since: float) -> None:
        self.fenced = fenced
        self.since = since
        how = f"was fenced at {day_time(fenced)}, and " if fenced >= since else ""
        super().__init__(f"{host} {how}is in service again")


class ComputeUnknown(Exception):  # noqa: N818 - a missing answer
    """Nova or Masakari could not be asked about the host."""


class Evidence(Protocol):
    """What others than the cluster know about a host."""

    def switched_off(self) -> str | None:
        """Return why the host is neither fenced nor recovered, such as a disabled segment."""

    def compute(self) -> ServiceState:
        """Return what Nova says about its compute service. Raises `ComputeUnknown`.

        Only asked about a host that may be back.
        """

    def instances(self) -> set[str]:
        """Return the instances on the host. Raises `ComputeUnknown`.

        Only asked about a host that is back, before it is fenced for them; so is the next.
        """

    def exists(self, instance: str) -> bool:
        """Return whether there is such an instance at all. Raises `ComputeUnknown`."""

    def newest_report_of_others(self) -> float | None:
        """Return when any other host's compute service reported last, None where there is none.

        In seconds since the epoch of another clock. Raises `ComputeUnknown`.
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


class HostFence:
    """Waits until a host is proven dead, and has it fenced where that is called for.

    Args:
        runner: runs Pacemaker's commands.
        policy: the operator's choices.
        evidence: what others than the cluster know about the host.
        record: its recovery, as it was taken.
        hold: writes down whether the host will be switched off until its recovery has ended.
        progress: told every new state in words.
        sleep: waits for so many seconds.
        clock: seconds since the epoch.
        doubt: why a storage fence proves nothing now; see `storage_fences.doubt`.
        quorate: since when this member has had quorum; see `quorum_since`.

    Attributes:
        late: it was fenced again because it may have been back, and not because it was.
    """

    def __init__(
        self,
        runner: Runner,
        policy: Policy,
        evidence: Evidence,
        record: Record,
        *,
        hold: Callable[[bool], None],
        progress: Callable[[str], None],
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
        doubt: Callable[[storage_fences.StorageFence], str | None] = storage_fences.doubt,
        quorate: Callable[[], float | None] = quorum_since.read,
    ) -> None:
        self.late = False
        self._doubt = doubt
        self._quorate = quorate
        self._runner = runner
        self._policy = policy
        self._evidence = evidence
        self._record = record
        self._hold = hold
        self._progress = progress
        self._sleep = sleep
        self._clock = clock
        self._reports = ComputeReports(evidence.compute, evidence.newest_report_of_others, clock)
        self._told = ""
        self._node = ""
        self._settled: float | None = None
        self._next_fence = 0.0
        self._failure = _UNRECORDED
        self._asked = ""

    def ensure(self, report: Report) -> Proof:
        """Return once the host is proven dead.

        Returns:
            the proof.

        Raises:
            NotProvenDead: there is no proof, and recovery without one is not allowed.
            Withdrawn: the host works, or was recovered, and need not be.
            CameBack: it works again, and its instances were not recovered.
        """
        before = healthy_since = self._clock()
        end = before + self._policy.fencing_timeout
        while True:
            looked = self._clock()
            passed = looked - before
            if not 0 <= passed <= self._policy.poll_interval + STOOD:
                # What became of the host meanwhile is to be seen first; or its clock was set.
                end, healthy_since = end + passed, healthy_since + passed
                self._next_fence += passed
            judgement, fenced = self._look(report)
            if judgement.verdict is Verdict.FENCE:
                judgement = self._fence(report, judgement, looked, end)
            if judgement.verdict is Verdict.FENCED:
                return self._proof(fenced or 0.0, judgement)
            if judgement.verdict is Verdict.DONE:
                raise Withdrawn(judgement.reason)
            if judgement.verdict is Verdict.BACK:
                raise CameBack(report.host, judgement.moment, judgement.since)
            now = self._clock()
            if not judgement.healthy:
                healthy_since = now
            elif now - healthy_since >= min(HEALTHY_TIME, self._policy.fencing_timeout):
                self._withdraw(report.host, f"{judgement.reason} ({now - healthy_since:.0f} s)")
            # What was fenced on request is recorded, too, be it late.
            last = max(end, self._next_fence + RECORD_DELAY) if self._asked else end
            # Parts of a look that has taken long are old: no time is over by one of before.
            if judgement.verdict is Verdict.REFUSE or looked >= last:
                return self._without_proof(report.host, judgement)
            self._tell(f"Waiting for host '{report.host}' to be fenced: {judgement.reason}")
            before = self._clock()
            self._sleep(self._policy.poll_interval)

    def _proof(self, fenced: float, judgement: Judgement) -> Proof:
        if judgement.storage:
            return Proof(fenced, judgement.reason, self._node, storage=True)
        return Proof(fenced, self._asked or judgement.reason, self._node)

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
            unknown, elsewhere = judgement.unknown, judgement.elsewhere
            raise NotProvenDead(host, reason, unknown=unknown, elsewhere=elsewhere)
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
        except (tools.PacemakerError, ValueError) as error:
            return Judgement(Verdict.WAIT, f"the cluster cannot be asked: {error}"), None
        except ComputeUnknown as error:
            text = f"not everything can be looked up: {error}"
            return Judgement(Verdict.WAIT, text, unknown=True), None

    def _judge(self, report: Report) -> tuple[Judgement, float | None]:
        limit = self._policy.command_timeout
        status = crm_mon.status(self._runner, timeout=limit)
        nodes = status.named(report.host)
        if len(nodes) != 1 or nodes[0].kind != "remote":
            found = ", ".join(f"{node.name} ({node.kind})" for node in nodes) or "none"
            text = f"the cluster has no single remote node of that name (found: {found})"
            return Judgement(Verdict.REFUSE, text), None
        name = self._node = nodes[0].name
        record = cibadmin.remote_record(self._runner, name, timeout=limit)
        seen = Observation(status, nodes[0], self._clock(), record.fenced)
        if awaits_fence(seen) and (cut := self._cut_off(name)) is not None:
            return judge(replace(seen, cut_off=cut), report, self._record, self._policy), cut
        # A host whose fence is on record has not been back: it is not kept waiting for this.
        returned = record.fenced is None and bool(fences(seen))
        if self._policy.fence_reported_failed == "always" or returned:
            connected = cibadmin.connected_since(self._runner, name, timeout=limit)
            seen = replace(seen, connected=connected)
        if returned:
            seen = self._reports.of_others(seen)
        known = self._record.instances is not None or self._record.down
        if record.fenced is None and (returned or known):
            seen = self._reports.of_host(seen)
        judgement = judge(seen, report, self._record, self._policy)
        if (
            judgement.verdict in (Verdict.FENCED, Verdict.DONE, Verdict.FENCE)
            and record.fenced is not None
            and seen.now - record.fenced > RETURN_TIME
        ):
            seen = replace(self._reports.of_host(seen), quorate=self._quorate())
            judgement = judge(seen, report, self._record, self._policy)
        if judgement.verdict is Verdict.FENCE and record.fenced is None:
            judgement = self._needed(judgement)
        return judgement, record.fenced

    def _needed(self, judgement: Judgement) -> Judgement:
        """Return what is so of a host that is back, if none of its instances is there any more.

        Whatever else is there may have arrived since they were listed.
        """
        known = self._record.instances
        if not known or self._evidence.instances() - {item.uuid for item in known if item.done}:
            return judgement
        if not any(self._evidence.exists(item.uuid) for item in self._record.left):
            return Judgement(Verdict.DONE, "it is back, and its instances were recovered")
        text = f"{judgement.reason}; none is on it any more, so it is not fenced for them"
        return Judgement(Verdict.REFUSE, text, final=True, elsewhere=True)

    def _cut_off(self, name: str) -> float | None:
        """Return since when a host is known to be cut off from its storage."""
        fence = storage_fences.read(self._runner, name, timeout=self._policy.command_timeout)
        if fence is None or not fence.time:
            return None
        if (text := self._doubt(fence)) is not None:
            self._tell(f"Waiting for the storage of host '{name}': {text}")
            return None
        return fence.time

    def _fence(self, report: Report, judgement: Judgement, looked: float, end: float) -> Judgement:
        now, host, why = self._clock(), self._node, judgement.reason
        if now < self._next_fence or (self._asked and now >= end):
            return self._failure
        if judgement.reported:
            judgement, looked = self._doubted(report, judgement), now
        if judgement.verdict is not Verdict.FENCE:
            return judgement if judgement.verdict is not Verdict.FENCED else _AGAIN
        try:
            quorum.keep_off(self._runner, host, self._record, self._hold)
            if self._clock() - looked > STOOD:
                self._let_go()
                return _OLD
            self._tell(f"Having Pacemaker fence host '{host}': {why}")
            LOG.warning("Having Pacemaker fence host %s: %s", host, why)
            # Not a reboot: the host would be back before its instances are recovered.
            timeout = LATE_TIMEOUT if judgement.late else max(1.0, end - now)
            stonith_admin.fence(self._runner, host, action="off", timeout=timeout)
            self.late = judgement.late
        except (tools.PacemakerError, ValueError) as error:
            if judgement.late:
                # The fence on record counts: a second one is more than most have.
                LOG.warning("%s %s; that is not ruled out: %s", host, why, error)
                self._let_go()
                return Judgement(Verdict.FENCED, f"{why}; it cannot be fenced again")
            self._next_fence = self._clock() + FENCE_RETRY
            text = f"{why}, but it could not be fenced: {error}"
            # One that came back nobody else will have fenced.
            self._failure = Judgement(Verdict.WAIT, text, unknown=not judgement.reported)
            return self._failure
        self._asked, self._failure = f"fenced on request: {why}", _UNRECORDED
        self._next_fence = self._clock() + FENCE_RETRY
        return self._failure

    def _let_go(self) -> None:
        """Take back that the host is to be kept off."""
        with suppress(tools.PacemakerError, Superseded):
            self._hold(self._record.held)

    def _doubted(self, report: Report, judgement: Judgement) -> Judgement:
        """Return what is so where nothing but a report calls for a fence."""
        now, why = self._clock(), judgement.reason
        self._settled = self._settled or now + self._policy.report_settle
        if now < self._settled:
            return Judgement(Verdict.WAIT, f"{why}; other reports may follow")
        try:
            excess = self._evidence.excess()
        except tools.PacemakerError as error:
            return Judgement(Verdict.WAIT, f"the cluster cannot be asked: {error}")
        if excess is not None:
            return Judgement(Verdict.REFUSE, excess)
        if (reason := self._evidence.withdrawn()) is not None:
            raise Withdrawn(reason)
        # All that has taken its time; nothing is cut off for what was true before.
        return self._look(report)[0]

    def _tell(self, text: str) -> None:
        if text != self._told:
            self._told = text
            self._progress(text)


_UNRECORDED = Judgement(Verdict.WAIT, "it is fenced, and the cluster has not recorded it yet")
_OLD = Judgement(Verdict.WAIT, "what was seen of it is old by now", unknown=True)
_AGAIN = Judgement(Verdict.WAIT, "it was fenced just now")
