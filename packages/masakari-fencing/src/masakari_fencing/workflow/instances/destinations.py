"""Where the instances of a host may go, where that is not left to Nova's scheduler.

Nova itself has no word for a failover segment, and binds an instance to its availability zone only
where its owner has asked for one. So a host is picked here, and asked for by its name: from
microversion 2.29 on Nova's scheduler has to accept it (`force` is not set), with all its filters.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping

import masakari.conf
from masakari import objects

from masakari_fencing.openstack import failure_domains
from masakari_fencing.openstack.compute_service import BINARY
from masakari_fencing.openstack.failure_domains import Aggregate
from masakari_fencing.workflow import options
from masakari_fencing.workflow.attempt import Attempt, NoAnswer
from masakari_fencing.workflow.instances.requests import NoRoom

CONF = masakari.conf.CONF
LOG = logging.getLogger(__name__)

TRIES = 10
"""Hosts that one attempt tries for an instance, those with the most free memory first. Nova may
refuse them for other reasons than that, so the next attempt begins with others."""


class Destinations:
    """The hosts to which the instances of a host may go.

    Args:
        free: megabytes of memory that each has left; None: Nova's scheduler picks among all.
        memory: tells how many an instance needs.
        fallback: where none of them has room, Nova's scheduler picks among all.
        where: what they share with the failed host, in words.
        attempts: how many there were before, each of which has tried others.
    """

    def __init__(
        self,
        free: Mapping[str, float] | None,
        *,
        memory: Callable[[str], float] = lambda uuid: 0.0,
        fallback: bool = False,
        where: str = "",
        attempts: int = 0,
    ) -> None:
        self._free = None if free is None else dict(free)
        best = sorted(free or {}, key=lambda host: ((free or {})[host], host), reverse=True)
        tried = attempts * TRIES % len(best) if len(best) > TRIES else 0
        self._tried = frozenset(best[:tried])
        self._memory = memory
        self._fallback = fallback
        self._where = where

    def place(self, uuid: str, run: Callable[[str | None], str]) -> str:
        """Bring an instance up on one of them.

        Args:
            uuid: its identifier.
            run: brings it up on a host, or where Nova says.

        Returns:
            what that returns.

        Raises:
            Failed: none takes it, or something else went wrong with it.
        """
        if self._free is None:
            return run(None)
        refused: list[str] = []
        memory = self._memory(uuid)
        while len(refused) < TRIES and (host := self._next(refused, memory)):
            self._free[host] -= memory
            try:
                return run(host)
            except NoRoom as error:
                self._free[host] += memory
                LOG.info("%s", error)
                refused.append(host)
        if self._fallback:
            return run(None)
        tried = f"; tried: {', '.join(refused)}" if refused else ""
        raise NoRoom(f"no host of the same {self._where} takes it{tried}")

    def _next(self, refused: list[str], memory: float) -> str | None:
        free = self._free or {}
        left = [host for host in free if host not in refused]

        def rank(host: str) -> tuple[bool, float, str]:
            return host not in self._tried and free[host] >= memory, free[host], host

        return max(left, key=rank, default=None)


def of(this: Attempt, reserved: str | None, attempts: int) -> Destinations:
    """Return where the instances of an attempt's host may go.

    Args:
        this: the attempt.
        reserved: the one host that they go to, if any; see `within`.
        attempts: how many there were before.

    Raises:
        NoAnswer: Nova does not answer.
    """
    kinds = options.destination(CONF)
    if reserved or not kinds:
        return Destinations(None)
    try:
        found = _allowed(this)
        if found is None:
            LOG.warning("Nothing is known that other hosts share with %s", this.host)
            return Destinations(None)
        client = this.client()
        services = client.services.list(binary=BINARY)
        usable = {s.host for s in services if s.status == "enabled" and s.state == "up"}
        free = {
            str(one.service["host"]): float(getattr(one, "free_ram_mb", 0) or 0)
            for one in client.hypervisors.list()
        }
    except Exception as error:  # whatever a client library raises
        raise NoAnswer(f"Nova does not say where instances may go: {error}") from error
    hosts = (found & usable) - {this.host}
    return Destinations(
        {host: free.get(host, 0.0) for host in hosts},
        memory=lambda uuid: _memory(this, uuid),
        fallback=CONF.fencing.recovery_destination_fallback,
        where=" and ".join(map(str, kinds)),
        attempts=attempts,
    )


def alone(this: Attempt) -> bool:
    """Whether no other host is up that could take an instance, be it disabled, by Nova's word."""
    try:
        services = this.client().services.list(binary=BINARY)
        return not any(s.state == "up" for s in services if s.host != this.host)
    except Exception as error:  # whatever a client library raises
        LOG.warning("Nova does not say which hosts are up: %s", error)
        return False


def _memory(this: Attempt, uuid: str) -> float:
    """Return what an instance's flavor says; 0 where nobody does, which only spreads less well."""
    try:
        return float(this.server(uuid).flavor["ram"])
    except (NoAnswer, AttributeError, KeyError, TypeError, ValueError):
        return 0.0


def within(this: Attempt, reserved: Iterable[str]) -> list[str]:
    """Return those reserved hosts to which the instances of a host may go.

    One that will be put into the host's aggregates is in its zone, too, by then.

    Args:
        this: the attempt.
        reserved: their names.
    """
    names = list(reserved)
    elsewhere = CONF.fencing.recovery_destination_fallback
    joins = CONF.host_failure.add_reserved_host_to_aggregate
    if not names or elsewhere or joins or not options.destination(CONF):
        return names
    try:
        found = _allowed(this)
    except Exception as error:  # whatever a client library raises
        LOG.warning("Reserved hosts for %s are taken wherever they are: %s", this.host, error)
        return names
    return names if found is None else [name for name in names if name in found]


def _allowed(this: Attempt) -> frozenset[str] | None:
    kinds = options.destination(CONF)
    segments = {}
    if any(kind.kind != "aggregate" for kind in kinds):
        every = objects.HostList.get_all(this.context)
        segments = {host.name: host.failover_segment.name for host in every}
    aggregates = []
    if any(kind.kind != "segment" for kind in kinds):
        listed = this.client().aggregates.list()
        aggregates = [Aggregate(a.name, tuple(a.hosts), dict(a.metadata)) for a in listed]
    return failure_domains.destinations(this.host, kinds, aggregates, segments)
