"""Charmcraft accepts the charms, and what it would pack can be built and runs."""

import json
import os
import re
import subprocess
import sys

import pack
import pytest
import workspace
import yaml
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

IMPORT = """
import importlib.metadata, json, sys
import charm
installed = {d.metadata["Name"]: d.version for d in importlib.metadata.distributions()}
files = [sys.modules[name].__file__ for name in ("ops", "instance_ha_common")]
print(json.dumps({"installed": installed, "files": files}))
"""


@pytest.mark.parametrize("charm", workspace.CHARMS)
def test_charmcraft_accepts_its_file(charm, tmp_path):
    directory = workspace.REPOSITORY / "charms" / charm
    done = subprocess.run(
        ["charmcraft", "expand-extensions"],
        cwd=directory,
        env={**os.environ, "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    expanded = yaml.safe_load(done.stdout)
    written = yaml.safe_load((directory / "charmcraft.yaml").read_text())
    assert set(expanded["platforms"]) == set(written["platforms"])
    assert expanded["parts"]["charm"]["plugin"] == "uv"
    assert expanded["config"]["options"].keys() == written["config"]["options"].keys()


def test_charmcraft_refuses_what_it_does_not_know(tmp_path):
    text = (workspace.REPOSITORY / "charms/masakari/charmcraft.yaml").read_text()
    (tmp_path / "charmcraft.yaml").write_text(f"{text}\nunheard-of: true\n")
    done = subprocess.run(
        ["charmcraft", "expand-extensions"],
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0
    assert "unheard-of" in done.stderr


@pytest.fixture(scope="module")
def staged(tmp_path_factory):
    path = tmp_path_factory.mktemp("pack") / "workspace"
    workspace.stage(path)
    return path


@pytest.mark.parametrize("charm", workspace.CHARMS)
def test_the_packed_environment_runs_the_charm(staged, charm, tmp_path):
    """As Charmcraft's uv plugin builds it: locked releases, and our packages as wheels."""
    python = workspace.sync(staged, charm, tmp_path / "venv")
    source = staged / "charms" / charm / "src"
    done = subprocess.run(
        [python, "-c", IMPORT],
        env={"PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert all(file.startswith(str(tmp_path / "venv")) for file in answer["files"])
    locked = {line.partition(";")[0] for line in workspace.pinned()}
    ours = {path.name for path in (workspace.REPOSITORY / "packages").iterdir()}
    for name, version in answer["installed"].items():
        assert name in ours or f"{canonicalize_name(name)}=={version}" in locked


def test_the_lock_that_charmcraft_packs_from_has_the_hashes_of_the_one_lock(staged):
    entries = re.split(r"^(?=[a-z0-9])", workspace.REQUIREMENTS.read_text(), flags=re.MULTILINE)
    hashes = {}
    for entry in entries:
        hashes.setdefault(entry.split(" ")[0], set()).update(re.findall(r"sha256:\w+", entry))
    compared = 0
    for package in tomllib.loads((staged / "uv.lock").read_text())["package"]:
        if "registry" not in package["source"]:
            continue
        files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
        assert files, package
        assert {f["hash"] for f in files} <= hashes[f"{package['name']}=={package['version']}"]
        compared += len(files)
    assert compared > 50


def test_what_packages_are_built_with_is_pinned(staged):
    constraints = tomllib.loads((staged / "pyproject.toml").read_text())["tool"]["uv"]
    assert any(c.startswith("hatchling==") for c in constraints["build-constraint-dependencies"])


@pytest.mark.parametrize("charm", workspace.CHARMS)
def test_parts_pack_from_the_repositorys_root(charm):
    """The monorepo mode mounts the Git root; the part has to point there and back."""
    parts = yaml.safe_load(
        (workspace.REPOSITORY / "charms" / charm / "charmcraft.yaml").read_text()
    )["parts"]
    directory = workspace.REPOSITORY / "charms" / charm
    root = (directory / parts["charm"]["source"]).resolve()
    assert root == workspace.REPOSITORY
    assert (root / parts["charm"]["source-subdir"]).resolve() == directory
    for file in parts["files"]["prime"]:
        assert (directory / file).is_file()


def test_without_the_systems_apt_module_it_says_what_is_needed(monkeypatch, capsys):
    ubuntu = {"ID": "ubuntu", "VERSION_ID": "22.04"}
    monkeypatch.setattr("platform.freedesktop_os_release", lambda: ubuntu)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert pack.main(["--destructive-mode"]) == 1
    assert "apt-get install python3-apt" in capsys.readouterr().err


def test_without_lxd_it_says_what_is_needed(monkeypatch, capsys):
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert pack.main([]) == 1
    assert "LXD" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("release", "machine", "name"),
    [
        ('ID=ubuntu\nVERSION_ID="22.04"\n', "x86_64", "ubuntu@22.04:amd64"),
        ("ID=ubuntu\nVERSION_ID=24.04\n", "aarch64", "ubuntu@24.04:arm64"),
    ],
)
def test_the_platform_of_this_machine(release, machine, name):
    assert pack.platform_here(release, machine) == name
    for charm in workspace.CHARMS:
        path = workspace.REPOSITORY / "charms" / charm / "charmcraft.yaml"
        assert name in yaml.safe_load(path.read_text())["platforms"]


@pytest.mark.parametrize(
    ("release", "machine", "text"),
    [
        ("ID=debian\nVERSION_ID=12\nPRETTY_NAME=Debian", "x86_64", "not Debian"),
        ("ID=ubuntu\nVERSION_ID=20.04", "x86_64", "needs Ubuntu 22.04 or 24.04"),
        ("ID=ubuntu\nVERSION_ID=24.04", "riscv64", "riscv64"),
    ],
)
def test_another_machine_cannot_build(release, machine, text):
    with pytest.raises(workspace.WorkspaceError, match=text):
        pack.platform_here(release, machine)


def test_an_unknown_charm_is_refused(capsys):
    assert pack.main(["mascara"]) == 1
    assert "no such charm: mascara" in capsys.readouterr().err


def test_the_hooks_can_be_measured():
    """With what is packed: the benchmark is run too seldom to notice by itself that it cannot."""
    done = subprocess.run(
        [sys.executable, "tests/benchmarks/hooks.py", "--runs", "1"],
        cwd=workspace.REPOSITORY,
        env={**os.environ, "PYTHONPATH": "lab"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    measured = re.findall(r"(?m)^([a-z-]+) +\d", done.stdout)
    assert measured == ["masakari", "masakari-monitors", "pacemaker-remote"], done.stderr
