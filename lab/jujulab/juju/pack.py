"""Packs a charm in the layout of Charmcraft's uv plugin, for the lab's own base.

It takes seconds where charmcraft takes a minute. The result has the same files, metadata with the
same names, and a virtual environment with exactly the releases, and hashes, of the one lock;
`make packing` compares it with what charmcraft packs.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from jujulab.files import tree_digest
from jujulab.juju import archive
from jujulab.juju.errors import JujuError

if sys.version_info >= (3, 11):
    import tomllib
else:  # the same parser, by its name on PyPI
    import tomli as tomllib

REPOSITORY = Path(__file__).resolve().parents[3]
LOCK = REPOSITORY / "requirements.txt"
PACKAGES = REPOSITORY / "packages"
LICENSE = REPOSITORY / "LICENSE"
DISPATCH = REPOSITORY / "charms" / "dispatch"
"""Both are in each charm, as its charmcraft.yaml says."""

LAB_PYTHON = "3.11"
"""Python of the lab's base image (Debian 12)."""

_UV_TIMEOUT = 300


class PackError(Exception):
    """The charm cannot be packed; the text says why."""


def pack(charm_dir: Path, out_dir: Path) -> Path:
    """Pack a charm, unless the same sources were packed there before.

    Args:
        charm_dir: a source directory with charmcraft.yaml, pyproject.toml and src/.
        out_dir: where `<name>_lab_<digest>.charm` goes; kept between runs, it is also the cache.

    Returns:
        The path of the `.charm` file. With $LAB_PACKS in the environment, the one that charmcraft
        packed there, as tests/packing/builder.py makes it.

    Raises:
        PackError: a file is missing or malformed, or a dependency is not in the lock.
    """
    charm_dir = charm_dir.resolve()
    if packs := os.environ.get("LAB_PACKS"):
        return _charmcrafts(Path(packs), charm_dir.name)
    project = _load_yaml(charm_dir / "charmcraft.yaml")
    dependencies = _dependencies(charm_dir)
    local = [PACKAGES / name for name in dependencies if (PACKAGES / name).is_dir()]
    shared = (LOCK, LICENSE, DISPATCH, Path(__file__), Path(archive.__file__))
    digest = tree_digest([charm_dir, *local], shared)
    target = out_dir / f"{project['name']}_lab_{digest}.charm"
    if target.exists():
        return target
    out_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out_dir, prefix=".pack-") as temporary:
        tree = Path(temporary) / "charm"
        tree.mkdir()
        archive.write_metadata(project, tree)
        shutil.copytree(charm_dir / "src", tree / "src", ignore=_IGNORED)
        for file in (charm_dir / "README.md", charm_dir / "icon.svg", LICENSE, DISPATCH):
            if file.exists():
                shutil.copy2(file, tree)
        _build_venv(tree / "venv", dependencies, local, out_dir)
        packed = Path(temporary) / target.name
        try:
            archive.write(tree, packed)
        except JujuError as error:
            raise PackError(f"{charm_dir}: {error}") from error
        packed.replace(target)
    return target


def _charmcrafts(packs: Path, name: str) -> Path:
    path = packs / f"{name}_ubuntu@22.04-amd64.charm"
    if not path.is_file():
        raise PackError(f"no {path}: `python tests/packing/builder.py {packs}` makes it")
    return path.resolve()


_IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc")


def _load_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise PackError(f"{path} is missing: {path.parent} is no charm") from None
    except yaml.YAMLError as error:
        raise PackError(f"{path} is not YAML: {error}") from error
    if not isinstance(content, dict) or "name" not in content:
        raise PackError(f"{path} has no key `name`")
    return content


def _dependencies(project_dir: Path) -> list[str]:
    """Return the canonical names of a project's run-time dependencies, with their extras."""
    path = project_dir / "pyproject.toml"
    try:
        project = tomllib.loads(path.read_text())["project"]
    except (FileNotFoundError, KeyError, tomllib.TOMLDecodeError) as error:
        raise PackError(f"{path} has no readable [project] table: {error}") from error
    return sorted(_named(Requirement(d)) for d in project["dependencies"])


def _named(requirement: Requirement) -> str:
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return canonicalize_name(requirement.name) + extras


def _build_venv(venv: Path, dependencies: list[str], local: list[Path], cache: Path) -> None:
    """Fill a virtual environment for the base's own interpreter, whatever runs here."""
    site = venv / "lib" / f"python{LAB_PYTHON}" / "site-packages"
    local_names = {path.name for path in local}
    wanted = [d for d in dependencies if d not in local_names]
    for path in local:
        wanted += [d for d in _dependencies(path) if d not in local_names]
    lines = _locked(_closure(wanted))
    key = hashlib.sha256("".join(lines).encode()).hexdigest()[:12]
    cached = cache / f"site-packages-{key}"
    if not cached.exists():
        with tempfile.TemporaryDirectory(dir=cache, prefix=".site-") as temporary:
            requirements = Path(temporary) / "requirements.txt"
            requirements.write_text("".join(lines))
            built = Path(temporary) / "site-packages"
            _install(built, ["--require-hashes", "-r", str(requirements)])
            built.replace(cached)
    shutil.copytree(cached, site)
    for path in local:
        _install(site, ["--no-build-isolation", str(path)])
    _precompile(site)
    (venv / "pyvenv.cfg").write_text(
        f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {LAB_PYTHON}\n"
    )


def _install(site: Path, what: list[str]) -> None:
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps"]
    command += ["--python", sys.executable, "--python-version", LAB_PYTHON]
    command += ["--python-platform", "x86_64-manylinux_2_28", "--target", str(site), *what]
    result = subprocess.run(
        command, capture_output=True, text=True, timeout=_UV_TIMEOUT, check=False
    )
    if result.returncode:
        raise PackError(f"{' '.join(command[2:])} failed:\n{result.stderr.strip()}")


def _precompile(site: Path) -> None:
    """Save each unit the compilation at its first hook, where the interpreters are the same."""
    if f"{sys.version_info.major}.{sys.version_info.minor}" != LAB_PYTHON:
        return
    command = [sys.executable, "-m", "compileall", "-qq", "--invalidation-mode", "unchecked-hash"]
    subprocess.run([*command, str(site)], timeout=_UV_TIMEOUT, check=True)


def _closure(names: list[str]) -> set[str]:
    """Return the names and all that they need, as installed from the lock here."""
    environment = {name: str(value) for name, value in default_environment().items()}
    environment |= {"python_version": LAB_PYTHON, "python_full_version": f"{LAB_PYTHON}.0"}
    found: set[str] = set()
    queue = list(names)
    while queue:
        wanted = queue.pop()
        if wanted in found:
            continue
        found.add(wanted)
        name, _, extras = wanted.rstrip("]").partition("[")
        try:
            requires = metadata.requires(name) or []
        except metadata.PackageNotFoundError as error:
            raise PackError(f"{name} is not installed here: run `make venv`") from error
        for text in requires:
            requirement = Requirement(text)
            marker = requirement.marker
            if marker is None or any(
                marker.evaluate({**environment, "extra": extra}) for extra in extras.split(",")
            ):
                queue.append(_named(requirement))
    return {name.partition("[")[0] for name in found}


def _locked(names: set[str]) -> list[str]:
    """Return the lock's entries, hashes included, of these packages."""
    entries = re.split(r"^(?=[A-Za-z0-9])", LOCK.read_text(), flags=re.MULTILINE)
    by_name: dict[str, str] = {}
    for entry in entries[1:]:
        name = canonicalize_name(re.split(r"[=\[ ;]", entry, maxsplit=1)[0])
        by_name[name] = by_name.get(name, "") + entry  # a fork of versions has several entries
    missing = sorted(names - by_name.keys())
    if missing:
        raise PackError(f"not in {LOCK.name}: {', '.join(missing)}; add them and run `make lock`")
    return [by_name[name] for name in sorted(names)]
