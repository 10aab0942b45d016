"""A recovery while it happens: which host, which phase, which guest where."""

import contextlib
import shutil
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import TextIO

from jujulab.trials import timeline
from jujulab.trials.observe import Observer

_INTERVAL = 0.3
"""Seconds between two looks; the observer itself looks no more often."""


def rows(
    observer: Observer, *, since: float, hosts: Sequence[str], guests: Sequence[str], lost: str
) -> list[str]:
    """Return the picture of this moment, a line a text.

    Args:
        observer: what was seen so far.
        since: epoch seconds of the fault.
        hosts: Pacemaker's and Nova's names of the hypervisors.
        guests: names of the guests that have to recover.
        lost: the host that the fault took; empty for a guest's own failure.
    """
    events = list(observer.events)
    phases = timeline.summarise(events, since=since, guests=guests, host=lost).phases
    expected = list(phases) if lost else ["notified"]
    marks = [
        f"{phase} {phases[phase]:.1f}" if phases[phase] is not None else f"{phase} …"
        for phase in expected
    ]
    beats = {e.subject: e.kind == "beats" for e in events if e.source == "guest"}
    back = sum(beats.get(guest, False) for guest in guests)
    width = max(map(len, hosts), default=0)
    lines = [
        f"{time.time() - since:6.1f} s   {'  →  '.join(marks)}  →  {back} of {len(guests)} back"
    ]
    for host in hosts:
        fenced = any((e.kind, e.subject) == ("fenced", host) for e in events)
        state = observer.nodes.get(host, "?") + (", was fenced" if fenced else "")
        here = [
            f"{name} {server.status}{'' if beats.get(name, True) else ' (silent)'}"
            for name, server in sorted(observer.servers.items())
            if server.host == host
        ]
        lines.append(f"   {host:{width}}  {state:22}  {'  '.join(here)}".rstrip())
    return lines


@contextlib.contextmanager
def live(
    observer: Observer,
    *,
    since: float,
    hosts: Sequence[str],
    guests: Sequence[str],
    lost: str = "",
    stream: TextIO | None = None,
) -> Iterator[None]:
    """Draw the picture again and again, in place, while the body runs.

    Where the stream is no terminal nothing is drawn: the observer's events are lines of their own
    there. For the arguments see `rows`.
    """
    out = stream or sys.stdout
    if not out.isatty():
        yield
        return
    done = threading.Event()
    drawn = 0

    def draw() -> None:
        nonlocal drawn
        width = shutil.get_terminal_size().columns - 1
        shown = rows(observer, since=since, hosts=hosts, guests=guests, lost=lost)
        up = f"\x1b[{drawn}F" if drawn else ""
        out.write(up + "\x1b[J" + "".join(f"{line[:width]}\n" for line in shown))
        out.flush()
        drawn = len(shown)

    def repeat() -> None:
        while not done.wait(_INTERVAL):
            draw()

    drawer = threading.Thread(target=repeat, daemon=True)
    drawer.start()
    try:
        yield
    finally:
        done.set()
        drawer.join()
        draw()
