"""Times as OpenStack writes them: in UTC, with or without saying so."""

from __future__ import annotations

import datetime


def epoch(value: object) -> float | None:
    """Read an API's time.

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
