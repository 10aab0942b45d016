"""What would go wrong on the day, as far as the cloud and the cluster show it now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from preflight.findings import Finding, Level, counted, enumerated
from preflight.survey import Hypervisor, Survey
from segments.cloud import Segment, SegmentHost
from segments.servers import CANARY

if TYPE_CHECKING:
    from masakari_fencing.cluster.computes import Compute
    from masakari_fencing.cluster.health import Problem
    from masakari_fencing.cluster.power import Answer

SLOW = 10.0
"""Seconds after which a power controller is slow: each fence takes as much longer."""

CLOCKS = 2.0
"""Seconds by which clocks may differ: a fence counts only for what failed before it."""

_UNFENCED = "a host that cannot be fenced is not recovered: its instances stay down"
_UNCUT = "its power alone proves a host dead: where that fails, its instances stay down"
_LOST = "an instance is rebuilt from its image, and what it wrote is lost"
_NAMES = "Masakari could not tell whether an instance has left the host, and would not recover it"
_PROGRAMS = {
    "nova-scheduler": "finds the hosts that instances are evacuated to",
    "nova-conductor": "carries evacuations out",
}


def of_cluster(problems: Iterable[Problem]) -> list[Finding]:
    """What stands in the way of fencing."""
    return [
        Finding(Level.BLOCKS, p.node or "the cluster", p.text, _UNFENCED, p.cure) for p in problems
    ]


def of_storage(problems: Iterable[Problem]) -> list[Finding]:
    """What stands in the way of cutting a host off from its storage, beside fencing it."""
    return [
        Finding(Level.WARNS, p.node or "storage fencing", p.text, _UNCUT, p.cure) for p in problems
    ]


def of_key(exposed: bool) -> Iterator[Finding]:
    """A MAAS key that the operator keeps in a secret, and hacluster in the cluster."""
    if exposed:
        yield Finding(
            Level.WARNS,
            "hacluster",
            "has the same MAAS key, and with it every hypervisor",
            "who is root on a hypervisor reads it, and can switch all machines that it is for",
            "give hacluster's maas_credentials another key, of a MAAS user that may power nothing",
        )


def of_outsiders(nodes: Iterable[str]) -> Iterator[Finding]:
    """Hypervisors that the cluster has, and Masakari does not know."""
    for node in nodes:
        yield Finding(
            Level.WARNS,
            node,
            "is in no failover segment",
            "if it fails, it is not fenced, and nothing of it recovered",
            "run add-hosts",
        )


def of_computes(said: Mapping[str, Compute], hosts: Iterable[str]) -> Iterator[Finding]:
    """What hypervisors say of their own Nova.

    Args:
        said: that, by name.
        hosts: the hosts of all segments.
    """
    for host in hosts:
        if host in said and said[host].resumes:
            yield Finding(
                Level.BLOCKS,
                host,
                f"its Nova starts instances by itself after a boot ({said[host].resumes})",
                "those that were recovered elsewhere would run twice, and destroy their disks",
                "set resume-guests-state-on-host-boot=false on nova-compute",
            )


def of_power(answers: Mapping[str, Answer]) -> Iterator[Finding]:
    """Power controllers that still work, but not well."""
    for host, answer in sorted(answers.items()):
        if answer.bad == 1:
            said = answer.error or f"it says {answer.state!r}"
            what = f"its power controller (BMC) was asked, and gave no useful answer once: {said}"
        elif not answer.bad and answer.seconds > SLOW:
            what = f"its power controller (BMC) is slow: it took {answer.seconds:.0f} s to answer"
        else:
            continue
        yield Finding(
            Level.WARNS,
            host,
            what,
            "a fence waits for it, and instances wait for the fence",
            "look at the BMC and its network; run check again",
        )


def of_cloud(survey: Survey, said: Mapping[str, Compute]) -> list[Finding]:
    """What Nova and Masakari show.

    Args:
        survey: the cloud.
        said: what hypervisors have recorded about their own Nova, by name.
    """
    found = list(of_programs(survey))
    if not any(segment.enabled for segment, _ in survey.segments):
        found.append(
            Finding(
                Level.BLOCKS,
                "Masakari",
                "there is no failover segment that is enabled",
                "no host is fenced and no instance is recovered",
                "run create-segment, or update-segment enabled=true",
            )
        )
    for segment, hosts in survey.segments:
        if not segment.enabled:
            found.append(
                Finding(
                    Level.WARNS,
                    f"segment {segment.name}",
                    "is disabled",
                    "its hosts are not fenced, and their instances not recovered",
                    f"run update-segment name={segment.name} enabled=true",
                )
            )
            continue
        for host in hosts:
            found += _host(survey, segment, host)
        found += _disks(survey, segment, hosts, said)
    return [*found, *canaries(survey), *_clocks(survey.clocks)]


def of_programs(survey: Survey) -> Iterator[Finding]:
    """What Nova itself lacks, without which no instance is recovered."""
    for name, up in survey.programs.items():
        if not up:
            yield Finding(
                Level.BLOCKS,
                name,
                "none is up and enabled",
                f"it {_PROGRAMS[name]}: no instance is recovered without it",
                "see `openstack compute service list`, and start it",
            )


def _host(survey: Survey, segment: Segment, host: SegmentHost) -> Iterator[Finding]:
    if host.on_maintenance:
        return  # the status names it, with the cure
    there = survey.hypervisors.get(host.name)
    if there is None:
        known = enumerated(sorted(survey.hypervisors))
        yield Finding(
            Level.BLOCKS,
            host.name,
            "Nova has no hypervisor whose nova-compute has this name",
            _NAMES,
            f"remove-hosts, then add-hosts by Nova's name; it has: {known}",
        )
        return
    if there.name != there.host:
        yield Finding(
            Level.BLOCKS,
            host.name,
            f"Nova calls its hypervisor {there.name}",
            _NAMES,
            "make its nova-compute use one name (host in nova.conf), on a host without instances",
        )
    if not there.serves:
        down = "forced down" if there.forced_down else "down"
        yield Finding(
            Level.WARNS,
            host.name,
            f"nova-compute is {down}",
            "it takes no instances of a failed host, and its own cannot be managed",
            "start its nova-compute"
            if down == "down"
            else f"when it works again, run return-host host={host.name}",
        )
    yield from _place(survey, host, there)


def _place(survey: Survey, host: SegmentHost, there: Hypervisor) -> Iterator[Finding]:
    instances = [one.name for one in survey.instances.get(host.name, ())]
    if host.reserved and instances:
        yield Finding(
            Level.WARNS,
            host.name,
            f"is a reserved host and has instances: {enumerated(instances)}",
            "what they use is missing on the day",
            "move them away, or make another one the reserved host (update-host)",
        )
    if host.reserved and there.enabled:
        yield Finding(
            Level.WARNS,
            host.name,
            "is a reserved host, but enabled in Nova",
            "Nova places instances there, and it may be full on the day",
            f"run update-host host={host.name} reserved=true (it is disabled in Nova then)",
        )
    if not host.reserved and not there.enabled and not there.forced_down:
        yield Finding(
            Level.WARNS,
            host.name,
            "nova-compute is disabled",
            "it takes no instances of a failed host",
            f"openstack compute service set --enable {host.name} nova-compute",
        )


def _disks(
    survey: Survey,
    segment: Segment,
    hosts: Sequence[SegmentHost],
    said: Mapping[str, Compute],
) -> Iterator[Finding]:
    """Instances whose disk is no volume, where it is not shared or nothing says whether it is."""
    names = frozenset(host.name for host in hosts)
    found: dict[bool | None, list[str]] = {}
    for name in sorted(names):
        own = said.get(name)
        shared = own.shared(name, names - {name}) if own else None
        instances = survey.instances.get(name, ())
        found.setdefault(shared, []).extend(one.name for one in instances if not one.on_volume)
    if local := found.get(False):
        yield Finding(
            Level.WARNS,
            f"segment {segment.name}",
            f"{counted(len(local), 'instance has its', 'instances have their')} disk on the"
            f" hypervisor alone: {enumerated(local)}",
            _LOST,
            "use volumes, or disks that all hypervisors share (images_type=rbd, or a shared"
            " instances_path)",
        )
    if untold := found.get(None):
        yield Finding(
            Level.UNKNOWN,
            f"segment {segment.name}",
            f"{counted(len(untold), 'instance has its', 'instances have their')} disk where"
            f" nova-compute keeps it, and nothing tells whether that is shared:"
            f" {enumerated(untold)}",
            f"where it is local, {_LOST}",
            "see images_type and instances_path in nova.conf of the hypervisors: rbd, or a"
            " directory that all of them share",
        )


def canaries(survey: Survey) -> Iterator[Finding]:
    """Instances of a drill that nobody carries on, as its unit is gone."""
    every = (one.name for there in survey.instances.values() for one in there)
    found = sorted(name for name in every if name.startswith(CANARY))
    if found:
        yield Finding(
            Level.WARNS,
            "Nova",
            f"canaries of a drill are there: {enumerated(found)}",
            "they take room, and a drill that is not over keeps its host closed",
            "see show-drill on each unit; where none goes on, run return-host, and delete them",
        )


def _clocks(clocks: Mapping[str, float]) -> Iterator[Finding]:
    for api, ahead in sorted(clocks.items()):
        if abs(ahead) > CLOCKS:
            yield Finding(
                Level.WARNS,
                api,
                f"its clock is at least {abs(ahead):.0f} s"
                f" {'ahead of' if ahead > 0 else 'behind'} this unit's",
                "clocks tell whether a fence came after a failure",
                "make all machines use one time server (timedatectl on both)",
            )
