"""The record of a host's failure, against the rules of cibadmin, and against the real one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from fencing_cib import Cib, RealCib
from masakari_fencing.pacemaker import cibadmin, tools
from masakari_fencing.records.recoveries import Records, Superseded, all_of, unreadable
from masakari_fencing.records.recovery import FAILED, End, Instance, Proof, Record

HOST = "node1.maas"
ENGINE = "unit-0.12345678.17.900"
RECORD = Record(HOST, "a-notification", ENGINE)
FULL = Record(
    HOST,
    "a-notification",
    ENGINE,
    proof=Proof(1795233223.0, 'fenced at <noon> & "confirmed"', "Node1.maas"),
    instances=(
        Instance("g1", "active", power_state=1),
        Instance("g2", "paused", "deleting", 3, True, "Nova refuses: 'no'"),
        Instance("g3", "active", priority=900, group='<db> & "Ü"'),
    ),
    listed=1795233224.5,
    reserved=("node3.maas",),
    end=End(FAILED, "two are left", 1795233300.25),
    attempts=3,
    fruitless=1,
    used=1795230000.0,
    recovered=1795230009.5,
)


@pytest.fixture
def store(each_cib: Cib | RealCib) -> Records:
    return Records(each_cib)


def test_a_record_is_read_as_it_was_written(store: Records) -> None:
    assert store.read(HOST) is None
    assert store.create(RECORD)
    assert store.read("NODE1.maas") == RECORD
    written = store.write(RECORD, FULL)
    assert written == replace(FULL, token=2)
    assert store.read(HOST) == written


def test_a_recovery_without_an_order_is_written_as_before_there_was_one() -> None:
    """So engines and notifiers of an older release read it during an upgrade."""
    cib = Cib()
    store = Records(cib)
    store.create(RECORD)
    store.write(RECORD, replace(RECORD, instances=(Instance("g1", "active", power_state=1),)))
    [pair] = cib.root.xpath(f"//nvpair[@id='masakari-fencing-recovery-{HOST}-record']")
    written = json.loads(pair.get("value"))
    assert written["instances"] == [["g1", "active", "", 1, False, ""]]
    assert "listed" not in written


def test_of_two_that_create_it_one_succeeds(store: Records) -> None:
    assert store.create(RECORD)
    assert not store.create(replace(RECORD, engine="unit-1.87654321.17.900"))
    assert store.read(HOST) == RECORD


def test_whoever_has_an_older_record_changes_nothing(store: Records) -> None:
    store.create(RECORD)
    theirs = store.write(RECORD, replace(RECORD, engine="unit-1.87654321.17.900"))
    with pytest.raises(Superseded, match=HOST):
        store.write(RECORD, FULL)
    assert store.read(HOST) == theirs


@pytest.mark.parametrize(
    "mine", [replace(RECORD, engine="unit-1.87654321.17.900"), replace(RECORD, notification="b")]
)
def test_whoever_has_counted_as_far_in_a_copy_of_their_own_changes_nothing(
    store: Records, mine: Record
) -> None:
    """A member may write its own copy for some seconds after it was cut off from the others."""
    store.create(RECORD)
    assert mine.token == RECORD.token
    with pytest.raises(Superseded, match=HOST):
        store.write(mine, replace(mine, end=End(FAILED, "none", 1795233300.25)))
    assert store.read(HOST) == RECORD


def test_what_recoveries_of_other_hosts_have_not_done_with_is_known(store: Records) -> None:
    assert store.halfway(HOST) == {}
    store.create(replace(RECORD, host="node2.maas", instances=(Instance("g1", "active"),)))
    left = Instance("g2", "paused")
    store.create(replace(RECORD, host="node3.maas", instances=(left, Instance("g3", "active"))))
    assert set(store.halfway(HOST)) == {"g1", "g2", "g3"}
    assert store.halfway("Node2.maas")["g2"] == left
    assert set(store.halfway("node3.maas")) == {"g1"}
    seen_to = replace(RECORD, host="node4.maas", instances=(Instance("g4", "active"),))
    store.create(replace(seen_to, end=End(FAILED, "", 0.0), returned=True))
    assert "g4" not in store.halfway(HOST), "its operator sees to it"


def test_it_is_held_while_nobody_changes_it_and_there_is_quorum() -> None:
    cib = Cib()
    store = Records(cib)
    store.create(RECORD)
    assert store.held(RECORD) == (True, None)
    cib.fenced(HOST, 1795233223)
    assert store.held(RECORD) == (True, 1795233223.0)
    cib.fenced(HOST, 0)
    assert store.held(RECORD) == (True, None), "it has connected to it again"
    cib.quorum(False)
    with pytest.raises(cibadmin.NoQuorum):
        store.held(RECORD)
    cib.quorum(True)
    store.write(RECORD, FULL)
    assert store.held(RECORD)[0] is False


REQUESTS: dict[str, Callable[[Records], object]] = {
    "read": lambda store: store.read(HOST),
    "read what is not there": lambda store: store.read("node2.maas"),
    "create": lambda store: store.create(replace(RECORD, host="node2.maas")),
    "create once more": lambda store: store.create(RECORD),
    "write": lambda store: store.write(RECORD, FULL),
    "write what is not there": lambda store: store.write(replace(RECORD, token=7), FULL),
    "held": lambda store: store.held(RECORD),
    "halfway": lambda store: store.halfway(HOST),
}


@pytest.mark.parametrize("request_", REQUESTS)
def test_without_quorum_nothing_is_known_and_nothing_changed(
    each_cib: Cib | RealCib, request_: str
) -> None:
    """What is there may be old, and the others may have more by now."""
    Records(each_cib).create(RECORD)
    each_cib.quorum(False)
    before = each_cib.text
    with pytest.raises(cibadmin.NoQuorum):
        REQUESTS[request_](Records(each_cib))
    assert each_cib.text == before


def test_the_nodes_own_spelling_of_its_name_counts() -> None:
    cib = Cib()
    store = Records(cib)
    store.create(RECORD)
    mine = store.write(RECORD, FULL)
    cib.fenced("Node1.maas", 1795233223)
    assert store.held(mine) == (True, 1795233223.0)


@pytest.mark.parametrize("change", [Records.create, None])
def test_a_lost_answer_to_a_change_that_was_made_is_no_failure(change: Callable | None) -> None:
    cib = Cib()
    store = Records(cib)
    if change is None:
        store.create(RECORD)
    cib.lose = lambda argv: "--query" not in argv
    if change is None:
        assert store.write(RECORD, FULL) == replace(FULL, token=2)
    else:
        assert store.create(RECORD)


def test_a_change_that_was_not_made_is_a_failure_and_can_be_made_again() -> None:
    cib = Cib()
    store = Records(cib)
    store.create(RECORD)
    cib.fail = lambda argv: 0 if "--query" in argv else 124
    with pytest.raises(tools.PacemakerError, match="124"):
        store.write(RECORD, FULL)
    with pytest.raises(tools.PacemakerError, match="124"):
        Records(cib).create(replace(RECORD, host="node2.maas"))
    cib.fail = lambda argv: 0
    assert store.write(RECORD, FULL) == replace(FULL, token=2)


OLD = (
    '<cluster_property_set id="masakari-fencing-recovery-node1.maas">'
    '<nvpair id="masakari-fencing-recovery-node1.maas-by" '
    'name="masakari-fencing-recovery-node1.maas" value="a-notification"/>'
    '<nvpair id="masakari-fencing-recovery-node1.maas-engine" '
    'name="masakari-fencing-recovery-node1.maas-engine" value="unit-0.12345678.17.900"/>'
    "</cluster_property_set>"
)
"""As the release before tokens wrote it."""


def test_what_an_older_release_wrote_is_an_open_record_that_can_be_taken() -> None:
    cib = Cib()
    cib.add(OLD)
    found = Records(cib).read(HOST)
    assert found == replace(RECORD, token=0)
    taken = Records(cib).write(found, FULL)
    assert Records(cib).read(HOST) == taken == replace(FULL, token=1)
    with pytest.raises(Superseded):
        Records(cib).write(found, RECORD)


def test_an_older_release_sees_that_the_recovery_is_somebodys() -> None:
    cib = Cib()
    Records(cib).create(RECORD)
    name = f"masakari-fencing-recovery-{HOST}"
    [pair] = cib.root.xpath(f"//cluster_property_set[@id='{name}']/nvpair[@name='{name}']")
    assert pair.get("value") == "a-notification"


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"version":2}', '{"proof":{}}', '{"version":1,"proof":{"when":1}}',
     '{"version":1,"instances":[["g1","active",1,2,3,4,5,6]]}', "[" * 100_000],
)  # fmt: skip
def test_a_record_that_is_cut_short_or_newer_is_refused_and_shown(text: str) -> None:
    cib = Cib()
    Records(cib).create(RECORD)
    Records(cib).create(replace(RECORD, host="node2.maas"))
    [pair] = cib.root.xpath(f"//nvpair[@id='masakari-fencing-recovery-{HOST}-record']")
    pair.set("value", text)
    with pytest.raises(tools.PacemakerError, match=f"unreadable record.*{HOST}"):
        Records(cib).read(HOST)
    configuration = cibadmin.configuration(cib)
    assert [record.host for record in all_of(configuration)] == ["node2.maas"]
    assert unreadable(configuration) == [HOST]


def test_texts_that_are_no_names_get_nowhere_near_the_configuration() -> None:
    cib = Cib()
    for record in (
        replace(RECORD, host="a' or '1'='1"),
        replace(RECORD, notification='"/>'),
        replace(RECORD, engine="x y"),
    ):
        with pytest.raises(ValueError, match="cannot be the name"):
            Records(cib).create(record)
    assert cib.calls == []


def test_what_older_releases_do_not_know_is_apart_from_what_they_read() -> None:
    """They refuse a content that they do not know, and pass over a pair of its own."""
    cib = Cib()
    Records(cib).create(replace(RECORD, reported=1795233223.25))
    assert Records(cib).read(HOST).reported == 1795233223.25
    [pair] = cib.root.xpath(f"//nvpair[@id='masakari-fencing-recovery-{HOST}-record']")
    assert "reported" not in pair.get("value")
    [apart] = cib.root.xpath(f"//nvpair[@id='masakari-fencing-recovery-{HOST}-reported']")
    apart.getparent().remove(apart)
    assert Records(cib).read(HOST).reported == 0.0
