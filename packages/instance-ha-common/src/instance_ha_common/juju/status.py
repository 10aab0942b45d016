"""Texts of unit statuses, in the words that OpenStack operators and tools know."""

from __future__ import annotations

from collections.abc import Iterable

READY = "Unit is ready"
PAUSED = "Paused. Use 'resume' action to resume normal service."
UPGRADING = "Ready for do-release-upgrade and reboot. Set complete when finished."
"""Blocked: `juju upgrade-machine ... prepare` was run; `... complete` ends it."""


def missing_relations(names: Iterable[str]) -> str:
    """Blocked: the operator has to add these relations."""
    return f"Missing relations: {', '.join(sorted(names))}"


def incomplete_relations(names: Iterable[str]) -> str:
    """Waiting: the other side of these relations has not answered yet."""
    return f"Incomplete relations: {', '.join(sorted(names))}"


def services_not_running(names: Iterable[str]) -> str:
    """Blocked: these services ought to run."""
    return f"Services not running that should be: {', '.join(sorted(names))}"


def services_running_while_paused(names: Iterable[str]) -> str:
    """Blocked: these services run although the unit is paused."""
    return f"Services should be paused but these services running: {', '.join(sorted(names))}"


def ports_not_open(ports: Iterable[int]) -> str:
    """Blocked: nothing listens on these ports."""
    return "Ports which should be open, but are not: " + ", ".join(str(p) for p in sorted(ports))
