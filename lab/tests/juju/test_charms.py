"""Charms' metadata, and how charms come into the store."""

import zipfile
from pathlib import Path

import pytest
from jujulab.juju.charm import load_meta
from jujulab.juju.errors import JujuError, NotFoundError
from jujulab.juju.store import CharmStore, replace_charm

CHARMS = Path(__file__).parents[1] / "charms"


def write(directory: Path, text: str, name: str = "charmcraft.yaml") -> Path:
    directory.mkdir(exist_ok=True)
    (directory / name).write_text(text)
    return directory


def test_metadata_of_a_source_directory() -> None:
    meta = load_meta(CHARMS / "principal")
    assert meta.name == "principal"
    assert {e.name: e.role for e in meta.endpoints.values()} == {
        "source": "provider",
        "sink": "requirer",
        "ring": "peer",
        "juju-info": "provider",
    }
    assert meta.binding_names == {"source", "sink", "ring", "storage-net"}
    assert meta.options["loud"].default is False
    assert meta.actions["greet"].required == ("name",)


def test_metadata_of_a_packed_charm(tmp_path: Path) -> None:
    write(tmp_path, "name: x\nsummary: s", "metadata.yaml")
    write(tmp_path, "options: {o: {type: int, default: 1}}", "config.yaml")
    write(tmp_path, "act: {description: d}", "actions.yaml")
    meta = load_meta(tmp_path)
    assert meta.options["o"].default == 1
    assert list(meta.actions) == ["act"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "charmcraft.yaml"),
        ("name: x\n\tsummary: s", r"character '\\t' that cannot start(?s:.*)\n *\^"),
        ("- a", "not a mapping"),
        ("name: x\nsubordinate: true", "container-scoped"),
        ("name: x\nprovides: {a: {interface: i}}\nrequires: {a: {interface: i}}", "used twice"),
        ("name: x\nprovides: {a: {interface: i, scope: host}}", "unknown scope"),
        ("name: x\nprovides: {a: {interface: i}}\nextra-bindings: {a: }", "extra-bindings"),
        ("name: x\nactions: {juju-run: {}}", "bad action name"),
        ("name: x\nactions: {a: {parameters: {}}}", "unknown keys parameters"),
    ],
)
def test_wrong_metadata_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(JujuError, match=problem):
        load_meta(write(tmp_path, text))


def test_metadata_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "charmcraft.yaml").write_bytes(b"name: \xff")
    with pytest.raises(JujuError, match=r"charmcraft\.yaml: 'utf-8' codec can't decode"):
        load_meta(tmp_path)


def store(tmp_path: Path) -> CharmStore:
    standins = tmp_path / "standins"
    write(standins, "").joinpath("charmcraft.yaml").unlink()
    write(standins / "keystone", "name: keystone\nbase: ubuntu@24.04")
    (standins / "keystone" / "dispatch").write_text("#!/bin/sh\n")
    (standins / "_standin").mkdir()
    (standins / "_standin" / "standin.py").write_text("VERSION = 1\n")
    return CharmStore(tmp_path / "store", standins)


def test_a_stand_in_gets_its_library(tmp_path: Path) -> None:
    charms = store(tmp_path)
    charm = charms.add("keystone", revision=7, next_local=0)
    assert (charm.url, charm.origin, charm.revision) == ("keystone", "charmhub", 7)
    assert (charms.directory(charm.key) / "lib" / "standin.py").exists()


def test_an_edited_stand_in_is_another_charm(tmp_path: Path) -> None:
    charms = store(tmp_path)
    before = charms.add("keystone", revision=None, next_local=0)
    assert charms.add("keystone", revision=None, next_local=0).key == before.key
    (tmp_path / "standins" / "_standin" / "standin.py").write_text("VERSION = 2\n")
    assert charms.add("keystone", revision=None, next_local=0).key != before.key


def test_a_packed_charm_keeps_modes_and_links(tmp_path: Path) -> None:
    archive = tmp_path / "x.charm"
    with zipfile.ZipFile(archive, "w") as bundle:
        bundle.writestr("metadata.yaml", "name: x")
        info = zipfile.ZipInfo("dispatch")
        info.external_attr = 0o100755 << 16
        bundle.writestr(info, "#!/bin/sh\n")
        link = zipfile.ZipInfo("bin/run")
        link.external_attr = 0o120777 << 16
        bundle.writestr(link, "../dispatch")
    charms = store(tmp_path)
    charm = charms.add(str(archive), revision=None, next_local=3)
    directory = charms.directory(charm.key)
    assert charm.url == "local:x-3"
    assert (directory / "dispatch").stat().st_mode & 0o777 == 0o755
    assert (directory / "bin" / "run").resolve() == directory / "dispatch"
    assert (directory / "revision").read_text() == "0"


@pytest.mark.parametrize(
    ("points_to", "words"),
    [
        ("/usr/bin/python3", 'symlink "/usr/bin/python3" is absolute'),
        ("../../etc/passwd", 'symlink "../../etc/passwd" leads out of scope'),
    ],
)
def test_a_link_that_juju_does_not_extract_is_refused(
    tmp_path: Path, points_to: str, words: str
) -> None:
    archive = tmp_path / "x.charm"
    with zipfile.ZipFile(archive, "w") as bundle:
        bundle.writestr("metadata.yaml", "name: x")
        bundle.writestr("dispatch", "#!/bin/sh\n")
        link = zipfile.ZipInfo("venv/python")
        link.external_attr = 0o120777 << 16
        bundle.writestr(link, points_to)
    charms = store(tmp_path)
    with pytest.raises(JujuError, match=f'cannot extract "venv/python": {words}'):
        charms.add(str(archive), revision=None, next_local=0)
    assert not list((tmp_path / "store").glob("*"))


def test_what_is_no_charm_is_refused(tmp_path: Path) -> None:
    charms = store(tmp_path)
    with pytest.raises(NotFoundError, match='charm "nova" not found'):
        charms.peek("nova")
    with pytest.raises(JujuError, match='"_standin" is not the name of a charm'):
        charms.peek("_standin")
    with pytest.raises(JujuError, match="no such file"):
        charms.peek("./nowhere")
    broken = tmp_path / "y.charm"
    broken.write_text("no zip")
    with pytest.raises(JujuError, match="is not a packed charm"):
        charms.peek(str(broken))


def test_an_upgrade_replaces_the_charms_files_and_keeps_what_it_wrote(tmp_path: Path) -> None:
    first, second, unit = tmp_path / "first", tmp_path / "second", tmp_path / "unit"
    for charm, extra in ((first, "gone.py"), (second, "new.py")):
        (charm / "venv").mkdir(parents=True)
        (charm / "venv" / "python").symlink_to("/usr/bin/python3")
        (charm / "dispatch").write_text(charm.name)
        (charm / extra).write_text("")
    replace_charm(first, unit, None)
    (unit / ".unit-state.db").write_text("kept")
    replace_charm(second, unit, first)
    names = {path.name for path in unit.iterdir()}
    assert names == {"venv", "dispatch", "new.py", ".unit-state.db"}
    assert (unit / "dispatch").read_text() == "second"
    assert (unit / "venv" / "python").is_symlink()
