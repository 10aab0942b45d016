"""Whose a recovery is, and whether it may go on: its host has to be as dead as it was."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fencing_cib import Cib
from masakari_fencing.pacemaker.cibadmin import NoQuorum
from masakari_fencing.records.recoveries import Records
from masakari_fencing.records.recovery import FAILED, RECOVERED, End, Proof, Record
from masakari_fencing.workflow.recovery_lock import ProofLost, RecoveryLock

HOST, ENGINE, NOTIFICATION = "node1.maas", "unit-0.12345678.1.2", "n1"
FENCED = 1_795_233_223.0


@pytest.fixture
def cib() -> Cib:
    return Cib()


@pytest.fixture
def record(cib: Cib) -> Record:
    found = Record(HOST, NOTIFICATION, ENGINE, proof=Proof(FENCED, "fenced", HOST))
    assert Records(cib).create(found)
    return found


@pytest.mark.parametrize("later", [0.0, 1.0, 4.0])
def test_two_fences_within_seconds_are_one(cib: Cib, record: Record, later: float) -> None:
    """Pacemaker has it fenced, and so has a notifier, at the same time."""
    cib.fenced(HOST, FENCED + later)
    RecoveryLock(Records(cib), HOST, NOTIFICATION, ENGINE).check(record)


@pytest.mark.parametrize("fenced", [0, FENCED + 10, FENCED - 60])
def test_a_host_that_connected_meanwhile_may_run_something(
    cib: Cib, record: Record, fenced: float
) -> None:
    """Be it that it was fenced once more since."""
    cib.fenced(HOST, fenced)
    with pytest.raises(ProofLost):
        RecoveryLock(Records(cib), HOST, NOTIFICATION, ENGINE).check(record)


REPORTED = FENCED + 20
OTHER = Record(HOST, "n0", "unit-1.12345678.1.2", proof=Proof(FENCED - 900, "fenced", HOST))


def claim(cib: Cib) -> Record | None:
    return RecoveryLock(Records(cib), HOST, NOTIFICATION, ENGINE).claim(REPORTED)


def ended(moment: float, outcome: str = RECOVERED) -> Record:
    return replace(OTHER, end=End(outcome, "", moment))


def test_what_nobody_has_begun_is_claimed(cib: Cib) -> None:
    assert claim(cib) == Records(cib).read(HOST) == Record(HOST, NOTIFICATION, ENGINE)


@pytest.mark.parametrize("outcome", [RECOVERED, FAILED])
def test_what_ended_before_the_report_is_claimed(cib: Cib, outcome: str) -> None:
    before = ended(REPORTED - 1, outcome)
    Records(cib).create(before)
    taken = claim(cib)
    assert taken is not None
    assert taken == Records(cib).read(HOST)
    assert (taken.notification, taken.engine, taken.end) == (NOTIFICATION, ENGINE, None)
    if outcome == RECOVERED:
        assert (taken.proof, taken.used) == (None, FENCED - 900), "that fence is used up"
    else:
        assert taken.proof == before.proof, "it goes on"


@pytest.mark.parametrize(
    "found",
    [
        ended(REPORTED),
        ended(REPORTED + 1),
        ended(REPORTED + 1, FAILED),
        OTHER,
        replace(OTHER, engine=""),
        replace(ended(REPORTED - 1), notification=NOTIFICATION),
    ],
    ids=["ends with the report", "after it", "failed", "open", "for nobody", "was its own"],
)
def test_what_somebody_has_begun_or_done_is_not_claimed(cib: Cib, found: Record) -> None:
    Records(cib).create(found)
    assert claim(cib) is None
    assert Records(cib).read(HOST) == found


@pytest.mark.parametrize("first", [None, ended(REPORTED - 1)])
def test_of_two_that_claim_it_one_has_it(cib: Cib, first: Record | None) -> None:
    if first is not None:
        Records(cib).create(first)
    theirs: list[Record | None] = []

    def meanwhile(argv: list[str]) -> int:
        if "--query" not in argv and not theirs:
            theirs.append(None)
            lock = RecoveryLock(Records(cib), HOST, "n2", OTHER.engine)
            theirs[0] = lock.claim(REPORTED)
        return 0

    cib.fail = meanwhile
    assert claim(cib) is None
    assert theirs[0] is not None
    assert Records(cib).read(HOST) == theirs[0]


def test_without_quorum_nothing_is_claimed(cib: Cib) -> None:
    cib.quorum(False)
    before = cib.text
    with pytest.raises(NoQuorum):
        claim(cib)
    assert cib.text == before
