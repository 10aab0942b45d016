"""The packed charm has Charmcraft's layout and exactly what the lock names."""

import json
import stat
import zipfile
from pathlib import Path

import pytest
import yaml
from jujulab.juju import pack


@pytest.fixture
def charm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A charm that needs jinja2 (and so markupsafe) and one package of the repository."""
    monkeypatch.setattr(pack, "REPOSITORY", tmp_path)
    monkeypatch.setattr(pack, "PACKAGES", tmp_path / "packages")
    library = tmp_path / "packages" / "toy-common"
    (library / "src" / "toy_common").mkdir(parents=True)
    (library / "src" / "toy_common" / "__init__.py").write_text("ANSWER = 42\n")
    (library / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "toy-common"\nversion = "1"\ndependencies = []\n'
    )
    charm = tmp_path / "charms" / "toy"
    (charm / "src" / "templates").mkdir(parents=True)
    (charm / "src" / "charm.py").write_text("print('toy')\n")
    (charm / "src" / "templates" / "toy.conf").write_text("x = {{ y }}\n")
    (charm / "tests").mkdir()
    (charm / "tests" / "test_charm.py").write_text("")
    (charm / "charmcraft.yaml").write_text(
        yaml.safe_dump(
            {
                "name": "toy",
                "type": "charm",
                "title": "Toy",
                "summary": "A toy",
                "links": {"documentation": "https://toy.example"},
                "parts": {"charm": {"plugin": "uv"}},
                "config": {"options": {"a": {"type": "int"}}},
                "actions": {"go": {"description": "Go."}},
            }
        )
    )
    (charm / "pyproject.toml").write_text(
        '[project]\nname = "toy"\nversion = "1"\ndependencies = ["jinja2", "toy-common"]\n'
    )
    return charm


@pytest.mark.timeout(120)
def test_the_layout_is_charmcrafts(charm: Path, tmp_path: Path) -> None:
    packed = pack.pack(charm, tmp_path / "out")
    with zipfile.ZipFile(packed) as archive:
        names = set(archive.namelist())
        site = "venv/lib/python3.11/site-packages"
        assert {"dispatch", "metadata.yaml", "config.yaml", "actions.yaml"} <= names
        assert {"manifest.yaml", "src/charm.py", "src/templates/toy.conf"} <= names
        assert {f"{site}/toy_common/__init__.py", f"{site}/markupsafe/__init__.py"} <= names
        assert f"{site}/ops/__init__.py" not in names, "only what the charm needs"
        assert not any(name.startswith("tests/") for name in names)
        metadata = yaml.safe_load(archive.read("metadata.yaml"))
        assert metadata == {
            "name": "toy",
            "display-name": "Toy",
            "summary": "A toy",
            "docs": "https://toy.example",
        }
        assert stat.S_IMODE(archive.getinfo("dispatch").external_attr >> 16) == 0o755
        assert "LICENSE" in names
        links = [i.filename for i in archive.infolist() if stat.S_ISLNK(i.external_attr >> 16)]
        assert not links, "Juju refuses absolute ones"


@pytest.mark.timeout(120)
def test_the_same_sources_are_packed_once(charm: Path, tmp_path: Path) -> None:
    first = pack.pack(charm, tmp_path / "out")
    made = first.stat().st_mtime_ns
    assert pack.pack(charm, tmp_path / "out") == first
    assert first.stat().st_mtime_ns == made
    (charm / "src" / "charm.py").write_text("print('changed')\n")
    assert pack.pack(charm, tmp_path / "out") != first


def test_a_dependency_outside_the_lock_is_refused(charm: Path, tmp_path: Path) -> None:
    project = charm / "pyproject.toml"
    project.write_text(project.read_text().replace("jinja2", "unheard-of"))
    with pytest.raises(
        pack.PackError, match=r"(not in requirements.txt: unheard-of|not installed)"
    ):
        pack.pack(charm, tmp_path / "out")


def test_a_directory_without_a_charm_is_refused(tmp_path: Path) -> None:
    with pytest.raises(pack.PackError, match=r"charmcraft.yaml is missing"):
        pack.pack(tmp_path, tmp_path / "out")


def test_no_yaml_is_refused(charm: Path, tmp_path: Path) -> None:
    (charm / "charmcraft.yaml").write_text(json.dumps([1]))
    with pytest.raises(pack.PackError, match="no key `name`"):
        pack.pack(charm, tmp_path / "out")
