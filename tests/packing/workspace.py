"""The repository as one uv workspace, which Charmcraft's monorepo mode packs charms from.

Charmcraft's uv plugin builds a charm's virtual environment with `uv sync --frozen` from a uv.lock
at the root. Such a lock records which index every file came from, so none is committed: it is made
here, in a copy of the repository, and held to the releases of the one lock, requirements.txt.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
CHARMS = sorted(path.parent.name for path in REPOSITORY.glob("charms/*/charmcraft.yaml"))
REQUIREMENTS = REPOSITORY / "requirements.txt"
TIMEOUT = 600
"""Seconds for one run of uv, which may have to download."""

_PINNED = re.compile(r"^(?P<name>[A-Za-z0-9._-]+==[^\s;]+)(?: ; (?P<marker>[^\\]+?))? \\$", re.M)
_LEFT_OUT = (".cache", ".tox", ".venv", "__pycache__", "build", "dist")


class WorkspaceError(Exception):
    """The workspace cannot be made or used; the text says why."""


def pinned() -> list[str]:
    """Return the releases of the one lock, as requirements with their markers."""
    text = REQUIREMENTS.read_text(encoding="utf-8")
    return [
        f"{found['name']}; {found['marker']}" if found["marker"] else found["name"]
        for found in _PINNED.finditer(text)
    ]


def stage(target: Path) -> None:
    """Copy what packing needs, make it a Git tree as the monorepo mode wants one, and lock it.

    Args:
        target: a directory that does not exist yet.

    Raises:
        WorkspaceError: a charm wants what the one lock does not have.
    """
    ignore = shutil.ignore_patterns(*_LEFT_OUT, "*.charm", "uv.lock")
    for name in ("charms", "packages"):
        shutil.copytree(REPOSITORY / name, target / name, ignore=ignore)
    shutil.copy2(REPOSITORY / "LICENSE", target)
    settings = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    constraints = "".join(f"    {requirement!r},\n" for requirement in pinned())
    (target / "pyproject.toml").write_text(
        f"{settings}\n[tool.uv]\nconstraint-dependencies = [\n{constraints}]\n"
        # What our own packages are built with, hatchling and what it needs.
        f"build-constraint-dependencies = [\n{constraints}]\n",
        encoding="utf-8",
    )
    _run(["git", "init", "--quiet"], target)
    _run(["uv", "lock", "--quiet"], target)


def sync(workspace: Path, charm: str, venv: Path) -> Path:
    """Build a charm's virtual environment as Charmcraft's uv plugin does.

    Args:
        workspace: where `stage` put it.
        charm: the charm's directory.
        venv: where the environment goes.

    Returns:
        Its Python.

    Raises:
        WorkspaceError: uv fails.
    """
    flags = ["--no-dev", "--no-editable", "--reinstall", "--no-install-project"]
    environment = {"UV_FROZEN": "true", "UV_PROJECT_ENVIRONMENT": str(venv)}
    _run(["uv", "sync", "--quiet", *flags], workspace / "charms" / charm, environment)
    return venv / "bin" / "python"


def _run(argv: list[str], directory: Path, environment: dict[str, str] | None = None) -> None:
    """Run a command there; what this Python's own environment is does not concern it."""
    inherited = {name: v for name, v in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(
        argv,
        cwd=directory,
        env={**inherited, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )
    if done.returncode:
        raise WorkspaceError(f"{' '.join(argv)} failed in {directory}:\n{done.stderr.strip()}")
