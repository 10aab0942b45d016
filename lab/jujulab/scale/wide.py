"""What asks the APIs of a cloud with so many hypervisors, size after size; needs no root.

The programs and clients are the real ones, the APIs simulated (`cloud`), by HTTP on the loopback.
"""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from jujulab.errors import LabError
from jujulab.files import REPOSITORY
from jujulab.scale import readings

ENTRY = 0.2
"""Milliseconds that an API takes for each entry of its answer."""
TIMEOUT = 3600
"""Seconds for one size, against hanging."""

Figures = Mapping[str, Mapping[str, float]]
"""Those of each part, by its name."""

TITLES = {
    "clock": ("seconds", 0.01),
    "processor": ("seconds of processor", 0.01),
    "requests": ("requests", 0.5),
    "MB received": ("MB received", 0.01),
    "MB of memory": ("MB of memory at most", 1.0),
    "attempts": ("attempts, until one succeeds", 0.5),
}
"""The tables, and what is too little in each to tell how it grows."""


def environment() -> dict[str, str]:
    """Return what the parts are run with: the packages, the charm `masakari` and the lab."""
    paths = [*sorted(REPOSITORY.glob("packages/*/src")), REPOSITORY / "charms/masakari/src"]
    found = os.pathsep.join(map(str, [*paths, REPOSITORY / "lab"]))
    return {**os.environ, "PYTHONPATH": found, "PYTHONDONTWRITEBYTECODE": "1"}


@dataclass(frozen=True)
class Manners:
    """How the APIs answer.

    Attributes:
        latency: milliseconds that each request takes.
        errors: how many of a hundred requests are answered with status 503.
    """

    latency: float = 20.0
    errors: float = 1.0

    def __str__(self) -> str:
        return f"latency={self.latency / 1000}&entry={ENTRY / 1000}&errors={self.errors / 100}"


@contextlib.contextmanager
def serving(size: int) -> Iterator[str]:
    """Have the APIs of a cloud with so many hypervisors, and say where they are."""
    argv = [sys.executable, "-m", "jujulab.scale.served", str(size)]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
    ) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - it was asked for
            url = process.stdout.readline().strip()
            if not url:
                raise LabError("the simulated APIs do not start; why is above")
            yield url
        finally:
            process.kill()


def one(size: int, manners: Manners, only: str = "") -> Figures:
    """Measure one size.

    Args:
        size: how many hypervisors.
        manners: of the APIs.
        only: part of the names of those that are measured.

    Raises:
        LabError: it could not be measured.
    """
    with serving(size) as url:
        argv = [sys.executable, "-m", "jujulab.scale.parts", str(size), url, str(manners), only]
        try:
            done = subprocess.run(
                argv, stdout=subprocess.PIPE, text=True, env=environment(), timeout=TIMEOUT,
                check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise LabError(f"{size} hypervisors: not over after {TIMEOUT} s") from error
    if done.returncode:
        raise LabError(f"{size} hypervisors: not measured; why is above")
    return dict(json.loads(done.stdout))


def measure(sizes: Sequence[int], manners: Manners, only: str = "") -> str:
    """Measure each size, the smallest first, and return the tables.

    What was measured when it is interrupted is shown.

    Raises:
        LabError: one could not be measured.
    """
    found: dict[int, Figures] = {}
    with contextlib.suppress(KeyboardInterrupt):
        for size in sorted(set(sizes)):
            found[size] = one(size, manners, only)
            load = f"load {os.getloadavg()[0]:.1f}"
            print(f"scale: {size} hypervisors: asked ({load})", file=sys.stderr, flush=True)
    return tables(found)


def tables(found: Mapping[int, Figures]) -> str:
    """Return what was measured as text: a table for each figure, a line for each part."""
    return "\n\n".join(
        readings.table(
            title,
            list(found),
            [
                {name: figures[key] for name, figures in one.items() if key in figures}
                for one in found.values()
            ],
            least,
        )
        for key, (title, least) in TITLES.items()
        if found
    )
