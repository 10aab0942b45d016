"""What is known about the recovery of a host; see `recoveries`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from masakari_fencing.openstack.restart_order import DEFAULT

RECOVERED = "recovered"
"""How a recovery ended: every instance that had to be recovered is."""

FAILED = "failed"
"""The host is fenced, and not all instances are recovered; it is tried again."""

REFUSED = "refused"
"""The host is not proven dead, or must not be recovered; nothing was done."""

NOTHING = "nothing to recover"
"""The host works, or an earlier recovery has done what there was to do."""

FRUITLESS = 2
"""How often a host is fenced again that comes back before an instance of it was recovered."""

SAME_FENCE = 5.0
"""Seconds by which the times of one fence in the history and in the record may differ at most."""

NO_ROOM = "no room"
"""How the outcome of an instance begins for which no other host has room."""

NOT_THERE = "not up on"
"""How the outcome of an instance begins that did not arrive on the host that was picked for it."""

LONG = 600.0
"""Seconds since the fence after which a recovery takes so long that nothing waits for it."""


@dataclass(frozen=True)
class Proof:
    """What proves that the host is dead.

    Attributes:
        fenced: when the fence was completed, in seconds since the epoch, as the cluster's record
            of the node says; 0 for a recovery without a proof, where the operator allows that.
        how: in words.
        node: the host's node in the cluster.
        storage: the host is cut off from its storage, which is proof only for instances whose
            disks are all there; `fenced` is the time of that then.
    """

    fenced: float
    how: str
    node: str = ""
    storage: bool = False


@dataclass(frozen=True)
class Instance:
    """An instance as it was before its host failed.

    Attributes:
        uuid: its identifier.
        vm_state: Nova's `OS-EXT-STS:vm_state`.
        task_state: Nova's `OS-EXT-STS:task_state`, or empty.
        power_state: Nova's `OS-EXT-STS:power_state`.
        locked: whether its owner had locked it.
        outcome: empty until it is recovered, `recovered` or `deleted` then, or why it is not.
        priority: its own in the order; see `openstack.restart_order`.
        group: its group in the order; empty: none.
    """

    uuid: str
    vm_state: str
    task_state: str = ""
    power_state: int = 0
    locked: bool = False
    outcome: str = ""
    priority: int = DEFAULT
    group: str = ""

    @property
    def done(self) -> bool:
        """Nothing is left to be done about it."""
        return self.outcome in ("recovered", "deleted")


@dataclass(frozen=True)
class End:
    """How a recovery ended.

    Attributes:
        outcome: `RECOVERED`, `FAILED`, `REFUSED` or `NOTHING`.
        reason: in a sentence for the operator.
        time: in seconds since the epoch, by the clock of the engine.
    """

    outcome: str
    reason: str
    time: float


@dataclass(frozen=True)
class Record:
    """The recovery of one host.

    Attributes:
        host: the host, in lower case.
        notification: Masakari's notification that asked for it.
        engine: the process that carries it out (see `processes`); empty: nobody, it died.
        token: grows by one with each change.
        proof: None until there is one.
        instances: None until they were listed, which is after the compute service was forced down.
        listed: since when groups of them wait for each other, in seconds since the epoch; 0: they
            do not.
        reserved: reserved hosts that belong to it.
        end: None while it goes on.
        attempts: how often it has failed.
        fruitless: how often the host was fenced again without an instance recovered in between;
            `FRUITLESS` also where that makes no sense any more.
        held: the host was switched off for this recovery, whose end is to switch it on again.
        used: when the fence was completed that an earlier recovery of the host has used up.
        recovered: when that recovery ended; both in seconds since the epoch, 0: never.
        returned: the host is in service again.
        lost: when the host was fenced first, where it was fenced again before its instances were
            recovered, in seconds since the epoch; 0: it was not.
        down: it was taken back before all its instances were recovered, which are started there:
            since when they are down, in seconds since the epoch; 0: it was not.
        reported: when its nova-compute had reported last as Nova was told that it is down, by the
            clock of Nova's database; 0: that is not known, or Nova knew that it was down.
    """

    host: str
    notification: str
    engine: str
    token: int = 1
    proof: Proof | None = None
    instances: tuple[Instance, ...] | None = None
    listed: float = 0.0
    reserved: tuple[str, ...] = ()
    end: End | None = None
    attempts: int = 0
    fruitless: int = 0
    held: bool = False
    used: float = 0.0
    recovered: float = 0.0
    returned: bool = False
    lost: float = 0.0
    down: float = 0.0
    reported: float = 0.0

    @property
    def node(self) -> str:
        """The host's name in the cluster, as far as it is known."""
        return (self.proof.node if self.proof else "") or self.host

    @property
    def lets_go(self) -> bool:
        """The host was switched off for it, and need not stay off any longer."""
        if not self.held or self.end is None:
            return False
        over = self.returned or self.down or self.end.outcome != FAILED
        return bool(over) or self.fruitless >= FRUITLESS

    @property
    def owes(self) -> bool:
        """Instances may be down that nobody has recovered."""
        ended = self.end.outcome if self.end else ""
        if ended not in (FAILED, REFUSED):
            return False
        # What was refused without a proof nobody has found down.
        begun = ended == FAILED or self.proof is not None or bool(self.down)
        return bool(self.left) or (begun and self.instances is None)

    def taken_back(self) -> Record:
        """Return it as it is once its host is being taken back into service.

        What it owes is to be started there; where it is that already, its operator sees to it, as
        far as anybody has said what that is.
        """
        seen_to = bool(self.down) and self.instances is not None
        if seen_to or not self.owes:
            return replace(self, returned=True, down=0.0, lost=self.down or self.lost)
        fenced = self.proof.fenced if self.proof else 0.0
        since = self.down or self.lost or fenced or (self.end.time if self.end else 0.0)
        used = max(self.used, fenced)
        return replace(
            self, returned=True, lost=0.0, down=since, used=used, attempts=0, fruitless=0
        )

    def not_taken_back(self) -> Record:
        """Return it as it is where its host could not be taken back into service after all."""
        return replace(self, returned=False, down=0.0, lost=self.down or self.lost)

    def failed_again(self) -> Record:
        """Return it as it is once a host that was taken back has failed before all was started.

        What was started there is down again. What has failed before is no reason to try less, or
        to wait for less.
        """
        return replace(
            self.not_taken_back(),
            instances=self.left or None,
            listed=0.0,
            attempts=0,
            fruitless=0,
        )

    def fenced_by(self, proof: Proof) -> Record:
        """Return it with another proof; that of an earlier fence says since when it is lost."""
        before = self.proof.fenced if self.proof else 0.0
        lost = self.lost or (0.0 if same_fence(before, proof.fenced) else before)
        return replace(self, proof=proof, lost=lost)

    @property
    def fenced_last(self) -> float:
        """When a host that was taken back was fenced the last time before that; 0: nobody knows.

        Then it may never have been: a recovery can fail before it looks for a proof.
        """
        return self.used if self.used >= self.down else 0.0

    def unused(self, fences: Iterable[float]) -> list[float]:
        """Return those fences that no recovery has used up."""
        return [f for f in fences if not self.used or f > self.used + SAME_FENCE]

    @property
    def left(self) -> tuple[Instance, ...]:
        """The instances that are not recovered."""
        return tuple(item for item in self.instances or () if not item.done)


def same_fence(first: float, second: float) -> bool:
    """Whether two times are of one fence; 0 is of none.

    Two who have a host fenced at once, Pacemaker and a notifier, may do it a second apart: no host
    has booted in between.
    """
    return bool(first and second) and abs(first - second) < SAME_FENCE


def lacks_room(left: Iterable[Instance]) -> bool:
    """Whether there are instances, and nothing but room is missing to recover each of them."""
    outcomes = [item.outcome for item in left]
    return bool(outcomes) and all(text.startswith(NO_ROOM) for text in outcomes)


def wants_another_host(left: Iterable[Instance]) -> bool:
    """Whether another host could take one of the instances that the last one did not.

    What fails for a reason of its own, as it was being resized, or is refused by Nova, fails so
    wherever it is to go. Of what nobody has tried that is not known.
    """
    return any(not item.outcome or item.outcome.startswith((NO_ROOM, NOT_THERE)) for item in left)


def described(left: Iterable[Instance]) -> str:
    """Return which instances are not recovered and why, for the operator."""
    found = [f"{item.uuid} ({item.outcome or 'not begun'})" for item in left]
    return ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")


def going_on(records: Iterable[Record], now: float) -> set[str]:
    """Return the nodes, in lower case, of the hosts whose instances are being recovered now.

    Not those for longer than `LONG`: what such a recovery waits for may be on the very host whose
    fence would wait for its end.

    Args:
        records: of recoveries.
        now: seconds since the epoch.
    """
    return {
        record.node.lower()
        for record in records
        if record.end is None
        and record.engine
        and record.proof
        and now - record.proof.fenced < LONG
    }
