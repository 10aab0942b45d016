import ops
import pytest
from instance_ha_common import urls
from instance_ha_common.juju import databag, status
from ops import testing


def complete(bag):
    return "password" in bag


def test_absent_values_in_all_their_spellings():
    data = {"a": "1", "b": "", "c": "None", "d": "__null__"}
    assert databag.bag(data) == {"a": "1"}


@pytest.mark.parametrize(
    ("bags", "newest", "chosen"),
    [
        ({}, None, None),
        ({"k/0": {}}, "k/0", None),
        ({"k/1": {"password": "x"}, "k/0": {"password": "old"}}, None, "k/0"),
        ({"k/1": {"password": "x"}, "k/0": {"password": "old"}}, "k/1", "k/1"),
        ({"k/1": {}, "k/0": {"password": "old"}}, "k/1", "k/0"),
        ({"k/0": {"password": "old"}}, "k/9", "k/0"),
    ],
    ids=["none", "incomplete", "first", "newest", "newest-incomplete", "newest-gone"],
)
def test_which_answer_counts(bags, newest, chosen):
    assert databag.choose(bags, complete, newest) == chosen


def test_unit_bags_of_a_relation():
    class Charm(ops.CharmBase):
        pass

    relation = testing.Relation("db", remote_units_data={0: {"x": "1", "y": ""}, 1: {}})
    context = testing.Context(Charm, meta={"name": "c", "requires": {"db": {"interface": "i"}}})
    with context(context.on.update_status(), testing.State(relations=[relation])) as manager:
        bags = databag.unit_bags(manager.charm.model.relations["db"])
    own_keys = {"egress-subnets", "ingress-address", "private-address"}
    assert {unit: set(bag) - own_keys for unit, bag in bags.items()} == {
        "remote/0": {"x"},
        "remote/1": set(),
    }


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("fd00::1", "[fd00::1]"),
        ("a.b", "a.b"),
        ("[fd00::1]", "[fd00::1]"),
    ],
)
def test_urls(host, expected):
    assert urls.url("https", host, 5000, "/v3") == f"https://{expected}:5000/v3"


def test_status_texts_are_sorted():
    assert status.missing_relations(["b", "a"]) == "Missing relations: a, b"
    assert status.incomplete_relations(["b"]) == "Incomplete relations: b"
    assert status.services_not_running({"b", "a"}) == "Services not running that should be: a, b"
    assert status.services_running_while_paused(["x"]).endswith("running: x")
    assert status.ports_not_open([20, 3]) == "Ports which should be open, but are not: 3, 20"
