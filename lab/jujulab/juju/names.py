"""Names and notations that the controller and the command line share."""

import os
import re
from collections.abc import Iterable

from jujulab.juju.errors import JujuError

MODEL, CONTROLLER, CLOUD = "lab", "lab", "lab"

_RELEASE = os.environ.get("LAB_JUJU") or "3"
if _RELEASE not in ("3", "4"):
    raise SystemExit(f"LAB_JUJU={_RELEASE}: the lab follows Juju 3 or 4")

JUJU4 = _RELEASE == "4"
"""Whether Juju 4's rules hold, as seen with 4.0.15; those of 3.6 LTS otherwise."""

VERSION = "4.0.15" if JUJU4 else "3.6.14"

REAL_JUJU = os.environ.get("LAB_ENGINE", "lab") == "juju"
"""Whether a real Juju is in the place of the lab's own."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(duration: str) -> float:
    """Return a duration such as ``1m30s`` in seconds, or raise JujuError."""
    parts = _DURATION.findall(duration)
    if "".join(number + unit for number, unit in parts) != duration or not parts:
        raise JujuError(f'invalid duration "{duration}"')
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def natural(name: str) -> list[tuple[int, int | str]]:
    """Sort key that puts ``unit/10`` after ``unit/9``."""
    return [
        (0, int(part)) if part.isdigit() else (1, part)
        for part in re.split(r"(\d+)", name)
        if part
    ]


def sorted_names(names: Iterable[str]) -> list[str]:
    """Return names in natural order."""
    return sorted(names, key=natural)
