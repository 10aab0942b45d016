"""Whether the cluster bears that a host is kept off whose machine carries a member of it."""

from __future__ import annotations

from collections.abc import Callable

from masakari_fencing.commands import Runner
from masakari_fencing.pacemaker import cibadmin, crm_mon, machines, stonith_admin
from masakari_fencing.pacemaker.tools import PacemakerError
from masakari_fencing.records import recoveries
from masakari_fencing.records.recovery import Record


def keep_off(runner: Runner, node: str, record: Record, hold: Callable[[bool], None]) -> None:
    """Write down that a host is to be kept off, where there is a quorum without its machine.

    Another engine may want the same at this moment of a host that carries the next member: each
    says so before it looks, and takes it back where the quorum does not bear both.

    Args:
        runner: runs Pacemaker's commands.
        node: the host's name in the cluster.
        record: its recovery, as it was taken.
        hold: writes it down, or that it is so no more.

    Raises:
        PacemakerError: nobody could go on with the recovery then; or the cluster does not answer.
    """
    held = record.held
    try:
        bears(runner, node, record.host)
        if stonith_admin.default_action(runner) == "off":
            return
        held = True
        hold(True)
        bears(runner, node, record.host)
    except PacemakerError:
        if held and crm_mon.status(runner).works(node):
            # It is on: nobody owes it its power, and it is in no other's way.
            hold(False)
        raise


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
        text = f"without {names} on its machine there is no quorum"
        if others := sorted(gone - members):
            text += f" ({', '.join(others)} counts as off, for a recovery)"
        text += "; bring another member back"
        raise PacemakerError(text)
