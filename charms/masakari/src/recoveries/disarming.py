"""No fencing and no recovery for a while, for planned work; and what failed meanwhile."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from masakari_fencing.openstack.rest import ApiError
from masakari_fencing.records.disarmed import CLOUD, Disarmed, Left
from masakari_fencing.times import epoch, moment

from segments.cloud import Cloud
from segments.lookup import ActionError, Lookup
from segments.results import Results

if TYPE_CHECKING:
    from reconcile import Workload

LONGEST = 86400
"""Seconds for which something may be disarmed at once. What is off for longer is no planned work:
disable its segment."""

_UNITS = {"s": 1, "m": 60, "h": 3600}
_REASON = 200  # characters; it is part of a status


def disarm(workload: Workload, cloud: Callable[[], Cloud], params: Mapping[str, Any]) -> Results:
    """Have nothing fenced or recovered in the whole cloud, or one segment, for some time.

    Raises:
        ActionError: what is asked for makes no sense.
        ApiError: Masakari does not answer.
        PacemakerError: the cluster does not answer.
    """
    seconds = _seconds(str(params.get("duration") or ""))
    reason = " ".join(str(params.get("reason") or "").split())
    if not reason or len(reason) > _REASON:
        raise ActionError(
            f"disarm needs a reason of at most {_REASON} characters, which the status shows: for"
            ' example reason="new switch in rack 1"'
        )
    scope, segment, hosts = CLOUD, "", []
    if name := params.get("segment"):
        lookup, api = Lookup(found := cloud()), found
        place = lookup.find(name)
        scope, segment = place.uuid, place.name
        hosts = [host.name for host in api.hosts(place.uuid)]
        if not hosts:
            raise ActionError(f"segment {segment} has no hosts: there is nothing to disarm")
    done = workload.disarm.begin(scope, segment, hosts, seconds, reason)
    lost, fenced = workload.disarm.busy()
    found_lost = [name for name in lost if done.covers(name)]
    return {
        "outcome": "disarmed",
        "where": f"segment {segment}" if segment else "the whole cloud",
        "until": moment(done.until),
        **({"hosts": ",".join(hosts)} if hosts else {}),
        # Both were so before.
        **({"lost-already": ",".join(found_lost)} if found_lost else {}),
        **({"being-fenced-now": ",".join(fenced)} if fenced else {}),
    }


def arm(workload: Workload, cloud: Callable[[], Cloud], params: Mapping[str, Any]) -> Results:
    """End that, and list what failed meanwhile.

    Raises:
        ActionError: there is no such segment.
        ApiError: Masakari does not answer.
        PacemakerError: the cluster does not answer.
    """
    name = params.get("segment")
    ended = workload.disarm.end(Lookup(cloud()).find(name).uuid if name else None)
    found = workload.disarm.left()
    goes_on = any(workload.disarm.goes_on(part) for part in ended)
    result: Results = {"outcome": "armed" if goes_on else "unchanged"}
    if ended and (instances := _instances(cloud, ended)):
        result["instances-not-restarted"] = instances
    if found:
        # Juju takes a dot in a key for a level of its own.
        result["failed-meanwhile"] = {
            re.sub("[^a-z0-9]+", "-", entry.node.lower()): _describe(entry) for entry in found
        }
        result["next"] = "run recover-host host=... for each of them: none is recovered by itself"
    return result


def recover_host(
    workload: Workload, cloud: Callable[[], Cloud], params: Mapping[str, Any]
) -> Results:
    """Have a host fenced and recovered that failed while that was disarmed.

    Raises:
        ActionError: it did not, or it is still disarmed.
        PacemakerError: the cluster does not answer.
    """
    host = params["host"]
    if (pause := workload.disarm.in_force(host)) is not None:
        raise ActionError(f"{host} is not recovered: {pause}; run arm first")
    found = {entry.node.lower(): entry for entry in workload.disarm.left()}
    if (entry := found.get(host.lower())) is None:
        known = ", ".join(one.node for one in found.values()) or "none"
        raise ActionError(f"{host} did not fail while disarmed; hosts that did: {known}")
    works, again = workload.disarm.recover(entry)
    if works and not again:
        text = "the cluster is connected to it: start those of its instances that do not run"
        return {"outcome": "works", "host": entry.node, "next": text}
    text = "it is fenced if need be, and then its instances are recovered: see list-recoveries"
    return {"outcome": "requested", "host": entry.node, "next": text}


def _instances(cloud: Callable[[], Cloud], parts: Sequence[Disarmed]) -> str:
    """The instances that failed by themselves meanwhile, by Masakari's list of what it ignored."""
    try:
        api = cloud()
        names = {host.uuid: name for name, (_, host) in Lookup(api).places().items()}
        failed = api.ignored_instances(moment(min(part.since for part in parts)))
    except (ActionError, ApiError) as error:
        return f"not known: {error}"
    found = [
        uuid
        for uuid, host, when in failed
        if any(
            part.covers(names.get(host, "")) and (epoch(when) or 0.0) <= part.until
            for part in parts
        )
    ]
    return ",".join(dict.fromkeys(found))


def _describe(entry: Left) -> Results:
    what = "reported-failed" if entry.reported else "lost"
    back = {"back": moment(entry.back)} if entry.back else {}
    return {"host": entry.node, what: moment(entry.lost), **back}


def _seconds(text: str) -> int:
    """The seconds of a duration, such as `90m`.

    Raises:
        ActionError: it is none, or too long.
    """
    match = re.fullmatch(r"([1-9][0-9]{0,5})([smh])", text.strip())
    if match is None:
        raise ActionError(
            f"disarm needs a duration: a number with s, m or h, at most {LONGEST // 3600}h, for"
            f" example duration=90m{f', not {text!r}' if text else ''}"
        )
    seconds = int(match[1]) * _UNITS[match[2]]
    if seconds > LONGEST:
        raise ActionError(
            f"{text} is too long: at most {LONGEST // 3600}h; run disarm again before it ends, or"
            " disable the segment (update-segment enabled=false)"
        )
    return seconds
