"""Since when a member's part of the cluster has been as it is, with quorum: for its engine.

While there is no quorum, Pacemaker connects to no host: one that was fenced before may have been
back, and lost again. Corosync has another ring for each membership, also for one that comes back
(`Ring ID` of corosync-quorumtool): as long as that is the same, and has quorum, nothing was
missed, whatever stood still meanwhile.

The notifier writes it down, which may ask Corosync, as its group is `haclient`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from masakari_fencing import files

FILE = Path("/run/masakari-fencing/quorum.json")
"""In a directory that goes with the notifier."""


def write(since: float, path: Path = FILE) -> None:
    """Say it.

    Args:
        since: in seconds since the epoch.
        path: where.

    Raises:
        OSError: it cannot be written.
    """
    files.save(path, {"since": since}, mode=0o644)


def read(path: Path = FILE) -> float | None:
    """Return what is said, in seconds since the epoch; None where nobody says it."""
    return files.load(path, _since)


def _since(data: Any) -> float:
    return float(data["since"])
