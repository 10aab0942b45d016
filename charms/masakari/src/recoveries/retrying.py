"""Another attempt at a recovery, now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from instance_ha_common.machine.commands import CommandError

from segments.cloud import Cloud
from segments.lookup import ActionError, Lookup
from segments.results import Results
from workload.fencing_package import HOME

if TYPE_CHECKING:
    from reconcile import Workload

REQUEUE = (
    *("runuser", "-u", "masakari", "--", "env", f"PYTHONPATH={HOME}", "/usr/bin/python3"),
    *("-m", "masakari_fencing.notifier.requeue", "--unfinished"),
)
"""What the notifier runs itself when it begins a recovery again, with its account."""

_RECENT = 200
"""Failures of hosts among which the host's latest is looked for."""
_TIMEOUT = 90
"""Seconds for that command: it imports Masakari."""


def retry_recovery(
    workload: Workload, cloud: Callable[[], Cloud], params: Mapping[str, Any]
) -> Results:
    """Have a recovery begun again that has failed.

    Raises:
        ActionError: there is none, or it must not be.
        ApiError: an API does not answer.
        PacemakerError: the cluster does not answer.
    """
    name = params["host"]
    if (pause := workload.disarm.in_force(name)) is not None:
        raise ActionError(f"the recovery of {name} is not retried: {pause}; run arm first")
    api = cloud()
    host = Lookup(api).find_host(name)
    failures = api.host_failures(_RECENT)
    found = next((f for f in failures if f.get("source_host_uuid") == host.uuid), None)
    if found is None:
        raise ActionError(f"{name} has not failed: there is no recovery to retry")
    uuid, status = str(found["notification_uuid"]), str(found.get("status"))
    if status in ("new", "running"):
        raise ActionError(
            f"the recovery of {name} goes on ({status}): see show-recovery id={uuid}"
        )
    if status not in ("error", "failed"):
        raise ActionError(f"the recovery of {name} has not failed, it is {status}")
    if not host.on_maintenance:
        raise ActionError(f"{name} is in service again: start there the instances that do not run")
    try:
        workload.host.runner.run([*REQUEUE, uuid], timeout=_TIMEOUT)
    except CommandError as error:
        raise ActionError(
            f"Masakari could not be told: {error}. Try again, or on another unit"
        ) from error
    return {
        "outcome": "begun again",
        "host": name,
        "recovery": uuid,
        "next": "see show-recovery in a minute; if it fails again, the reason is in the status",
    }
