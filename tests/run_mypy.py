"""Runs mypy over every charm and package, each with the paths that it has at run time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


def main() -> int:
    """Check all; return 1 if any has an error."""
    packages = [str(path) for path in sorted(REPOSITORY.glob("packages/*/src"))]
    status = 0
    for source in [*sorted(REPOSITORY.glob("charms/*/src")), *map(Path, packages)]:
        status |= check(source, [*packages, str(source)])
    status |= check(REPOSITORY / "lab" / "jujulab", [str(REPOSITORY / "lab")])
    status |= check(REPOSITORY / "bootstrap.py", [str(REPOSITORY)])
    library = REPOSITORY / "lab" / "charms" / "_standin"
    for source in sorted(REPOSITORY.glob("lab/charms/*/src")):
        status |= check(source, [str(library), str(source)])
    return status


def check(source: Path, path: list[str]) -> int:
    """Check one source tree with these import paths."""
    print(f"mypy {source.relative_to(REPOSITORY)}", flush=True)
    environment = {**os.environ, "MYPYPATH": os.pathsep.join(dict.fromkeys(path))}
    command = [sys.executable, "-m", "mypy", "--no-error-summary", str(source)]
    result = subprocess.run(command, check=False, cwd=REPOSITORY, env=environment, timeout=600)
    return 1 if result.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
