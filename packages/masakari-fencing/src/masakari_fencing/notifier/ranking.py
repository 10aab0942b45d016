"""Which member of the cluster reports a fencing first, and in which order the others follow."""

from __future__ import annotations

import logging

from masakari_fencing.commands import Runner
from masakari_fencing.pacemaker import crm_mon, crm_node, tools

LOG = logging.getLogger(__name__)


class Ranking:
    """Ranks the members by `Status.order`.

    Args:
        runner: runs Pacemaker's commands.
        timeout: seconds for one of them.
    """

    def __init__(self, runner: Runner, timeout: float = 5) -> None:
        self._runner = runner
        self._timeout = timeout
        self._name = ""

    def __call__(self, node: str) -> int | None:
        """Return this member's place, or None where the node is a cluster member itself."""
        try:
            self._name = self._name or crm_node.local_name(self._runner)
            status = crm_mon.status(self._runner, timeout=self._timeout)
        except tools.PacemakerError as error:
            LOG.warning("The cluster cannot be asked who reports first: %s", error)
            return 3
        if any(found.kind == "member" for found in status.named(node)):
            return None
        names = status.order
        return names.index(self._name) if self._name in names else len(names)

    def back(self, node: str) -> bool:
        """Whether the cluster talks to a node; not where it cannot be asked."""
        try:
            return crm_mon.status(self._runner, timeout=self._timeout).connected(node)
        except tools.PacemakerError as error:
            LOG.warning("The cluster cannot be asked whether %s is back: %s", node, error)
            return False
