"""Does Corosync still count the votes of members that were removed?

When a unit of hacluster goes, charm-hacluster writes corosync.conf anew on the others, but does
not have Corosync read it; nor does its action `update-ring` once Pacemaker has forgotten the node.
So the votes of the units that have gone stay expected: of four members, one of which was removed,
two are no majority, and with the next machine that is lost nothing can be fenced any more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from masakari_fencing.commands import Runner

CONF = Path("/etc/corosync/corosync.conf")

_NODE = re.compile(r"^\s*ring0_addr\s*:", re.MULTILINE)
_EXPECTED = re.compile(r"^\s*Expected votes\s*:\s*(\d+)", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True)
class Votes:
    """How many votes there are said to be.

    Attributes:
        expected: by Corosync, as it runs.
        configured: by its configuration: a vote for each member.
    """

    expected: int
    configured: int

    @property
    def outdated(self) -> bool:
        """Whether members are expected that the configuration does not have any more."""
        return self.expected > self.configured

    def listed_beyond(self, units: int) -> bool:
        """Whether the configuration itself still has a member that is gone.

        Juju 4 sends hacluster's other units no `hanode-relation-departed` for a unit that was
        removed, and shows them its databag until their agents are restarted (seen with 4.0.15).
        With the next unit that is added, charm-hacluster configures both.

        Args:
            units: how many there are; 0 where that is not known.
        """
        return 0 < units < self.configured


def count(runner: Runner, conf: Path = CONF) -> Votes | None:
    """Count the votes; None where Corosync or its list of members is not there to be asked.

    Args:
        runner: runs commands.
        conf: Corosync's configuration.
    """
    try:
        configured = len(_NODE.findall(conf.read_text(encoding="utf-8")))
        if not configured:
            return None
        # Its exit status says something else, whether there is a quorum.
        answer = runner.run(["corosync-quorumtool", "-s"], timeout=15, check=False)
    except (OSError, ValueError):
        return None
    expected = _EXPECTED.search(answer.stdout)
    return Votes(int(expected.group(1)), configured) if expected else None
