"""A recovery at a glance: phases from events, and a timeline for people."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jujulab.trials.observe import Event

_WIDTH = 46

PHASES = {
    "detected": ("pacemaker", "lost"),
    "fenced": ("pacemaker", "fenced"),
    "notified": ("masakari", "notified"),
    "evacuating": ("nova", "evacuating"),
}
"""Name of a phase -> source and kind of the first event that reaches it."""


@dataclass(frozen=True)
class Recovery:
    """Seconds from the fault to each phase; None for a phase that was not seen.

    Attributes:
        phases: detected, fenced, notified, evacuating, in the order in which they should come.
        active: guest -> seconds until Nova called it ACTIVE again.
        outage: guest -> length of the pause in its heartbeat, in seconds.
    """

    phases: dict[str, float | None]
    active: dict[str, float]
    outage: dict[str, float]

    @property
    def all_active(self) -> float | None:
        """Seconds until the last guest was ACTIVE."""
        return max(self.active.values(), default=None)


def summarise(
    events: Iterable[Event], *, since: float, guests: Sequence[str], host: str = ""
) -> Recovery:
    """Compute the phases of the recovery of some guests.

    Args:
        events: what the observer saw.
        since: epoch seconds of the fault.
        guests: names of the guests that had to recover.
        host: Pacemaker's name of the host that failed; empty for a guest's own failure.
    """
    ordered = sorted(event for event in events if event.time >= since - 0.5)
    phases: dict[str, float | None] = {}
    for phase, (source, kind) in PHASES.items():
        subjects = {"pacemaker": {host}, "nova": set(guests)}.get(source)
        phases[phase] = next(
            (
                round(event.time - since, 2)
                for event in ordered
                if (event.source, event.kind) == (source, kind)
                and (subjects is None or event.subject in subjects)
            ),
            None,
        )
    noticed, fenced = phases["detected"], phases["fenced"]
    if noticed is not None and fenced is not None:
        # Pacemaker calls a host online for as long as it tries to connect to it again.
        phases["detected"] = min(noticed, fenced)
    return Recovery(
        phases,
        _last(ordered, "nova", "active", guests, since),
        _outages(ordered, guests),
    )


def _last(
    events: Sequence[Event], source: str, kind: str, guests: Sequence[str], since: float
) -> dict[str, float]:
    return {
        event.subject: round(event.time - since, 2)
        for event in events
        if (event.source, event.kind) == (source, kind) and event.subject in guests
    }


def _outages(events: Sequence[Event], guests: Sequence[str]) -> dict[str, float]:
    silent: dict[str, float] = {}
    outages: dict[str, float] = {}
    for event in events:
        if event.source != "guest" or event.subject not in guests:
            continue
        if event.kind == "silent":
            silent[event.subject] = event.time
        elif event.kind == "beats" and event.subject in silent:
            outages[event.subject] = round(event.time - silent[event.subject], 2)
    return outages


def render(title: str, events: Iterable[Event], *, since: float) -> str:
    """Return the timeline as text: one line an event, seconds first, a bar for the eye."""
    ordered = sorted(event for event in events if event.time >= since - 2)
    length = max((event.time - since for event in ordered), default=0.0) or 1.0
    lines = [title, ""]
    for event in ordered:
        seconds = event.time - since
        at = min(_WIDTH, max(0, round(seconds / length * _WIDTH)))
        bar = "·" * at + "●" + " " * (_WIDTH - at)
        lines.append(f"  {seconds:+7.1f} s  {bar}  {event.text}")
    return "\n".join(lines)


def render_phases(recovery: Recovery) -> str:
    """Return the phases in one line, seconds since the fault."""
    phases = recovery.phases.items()
    parts = [f"{phase} {seconds:.1f}" for phase, seconds in phases if seconds is not None]
    if recovery.all_active is not None:
        parts.append(f"all ACTIVE {recovery.all_active:.1f}")
    if recovery.outage:
        parts.append(f"longest pause of a guest {max(recovery.outage.values()):.1f}")
    return " → ".join(parts) + "  (seconds)"
