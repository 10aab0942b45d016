"""Whether a recovery may go on: its host has to be as dead as it was."""

from __future__ import annotations

import pytest
from fencing_cib import Cib
from masakari_fencing.records.recoveries import Records
from masakari_fencing.records.recovery import Proof, Record
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
