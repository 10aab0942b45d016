"""The actions that tell what became of recoveries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from recoveries import picture, reports
from segments.cloud import Cloud
from segments.lookup import ActionError, Lookup
from segments.results import Results

if TYPE_CHECKING:
    from reconcile import Workload


def list_recoveries(
    workload: Workload, cloud: Callable[[], Cloud], params: Mapping[str, Any]
) -> Results:
    """The latest recoveries of hosts.

    Raises:
        ApiError: Masakari does not answer.
    """
    api = cloud()
    names = _names(api)
    found = [reports.read(item, names) for item in api.host_failures(params["limit"])]
    described = {report.uuid: reports.summary(report) for report in found}
    return {"count": len(described), **({"recoveries": described} if described else {})}


def show_recovery(
    workload: Workload, cloud: Callable[[], Cloud], params: Mapping[str, Any]
) -> Results:
    """One recovery, the latest if none is named, with its phases and its instances.

    Raises:
        ActionError: there is none.
        ApiError: Masakari does not answer.
    """
    api = cloud()
    uuid = str(params.get("id") or "")
    if not uuid:
        latest = api.host_failures(1)
        if not latest:
            raise ActionError("no host has failed yet: there is no recovery to show")
        uuid = str(latest[0]["notification_uuid"])
    item = api.notification(uuid)
    if item.get("type") != "COMPUTE_HOST":
        raise ActionError(f"{uuid} is not the recovery of a host; list-recoveries lists those")
    report = reports.read(item, _names(api))
    pictured = {"svg": picture.draw(report)} if params.get("svg") else {}
    return {**reports.describe(report), **pictured}


def _names(api: Cloud) -> dict[str, str]:
    return {host.uuid: name for name, (_, host) in Lookup(api).places().items()}
