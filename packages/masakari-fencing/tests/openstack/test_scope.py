"""Which instances are recovered: an operator's rules, and Octavia's load balancers."""

from __future__ import annotations

from typing import Any

import pytest
from masakari_fencing.openstack import scope
from masakari_fencing.openstack.scope import Facts, Rule, Scope, parse

ID = "0123456789abcdef0123456789abcdef"
AMPHORA = "amphora-01234567-89ab-cdef-0123-456789abcdef"


def facts(**changes: Any) -> Facts:
    keys = {"metadata": {}, "flavor": {}, "image": {}} | changes.pop("keys", {})
    return Facts(**({"name": "g1", "project": ID, "keys": keys} | changes))


def test_rules_are_read_and_written_as_they_are() -> None:
    text = f"name:a*, project:{ID},metadata:k, flavor:a:b=C d , aggregate:x=y, image-tag:octavia"
    assert [str(rule) for rule in parse(text)] == [
        "name:a*", f"project:{ID}", "metadata:k", "flavor:a:b=c d", "aggregate:x=y",
        "image-tag:octavia",
    ]  # fmt: skip
    assert parse("") == parse(" , ,") == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("octavia", "expected name:..., project:..., metadata:..., flavor:..., image:..., aggr"),
        ("name:", "found 'name:'"),
        ("host:x", "found 'host:x'"),
        ("project:services", "project: expected an ID (openstack project list), found 'services'"),
        ("flavor:=x", "expected flavor:KEY or flavor:KEY=VALUE"),
        ("flavor:k=", "expected flavor:KEY or flavor:KEY=VALUE"),
        ("name:a\nb", "expected name:..."),
    ],
)
def test_what_is_no_rule_is_refused_with_what_was_expected(text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=scope.re.escape(expected)):
        parse(f"name:x, {text}")


HOLD = [
    ("name:web-*", facts(name="web-1")),
    (f"project:{ID}", facts()),
    ("project:01234567-89ab-cdef-0123-456789abcdef", facts()),
    ("metadata:spare", facts(keys={"metadata": {"spare": "True"}})),
    ("metadata:tier=bronze", facts(keys={"metadata": {"tier": " Bronze"}})),
    ("flavor:a:b", facts(keys={"flavor": {"a:b": "yes"}})),
    ("image:pet=no", facts(keys={"image": {"pet": "no"}})),
    ("image-tag:octavia", facts(keys={"image": {"tags": ["x", "octavia"]}})),
    ("aggregate:lab", facts(aggregates=[{}, {"lab": "1"}])),
]


@pytest.mark.parametrize(("text", "found"), HOLD)
def test_where_a_rule_holds(text: str, found: Facts) -> None:
    assert Scope(never=parse(text)).objection(found) == f"recover-never has {text}"
    assert Scope(only=parse(text)).objection(found) == ""
    other = facts(name="db-1", project="f" * 32)
    assert Scope(never=parse(text)).objection(other) == ""
    assert Scope(only=parse(text)).objection(other) == "no rule of recover-only holds"
    both = Scope(only=parse(text), never=parse("name:*"))
    assert both.objection(found) == "recover-never has name:*", "never wins"


@pytest.mark.parametrize("text", ["image:pet", "image-tag:octavia", "aggregate:lab"])
def test_what_could_not_be_asked_for_keeps_none_from_being_recovered(text: str) -> None:
    unknown = Facts("g1", ID, {"metadata": {}, "flavor": {}}, aggregates=None)
    assert Scope(never=parse(text)).objection(unknown) == ""
    assert Scope(only=parse(text)).objection(unknown) == ""


@pytest.mark.parametrize("value", [None, 5, ["a"], {}, ""])
def test_a_value_of_any_type_is_no_yes(value: object) -> None:
    odd = facts(keys={"metadata": {"spare": value}, "image": {"tags": value}})
    assert Scope(never=parse("metadata:spare, image-tag:b")).objection(odd) == ""
    assert Scope(never=(Rule("metadata", "x"),)).objection(facts(keys={"metadata": None})) == ""


@pytest.mark.parametrize("own", [ID, None])
def test_amphorae_are_left_to_octavia_unless_they_are_wanted(own: str | None) -> None:
    one = facts(name=AMPHORA, own_project=lambda: own)
    text = "Octavia replaces its amphorae by itself"
    assert Scope(amphorae=False).objection(one) == text
    assert Scope(amphorae=True).objection(one) == ""


@pytest.mark.parametrize(
    "name", ["amphora-1", f"{AMPHORA}-x", f"my-{AMPHORA}", AMPHORA.upper(), "amphora-"]
)
def test_another_name_is_no_amphora(name: str) -> None:
    def never() -> str:
        raise AssertionError("nothing is asked for it")

    assert Scope(amphorae=False).objection(facts(name=name, own_project=never)) == ""


def test_an_instance_of_a_user_with_such_a_name_is_recovered() -> None:
    one = facts(name=AMPHORA, own_project=lambda: "f" * 32)
    assert Scope(amphorae=False).objection(one) == ""
