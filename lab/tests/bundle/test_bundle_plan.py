"""Deploying a bundle changes what the model lacks, and nothing else."""

import pytest
from jujulab.bundle import plan
from jujulab.bundle.changes import AddApplication
from jujulab.bundle.errors import BundleError
from jujulab.bundle.names import MachineMap
from jujulab.bundle.plan import compute_changes
from jujulab.engine.model.state import State, Unit
from running import deployed, machines_of

OVERLAY = """
applications:
  shop: {charm: web, num_units: 2, to: ["lxd:0", "lxd:1"], bindings: {db: internal}}
  agent: {charm: agent}
relations:
  - ["shop:db", "db:sql"]
  - ["web:juju-info", "agent:host"]
"""


def test_an_empty_model_gets_everything_in_order(model, base):
    assert model.changes(base) == [
        "deploy application db using db from 8.0/stable",
        "deploy application web using web from 1.0/stable",
        "add new machine 0",
        "add new machine 1",
        "add relation web:db - db:sql",
        "add lxd container 0/lxd/0 on machine 0",
        "add unit db/0 to machine 0/lxd/0",
        "add unit web/0 to machine 0",
        "add unit web/1 to machine 1",
    ]


def test_an_overlay_adds_only_its_own_to_a_running_model(model, base):
    model.deploy(base)
    assert model.changes(base, OVERLAY) == [
        "deploy application agent using agent",
        "deploy application shop using web",
        "add relation shop:db - db:sql",
        "add relation web:juju-info - agent:host",
        "add lxd container 0/lxd/1 on machine 0",
        "add unit shop/0 to machine 0/lxd/1",
        "add lxd container 1/lxd/0 on machine 1",
        "add unit shop/1 to machine 1/lxd/0",
    ]


@pytest.mark.parametrize("machines", ["existing", ""])
def test_a_second_deployment_changes_nothing(model, base, machines):
    model.deploy(base, OVERLAY, machines=machines)
    assert model.changes(base, OVERLAY, machines=machines) == []


def test_what_the_bundle_does_not_have_stays(model, base):
    model.deploy(base, OVERLAY)
    assert model.changes(base) == []


# Applications


def changes_of(model, workshop, text):
    return compute_changes(workshop.load(text), model.view, MachineMap(), model.spaces)


def test_a_new_application_gets_all_that_the_bundle_says(model, workshop):
    text = """
        applications:
          web:
            charm: web
            channel: edge
            revision: 7
            base: ubuntu@22.04
            options: {port: '80', title: null}
            bindings: {"": internal}
            constraints: mem=1G
            trust: true
    """
    assert changes_of(model, workshop, text) == [
        AddApplication(
            name="web",
            charm="web",
            channel="latest/edge",
            revision=7,
            base="ubuntu@22.04",
            options={"port": 80},
            bindings={"": "internal"},
            constraints="mem=1G",
            trust=True,
        )
    ]


def test_a_subordinate_is_marked(model, workshop):
    (change,) = changes_of(model, workshop, "applications: {agent: {charm: agent}}")
    assert change == AddApplication("agent", "agent", subordinate=True)


def test_a_local_charm_has_its_path_and_no_channel(model, workshop):
    (change,) = changes_of(model, workshop, "applications: {web: {charm: ./charms/web}}")
    assert (change.charm, change.channel) == (str(workshop.directory / "charms/web"), None)


def test_only_options_that_differ_are_set(model, base):
    model.deploy(base)
    changed = "applications: {web: {options: {title: Shop, port: 8080, debug: false}}}"
    assert model.deploy(base, changed) == ["set application options for web"]
    assert model.view.applications["web"].options == {
        "title": "Shop",
        "port": 8080,
        "debug": False,
    }


def test_an_option_that_the_bundle_does_not_name_stays(model, base):
    model.deploy(base, "applications: {web: {options: {debug: true}}}")
    assert model.changes(base) == []


def test_null_in_a_bundle_gives_an_option_its_default_again(model, workshop):
    model.deploy("applications: {web: {charm: web, options: {port: 80}}}")
    reset = "applications: {web: {charm: web, options: {port: null}}}"
    (change,) = changes_of(model, workshop, reset)
    assert change.options == {"port": None}
    model.deploy(reset)
    assert changes_of(model, workshop, reset) == []


def test_constraints_that_differ_are_set(model, base):
    model.deploy(base)
    changes = model.deploy(base, "applications: {web: {constraints: mem=2G}}")
    assert changes == ['set constraints for web to "mem=2G"']


@pytest.mark.parametrize(
    ("written", "current"),
    [
        ("mem=2G", "mem=2G"),
        ("mem=2G arch=amd64", "arch=amd64 mem=2G"),
    ],
)
def test_constraints_that_mean_the_same_are_left(model, written, current):
    model.view = State(applications={"web": deployed("web", "web", constraints=current)})
    assert model.changes(f"applications: {{web: {{charm: web, constraints: '{written}'}}}}") == []


def test_the_architecture_that_juju_has_added_is_a_difference(model):
    view = deployed("web", "web", constraints="arch=amd64 mem=2G")
    model.view = State(applications={"web": view})
    changes = model.changes("applications: {web: {charm: web, constraints: mem=2G}}")
    assert [str(change) for change in changes] == ['set constraints for web to "mem=2G"']


LOCAL = "applications: {web: {charm: ./charms/web, num_units: 1}}"


@pytest.mark.parametrize("release", ["3.6", "4"])
def test_a_local_charm_without_the_architecture_is_found_again_by_3_alone(
    model, workshop, monkeypatch, release
):
    monkeypatch.setattr(plan, "JUJU4", release == "4")
    model.deploy(LOCAL)
    model.view.applications["web"].constraints = "arch=amd64"
    again = LOCAL.replace("num_units", "constraints: arch=amd64, num_units")
    assert model.changes(again) == []
    if release == "4":
        refusal = model.refusal(LOCAL)
        assert 'cannot deploy local charm at "web": file does not exist' in refusal
        assert "with constraints: arch=amd64 it can be deployed again" in refusal
    else:
        assert [str(change) for change in model.changes(LOCAL)] == [
            'set constraints for web to ""'
        ]


def test_another_charm_replaces_the_charm(model):
    model.deploy("applications: {db: {charm: db}}")
    assert model.changes("applications: {db: {charm: twin-db}}") == [
        "upgrade db using charm twin-db"
    ]


@pytest.mark.parametrize(("current", "changes"), [(4, ["upgrade web using charm web"]), (5, [])])
def test_a_newer_revision_is_an_upgrade(model, current, changes):
    view = deployed("web", "web", channel="latest/stable", revision=current)
    model.view = State(applications={"web": view})
    text = "applications: {web: {charm: web, channel: stable, revision: 5}}"
    assert model.changes(text) == changes


@pytest.mark.parametrize("current", ["local:web-3", "{directory}/charms/web"])
def test_a_local_charm_with_the_same_name_is_left(model, workshop, current):
    view = deployed("web", current.format(directory=workshop.directory))
    model.view = State(applications={"web": view})
    assert model.changes("applications: {web: {charm: ./charms/web}}") == []


def test_a_local_charm_does_not_replace_one_of_charmhub(model):
    model.deploy("applications: {web: {charm: web}}")
    assert model.changes("applications: {web: {charm: ./charms/web}}") == []


def test_a_local_charm_with_a_channel_is_not_found_again(model):
    text = "applications: {web: {charm: ./charms/web, channel: 1.0/stable}}"
    model.deploy(text)
    refusal = model.refusal(text)
    assert 'applications.web.channel: cannot deploy local charm at "web"' in refusal
    assert "file does not exist" in refusal


def test_a_charm_of_charmhub_replaces_a_local_one(model):
    model.view = State(applications={"web": deployed("web", "local:web-3")})
    assert model.changes("applications: {web: {charm: web}}") == ["upgrade web using charm web"]


def test_another_channel_is_refused(model, base):
    model.deploy(base)
    refusal = model.refusal(base.replace("8.0/stable", "8.0/edge"))
    assert refusal.startswith("bundle.yaml:14: applications.db.channel: db follows the channel")


@pytest.mark.parametrize(("written", "current"), [("stable", "latest/stable"), ("8", "8/stable")])
def test_channels_that_mean_the_same_are_one(model, written, current):
    model.view = State(applications={"db": deployed("db", "db", channel=current)})
    assert model.changes(f"applications: {{db: {{charm: db, channel: '{written}'}}}}") == []


def test_a_space_that_the_model_does_not_have_is_refused(model, base):
    model.spaces = ("internal",)
    refusal = model.refusal(base)
    assert 'web.bindings.public: the model has no space "public"; it has internal' in refusal


# Relations


def test_a_relation_is_known_in_either_order(model, base):
    model.deploy(base)
    (relation,) = model.view.relations.values()
    relation.endpoints.reverse()
    assert model.changes(base) == []


def test_a_relation_that_is_missing_is_added(model, base):
    model.deploy(base)
    model.view.relations.clear()
    assert model.changes(base) == ["add relation web:db - db:sql"]


def test_a_relation_with_inferred_endpoints_is_known(model, base):
    model.deploy(base)
    assert model.changes(base.replace('["web:db", "db:sql"]', "[web, db]")) == []


# Machines


def test_machines_of_the_bundle_are_mapped_explicitly(model, base):
    model.view = State(machines=machines_of("5", "6"))
    model.deploy(base, machines="0=6,1=5")
    assert model.units("web") == {"web/0": "6", "web/1": "5"}
    assert model.units("db") == {"db/0": "6/lxd/0"}


def test_an_explicit_pair_goes_before_existing(model, base):
    model.view = State(machines=machines_of("0", "1", "2"))
    model.deploy(base, machines="existing,1=2")
    assert model.units("web") == {"web/0": "0", "web/1": "2"}


def test_a_machine_that_the_model_does_not_have_is_added(model, base):
    model.view = State(machines=machines_of("0"), next_machine=1)
    assert "add new machine 1" in model.changes(base)


def test_without_a_mapping_existing_machines_are_not_touched(model, base):
    model.view = State(machines=machines_of("0", "1"), next_machine=2)
    changes = model.changes(base, machines="")
    assert "add new machine 2 (bundle machine 0)" in changes
    assert "add new machine 3 (bundle machine 1)" in changes


def test_new_machines_have_base_and_constraints(model, workshop, base):
    text = base.replace('"1": {}', '"1": {constraints: mem=8G}')
    changes = compute_changes(workshop.load(text), model.view, MachineMap(), model.spaces)
    machine = next(c for c in changes if getattr(c, "id", "") == "1")
    assert (machine.base, machine.constraints) == ("ubuntu@22.04", "mem=8G")


def test_numbers_are_not_used_twice(model, base):
    model.view = State(
        machines=machines_of("3", next_container=4),
        applications={"web": deployed("web", "web", next_unit=9, channel="1.0/stable")},
        next_machine=8,
    )
    model.deploy(base, machines="0=3")
    assert model.units("web") == {"web/9": "3", "web/10": "8"}
    assert model.units("db") == {"db/0": "3/lxd/4"}


def test_a_machine_is_found_again_by_its_units(model, base):
    options = {"title": "Shop", "port": 80}
    model.view = State(
        applications={"web": deployed("web", "web", channel="1.0/stable", options=options)},
        machines=machines_of("10", "11"),
        units={"web/0": Unit("web/0", "10"), "web/1": Unit("web/1", "11")},
    )
    assert model.changes(base, machines="") == [
        "deploy application db using db from 8.0/stable",
        "add relation web:db - db:sql",
        "add lxd container 10/lxd/0 on machine 10",
        "add unit db/0 to machine 10/lxd/0",
    ]


@pytest.mark.parametrize(
    ("machines", "rule"),
    [
        ("0=7", "--map-machines: the model has no machine 7 (for 0)"),
        ("9=0", "--map-machines: the bundle has no machine 9"),
        ("all", '--map-machines: expected "existing" or "<bundle-id>=<machine-id>", got "all"'),
        ("0=0/lxd/0", 'got "0=0/lxd/0"'),
        ("0=-1", 'got "0=-1"'),
        ("0=0,0=1", "machine 0 of the bundle is mapped twice"),
    ],
)
def test_wrong_mappings_are_refused(model, base, machines, rule):
    model.view = State(machines=machines_of("0", "1"))
    assert rule in model.refusal(base, machines=machines)


def test_a_new_machine_that_nothing_new_goes_to_is_refused(model, base):
    # The units are elsewhere already, and no pair says that their machine is the bundle's 1.
    model.deploy(base)
    model.view.units["web/1"].machine = "0"
    del model.view.machines["1"]
    model.view.machines |= machines_of("4")
    refusal = model.refusal(base)
    assert "need an explicit entry in --map-machines for machine 1 of the bundle" in refusal
    assert "perhaps to one of the model's machines 4; it should host web" in refusal


def test_nothing_is_planned_for_a_bundle_that_does_not_fit(workshop, base):
    with pytest.raises(BundleError):
        compute_changes(workshop.load(base), State(), MachineMap(), spaces=())
