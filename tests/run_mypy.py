"""Runs mypy over charms, packages and the lab, each with the paths that it has at run time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


def main() -> int:
    """Check all; return 1 if any has an error."""
    tests, lab = REPOSITORY / "tests", REPOSITORY / "lab"
    packages = [str(path) for path in sorted(REPOSITORY.glob("packages/*/src"))]
    status = 0
    for source in [*sorted(REPOSITORY.glob("charms/*/src")), *map(Path, packages)]:
        status |= check(source, [*packages, str(source)])
    status |= check(lab / "jujulab", [str(lab)])
    status |= check(REPOSITORY / "bootstrap.py", [str(REPOSITORY)])
    library = lab / "charms" / "_standin"
    for source in sorted(REPOSITORY.glob("lab/charms/*/src")):
        status |= check(source, [str(library), str(source)])
    # A method of the lab that only such a test calls would be missed in a run of an hour.
    for room in sorted({path.parent for path in (tests / "lab").rglob("*.py")}):
        shared = [*packages, *map(str, (lab, tests, tests / "lab", room))]
        status |= check(room, shared, *sorted(room.glob("*.py")))
    return status


def check(source: Path, path: list[str], *files: Path) -> int:
    """Check one source tree, or files of it, with these import paths."""
    print(f"mypy {source.relative_to(REPOSITORY)}", flush=True)
    environment = {**os.environ, "MYPYPATH": os.pathsep.join(dict.fromkeys(path))}
    command = [sys.executable, "-m", "mypy", "--no-error-summary"]
    command += map(str, files or (source,))
    result = subprocess.run(command, check=False, cwd=REPOSITORY, env=environment, timeout=600)
    return 1 if result.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
