"""Times as OpenStack's APIs write them."""

from __future__ import annotations

import datetime


def epoch(value: object) -> float | None:
    """Read an API's time, which is in UTC, with or without a zone.

    Returns:
        seconds since the epoch, or None where there is no readable time.
    """
    try:
        moment = datetime.datetime.fromisoformat(str(value or "").replace("Z", "+00:00"))
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.timezone.utc)
    return moment.timestamp()
