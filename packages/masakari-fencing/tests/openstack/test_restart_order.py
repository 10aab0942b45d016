"""The order of instances: what is said about it, what makes no sense, and what follows."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
from masakari_fencing.openstack import restart_order
from masakari_fencing.openstack.restart_order import GROUP_KEY, PRIORITY_KEY, Place, place


@dataclass(frozen=True)
class Item:
    name: str
    priority: int = restart_order.DEFAULT
    group: str = ""


def order(*items: Item) -> list[list[str]]:
    return [[item.name for item in phase] for phase in restart_order.phases(items)]


def test_without_a_word_all_are_one_phase_in_the_order_that_they_had() -> None:
    assert order(Item("b"), Item("a"), Item("c")) == [["b", "a", "c"]]
    assert order() == []


def test_within_a_phase_the_highest_priority_goes_first_and_equals_stay_as_they_were() -> None:
    found = order(Item("x", 500), Item("low", 1), Item("high", 1000), Item("y", 500))
    assert found == [["high", "x", "y", "low"]]


def test_groups_follow_each_other_by_their_highest_priority() -> None:
    items = [
        Item("web", 100),
        Item("db-2", 800, "database"),
        Item("app", 500, "app"),
        Item("first", 950),
        Item("db-1", 900, "database"),
        Item("plain"),
    ]
    expected = [["first"], ["db-1", "db-2"], ["app"], ["plain", "web"]]
    for _ in range(20):
        random.shuffle(items)
        assert order(*items) == expected


def test_groups_of_one_priority_go_by_name_numbers_as_numbers() -> None:
    items = [Item(name, group=name) for name in ("10", "b", "2", "a9", "a10", "01", "1")]
    names = [phase[0] for phase in order(*items, Item("last"))]
    assert names == ["01", "1", "2", "10", "a9", "a10", "b", "last"]


def test_a_group_is_never_torn_apart() -> None:
    for seed in range(200):
        choose = random.Random(seed)  # noqa: S311
        items = [
            Item(str(n), choose.randint(1, 4), choose.choice(["", "1", "01", "a", "b"]))
            for n in range(12)
        ]
        groups = [phase[0].group for phase in restart_order.phases(items) if phase[0].group]
        assert len(groups) == len(set(groups))


def test_what_the_server_says_counts_before_its_flavor_and_its_image() -> None:
    said = {
        "server": {PRIORITY_KEY: "900"},
        "flavor": {PRIORITY_KEY: "1", GROUP_KEY: "db"},
        "image": {PRIORITY_KEY: "2", GROUP_KEY: "other"},
    }
    assert place(said) == Place(900, "db")
    assert place({"image": said["image"]}) == Place(2, "other")
    assert place({}) == place({"server": {}}) == Place(500, "")


@pytest.mark.parametrize(
    "value", ["high", "", "0", "1001", "-5", "1.5", "٣", "99999", None, 3.5, [], {}, True]
)
def test_a_priority_that_is_none_is_noted_and_the_next_one_counts(value: object) -> None:
    found = place({"server": {PRIORITY_KEY: value}, "flavor": {PRIORITY_KEY: "7"}})
    assert found.priority == 7
    assert len(found.notes) == 1 and found.notes[0].startswith(f"server's {PRIORITY_KEY} ")
    assert "from 1 to 1000" in found.notes[0]
    assert place({"server": {PRIORITY_KEY: value}}).priority == restart_order.DEFAULT


@pytest.mark.parametrize("value", ["", "  ", "x" * 65, "a\nb", "a\x00", None, 7, ["db"]])
def test_a_group_that_is_none_is_noted_and_is_no_group(value: object) -> None:
    found = place({"server": {GROUP_KEY: value}})
    assert found.group == ""
    assert len(found.notes) == 1 and GROUP_KEY in found.notes[0]
    assert len(found.notes[0]) < 200 and found.notes[0].isprintable()


@pytest.mark.parametrize("key", ["instanceha:restart_prio", "instanceha:", "instanceha:x\ny"])
@pytest.mark.parametrize("value", ["900", None, [], {}])
def test_a_key_that_is_none_is_noted_and_changes_nothing(key: str, value: object) -> None:
    found = place({"flavor": {key: value, PRIORITY_KEY: "7", "hw:cpu_policy": "x", 5: 5}})
    assert (found.priority, found.group) == (7, "")
    assert found.notes == (f"flavor's {key!r}: no such key is known",)
    many: dict[str, object] = {f"instanceha:{n}": n for n in range(100)}
    assert place({"server": many}).notes == (
        "server's 'instanceha:0' and 99 more: no such key is known",
    )


def test_blanks_around_a_value_do_not_matter() -> None:
    said: dict[str, object] = {"server": {PRIORITY_KEY: " 7 ", GROUP_KEY: " db "}}
    assert place(said) == Place(7, "db")


@pytest.mark.parametrize("said", [None, "text", 5, ["a"]])
def test_what_is_no_mapping_counts_as_absent(said: object) -> None:
    assert place({"server": said}) == Place()
    assert not restart_order.is_settled({"server": said})


def test_the_image_matters_only_where_the_others_do_not_say_all() -> None:
    both: dict[str, object] = {"server": {PRIORITY_KEY: "1"}, "flavor": {GROUP_KEY: "a"}}
    assert restart_order.is_settled(both)
    assert not restart_order.is_settled({"server": {PRIORITY_KEY: "1"}})
    assert not restart_order.is_settled({"server": {PRIORITY_KEY: "x", GROUP_KEY: "a"}})
    settled = {PRIORITY_KEY: "1", GROUP_KEY: "a", "instanceha:x": "1"}
    assert restart_order.is_settled({"server": settled})


def test_the_phases_are_told() -> None:
    found = restart_order.phases([Item("a", 900, "db"), Item("b", group="db"), Item("c")])
    assert restart_order.described(found) == "group db (2), then 1 in no group"
