"""May a host be drilled now? Whatever would make a real failure of a rehearsed one refuses it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from masakari_fencing.commands import Runner
from masakari_fencing.pacemaker import cibadmin, crm_mon, machines

from preflight import actions, checks, plan, survey
from preflight.actions import Fencing
from preflight.findings import Finding, Level, enumerated
from preflight.survey import Survey
from segments import servers
from segments.cloud import Cloud

_RECENT = 50
"""Past failures of hosts among which those are looked for that are still worked on."""


def obstacles(
    cloud: Cloud, fencing: Fencing, host: str, *, cut: bool, resting: bool
) -> Iterator[str]:
    """Why a host must not be drilled, each in a sentence.

    Args:
        cloud: access to the APIs.
        fencing: the cluster.
        host: the host's name.
        cut: its power is to be cut.
        resting: instances that do not run may stay there, and are recovered then.

    Raises:
        ActionError: the host is in no segment.
        ApiError: an API does not answer.
        PacemakerError: the cluster does not answer.
    """
    there = survey.take(cloud)
    segment, entry, hosts = plan.place(there, host)
    if not segment.enabled:
        yield f"segment {segment.name} is disabled (update-segment enabled=true)"
    if entry.on_maintenance:
        yield f"{host} is in maintenance (return-host)"
    hypervisor = there.hypervisors.get(host)
    if hypervisor is None or not hypervisor.serves:
        yield f"nova-compute of {host} is down, or forced down"
    elif not hypervisor.enabled and not entry.reserved:
        yield f"nova-compute of {host} is disabled (return-host)"
    if not _others(there, [one.name for one in hosts], host):
        yield f"segment {segment.name} has no other host that works"
    going_on = {
        item.get("source_host_uuid")
        for item in cloud.host_failures(_RECENT)
        if item.get("status") in ("new", "running", "error")
    }
    if going_on & {one.uuid for one in hosts}:
        yield "a recovery is going on in its segment (list-recoveries)"
    # Another unit's: of two drills at once, each would fail the other's hosts.
    yield from map(str, checks.canaries(there))
    enabled = [one.name for seg, all_ in there.segments if seg.enabled for one in all_]
    said = fencing.computes()
    found = [*checks.of_cloud(there, said), *checks.of_computes(said, enabled)]
    found += checks.of_cluster(fencing.inspect(enabled, True))
    found += actions.disarmed(fencing, host)
    yield from _blocking(found, host, set(there.hypervisors))
    if not fencing.devices(host):
        yield f"no device can fence {host}"
    if cut and not resting:
        yield from _resting(cloud, host)


def shared(runner: Runner, host: str, machine: str) -> Iterator[str]:
    """Why the loss of a host would be more than that: what else its machine carries.

    Args:
        runner: runs Pacemaker's commands.
        host: the host's name.
        machine: Juju's number of the machine that this unit is on, or that carries it.

    Raises:
        PacemakerError: the cluster does not answer.
    """
    status, known = crm_mon.status(runner), machines.recorded(cibadmin.cib(runner))
    own = known.get(host)
    if own is None:
        return
    if own == machine:
        yield "this unit runs on the same machine: run drill on another unit (masakari/N)"
    members = [node for node in status.nodes if node.kind == "member"]
    left = [node for node in members if node.online and known.get(node.name) != own]
    if 2 * len(left) <= len(members):
        yield (
            f"{len(left)} of {len(members)} members of the cluster would be left, which is no"
            " majority: bring the others back, or rehearse with another host"
        )


def _others(there: Survey, hosts: Sequence[str], host: str) -> bool:
    return any(
        name != host and name in there.hypervisors and there.hypervisors[name].open
        for name in hosts
    )


def _blocking(found: Iterable[Finding], host: str, hypervisors: set[str]) -> Iterator[str]:
    """What blocks; not what is about other hosts alone."""
    for one in found:
        if one.level is Level.BLOCKS and (one.where == host or one.where not in hypervisors):
            yield str(one)


def _resting(cloud: Cloud, host: str) -> Iterator[str]:
    stay = [str(one) for one in servers.on_host(cloud, host) if one.rests]
    if stay:
        yield (
            f"{enumerated(stay)}: not running, so they stay there and would be evacuated; migrate"
            " them (openstack server migrate), or add evacuate-stopped=true"
        )
