"""What is disarmed and for how long, and what failed meanwhile, in the cluster's own words."""

from __future__ import annotations

import pytest
from fencing_cib import Cib
from masakari_fencing.pacemaker import cibadmin
from masakari_fencing.pacemaker.tools import PacemakerError
from masakari_fencing.records import disarmed
from masakari_fencing.records.disarmed import CLOUD, Disarmed, Left

NOW = 2_000_000.0
SEGMENT = Disarmed("a-uuid", 'rack "1" & <2>', ("Node1.maas", "node2.maas"), NOW, NOW + 60, "x")
WHOLE = Disarmed(CLOUD, "", (), NOW, NOW + 600, "new switch")


@pytest.fixture
def cib() -> Cib:
    return Cib()


def test_nothing_is_disarmed_at_first(cib: Cib) -> None:
    said = disarmed.read(cib)
    assert disarmed.all_of(said) == [] == disarmed.left(said)
    assert disarmed.withheld(said, "node1.maas", NOW) is None
    assert not disarmed.waits(said, "node1.maas", NOW)


@pytest.mark.parametrize("wanted", [SEGMENT, WHOLE])
def test_what_was_written_is_read_again(cib: Cib, wanted: Disarmed) -> None:
    disarmed.disarm(cib, wanted)
    for said in (disarmed.read(cib), cibadmin.cib(cib), cibadmin.configuration(cib)):
        assert disarmed.all_of(said) == [wanted]


def test_it_ends_by_itself(cib: Cib) -> None:
    disarmed.disarm(cib, WHOLE)
    said = disarmed.read(cib)
    assert disarmed.in_force(said, "node1.maas", NOW + 599) == WHOLE
    assert disarmed.in_force(said, None, NOW + 599) == WHOLE
    assert disarmed.in_force(said, None, NOW + 600) is None
    text = disarmed.withheld(said, "node1.maas", NOW)
    assert text == "disarmed until 1970-01-24 03:43:20Z (new switch)"


def test_a_segment_is_its_hosts(cib: Cib) -> None:
    disarmed.disarm(cib, SEGMENT)
    said = disarmed.read(cib)
    assert disarmed.in_force(said, "NODE1.maas", NOW) == SEGMENT
    assert disarmed.in_force(said, "node3.maas", NOW) is None
    assert disarmed.in_force(said, None, NOW) == SEGMENT
    assert str(SEGMENT).startswith('segment rack "1" & <2> disarmed until')


def test_a_later_word_replaces_an_earlier_one_for_the_same_part_alone(cib: Cib) -> None:
    disarmed.disarm(cib, WHOLE)
    disarmed.disarm(cib, SEGMENT)
    longer = Disarmed(CLOUD, "", (), NOW, NOW + 900, "still")
    disarmed.disarm(cib, longer)
    assert disarmed.all_of(disarmed.read(cib)) == [longer, SEGMENT]
    disarmed.arm(cib, [CLOUD])
    assert disarmed.all_of(disarmed.read(cib)) == [SEGMENT]


@pytest.mark.parametrize("text", ["{", "[]", "null", '{"hosts": 1}', '{"until": "x"}'])
def test_what_cannot_be_read_counts_until_arm(cib: Cib, text: str) -> None:
    """Somebody wanted that nothing is fenced."""
    disarmed.disarm(cib, WHOLE)
    (pair,) = cib.root.xpath(f"//nvpair[@name='{disarmed.DISARMED}{CLOUD}']")
    pair.set("value", text)
    said = disarmed.read(cib)
    assert "unreadable; run arm" in str(disarmed.withheld(said, "node1.maas", NOW + 10**8))
    disarmed.arm(cib, [one.scope for one in disarmed.all_of(said)])
    assert disarmed.all_of(disarmed.read(cib)) == []


def test_what_failed_meanwhile_stays_when_it_is_over(cib: Cib) -> None:
    disarmed.disarm(cib, WHOLE)
    disarmed.leave(cib, disarmed.read(cib), Left("node1.maas", NOW + 5))
    later = NOW + 10**6
    said = disarmed.read(cib)
    text = str(disarmed.withheld(said, "NODE1.maas", later))
    assert text.startswith("lost at 1970-01-24 03:33:25Z, when that was disarmed")
    assert text.endswith("recover-host host=node1.maas")
    assert disarmed.waits(said, "node1.maas", later)
    assert disarmed.withheld(said, "node2.maas", later) is None
    disarmed.forget(cib, disarmed.left(said)[0])
    assert disarmed.withheld(disarmed.read(cib), "node1.maas", later) is None


def test_one_that_is_back_is_listed_and_fenced_as_ever(cib: Cib) -> None:
    disarmed.leave(cib, disarmed.read(cib), Left("node1.maas", NOW))
    disarmed.mark_back(cib, disarmed.left(disarmed.read(cib))[0], NOW + 30)
    said = disarmed.read(cib)
    assert disarmed.left(said) == [Left("node1.maas", NOW, NOW + 30)]
    assert disarmed.withheld(said, "node1.maas", NOW + 40) is None
    assert not disarmed.waits(said, "node1.maas", NOW + 40)
    disarmed.leave(cib, said, Left("node1.maas", NOW + 50))
    assert disarmed.left(disarmed.read(cib)) == [Left("node1.maas", NOW + 50)], "lost once more"


def test_the_first_loss_stays(cib: Cib) -> None:
    disarmed.leave(cib, disarmed.read(cib), Left("node1.maas", NOW))
    calls = len(cib.calls)
    disarmed.leave(cib, disarmed.read(cib), Left("node1.maas", NOW + 9))
    disarmed.leave(cib, disarmed.read(cib), Left("node1.maas", NOW + 9, reported=True))
    assert disarmed.left(disarmed.read(cib)) == [Left("node1.maas", NOW)]
    assert not any("--modify" in call for call in cib.calls[calls:])


def test_a_report_is_withheld_and_nothing_newer(cib: Cib) -> None:
    disarmed.leave(cib, disarmed.read(cib), Left("node1.maas", NOW, reported=True))
    said = disarmed.read(cib)
    assert "reported failed at" in str(disarmed.unreported(said, "node1.maas", NOW))
    assert disarmed.unreported(said, "node1.maas", NOW + 1) is None
    assert disarmed.withheld(said, "node1.maas", NOW) is None, "Pacemaker may fence it"
    disarmed.leave(cib, said, Left("node1.maas", NOW + 5))
    assert disarmed.left(disarmed.read(cib)) == [Left("node1.maas", NOW + 5)]


def test_an_unreadable_entry_is_one(cib: Cib) -> None:
    disarmed.leave(cib, disarmed.read(cib), Left("node1.maas", NOW))
    (pair,) = cib.root.xpath(f"//nvpair[@name='{disarmed.LEFT}node1.maas']")
    pair.set("value", "{}")
    assert disarmed.left(disarmed.read(cib)) == [Left("node1.maas", 0.0)]


def test_a_cluster_that_does_not_answer_says_nothing(cib: Cib) -> None:
    cib.fail = lambda argv: 102
    with pytest.raises(PacemakerError):
        disarmed.read(cib)
