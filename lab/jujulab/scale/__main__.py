"""Measure a real cluster of three members with so many hypervisors: `make scale REMOTES=64`.

With `--apis`, what asks the APIs of a cloud of that size, which are simulated; that needs no root.
"""

import argparse
import contextlib
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from jujulab.errors import LabError
from jujulab.image import image
from jujulab.scale import nodes, readings, wide
from jujulab.scale.cluster import LOSSES, WINDOW, Cluster

MOST = 6000.0
"""MB that the nodes may have together."""
SPARE = 1000.0
"""MB that are left to others."""
MEMBERS = 700.0
"""MB of the three members with their logs."""
REMOTE = 12.0
"""MB of one hypervisor, as measured with some to spare."""


MOST_LATENCY = 10000.0
"""Milliseconds; the clients wait for a minute."""

MOST_ERRORS = 20.0
"""Of a hundred requests, each of which is asked three times at most."""

ATTEMPTS = 3
"""For each size: one in which Corosync had to wait for a processor says little of the cluster."""
BEGINNING = "all are connected, in the beginning"

TITLES = {
    "idle: thousandths of a processor": 0.5,
    "with a loss: thousandths of a processor": 0.5,
    "after a hypervisor was cut off: seconds": 0.1,
    "one look: seconds of processor": 0.002,
    "memory: MB": 0.1,
}
"""The tables, and what is too little in each to tell how it grows."""


def carried(meminfo: str) -> int:
    """Return how many hypervisors a machine carries, by its /proc/meminfo."""
    match = re.search(r"^MemAvailable:\s+(\d+) kB$", meminfo, re.M)
    available = int(match[1]) / 1024 if match else 0.0
    return max(0, int((min(available - SPARE, MOST) - MEMBERS) / REMOTE))


def fitting(sizes: Sequence[int], most: int) -> list[int]:
    """Return the sizes that fit, in order, and the most that does in the place of those above.

    Raises:
        LabError: not even one does.
    """
    if most < 1:
        raise LabError("there is not enough memory for a single hypervisor: 2 GB have to be free")
    return sorted({min(size, most) for size in sizes})


def refusal(root: bool, image_there: bool) -> str:
    """Return why nothing can be measured, with the cure; empty where it can."""
    if not root:
        return "run it as root: it makes network namespaces"
    if not image_there:
        return "the lab's image is not there: `make demo` builds it, in some minutes"
    return ""


def measure(sizes: Sequence[int], window: float, logs: Path | None = None) -> str:
    """Measure each size, the smallest first, until one does not hold; return the tables."""
    seen: list[int] = []
    found: list[dict[str, Mapping[str, float]]] = []
    notes: list[str] = []
    with contextlib.suppress(KeyboardInterrupt):
        for size in sizes:
            figures, trouble, note = _undisturbed(size, window, logs)
            if figures:
                seen.append(size)
                found.append(figures)
            notes += [note] if note else []
            if trouble:
                notes.append(f"{size} hypervisors do not hold here: {trouble}")
                break
    tables = (
        readings.table(title, seen, [one.get(title, {}) for one in found], least)
        for title, least in TITLES.items()
    )
    return "\n\n".join([*(tables if seen else ()), *notes])


def _undisturbed(
    size: int, window: float, logs: Path | None
) -> tuple[dict[str, Mapping[str, float]], str, str]:
    """Measure one size, up to three times.

    Returns:
        the figures, as far as it came; why no further; and what is to be said of them.
    """
    for attempt in range(1, ATTEMPTS + 1):
        figures, trouble, paused = _one(size, window, logs)
        say(f"{size} hypervisors: {trouble or 'measured'} (load {os.getloadavg()[0]:.1f})")
        if not paused:
            return figures, trouble, ""
        note = f"{size} hypervisors: disturbed, for {paused:.1f} s Corosync got no processor"
        say(note + (": once more" if attempt < ATTEMPTS else ""))
    return figures, trouble, note


def _one(
    size: int, window: float, logs: Path | None
) -> tuple[dict[str, Mapping[str, float]], str, float]:
    """Measure one size.

    Returns:
        the figures, as far as it came; why no further; and for how long it was disturbed.
    """
    figures: dict[str, Mapping[str, float]] = {}
    idle, losing, after, look, space = TITLES
    trouble = ""
    with Cluster(size, window) as cluster:
        try:
            formed = cluster.form()
            say(f"{size} hypervisors: connected after {formed:.0f} s")
            figures[idle] = cluster.idle()
            names = list(cluster.remotes)
            looks = cluster.inside("looks", names[0])
            figures[look] = {name: spent for name, (spent, _) in looks.items()}
            figures[space] = cluster.memory()
            lost = [cluster.loss(name) for name in names[:LOSSES]]
            figures[losing] = _mean([rates for rates, _ in lost])
            figures[after] = {**_mean([times for _, times in lost]), BEGINNING: formed}
        except LabError as error:
            trouble = str(error)
        if logs is not None:
            cluster.keep_logs(logs)
        return figures, trouble, cluster.paused()


def _mean(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {key: sum(one.get(key, 0.0) for one in found) / len(found) for key in found[0]}


def say(text: str) -> None:
    """Tell how far it is."""
    print(f"scale: {text}", file=sys.stderr, flush=True)


def asked(sizes: Sequence[int], manners: wide.Manners, only: str) -> int:
    """Measure what asks the APIs, and print the tables."""
    try:
        print(wide.measure(sizes, manners, only))
    except LabError as error:
        sys.exit(f"scale: {error}")
    return 0


def arguments_of(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line; what makes no sense ends the program with a message."""
    parser = argparse.ArgumentParser(prog="scale", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sizes", type=int, nargs="+", help="how many hypervisors")
    parser.add_argument("--seconds", type=int, default=WINDOW, help="how long to measure")
    parser.add_argument("--logs", type=Path, help="a folder for what the members log")
    parser.add_argument("--apis", action="store_true", help="simulated APIs, and no cluster")
    usual = wide.Manners()
    parser.add_argument(
        "--latency", type=float, default=usual.latency, help="of a simulated API, in ms"
    )
    parser.add_argument(
        "--errors", type=float, default=usual.errors, help="of a hundred requests, with --apis"
    )
    parser.add_argument("--only", default="", help="those parts with this in their names")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if min(arguments.sizes) < LOSSES:
        parser.error(f"at least {LOSSES} hypervisors are lost: name no smaller size")
    if arguments.seconds < 1:
        parser.error("--seconds must be at least 1")
    if not 0 <= arguments.latency < MOST_LATENCY:
        parser.error(f"--latency must be from 0 to {MOST_LATENCY:.0f}")
    if not 0 <= arguments.errors <= MOST_ERRORS:
        parser.error(f"--errors must be from 0 to {MOST_ERRORS:.0f}: with more, nothing succeeds")
    return arguments


def main() -> int:
    """Measure, and print the tables."""
    arguments = arguments_of(sys.argv[1:])
    if arguments.apis:
        manners = wide.Manners(arguments.latency, arguments.errors)
        return asked(arguments.sizes, manners, arguments.only)
    if text := refusal(not os.geteuid(), image.path().is_dir()):
        sys.exit(f"scale: {text}")
    try:
        if not arguments.inside:
            most = carried(Path("/proc/meminfo").read_text(encoding="ascii"))
            sizes = fitting(arguments.sizes, most)
            if max(sizes) < max(arguments.sizes):
                say(f"this machine carries {most} hypervisors: going on with that")
            words = [str(size) for size in sizes]
            words.append(f"--seconds={arguments.seconds}")
            if arguments.logs:
                words.append(f"--logs={arguments.logs.absolute()}")
            return nodes.isolated(words)
        nodes.prepare(image.path())
        print(measure(arguments.sizes, arguments.seconds, arguments.logs))
    except LabError as error:
        sys.exit(f"scale: {error}")
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
