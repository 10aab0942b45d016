"""Whether the cluster bears that a host is kept off whose machine carries a member of it."""

from __future__ import annotations

from masakari_fencing.commands import Runner
from masakari_fencing.pacemaker import cibadmin, crm_mon, machines
from masakari_fencing.pacemaker.tools import PacemakerError
from masakari_fencing.records import recoveries


def bears(runner: Runner, node: str, host: str) -> None:
    """Look whether there is a quorum without what it carries, and all others that are kept off.

    Args:
        runner: runs Pacemaker's commands.
        node: the host's name in the cluster.
        host: its name in its recovery's record.

    Raises:
        PacemakerError: there is none, and nobody could go on with its recovery; or the cluster
            does not answer.
    """
    status, cib = crm_mon.status(runner), cibadmin.cib(runner)
    members = machines.members_with(status, cib, node)
    gone = set(members)
    for record in recoveries.all_of(cib):
        if record.held and record.host != host:
            gone |= machines.members_with(status, cib, record.node)
    if members and not machines.quorum_without(status, gone):
        names = ", ".join(sorted(members))
        text = f"without {names} on its machine there is no quorum; bring another member back"
        raise PacemakerError(text)
