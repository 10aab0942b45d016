"""What the fence agent runs on a member."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

from simulation.models.pacemaker.commands.command_line import read

if TYPE_CHECKING:
    from simulation.models.pacemaker.commands.commands import Commands


class Fencer:
    """Runs commands where a fencing is carried out that began with quorum.

    Args:
        commands: of all members.
        member: who carries it out; empty where that makes no difference.
    """

    def __init__(self, commands: Commands, member: str) -> None:
        self._commands = commands
        self._member = member

    def run(
        self,
        argv: list[str],
        *,
        input: str = "",  # noqa: A002 - subprocess.run's name
        **_: Any,
    ) -> subprocess.CompletedProcess[str]:
        code, text = 0, ""
        if argv[0] == "crm_mon":
            text = self._status()
        elif argv[0] == "crm_node":
            text = f"{self._member}\n" if "--name" in argv else "1\n"
        elif "--query" in argv:
            text = self._commands.views.whole()
        else:
            options = read(tuple(argv))[2]
            code = self._commands.cibadmin.change({**options, "xml-text": input})
            self._commands.cluster.configured()
        return subprocess.CompletedProcess(argv, code, text, "")

    def _status(self) -> str:
        text = self._commands.crm_mon.text(None)
        return text.replace("with_quorum='false'", "with_quorum='true'")
