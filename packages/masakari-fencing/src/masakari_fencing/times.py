"""Times: as OpenStack writes them, as people read them, and by a clock that nobody sets."""

from __future__ import annotations

import datetime
import time


def epoch(value: object) -> float | None:
    """Read an API's time, ISO 8601 and in UTC unless it says otherwise.

    Returns:
        seconds since the epoch, or None where there is no readable time.
    """
    try:
        moment = datetime.datetime.fromisoformat(str(value or "").replace("Z", "+00:00"))
    except ValueError:
        return None
    return aware(moment).timestamp()


def aware(moment: datetime.datetime) -> datetime.datetime:
    """Return a time with its zone."""
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.timezone.utc)


AHEAD = 60.0
"""Seconds by which a report may be from later than Masakari was told: clocks are never quite
alike, and that of the API may be behind."""


def noticed(generated: object, created: object) -> float:
    """Return when a failure was noticed that Masakari was told of.

    One that is from much later than Masakari was told, by its own clock, is from then: the clock
    of a monitor may be ahead.

    Args:
        generated: what the report says, a time as APIs or objects have it.
        created: when Masakari was told; None where that is not known.

    Returns:
        seconds since the epoch, 0 where there is no readable time.
    """
    found, told = epoch(generated) or 0.0, epoch(created)
    return found if told is None or found - told <= AHEAD else told


def day_time(moment: float) -> str:
    """Return a time in seconds since the epoch, for people."""
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(moment))


def moment(seconds: float) -> str:
    """Return a time in seconds since the epoch as APIs and results have it, ISO 8601 in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def uptime() -> float:
    """Return the seconds for which the machine is up, those in which it stood still included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
