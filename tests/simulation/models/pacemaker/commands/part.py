"""What the commands have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulation.core import kernel

if TYPE_CHECKING:
    from simulation.models.pacemaker.commands.commands import Commands


class Part:
    """One command, or what several need.

    Args:
        commands: all of them.
    """

    def __init__(self, commands: Commands) -> None:
        self.commands = commands
        self.cluster = commands.cluster


def reads(*sources: str | None) -> None:
    """Remember for the task that runs what of the cluster it has looked at."""
    task = kernel.current()
    if task is not None and task.seen is not None:
        for source in sources:
            task.reads(source)
