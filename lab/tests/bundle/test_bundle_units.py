"""Units go where the placements say, beside what is there already."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jujulab.engine.model.state import State, Unit
from running import machines_of


def bundle(web, db=1, machines="", db_to="[]"):
    return f"""
        {machines and f"machines: {machines}"}
        applications:
          web: {{charm: web, {web}}}
          db: {{charm: db, num_units: {db}, to: {db_to}}}
    """


def test_without_placement_each_unit_gets_a_machine(model):
    model.deploy(bundle("num_units: 2"))
    assert (model.units("db"), model.units("web")) == (
        {"db/0": "0"},
        {"web/0": "1", "web/1": "2"},
    )


def test_new_is_for_all_units_that_follow(model):
    model.deploy(bundle("num_units: 3, to: ['lxd:new']", db=0))
    assert list(model.units("web").values()) == ["0/lxd/0", "1/lxd/0", "2/lxd/0"]


def test_a_machine_is_for_one_unit_and_more_units_get_new_ones(model):
    model.deploy(bundle("num_units: 2, to: ['0']", db=0, machines="{0: {}}"))
    assert model.units("web") == {"web/0": "0", "web/1": "1"}


def test_missing_units_take_the_placements_that_are_free(model):
    text = bundle(
        "num_units: 3, to: ['lxd:0', 'lxd:1', 'lxd:2']", db=0, machines="{0: , 1: , 2: }"
    )
    model.deploy(text)
    del model.view.units["web/1"], model.view.machines["1/lxd/0"]
    model.view.machines["1"].next_container = 0
    assert model.changes(text) == [
        "add lxd container 1/lxd/0 on machine 1",
        "add unit web/3 to machine 1/lxd/0",
    ]


def test_more_units_than_the_bundle_wants_stay(model):
    model.deploy(bundle("num_units: 3"))
    assert model.changes(bundle("num_units: 1")) == []


def test_containers_are_numbered_apart_on_each_machine(model):
    text = bundle("num_units: 3, to: ['lxd:0', 'lxd:1', 'lxd:0']", db=0, machines="{0: {}, 1: {}}")
    model.deploy(text)
    assert list(model.units("web").values()) == ["0/lxd/0", "1/lxd/0", "0/lxd/1"]


def test_units_of_the_model_are_taken_in_the_order_of_their_numbers(model):
    model.deploy(bundle("num_units: 0", db=0))
    model.view.units = {f"web/{n}": Unit(f"web/{n}", str(n)) for n in (10, 9)}
    model.view.machines = machines_of("9", "10")
    text = bundle(
        "num_units: 2, to: ['0', '1']", db=2, machines="{0: , 1: }", db_to="['lxd:0', 'lxd:1']"
    )
    model.deploy(text, machines="")
    assert list(model.units("db").values()) == ["9/lxd/0", "10/lxd/0"]


directives = st.sampled_from(["0", "1", "lxd:0", "lxd:1", "new", "lxd:new"])


@st.composite
def bundles(draw):
    web = draw(st.lists(directives, min_size=1, max_size=4))
    db = draw(st.lists(directives, max_size=3))
    more = draw(st.integers(0, 2))
    used = {d.partition(":")[2] or d for d in [*web, *db]} & {"0", "1"}
    return f"""
        machines: {{{", ".join(f'"{m}": ' for m in sorted(used))}}}
        applications:
          web: {{charm: web, num_units: {len(web)}, to: {web}}}
          db: {{charm: db, num_units: {len(db) + more}, to: {db}}}
    """


@given(text=bundles())
@settings(
    max_examples=60,
    deadline=None,  # the machine that runs the tests may be busy
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@pytest.mark.parametrize("machines", ["existing", ""])
def test_every_bundle_is_deployed_completely_and_once(model, text, machines):
    model.view = State()
    model.deploy(text, machines=machines)
    wanted = {
        name: app.spec.num_units for name, app in model.workshop.load(text).applications.items()
    }
    assert {name: len(model.units(name)) for name in wanted} == wanted
    assert model.changes(text, machines=machines) == []
