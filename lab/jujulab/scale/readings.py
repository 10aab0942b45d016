"""What the kernel says of the nodes' processes and interfaces, and the table made of it."""

import contextlib
import itertools
import math
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
_OURS = re.compile(r"masakari_fencing\.(\w+)")


def daemon(command: bytes) -> str:
    """Return what a process is called, by its command line as /proc has it; empty for none."""
    words = command.decode(errors="replace").split("\0")
    for flag, module in itertools.pairwise(words):
        if flag == "-m" and (match := _OURS.match(module)):
            return match[1]
    return words[0].rpartition("/")[2]


def seconds(stat: str) -> float:
    """Return the processor time of a process and its children that have ended, by its `stat`."""
    fields = stat.rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICK


def spent(nodes: Mapping[str, str]) -> dict[tuple[str, str], float]:
    """Return the processor time so far of each daemon of some nodes, in seconds.

    Args:
        nodes: their names by their network namespaces, as links below /proc name them.
    """
    found: dict[tuple[str, str], float] = defaultdict(float)
    for process, node, name in _processes(nodes):
        with contextlib.suppress(OSError):
            found[node, name] += seconds((process / "stat").read_text())
    return found


def memory(nodes: Mapping[str, str]) -> dict[tuple[str, str], float]:
    """Return the memory of each daemon in MB; what several share is divided among them."""
    found: dict[tuple[str, str], float] = defaultdict(float)
    for process, node, name in _processes(nodes):
        with contextlib.suppress(OSError):
            match = re.search(r"^Pss:\s+(\d+)", (process / "smaps_rollup").read_text(), re.M)
            found[node, name] += int(match[1]) / 1000 if match else 0.0
    return found


def transferred(text: str) -> dict[str, int]:
    """Return the bytes of each interface in both directions, by /proc/net/dev."""
    found = {}
    for line in text.splitlines()[2:]:
        name, _, rest = line.partition(":")
        fields = rest.split()
        found[name.strip()] = int(fields[0]) + int(fields[8])
    return found


def moved(before: Mapping[str, int], after: Mapping[str, int], names: Sequence[str]) -> int:
    """Return the bytes between two counts of some interfaces; one made anew counts from 0."""
    pairs = ((before.get(name, 0), after.get(name, 0)) for name in names)
    return sum(new - old if new >= old else new for old, new in pairs)


def busy(stat: str) -> float:
    """Return the seconds of all processors that were not idle, by /proc/stat."""
    fields = [int(field) for field in stat.split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4] - fields[7]) / TICK


def paused(log: str) -> float:
    """Return the longest time that Corosync was not scheduled for, in seconds, by its log."""
    found = re.findall(r"was not scheduled .*for ([\d.]+) ms", log)
    return max((float(text) / 1000 for text in found), default=0.0)


def growth(sizes: Sequence[int], values: Sequence[float], least: float = 0.002) -> str:
    """Return the exponent of a power law through the two largest sizes; - for too little."""
    if len(sizes) < 2 or not all(value > least for value in values[-2:]):
        return "-"
    return f"{math.log(values[-1] / values[-2]) / math.log(sizes[-1] / sizes[-2]):.1f}"


def table(
    title: str, sizes: Sequence[int], found: Sequence[Mapping[str, float]], least: float = 0.002
) -> str:
    """Return results as text: a line for each name, and how it grows with the size.

    Args:
        title: what stands above the names.
        sizes: the columns.
        found: the figures of each column.
        least: below it, a figure is too small to tell how it grows.
    """
    lines = [f"{title:44}" + "".join(f"{n:>9}" for n in sizes) + "   grows"]
    digits = 1 if least > 0.05 else 3
    for name in {name: None for row in found for name in row}:
        values = [row.get(name, math.nan) for row in found]
        text = "".join(f"{value:>9.{digits}f}" for value in values)
        lines.append(f"{name:44}{text}{growth(sizes, values, least):>8}")
    return "\n".join(lines)


def _processes(nodes: Mapping[str, str]) -> Iterator[tuple[Path, str, str]]:
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            node = nodes.get(str((process / "ns/net").readlink()))
            if node is not None and (name := daemon((process / "cmdline").read_bytes())):
                yield process, node, name
