"""Bundles as a real Juju has them on the lab's machines, and packs that it takes."""

import zipfile
from pathlib import Path

import pytest
import yaml
from jujulab.files import REPOSITORY
from jujulab.juju.charm import STANDINS, LocalCharms
from jujulab.juju.errors import JujuError
from jujulab.realjuju.bundles import pack_standin, translate

FILES = [REPOSITORY / name for name in ("bundles/base.yaml", "overlays/masakari.yaml")]
STAND_INS = sorted(path.parent.name for path in STANDINS.glob("*/charmcraft.yaml"))


class Machines:
    """Numbers machines in the order in which they are asked for."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def machine(self, lab_id: str) -> str:
        if lab_id not in self.made:
            self.made.append(lab_id)
        return str(self.made.index(lab_id))

    def container(self, node: str) -> str:
        return self.machine(f"{node}/lxd/{sum(m.startswith(f'{node}/') for m in self.made)}")


def pack(name: str) -> Path:
    return Path("/packs") / f"{name}.charm"


def applications(documents: list[dict], key: str) -> dict[str, object]:
    found = {}
    for document in documents:
        for name, spec in document["applications"].items():
            if key in spec:
                found[name] = spec[key]
    return found


def test_the_clouds_bundle_and_the_overlay(tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text("applications: {masakari: {charm: ./masakari.charm, options: {vip: a}}}\n")
    machines, placed = Machines(), {}
    documents = translate([*FILES, site], machines, placed, pack)
    base = yaml.safe_load(FILES[0].read_text())
    charms = applications(documents, "charm")
    assert charms["mysql"] == "/packs/mysql-innodb-cluster.charm"
    assert charms["hacluster"] == "/packs/hacluster.charm"
    assert charms["masakari"] == str(tmp_path / "masakari.charm")
    assert all(Path(charm).is_absolute() for charm in charms.values())
    # With a channel, or with units and without their architecture, Juju finds none of them again.
    assert applications(documents, "channel") == {}
    with_units = applications(documents, "num_units")
    assert applications(documents, "constraints") == dict.fromkeys(with_units, "arch=amd64")
    assert "masakari" in with_units
    assert "hacluster" not in with_units
    assert set(applications(documents, "openstack-origin")) == set()
    origins = {o.get("openstack-origin") for o in applications(documents, "options").values()}
    assert origins == {"distro", None}
    # Each unit has a machine, and each machine that the bundle names has a unit.
    places = applications(documents, "to")
    assert {len(to) for to in places.values()} == {1, 3}
    used = {machine for to in places.values() for machine in to}
    assert set(documents[2]["machines"]) == set(documents[1]["machines"]) == used
    # Juju verifies the bundle by itself, too: it has no machine that an overlay alone uses.
    of_bundle = {machine for to in applications(documents[:1], "to").values() for machine in to}
    assert set(documents[0]["machines"]) == of_bundle < used
    assert [machines.made[int(m)] for m in places["nova-compute"]] == ["1", "2", "3"]
    assert [machines.made[int(m)].partition("/")[0] for m in places["masakari"]] == ["1", "2", "3"]
    assert machines.made[:4] == ["0", "1", "2", "3"], "Juju numbers the nodes as the lab does"
    # The rest is as it was.
    assert documents[0]["relations"] == base["relations"]
    assert documents[0]["applications"]["mysql"]["bindings"] == {"": "internal"}
    assert placed["mysql"] == places["mysql"]


def test_a_second_time_nothing_new_is_made() -> None:
    machines, placed = Machines(), {}
    first = translate(FILES, machines, placed, pack)
    made = list(machines.made)
    assert translate(FILES, machines, placed, pack) == first
    assert machines.made == made


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("- a", "not a mapping"),
        ("{", "bundle.yaml"),
        ("applications: {web: {charm: web, to: ['kvm:1']}}", 'placement "kvm:1"'),
        ("applications: {web: {charm: web, to: [new]}}", 'placement "new"'),
        ("applications: {web: {charm: 'cs:web'}}", "charm store"),
    ],
)
def test_what_the_lab_cannot_have_is_named(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "bundle.yaml").write_text(text)
    with pytest.raises(JujuError, match=problem):
        translate([tmp_path / "bundle.yaml"], Machines(), {}, pack)
    with pytest.raises(JujuError, match="No such file"):
        translate([tmp_path / "none.yaml"], Machines(), {}, pack)


@pytest.mark.parametrize("name", STAND_INS)
def test_the_pack_of_a_stand_in_is_one_that_juju_takes(tmp_path: Path, name: str) -> None:
    packed = pack_standin(name, tmp_path)
    with zipfile.ZipFile(packed) as archive:
        names = set(archive.namelist())
        manifest = yaml.safe_load(archive.read("manifest.yaml"))
        metadata = yaml.safe_load(archive.read("metadata.yaml"))
        links = [i.filename for i in archive.infolist() if (i.external_attr >> 28) == 0o12]
        assert (archive.getinfo("dispatch").external_attr >> 16) & 0o111
    assert {"LICENSE", "src/charm.py", "lib/standin.py"} <= names
    assert [base["name"] for base in manifest["bases"]] == ["ubuntu"]
    assert (metadata["name"], bool(metadata["summary"]), links) == (name, True, [])
    assert metadata["description"]
    # The lab's own Juju reads the same in it as in its source.
    source = LocalCharms().find(name)
    found = LocalCharms().find(str(packed))
    assert (found.endpoints, found.options, found.actions.keys()) == (
        source.endpoints, source.options, source.actions.keys(),
    )  # fmt: skip
    assert pack_standin(name, tmp_path) == packed


def test_there_is_no_pack_without_a_stand_in(tmp_path: Path) -> None:
    with pytest.raises(JujuError, match='charm "nova-lxd": the lab has no stand-in'):
        pack_standin("nova-lxd", tmp_path)
