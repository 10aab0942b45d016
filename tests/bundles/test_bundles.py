"""The bundles and overlays of this repository obey Juju's rules, in every combination.

The metadata is that of this repository's charms and of the lab's stand-ins, whose endpoints and
options are those of the Charmhub charms.
"""

import re
from pathlib import Path

import pytest
from combinations import BUNDLES, MASAKARI, NOBLE, REPOSITORY, combinations
from jujulab.bundle.changes import AddApplication, AddMachine, AddRelation, AddUnit
from jujulab.bundle.errors import BundleError
from jujulab.bundle.load import load
from jujulab.bundle.names import MachineMap
from jujulab.bundle.plan import compute_changes
from jujulab.engine.model.state import (
    Application,
    Endpoint,
    MachineState,
    Relation,
    State,
    Unit,
)
from jujulab.juju.charm import LocalCharms

BASE = REPOSITORY / "bundles" / "base.yaml"
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


@pytest.fixture(scope="module")
def charms():
    return LocalCharms()


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: path.stem)
@pytest.mark.parametrize(
    "overlays", list(combinations()), ids=lambda c: "+".join(p.stem for p in c)
)
def test_every_combination_is_right(bundle, overlays, charms):
    assert load(bundle, overlays, charms=charms).applications


LAB_OVERLAYS = {path.stem: path for path in (REPOSITORY / "lab" / "overlays").glob("*.yaml")}


@pytest.mark.parametrize("name", sorted(LAB_OVERLAYS))
def test_the_labs_own_overlays_fit(name, charms):
    """Two extend the base alone, the others masakari.yaml and the overlay of their name."""
    wanted = [] if name in ("ceph", "cloud") else [MASAKARI, MASAKARI.with_name(f"{name}.yaml")]
    project = [path for path in wanted if path.exists()]
    assert load(BASE, [*project, LAB_OVERLAYS[name]], charms=charms).applications


@pytest.fixture
def running(charms):
    """A model to which the base was deployed."""
    model, bundle = State(), load(BASE, charms=charms)
    for change in compute_changes(bundle, model, MachineMap(existing=True), SPACES):
        add(model, change)
    return model


def add(model, change):
    """Make a change of a model that only adds."""
    match change:
        case AddApplication(name, charm):
            app = Application(name, charm, charm, charm, "charmhub", change.revision or 1)
            app.channel, app.constraints = change.channel, change.constraints
            app.options = dict(change.options)
            model.applications[name] = app
        case AddMachine(machine, parent):
            model.machines[machine] = MachineState(machine)
            if parent is None:
                model.next_machine += 1
            else:
                model.machines[parent].next_container += 1
        case AddRelation():
            ends = [end.split(":") for end in (change.endpoint1, change.endpoint2)]
            relation = Relation(len(model.relations), [Endpoint(*end, "", "") for end in ends])
            model.relations[str(relation.id)] = relation
        case AddUnit(name, unit, machine):
            model.units[unit] = Unit(unit, machine)
            model.applications[name].next_unit += 1
        case _:
            pytest.fail(f"{change} does not only add")


def overlay_changes(running, charms):
    bundle = load(BASE, [MASAKARI], charms=charms)
    return compute_changes(bundle, running, MachineMap(existing=True), SPACES)


@pytest.mark.parametrize(
    "overlays", list(combinations()), ids=lambda c: "+".join(p.stem for p in c)
)
def test_no_endpoint_is_left_to_the_models_default_space(overlays, charms):
    """Juju's own, alpha, has no addresses in a cloud whose networks have named spaces."""
    applications = load(BASE, overlays, charms=charms).applications
    assert {n for n, a in applications.items() if not a.spec.bindings.get("")} == set()


def test_the_base_fills_machines_0_to_3(running):
    assert {m for m in running.machines if "/" not in m} == {"0", "1", "2", "3"}
    assert {u.machine for u in running.units.values() if u.app == "nova-compute"} == {
        "1",
        "2",
        "3",
    }


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
    for change in overlay_changes(running, charms):
        add(running, change)
    assert overlay_changes(running, charms) == []


def test_fencing_is_on_and_pacemaker_runs_nothing_on_the_hypervisors(charms):
    applications = load(BASE, [MASAKARI], charms=charms).applications
    assert applications["pacemaker-remote"].options == {
        "enable-stonith": True,
        "enable-resources": False,
    }
    assert applications["hacluster"].options["cluster_count"] == 3


def test_a_cloud_on_noble_takes_the_same_with_one_more_overlay(charms, tmp_path):
    """A cloud is on one release of Ubuntu: its subordinates have to be on their principal's."""
    folder = tmp_path / "bundles"
    folder.mkdir()
    cloud = folder / "base.yaml"
    cloud.write_text(BASE.read_text().replace("ubuntu@22.04", "ubuntu@24.04"))
    applications = load(cloud, [MASAKARI, NOBLE], charms=charms).applications
    assert applications["masakari"].options["openstack-origin"] == "distro"
    for name in ("masakari", "masakari-monitors", "pacemaker-remote", "hacluster"):
        assert "24.04" in str(applications[name].base)
    with pytest.raises(BundleError, match="the bases differ"):
        load(BASE, [MASAKARI, NOBLE], charms=charms)


def placeholders(bundle):
    """Return the options that still have a text such as `<MAAS URL>`, which Juju would accept."""
    return {
        name
        for application in bundle.applications.values()
        for name, value in application.options.items()
        if isinstance(value, str) and re.fullmatch(r"<[^<>]+>", value.strip())
    }


def test_three_values_are_to_be_filled_in(charms):
    bundle = load(BASE, [MASAKARI], charms=charms)
    assert placeholders(bundle) == {
        "vip",
        "maas_url",
        "maas_credentials",
    }


def test_the_base_leaves_nothing_to_fill_in(charms):
    assert placeholders(load(BASE, charms=charms)) == set()


def test_local_charms_are_named_as_charmcraft_names_them(charms):
    for application in load(BASE, [MASAKARI], charms=charms).applications.values():
        path = Path(application.spec.charm)
        if path.is_absolute():
            name = application.meta.name
            assert path.parent == REPOSITORY / "charms" / name
            assert re.fullmatch(rf"{name}_ubuntu@22\.04-amd64\.charm", path.name)


def variant(charms, *names):
    """The bundle with masakari.yaml and further overlays, by name and in that order."""
    overlays = [MASAKARI.with_name(f"{name}.yaml") for name in names]
    return load(BASE, [MASAKARI, *overlays], charms=charms)


def relations_of(bundle, name):
    """The relations that name an application, as pairs of endpoints."""
    pairs = {tuple(sorted((found.endpoint1, found.endpoint2))) for found in bundle.relations}
    return {pair for pair in pairs if any(end.partition(":")[0] == name for end in pair)}


def test_further_overlays_combine_in_any_order(charms):
    names = [path.stem for overlays in combinations() for path in overlays[1:]]
    others = sorted(set(names))
    assert {"dns-ha", "mysql-router", "vault"} <= set(others)
    forward, backward = variant(charms, *others), variant(charms, *reversed(others))
    for name, application in forward.applications.items():
        assert backward.applications[name].options == application.options
        assert relations_of(backward, name) == relations_of(forward, name)


def test_the_router_comes_beside_the_direct_relation(charms):
    bundle = variant(charms, "mysql-router")
    assert bundle.applications["masakari-mysql-router"].meta.subordinate
    assert relations_of(bundle, "masakari-mysql-router") == {
        ("masakari-mysql-router:db-router", "mysql:db-router"),
        ("masakari-mysql-router:shared-db", "masakari:shared-db"),
    }


def test_the_database_sees_router_and_masakari_in_one_space(charms):
    applications = variant(charms, "mysql-router").applications
    router = applications["masakari-mysql-router"].spec.bindings["db-router"]
    assert router == applications["masakari"].spec.bindings["shared-db"]


def test_vault_gives_certificates_to_the_api_and_an_authority_to_the_monitors(charms):
    bundle = variant(charms, "vault")
    assert relations_of(bundle, "vault") == {
        ("masakari:certificates", "vault:certificates"),
        ("masakari-monitors:certificates", "vault:certificates"),
    }


def test_names_take_the_place_of_virtual_addresses(charms):
    bundle = variant(charms, "dns-ha")
    options = bundle.applications["masakari"].options
    assert options["dns-ha"] is True and "vip" not in options
    assert placeholders(bundle) == {
        "maas_url",
        "maas_credentials",
        "os-public-hostname",
        "os-admin-hostname",
        "os-internal-hostname",
    }


def test_the_matrix_decides_and_its_agents_are_to_be_filled_in(charms):
    bundle = variant(charms, "consul")
    options = bundle.applications["masakari"].options
    assert options["fence-reported-failed"] == "always" and options["fence-by-matrix"] is True
    found = placeholders(bundle)
    assert {key for key in found if key.startswith("consul-")} == {
        "consul-management-agents",
        "consul-tenant-agents",
        "consul-storage-agents",
    }


def test_in_the_lab_relations_take_the_place_of_the_agents_addresses(charms):
    overlays = [MASAKARI, MASAKARI.with_name("consul.yaml"), LAB_OVERLAYS["consul"]]
    bundle = load(BASE, overlays, charms=charms)
    options = bundle.applications["masakari-monitors"].options
    for network in ("management", "tenant", "storage"):
        assert options[f"consul-{network}-agents"] == ""
        assert relations_of(bundle, f"consul-{network}") == {
            (f"consul-{network}:consul-cluster", f"masakari-monitors:consul-{network}")
        }
