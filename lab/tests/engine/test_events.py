"""The order of hooks: what each unit is told, and when."""

import pytest
from jujulab.engine.model import applications, relations, removal, units
from jujulab.juju.errors import JujuError, NotFoundError


def related(bench, *, units=1):
    bench.deploy("principal", "web", units=units)
    bench.deploy("principal", "db")
    bench.settle()
    return relations.add(bench.model, "web:sink", "db:source")


def with_subordinate(bench, *, units=1):
    bench.deploy("principal", "web", units=units)
    bench.deploy("hanger", "hang")
    return relations.add(bench.model, "hang:host", "web")


def test_a_unit_is_deployed_in_jujus_order(bench):
    bench.deploy("principal")
    assert bench.settle("principal/0") == [
        "install",
        "ring-relation-created",
        "leader-elected",
        "config-changed",
        "start",
    ]


def test_only_the_leader_is_told_that_it_leads(bench):
    bench.deploy("principal", units=2)
    hooks = bench.settle()
    assert [line for line in hooks if "leader-elected" in line] == ["principal/0 leader-elected"]


def test_relations_that_exist_at_deploy_are_created_before_config_changed(bench):
    bench.deploy("principal", "web")
    bench.deploy("principal", "db")
    relations.add(bench.model, "web:sink", "db:source")
    hooks = bench.settle("web/0")
    assert hooks.index("sink-relation-created") < hooks.index("config-changed")
    assert hooks.index("start") < hooks.index("sink-relation-joined db/0")


def test_joined_is_followed_by_changed_for_the_same_unit(bench):
    related(bench, units=2)
    assert bench.settle("db/0") == [
        "source-relation-created",
        "source-relation-joined web/0",
        "source-relation-changed web/0",
        "source-relation-joined web/1",
        "source-relation-changed web/1",
    ]


def test_a_peer_relation_has_no_joined_for_oneself(bench):
    bench.deploy("principal", units=2)
    hooks = bench.settle("principal/0")
    assert [h for h in hooks if "ring" in h] == [
        "ring-relation-created",
        "ring-relation-joined principal/1",
        "ring-relation-changed principal/1",
    ]


def test_a_write_tells_every_remote_unit_and_nobody_else(bench):
    relation = related(bench, units=2)
    bench.settle()
    assert relations.write(relation, "db/0", {"host": "10.0.0.1"})
    assert sorted(bench.settle()) == [
        "web/0 sink-relation-changed db/0",
        "web/1 sink-relation-changed db/0",
    ]


def test_application_data_tells_of_no_unit(bench):
    relation = related(bench)
    bench.settle()
    relations.write(relation, "db", {"url": "x"})
    assert bench.settle() == ["web/0 sink-relation-changed"]


def test_a_leader_is_not_told_of_its_own_peer_application_data(bench):
    bench.deploy("principal", units=2)
    bench.settle()
    ring = bench.model.state.relations["0"]
    relations.write(ring, "principal", {"secret": "x"})
    assert bench.settle() == ["principal/1 ring-relation-changed"]


def test_writing_what_is_there_tells_nobody(bench):
    relation = related(bench)
    bench.settle()
    relations.write(relation, "db/0", {"a": "1"})
    bench.settle()
    assert not relations.write(relation, "db/0", {"a": "1", "gone": ""})
    assert bench.settle() == []


def test_many_writes_are_one_event(bench):
    relation = related(bench)
    bench.settle()
    for value in "abc":
        relations.write(relation, "db/0", {"a": value})
    assert bench.settle() == ["web/0 sink-relation-changed db/0"]


def test_an_option_that_changes_runs_config_changed(bench):
    bench.deploy("principal", units=2)
    bench.settle()
    applications.set_options(bench.model, "principal", {"count": "3"}, [])
    assert bench.settle() == ["principal/0 config-changed", "principal/1 config-changed"]
    applications.set_options(bench.model, "principal", {"count": "3"}, [])
    assert bench.settle() == []


def test_units_of_a_subordinate_follow_their_principals(bench):
    with_subordinate(bench, units=2)
    bench.settle()
    hangers = bench.model.units_of("hang")
    assert [(u.name, u.principal, u.machine) for u in hangers] == [
        ("hang/0", "web/0", "0"),
        ("hang/1", "web/1", "1"),
    ]


def test_a_container_relation_is_between_a_principal_and_its_own_subordinate(bench):
    with_subordinate(bench, units=2)
    hooks = bench.settle()
    assert "web/0 juju-info-relation-joined hang/0" in hooks
    assert "hang/1 host-relation-joined web/1" in hooks
    assert not [h for h in hooks if h.endswith(("joined hang/1",)) and h.startswith("web/0")]


def test_a_new_principal_gets_its_subordinate(bench):
    with_subordinate(bench)
    bench.settle()
    bench.add_units("web")
    assert "hang/1 install" in bench.settle()


def test_a_unit_is_torn_down_in_jujus_order(bench):
    related(bench)
    bench.settle()
    removal.destroy_unit(bench.model, bench.model.unit("web/0"))
    hooks = bench.settle()
    assert [h for h in hooks if h.startswith("web/0")] == [
        "web/0 ring-relation-broken",
        "web/0 sink-relation-departed db/0 web/0",
        "web/0 sink-relation-broken",
        "web/0 stop",
        "web/0 remove",
        "web/0 gone",
    ]
    assert [h for h in hooks if h.startswith("db/0")] == [
        "db/0 source-relation-departed web/0 web/0"
    ]


def test_a_relation_is_removed_from_both_ends(bench):
    relation = related(bench)
    bench.settle()
    removal.remove_relation(bench.model, "web:sink", "db:source")
    assert sorted(bench.settle()) == [
        "db/0 source-relation-broken",
        "db/0 source-relation-departed web/0 web/0",
        "web/0 sink-relation-broken",
        "web/0 sink-relation-departed db/0 db/0",
    ]
    assert str(relation.id) not in bench.model.state.relations


def test_subordinates_go_with_their_relation(bench):
    with_subordinate(bench)
    bench.settle()
    removal.remove_relation(bench.model, "hang", "web")
    hooks = bench.settle("hang/0")
    assert hooks == [
        "host-relation-departed web/0 hang/0",
        "host-relation-broken",
        "stop",
        "remove",
        "gone",
    ]
    assert bench.model.unit("web/0").subordinates == []


def test_a_subordinate_stays_while_another_relation_holds_it(bench):
    bench.deploy("principal", "web")
    bench.deploy("hanger", "hang")
    first = relations.add(bench.model, "hang:host", "web")
    bench.settle()
    assert relations.find(bench.model, "hang:host", "web:juju-info") is first
    removal.kill(bench.model, first)
    assert bench.model.unit("hang/0").life == "dying"


def test_a_principal_is_gone_after_its_subordinates(bench):
    with_subordinate(bench)
    bench.settle()
    removal.destroy_unit(bench.model, bench.model.unit("web/0"))
    hooks = bench.settle()
    assert hooks.index("hang/0 gone") < hooks.index("web/0 gone")


def test_an_application_goes_with_everything_that_it_has(bench):
    related(bench)
    bench.settle()
    removal.destroy_application(bench.model, "db")
    bench.settle()
    assert set(bench.model.state.applications) == {"web"}
    assert [len(r.endpoints) for r in bench.model.state.relations.values()] == [1]
    assert bench.model.machine("1").life == "dying"


def test_a_unit_that_was_never_installed_goes_without_hooks(bench):
    bench.deploy("principal")
    removal.destroy_unit(bench.model, bench.model.unit("principal/0"))
    assert bench.settle() == []
    assert not bench.model.state.units


def test_force_removes_a_unit_without_hooks(bench):
    related(bench)
    bench.settle()
    removal.destroy_unit(bench.model, bench.model.unit("web/0"), force=True)
    assert bench.settle() == ["db/0 source-relation-departed web/0 web/0"]


def test_start_runs_again_after_a_reboot(bench):
    bench.deploy("principal")
    bench.settle()
    machine = bench.machine("principal/0")
    machine.power_off()
    assert bench.settle() == []
    machine.start()
    assert bench.settle() == ["principal/0 start"]


def test_update_status_comes_when_its_time_has_come(bench):
    bench.deploy("principal")
    bench.settle()
    bench.now += 59
    assert bench.settle() == []
    bench.now += 1
    assert bench.settle() == ["principal/0 update-status"]


def test_the_lead_passes_on_when_the_lease_of_a_dead_machine_is_over(bench):
    bench.deploy("principal", units=2)
    bench.settle()
    bench.machine("principal/0").power_off()
    bench.model.boot("0", fresh=True)
    bench.now += 29
    assert bench.settle() == []
    bench.now += 1
    assert bench.settle() == ["principal/1 leader-elected"]
    bench.machine("principal/0").start()
    assert bench.settle("principal/0") == ["start", "leader-settings-changed"]
    assert bench.model.application("principal").leader == "principal/1"


def test_the_lead_passes_on_at_once_when_its_unit_is_removed(bench):
    bench.deploy("principal", units=2)
    bench.settle()
    removal.destroy_unit(bench.model, bench.model.unit("principal/0"))
    assert "leader-elected" in bench.settle("principal/1")


def test_endpoints_are_found_where_only_one_pair_fits(bench):
    bench.deploy("principal", "web")
    bench.deploy("hanger", "hang")
    left, right = relations.infer(bench.model, "hang:sink", "web")
    assert (left[1].name, right[1].name) == ("sink", "source")


@pytest.mark.parametrize(
    ("first", "second", "problem"),
    [
        ("web", "db", "ambiguous relation"),
        ("web:nope", "db", 'application "web" has no "nope" relation'),
        ("web:source", "db:source", "no relations found"),
        ("web:ring", "db:ring", "no relations found"),
        ("web", "ghost", 'application "ghost" not found'),
    ],
)
def test_relations_that_cannot_be(bench, first, second, problem):
    bench.deploy("principal", "web")
    bench.deploy("principal", "db")
    with pytest.raises(JujuError, match=problem):
        relations.add(bench.model, first, second)


def test_a_relation_exists_once(bench):
    related(bench)
    with pytest.raises(JujuError, match="already exists"):
        relations.add(bench.model, "db:source", "web:sink")


def test_principal_and_subordinate_have_the_same_base(bench):
    bench.deploy("principal", "web")
    bench.deploy("hanger", "hang")
    bench.model.application("web").base = "ubuntu@22.04"
    bench.model.application("hang").base = "ubuntu@24.04"
    with pytest.raises(JujuError, match="bases must match"):
        relations.add(bench.model, "hang:host", "web")


def test_placement(bench):
    assert units.place(bench.model, "") == "0"
    assert units.place(bench.model, "lxd:0") == "0/lxd/0"
    assert units.place(bench.model, "lxd:0") == "0/lxd/1"
    assert units.place(bench.model, "0/lxd/1") == "0/lxd/1"
    assert units.place(bench.model, "lxd") == "1/lxd/0"
    with pytest.raises(NotFoundError):
        units.place(bench.model, "7")
    with pytest.raises(JujuError, match="invalid placement"):
        units.place(bench.model, "zone=a")
