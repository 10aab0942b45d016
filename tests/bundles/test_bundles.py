"""The bundles and overlays of this repository obey Juju's rules, in every combination.

The metadata is that of this repository's charms and of the lab's stand-ins, whose endpoints and
options are those of the Charmhub charms.
"""

import itertools
import re
from pathlib import Path

import pytest
from jujulab.bundle import (
    AddApplication,
    AddMachine,
    AddRelation,
    AddUnit,
    ApplicationView,
    LocalCharms,
    MachineMap,
    MachineView,
    ModelView,
    UnitView,
    compute_changes,
    load,
)
from jujulab.bundle.verify import placeholders

REPOSITORY = Path(__file__).resolve().parents[2]
BASE = REPOSITORY / "bundles" / "base.yaml"
MASAKARI = REPOSITORY / "overlays" / "masakari.yaml"
SPACES = frozenset({"public", "admin", "internal", "storage", "tenant"})

APPENDIX_L = {
    ("nova-compute:juju-info", "masakari-monitors:container"),
    ("masakari:ha", "hacluster:ha"),
    ("keystone:identity-credentials", "masakari-monitors:identity-credentials"),
    ("nova-compute:juju-info", "pacemaker-remote:juju-info"),
    ("hacluster:pacemaker-remote", "pacemaker-remote:pacemaker-remote"),
    ("masakari:identity-service", "keystone:identity-service"),
    ("masakari:shared-db", "mysql:shared-db"),
    ("masakari:amqp", "rabbitmq-server:amqp"),
}


def combinations():
    """Every set of overlays, each applied after masakari.yaml, which they extend."""
    others = sorted(set((REPOSITORY / "overlays").glob("*.yaml")) - {MASAKARI})
    yield ()
    for size in range(len(others) + 1):
        for chosen in itertools.combinations(others, size):
            yield (MASAKARI, *chosen)


@pytest.fixture(scope="module")
def charms():
    return LocalCharms()


@pytest.mark.parametrize("bundle", sorted((REPOSITORY / "bundles").glob("*.yaml")), ids=str)
@pytest.mark.parametrize(
    "overlays", list(combinations()), ids=lambda c: "+".join(p.stem for p in c)
)
def test_every_combination_is_right(bundle, overlays, charms):
    assert load(bundle, overlays, charms=charms).applications


@pytest.mark.parametrize("project", [(), (MASAKARI,)], ids=["base", "masakari"])
def test_the_labs_own_overlays_fit(project, charms):
    overlays = [*project, *sorted((REPOSITORY / "lab" / "overlays").glob("*.yaml"))]
    assert load(BASE, overlays, charms=charms).applications


@pytest.fixture
def running(charms):
    """A model to which the base was deployed."""
    changes = compute_changes(
        load(BASE, charms=charms), ModelView(spaces=SPACES), MachineMap(existing=True)
    )
    return executed(ModelView(spaces=SPACES), changes)


def executed(model, changes):
    """Return the model after changes that only add."""
    applications = dict(model.applications)
    machines = dict(model.machines)
    relations = set(model.relations)
    for change in changes:
        match change:
            case AddApplication():
                applications[change.name] = ApplicationView(
                    charm=change.charm,
                    channel=change.channel,
                    options=change.options,
                    constraints=change.constraints,
                )
            case AddMachine():
                machines[change.id] = MachineView()
            case AddRelation():
                relations.add((change.endpoint1, change.endpoint2))
            case AddUnit():
                view = applications[change.application]
                units = (*view.units, UnitView(change.unit, change.machine))
                applications[change.application] = ApplicationView(
                    charm=view.charm, channel=view.channel, options=view.options, units=units
                )
            case _:
                pytest.fail(f"{change} does not only add")
    return ModelView(applications, machines, frozenset(relations), model.spaces)


def overlay_changes(running, charms):
    bundle = load(BASE, [MASAKARI], charms=charms)
    return compute_changes(bundle, running, MachineMap(existing=True))


def test_the_base_fills_machines_0_to_3(running):
    assert {m for m in running.machines if "/" not in m} == {"0", "1", "2", "3"}
    assert {u.machine for u in running.applications["nova-compute"].units} == {"1", "2", "3"}


def test_the_overlay_adds_its_applications_to_a_running_cloud(running, charms):
    added = [c for c in overlay_changes(running, charms) if isinstance(c, AddApplication)]
    assert {c.name for c in added} == {
        "hacluster",
        "masakari",
        "masakari-monitors",
        "pacemaker-remote",
    }
    assert {c.name for c in added if not c.subordinate} == {"masakari"}


def test_the_overlay_adds_the_relations_of_appendix_l(running, charms):
    added = [c for c in overlay_changes(running, charms) if isinstance(c, AddRelation)]
    assert {(c.endpoint1, c.endpoint2) for c in added} == APPENDIX_L


def test_the_overlay_puts_masakari_into_containers_on_the_hypervisors(running, charms):
    units = [c for c in overlay_changes(running, charms) if isinstance(c, AddUnit)]
    assert [(c.unit, c.machine) for c in units] == [
        ("masakari/0", "1/lxd/0"),
        ("masakari/1", "2/lxd/0"),
        ("masakari/2", "3/lxd/0"),
    ]


def test_the_overlay_changes_nothing_that_runs(running, charms):
    changes = overlay_changes(running, charms)
    kinds = (AddApplication, AddMachine, AddRelation, AddUnit)
    assert [c for c in changes if not isinstance(c, kinds)] == []
    assert [c.id for c in changes if isinstance(c, AddMachine)] == [
        "1/lxd/0",
        "2/lxd/0",
        "3/lxd/0",
    ]


def test_a_second_deployment_changes_nothing(running, charms):
    deployed = executed(running, overlay_changes(running, charms))
    assert overlay_changes(deployed, charms) == []


def test_fencing_is_on_and_pacemaker_runs_nothing_on_the_hypervisors(charms):
    applications = load(BASE, [MASAKARI], charms=charms).applications
    assert applications["pacemaker-remote"].options == {
        "enable-stonith": True,
        "enable-resources": False,
    }
    assert applications["hacluster"].options["cluster_count"] == 3


def test_three_values_are_to_be_filled_in(charms):
    bundle = load(BASE, [MASAKARI], charms=charms)
    assert {problem.origin.key.rpartition(".")[2] for problem in placeholders(bundle)} == {
        "vip",
        "maas_url",
        "maas_credentials",
    }


def test_the_base_leaves_nothing_to_fill_in(charms):
    assert placeholders(load(BASE, charms=charms)) == []


def test_local_charms_are_named_as_charmcraft_names_them(charms):
    for application in load(BASE, [MASAKARI], charms=charms).applications.values():
        path = Path(application.spec.charm)
        if path.is_absolute():
            name = application.meta.name
            assert path.parent == REPOSITORY / "charms" / name
            assert re.fullmatch(rf"{name}_ubuntu@22\.04-amd64\.charm", path.name)
