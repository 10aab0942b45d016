"""Runs the unit tests of every charm and package, each with its own settings, two at a time.

The charms have modules of the same names (`charm`, `config`, ...), so each gets a process of its
own. A failure of one does not hide the others'; the exit status is non-zero if any failed.
"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
CACHE = REPOSITORY / ".cache"
MEMORY = 1 << 30
"""Bytes that must be free in memory before the tests' files are put there."""
TIMEOUT = 600
"""Seconds that one project's tests may take. What other work leaves of the machine may not do."""
COVERAGE = "--coverage"
CHARM_COVERAGE = 95
"""Percent of the branches of a charm that its unit tests must reach."""
CROSSING = ("bundles", "contracts")
"""Folders in tests/ whose tests cross charms and need nothing but the repository."""


def projects(*, coverage: bool = False) -> dict[str, list[str]]:
    """Return project -> pytest's arguments for it.

    Args:
        coverage: measure which branches are reached, which takes most as long again.
    """
    found: dict[str, list[str]] = {}
    for settings in sorted(REPOSITORY.glob("*/*/pyproject.toml")):
        project = settings.parent
        arguments = ["-c", str(settings), f"--rootdir={project}", str(project / "tests")]
        if coverage:
            arguments += [f"--cov={project / 'src'}", "--cov-branch"]
            arguments.append(f"--cov-config={REPOSITORY / 'pyproject.toml'}")
            if project.parent.name == "charms":
                arguments.append(f"--cov-fail-under={CHARM_COVERAGE}")
        found[f"{project.parent.name}/{project.name}"] = arguments
    common = ["-c", str(REPOSITORY / "pyproject.toml")]
    found["lab"] = [*common, "-m", "not lab", str(REPOSITORY / "lab" / "tests")]
    found["tests"] = [*common, *(str(REPOSITORY / "tests" / name) for name in CROSSING)]
    return found


def run(
    name: str, arguments: list[str], extra: list[str], scratch: str
) -> tuple[str, int, str, float]:
    """Run one project's tests; return its name, exit status, output and seconds."""
    started = time.monotonic()
    CACHE.mkdir(exist_ok=True)
    try:
        result = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments, *extra],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT,
            check=False,
            cwd=REPOSITORY,
            env=_environment(name, scratch),
        )
        status, output = result.returncode, result.stdout
    except subprocess.TimeoutExpired as error:
        said = error.stdout or b""
        text = said if isinstance(said, str) else said.decode("utf-8", "replace")
        status, output = 1, f"{text}\nnot over after {TIMEOUT} s, and ended: is the machine busy?"
    return name, status, output, time.monotonic() - started


def _environment(name: str, scratch: str) -> dict[str, str]:
    """Return a project's environment: compiled modules and coverage stay out of the sources.

    Compiling every module anew, in every process that the lab's tests start, took a third of the
    time of all tests.
    """
    environment = {n: v for n, v in os.environ.items() if n != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(CACHE / "pycache")
    environment["COVERAGE_FILE"] = str(CACHE / f"coverage-{name.replace('/', '-')}")
    environment["TMPDIR"] = scratch
    return environment


def _memory() -> str | None:
    """Return a folder in memory for the tests' many small files; None means the usual one."""
    shared = "/dev/shm"
    try:
        system = os.statvfs(shared)
    except OSError:
        return None
    roomy = system.f_bavail * system.f_frsize >= MEMORY
    return shared if roomy and not system.f_flag & os.ST_NOEXEC else None


def _weight(name: str) -> int:
    """Return the size of a project's tests: a fair guess at how long they take."""
    folders = CROSSING if name == "tests" else [f"../{name}/tests"]
    tests = (path for f in folders for path in (REPOSITORY / "tests" / f).rglob("test_*.py"))
    size = sum(len(path.read_bytes()) for path in tests)
    # Each test of a charm runs whole hooks.
    return size * 4 if name.startswith("charms/") else size


def divided(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Return the projects of a command line, and what is pytest's, from its first option on."""
    given = [argument for argument in arguments if argument != COVERAGE]
    wanted = list(itertools.takewhile(lambda argument: not argument.startswith("-"), given))
    return wanted, given[len(wanted) :]


def main() -> int:
    """Run all, or only those projects whose names are given; `--coverage` measures it."""
    wanted, extra = divided(sys.argv[1:])
    found = projects(coverage=COVERAGE in sys.argv[1:])
    chosen = {n: a for n, a in found.items() if not wanted or n in wanted}
    failed, passed = [], 0
    longest_first = sorted(chosen.items(), key=lambda item: -_weight(item[0]))
    with (
        tempfile.TemporaryDirectory(prefix="unit-", dir=_memory()) as scratch,
        ThreadPoolExecutor(max_workers=2) as pool,
    ):
        jobs = [pool.submit(run, name, args, extra, scratch) for name, args in longest_first]
        for job in jobs:
            name, status, output, seconds = job.result()
            print(f"===== {name} ({seconds:.1f} s)\n{output}", flush=True)
            passed += sum(int(n) for n in re.findall(r"\b(\d+) passed", output))
            if status:
                failed.append(name)
    print(f"===== unit: {passed} tests passed in {len(chosen)} projects", flush=True)
    if failed:
        print(f"===== FAILED: {', '.join(failed)}", flush=True)
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
