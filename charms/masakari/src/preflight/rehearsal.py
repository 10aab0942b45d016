"""Who would go where if hosts failed now: a recovery, played through on paper."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from masakari_fencing.openstack import failure_domains, restart_order
from masakari_fencing.openstack.scope import TRUE, Facts, Scope

from preflight.demand import Instance
from preflight.findings import counted
from preflight.places import Ground, Places
from preflight.survey import Survey
from segments.cloud import SegmentHost

if TYPE_CHECKING:
    from config import Config


@dataclasses.dataclass(frozen=True)
class Rules:
    """The options that say what is recovered.

    Attributes:
        everyone: all instances, not only those with the key.
        key: metadata key of those that are recovered (first).
        skip_errors: not those in ERROR.
        any_zone: a reserved host is put into the aggregates of the failed one.
        order_from: where the order is looked for, of `restart_order.SOURCES`.
        images: what is known of images, by their identifiers.
        scope: which instances are recovered at all.
        project: that of OpenStack's own services; None where it is not known.
        within: what hosts share with the failed one to which its instances may go.
        elsewhere: where none of these takes one, all others may.
    """

    everyone: bool = True
    key: str = "HA_Enabled"
    skip_errors: bool = False
    any_zone: bool = False
    order_from: frozenset[str] = frozenset(restart_order.SOURCES)
    images: Mapping[str, Mapping[str, object]] = dataclasses.field(default_factory=dict)
    scope: Scope = Scope()  # noqa: RUF009 - it is frozen
    project: str | None = None
    within: tuple[failure_domains.Kind, ...] = ()
    elsewhere: bool = False


def rules(config: Config, project: str | None) -> Rules:
    """What the charm's options say.

    Args:
        config: the options.
        project: that of OpenStack's own services; None where it is not known.
    """
    return Rules(
        everyone=config.evacuate_all_instances,
        key=config.host_ha_metadata_key,
        skip_errors=config.ignore_instances_in_error_state,
        any_zone=config.add_reserved_host_to_aggregate,
        order_from=frozenset(config.order_sources),
        scope=config.scope,
        project=project,
        within=config.destination,
        elsewhere=config.recovery_destination_fallback,
    )


@dataclasses.dataclass(frozen=True)
class Move:
    """What would become of an instance.

    Attributes:
        instance: the instance.
        target: a host that has room for it; empty where none was found.
        reason: why none was.
    """

    instance: Instance
    target: str
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class Ordered:
    """An instance in the order of the recovery; see `restart_order.place`."""

    instance: Instance
    place: restart_order.Place

    @property
    def priority(self) -> int:
        """Its own."""
        return self.place.priority

    @property
    def group(self) -> str:
        """Its group; empty: none."""
        return self.place.group


def phases(instances: Sequence[Instance], rules: Rules) -> list[list[Ordered]]:
    """The instances that would be recovered, group after group.

    Of what is equal, Masakari's order: those with its key first.
    """
    return restart_order.phases(
        Ordered(one, _place_of(one, rules)) for one in chosen(instances, rules)
    )


def _place_of(instance: Instance, rules: Rules) -> restart_order.Place:
    every = {**instance.said, restart_order.IMAGE: rules.images.get(instance.image, {})}
    return restart_order.place({k: v for k, v in every.items() if k in rules.order_from})


def chosen(instances: Sequence[Instance], rules: Rules) -> list[Instance]:
    """The instances that would be recovered, those with Masakari's key first."""
    left = [one for one in instances if not objection(one, rules)]
    return [one for one in left if _marked(one, rules)] + [
        one for one in left if not _marked(one, rules)
    ]


def objection(instance: Instance, rules: Rules) -> str:
    """Why an instance would be left alone; empty where it would be recovered."""
    if rules.skip_errors and instance.state == "error":
        return "it is in ERROR, and ignore-instances-in-error-state is set"
    if not (rules.everyone or _marked(instance, rules)):
        return f"it has no {rules.key}=True, and evacuate-all-instances is not set"
    return _out_of_scope(instance, rules)


def _out_of_scope(instance: Instance, rules: Rules) -> str:
    keys = {
        "metadata": instance.said.get(restart_order.SERVER, {}),
        "flavor": instance.said.get(restart_order.FLAVOR, {}),
    }
    if not instance.image or instance.image in rules.images:
        keys["image"] = rules.images.get(instance.image, {})
    facts = Facts(
        instance.title, instance.project, keys, instance.aggregates, lambda: rules.project
    )
    return rules.scope.objection(facts)


def left_alone(survey: Survey, rules: Rules) -> list[str]:
    """What the status says of instances that are left alone by rules, or because of Octavia."""
    hosts = [host.name for segment, hosts in survey.segments if segment.enabled for host in hosts]
    found = Counter(
        text
        for host in hosts
        for one in survey.instances.get(host, ())
        if (text := _out_of_scope(one, rules))
    )
    return [
        f"{counted(count, 'instance is', 'instances are')} left alone: {why}"
        for why, count in sorted(found.items())
    ]


def _marked(instance: Instance, rules: Rules) -> bool:
    return instance.metadata.get(rules.key.lower(), "").strip().lower() in TRUE


def play(
    ground: Ground,
    lost: Sequence[str],
    method: str,
    hosts: Sequence[SegmentHost],
    rules: Rules,
    *,
    tightly: bool = False,
) -> list[Move]:
    """Recover all instances of hosts that fail at the same time.

    Each instance goes where the most memory is left, in the order of the recovery, as Nova's
    weighers have it by default; or, tightly, the largest first to where the least is left.

    Args:
        ground: the cloud.
        lost: the hosts of the segment that fail.
        method: the segment's recovery method.
        hosts: the segment's hosts.
        rules: what is recovered.
        tightly: pack instead of spreading.
    """
    places = Places(ground, lost)
    reserved = _reserved(ground, hosts, lost)
    used: set[str] = set()
    moves = []
    for host in lost:
        # A recovery uses up the reserved hosts that it takes.
        left = [name for name in reserved if name not in used]
        allowed = failure_domains.together(host, map(ground.domains, rules.within))
        if allowed is not None and not rules.elsewhere and not rules.any_zone:
            left = [name for name in left if name in allowed]
        left = failure_domains.nearest(host, left, ground.survey.aggregates)
        every = phases(ground.survey.instances.get(host, ()), rules)
        found = [one.instance for phase in every for one in phase]
        if tightly:
            found.sort(key=lambda one: (-one.memory, -one.demand.get("VCPU", 0), one.uuid))
        pools = _pools(ground.opened - set(lost), method, left, allowed, rules)
        for instance in found:
            move = _place(places, instance, pools, rules, tightly)
            moves.append(move)
            used |= {move.target} & set(left)
    return moves


def _reserved(ground: Ground, hosts: Sequence[SegmentHost], lost: Collection[str]) -> list[str]:
    known = ground.survey.hypervisors
    return [
        host.name
        for host in hosts
        if host.reserved
        and not host.on_maintenance
        and host.name not in lost
        and host.name in known
        and known[host.name].serves
    ]


@dataclasses.dataclass(frozen=True)
class _Pool:
    """Hosts of which one is taken: any that Nova picks, or this reserved one."""

    reserved: str = ""
    hosts: frozenset[str] = frozenset()


def _pools(
    opened: frozenset[str],
    method: str,
    reserved: Sequence[str],
    allowed: frozenset[str] | None,
    rules: Rules,
) -> list[_Pool]:
    """Where the instances of a host are tried, in this order."""
    anywhere = [_Pool(hosts=opened)]
    if allowed is not None:
        anywhere = [_Pool(hosts=opened & allowed), *(anywhere if rules.elsewhere else ())]
    single = [_Pool(reserved=name) for name in reserved]
    return {
        "auto": anywhere,
        "reserved_host": single,
        "auto_priority": anywhere + single,
        "rh_priority": single + anywhere,
    }.get(method, [])


def _place(
    places: Places, instance: Instance, pools: Sequence[_Pool], rules: Rules, tightly: bool
) -> Move:
    for pool in pools:
        target = _target(places, instance, pool, rules, tightly)
        if target:
            places.put(instance, target)
            return Move(instance, target)
    return Move(instance, "", _reason(places, instance, pools, bool(rules.within)))


def _target(places: Places, instance: Instance, pool: _Pool, rules: Rules, tightly: bool) -> str:
    if pool.reserved:
        taken = places.takes(instance, pool.reserved, any_zone=rules.any_zone)
        return pool.reserved if taken else ""
    pick: Callable[[Iterator[str]], str] = _last if tightly else _first
    return pick(places.candidates(instance, pool.hosts))


def _first(hosts: Iterator[str]) -> str:
    return next(hosts, "")


def _last(hosts: Iterator[str]) -> str:
    found = ""
    for host in hosts:
        found = host
    return found


def _reason(places: Places, instance: Instance, pools: Sequence[_Pool], narrowed: bool) -> str:
    if not pools:
        return "the segment has no reserved host that works and is not used up"
    if places.bound(instance):
        return "its server group wants it where the others are, on the failed host (affinity)"
    where = " where recovery-destination lets it go" if narrowed else ""
    return f"no host found{where} with {instance.asked} left for it{_conditions(instance)}"


def _conditions(instance: Instance) -> str:
    if instance.required or instance.forbidden:
        return ", its traits, zone and server group"
    return " in its zone, with its server group"
