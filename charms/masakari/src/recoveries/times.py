"""Times as results give them."""

from __future__ import annotations

import datetime


def moment(seconds: float) -> str:
    """A time in seconds since the epoch."""
    found = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return f"{found:%Y-%m-%dT%H:%M:%SZ}"


def epoch(value: object) -> float | None:
    """A time as Masakari's API gives it, ISO 8601 and in UTC unless it says otherwise."""
    try:
        found = datetime.datetime.fromisoformat(str(value or "").replace("Z", "+00:00"))
    except ValueError:
        return None
    if found.tzinfo is None:
        found = found.replace(tzinfo=datetime.timezone.utc)
    return found.timestamp()
