"""What charmcraft itself packs, for both bases."""

import os
import stat
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import builder
import pack
import pytest
import reproducible
import workspace
import yaml
from jujulab.errors import LabError
from jujulab.juju import pack as lab

needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="charmcraft gets a machine, made by root"
)


@pytest.fixture(scope="module")
def packs(tmp_path_factory):
    """The packed charms of each base, and one of them packed again."""
    directory = tmp_path_factory.mktemp("packs")
    builder.machine()
    jobs = [(base, directory / "first", ()) for base in pack.BASES]
    jobs.append((pack.BASES[0], directory / "again", ("masakari",)))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda job: builder.pack(*job), jobs))
    return directory


def packed(packs, charm, base=pack.BASES[0]):
    (path,) = packs.glob(f"first/{charm}_ubuntu@{base}-*.charm")
    return path


def contents(path):
    with zipfile.ZipFile(path) as archive:
        return {entry.filename: (entry, archive.read(entry)) for entry in archive.infolist()}


@needs_root
@pytest.mark.parametrize("base", pack.BASES)
@pytest.mark.parametrize("charm", workspace.CHARMS)
def test_a_pack_has_what_juju_and_charmhub_want(packs, charm, base):
    files = contents(packed(packs, charm, base))
    manifest = yaml.safe_load(files["manifest.yaml"][1])
    assert [(b["name"], b["channel"]) for b in manifest["bases"]] == [("ubuntu", base)]
    assert {"metadata.yaml", "config.yaml", "README.md", "icon.svg", "src/charm.py"} <= set(files)
    for name in ("LICENSE", "charms/dispatch"):
        assert files[Path(name).name][1] == (workspace.REPOSITORY / name).read_bytes()
    for name in ("dispatch", "src/charm.py"):
        assert files[name][0].external_attr >> 16 & 0o777 == 0o755
    assert not [n for n, (entry, _) in files.items() if stat.S_ISLNK(entry.external_attr >> 16)]


@needs_root
@pytest.mark.parametrize("charm", workspace.CHARMS)
def test_a_pack_does_not_tell_where_it_was_built(packs, charm):
    files = contents(packed(packs, charm))
    assert not [name for name in files if name.endswith(".pyc")]
    assert not [name for name, (_, content) in files.items() if b"/root/project" in content]


@needs_root
def test_two_packs_are_the_same_bit_for_bit(packs):
    (again,) = packs.glob("again/*.charm")
    assert reproducible.differences(packed(packs, "masakari"), again) == []


@needs_root
@pytest.mark.parametrize("charm", workspace.CHARMS)
def test_the_lab_packs_the_same(packs, charm, tmp_path, monkeypatch):
    monkeypatch.delenv("LAB_PACKS", raising=False)
    real = contents(packed(packs, charm))
    labs = contents(lab.pack(workspace.REPOSITORY / "charms" / charm, tmp_path))
    outside, ours = ({n for n in f if not n.startswith("venv/")} for f in (real, labs))
    assert outside == ours
    for name in outside - {"manifest.yaml", "metadata.yaml", "config.yaml", "actions.yaml"}:
        assert real[name][1] == labs[name][1], name
    for name in {"metadata.yaml", "config.yaml", "actions.yaml"} & outside:
        theirs, ours = (yaml.safe_load(f[name][1]) for f in (real, labs))
        assert theirs == ours, name
    releases = [{n.split("/")[4] for n in f if ".dist-info/" in n} for f in (real, labs)]
    assert releases[0] == releases[1]


def test_where_nothing_is_packed_the_lab_says_how(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_PACKS", str(tmp_path))
    with pytest.raises(lab.PackError, match=r"builder.py .* makes it"):
        lab.pack(workspace.REPOSITORY / "charms" / "masakari", tmp_path)


def test_no_root_is_one_line(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert builder.main([str(tmp_path)]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@needs_root
def test_a_full_disk_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(builder, "SPACE", 1e9)
    monkeypatch.setenv("LAB_CACHE", str(tmp_path))
    with pytest.raises(LabError, match="not enough free space"):
        builder.machine()


def test_what_differs_is_named_file_by_file(tmp_path):
    for name, text in (("one", "a"), ("other", "b")):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("same", "x")
            archive.writestr("changed", text)
            archive.writestr(name, "")
    found = reproducible.differences(tmp_path / "one", tmp_path / "other")
    assert {"one: in one alone", "other: in one alone", "changed: content"} <= set(found)
    assert not [line for line in found if line.startswith("same: content")]


def test_order_time_and_mode_do_not_matter_after_all(tmp_path):
    archives = []
    for names, mode in ((["b", "a"], 0o664), (["a", "b"], 0o644)):
        path = tmp_path / f"{mode}.charm"
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                entry = zipfile.ZipInfo(name, (2000 + mode % 10, 1, 1, 0, 0, 0))
                entry.external_attr = (stat.S_IFREG | mode) << 16
                archive.writestr(entry, name)
            archive.writestr("manifest.yaml", f"charmcraft-started-at: '{mode}'\nbases: []\n")
        reproducible.normalise(path, reproducible.build_time())
        archives.append(path)
    assert reproducible.differences(*archives) == []
    assert b"1980-01-01T00:00:00Z" in contents(archives[0])["manifest.yaml"][1]
