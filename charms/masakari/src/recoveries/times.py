"""Times as results give them."""

from __future__ import annotations

import datetime


def moment(seconds: float) -> str:
    """A time in seconds since the epoch."""
    found = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return f"{found:%Y-%m-%dT%H:%M:%SZ}"
