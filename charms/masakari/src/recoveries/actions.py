"""Actions on fencing and recoveries: from Juju's parameters to calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from masakari_fencing.pacemaker.tools import PacemakerError
from masakari_fencing.times import moment

from recoveries.confirming import confirm_host_dead
from recoveries.disarming import arm, disarm, recover_host
from recoveries.retrying import retry_recovery
from recoveries.telling import list_recoveries, show_recovery
from segments.cloud import Cloud
from segments.lookup import ActionError
from segments.results import Results

if TYPE_CHECKING:
    from reconcile import Workload

Action = Callable[["Workload", Callable[[], Cloud], Mapping[str, Any]], Results]


def allow_fencing(
    workload: Workload, cloud: Callable[[], Cloud], params: Mapping[str, Any]
) -> Results:
    """Lift the fencing limit for a while."""
    until = workload.cluster.allow_fencing(params["duration"])
    return {"outcome": "allowed", "until": moment(until)}


def readmit_hosts(
    workload: Workload, cloud: Callable[[], Cloud], params: Mapping[str, Any]
) -> Results:
    """Take hypervisors back, unfenced, that answer again."""
    back = workload.cluster.readmit()
    return {"outcome": "readmitted" if back else "unchanged", "hosts": ",".join(back)}


RECOVERY_ACTIONS: Mapping[str, Action] = {
    "allow_fencing": allow_fencing,
    "readmit_hosts": readmit_hosts,
    "confirm_host_dead": confirm_host_dead,
    "disarm": disarm,
    "arm": arm,
    "recover_host": recover_host,
    "retry_recovery": retry_recovery,
    "list_recoveries": list_recoveries,
    "show_recovery": show_recovery,
}
"""What each action calls; its name has underscores here."""

TOLD = frozenset({"disarm", "arm", "recover_host"})
"""Those after which the status says something else."""


def run(
    action: str, workload: Workload, cloud: Callable[[], Cloud], params: Mapping[str, Any]
) -> Results:
    """Run an action.

    Args:
        action: its name.
        workload: of this unit.
        cloud: gives access to the APIs; not every action needs them.
        params: Juju's parameters.

    Raises:
        ActionError: it cannot be done.
        ApiError: an API does not do it.
        ValueError: an option or a parameter is unusable.
    """
    try:
        return RECOVERY_ACTIONS[action](workload, cloud, params)
    except PacemakerError as error:
        raise ActionError(f"Pacemaker does not answer: {error}") from error
