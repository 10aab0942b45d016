"""The operator's word that a hypervisor is dead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from masakari_fencing.cluster.confirmation import Refused
from masakari_fencing.times import moment

from segments.cloud import Cloud
from segments.lookup import ActionError, Lookup
from segments.results import Results

if TYPE_CHECKING:
    from reconcile import Workload

MEANING = (
    "this starts the instances of {0} elsewhere, on your word alone: if {0} is on, they run twice"
    " and destroy their disks. Go and see that it is off and cannot come on (power cable, PDU),"
    " then add i-have-seen-it-is-off=true"
)


def confirm_host_dead(
    workload: Workload, cloud: Callable[[], Cloud], params: Mapping[str, Any]
) -> Results:
    """Have a hypervisor count as fenced, so that its instances are recovered.

    Raises:
        ActionError: it may live, or the word was not given.
        ApiError: an API does not answer.
        PacemakerError: the cluster does not answer.
        ValueError: that cannot be the name of a hypervisor.
    """
    host = params["host"]
    if params.get("i-have-seen-it-is-off") is not True:
        raise ActionError(MEANING.format(host))
    if (pause := workload.disarm.in_force(host)) is not None:
        raise ActionError(f"{host} is not confirmed: {pause}; run arm first")
    _, service = Lookup(cloud()).find_hypervisor(host)
    if service.up:
        raise ActionError(
            f"{host} is not confirmed: its nova-compute has reported to Nova within the last"
            " minute. If that was before it died, run this action again in a minute"
        )
    try:
        fenced = workload.cluster.confirm_dead(host)
    except Refused as refusal:
        raise ActionError(f"{host} is not confirmed: {refusal}") from refusal
    return {
        "outcome": "confirmed",
        "host": host,
        "counts-as-fenced-at": moment(fenced),
        "next": "its instances are recovered now (show-recovery); leave it off until they are,"
        " then repair it and run return-host",
    }
