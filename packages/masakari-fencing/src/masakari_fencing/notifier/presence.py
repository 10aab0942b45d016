"""Says in the cluster that this member's notifier does not run.

What one member sees to for all, the designated controller does (`Status.order`), and Pacemaker
goes on where masakari is paused, for hours. So systemd runs this when the notifier has ended,
however it has: `python3 -m masakari_fencing.notifier.presence`. The next member stands in, until
the notifier runs again, and takes that back.
"""

from __future__ import annotations

import logging
import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field

from masakari_fencing import commands
from masakari_fencing.commands import Runner
from masakari_fencing.pacemaker import cibadmin, crm_mon, crm_node
from masakari_fencing.pacemaker.tools import PacemakerError

PREFIX = f"{crm_mon.NOTIFIER}-"
"""Identifiers of the attributes begin with this, and end with the member's name."""

LOG = logging.getLogger("masakari_fencing.notifier.presence")


@dataclass
class Presence:
    """Takes back that this member's notifier does not run.

    Attributes:
        runner: runs Pacemaker's commands.
    """

    runner: Runner
    _name: str = field(default="", init=False)
    _known: bool = field(default=False, init=False)

    def check(self) -> bool:
        """Take it back where it is said.

        Returns:
            whether it was.

        Raises:
            PacemakerError: the cluster does not answer, or refused.
        """
        if self._known:
            return False
        self._name = self._name or crm_node.local_name(self.runner)
        status = crm_mon.status(self.runner)
        said = self._name in status.unattended
        if said:
            cibadmin.delete(self.runner, f"//instance_attributes[@id='{PREFIX}{self._name}']")
        # In a part without quorum it may be said elsewhere.
        self._known = status.quorum and not said
        return said


def main(runner: Runner) -> int:
    """Say that this member's notifier does not run.

    Returns:
        an exit code.
    """
    try:
        name = crm_node.local_name(runner)
        path = f"/configuration/nodes/node[@uname='{name}']"
        found = cibadmin.find(runner, path)
        for node in () if found is None else found.iter("node"):
            cibadmin.modify(runner, path, _word(node.get("id", ""), name))
    except PacemakerError as error:
        LOG.warning("Nobody stands in for this notifier while it does not run: %s", error)
        return 1
    return 0


def _word(identifier: str, member: str) -> ET.Element:
    """Return what is added to a node of the cluster's configuration."""
    node = ET.Element("node", {"id": identifier})
    own = {"id": f"{PREFIX}{member}"}
    pair = {"id": f"{PREFIX}{member}-state", "name": crm_mon.NOTIFIER, "value": "stopped"}
    ET.SubElement(ET.SubElement(node, "instance_attributes", own), "nvpair", pair)
    return node


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    sys.exit(main(commands.Subprocess()))
