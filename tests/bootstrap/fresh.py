"""A bare Debian: whether what `make demo` and `make test` begin with works on a new machine.

    python tests/bootstrap/fresh.py [SUITE ...]        bookworm and trixie without any

Each suite is bootstrapped once with nothing but python3, make and git, and kept beside the lab's
image. A copy of this repository is then put into a fresh layer above it, and there the environment
is made, those of tox, and what the lab needs of its host is installed: with empty caches, from the
archive and the index. It takes root, and a minute or so for each suite.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from jujulab import host
from jujulab.errors import LabError
from jujulab.image import bare, image

REPOSITORY = Path(__file__).resolve().parents[2]
PYTHONS = {"bookworm": "python3", "trixie": "python3", "forky": "python3.14"}
"""Debian's suites, and the Python that is used there. Testing has one that no release has yet."""
DEFAULT = ("bookworm", "trixie")
PACKAGES = "from jujulab import host; host.install_packages()"

STEPS = {
    "make venv": "make venv PYTHON={python}",
    "make venv again": "make venv PYTHON={python}",
    "tox's environments": ".venv/bin/tox run --notest",
    "the demo's start": ".venv/bin/python -m jujulab.trials.demo --help",
    "the lab's host packages": ".venv/bin/python -c '{packages}'",
}
"""What is run in the bare machine, one after the other."""


@dataclass(frozen=True)
class Outcome:
    """What came of a suite.

    Attributes:
        suite: its name.
        seconds: how long each step took.
        problem: the step that failed, with the end of its output; None if all is well.
    """

    suite: str
    seconds: dict[str, float]
    problem: str | None


def bare_machine(suite: str, cache: Path) -> Path:
    """Return the root of a bare machine with Python, make and git."""
    wanted = ["python3", "make", "git", *{PYTHONS[suite]} - {"python3"}]
    return bare.bootstrap(suite, wanted, cache)


def copy_repository(target: Path) -> None:
    """Copy what git knows of this repository, as it is in the work tree."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (REPOSITORY / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, target / name)


def check(suite: str, cache: Path) -> Outcome:
    """Run the steps in a fresh layer above a bare machine."""
    seconds: dict[str, float] = {}
    begin = time.monotonic()
    root = bare_machine(suite, cache)
    seconds["image"] = time.monotonic() - begin
    with tempfile.TemporaryDirectory(dir=cache, prefix=f"layer-{suite}-") as scratch:
        layer = Path(scratch)
        copy_repository(bare.make_layer(layer) / "root" / "project")
        for title, command in STEPS.items():
            begin = time.monotonic()
            command = command.format(python=PYTHONS[suite], packages=PACKAGES)
            script = f"cd /root/project && {command}"
            done = bare.run([root], layer, script, environment={"PYTHONPATH": "lab"})
            seconds[title] = time.monotonic() - begin
            if done.returncode:
                return Outcome(suite, seconds, f"{title}:\n{done.stdout[-3000:]}")
    return Outcome(suite, seconds, None)


def main(argv: list[str]) -> int:
    """Check the suites, side by side; the exit status is 1 if any has a problem."""
    parser = argparse.ArgumentParser(prog="fresh", description=__doc__.partition("\n")[0])
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"of {', '.join(PYTHONS)}")
    suites = parser.parse_args(argv).suites or list(DEFAULT)
    if unknown := sorted(set(suites) - set(PYTHONS)):
        parser.error(f"no such suite: {', '.join(unknown)}; there are {', '.join(PYTHONS)}")
    if os.geteuid():
        print("fresh: a bare machine can be made by root alone: run it as root", file=sys.stderr)
        return 1
    try:
        host.install_packages(bare.PACKAGES)
        cache = image.cache_dir()
        cache.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(max_workers=2) as pool:
            outcomes = list(pool.map(lambda suite: check(suite, cache), suites))
    except (LabError, OSError, subprocess.SubprocessError) as error:
        print(f"fresh: {error}", file=sys.stderr)
        return 1
    for outcome in outcomes:
        for title, taken in outcome.seconds.items():
            print(f"{outcome.suite}: {title}: {taken:.1f} s")
        print(f"{outcome.suite}: {outcome.problem or 'works'}", flush=True)
    failed = sum(outcome.problem is not None for outcome in outcomes)
    print(f"fresh: {len(outcomes) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
