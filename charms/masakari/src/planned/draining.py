"""Emptying a host before planned work, so that the work does not look like a failure."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

from masakari_fencing.openstack.nova_api import Service
from masakari_fencing.openstack.rest import Conflict
from masakari_fencing.records.out_of_service import DRAINED

from planned.moving import Mover
from preflight import survey
from preflight.findings import counted, enumerated, shortened
from preflight.places import Ground
from preflight.rehearsal import Move, Rules, play
from segments import servers
from segments.cloud import SegmentHost
from segments.lookup import ActionError
from segments.results import Results, describe_host
from segments.servers import Server

_POLL = 1.0  # seconds


class Drain(Mover):
    """Moves the instances of a host away while they run.

    Nova is told first to place no more there. Masakari is told last, when nothing runs there any
    more: until then a failure of the host is one, and has to be recovered. Each step looks at what
    is so already, so that it can be interrupted anywhere and begun again on any unit.
    """

    def plan(self, name: str) -> Results:
        """What would be moved, and what would stay. Changes nothing.

        Raises:
            ActionError: the host is in no segment, or does not work.
            ApiError: an API does not answer.
        """
        self._find(name)
        there = survey.take(self._cloud)
        moves = {move.instance.uuid: move for move in _rehearsed(there, name)}
        found = servers.on_host(self._cloud, name)
        lines = [f"{n:4} {_foretold(one, moves.get(one.uuid))}" for n, one in enumerate(found, 1)]
        stuck = [one for one in found if _stays(one, moves.get(one.uuid))]
        return {
            "outcome": "would-stay" if stuck else "would-be-drained",
            "host": name,
            "instances": len(found),
            "would-not-move": len(stuck),
            "table": shortened("\n".join(lines)) or "no instance",
            "plan": shortened(json.dumps([_plain(one, moves.get(one.uuid)) for one in found])),
        }

    def run(self, name: str, timeout: float) -> Results:
        """Empty a host, and put it into maintenance in Nova and Masakari.

        Args:
            name: the host's.
            timeout: seconds after which the rest is left to another run.

        Raises:
            ActionError: something is left there, or it cannot be done.
            ApiError: an API does not answer.
        """
        host, service = self._find(name)
        end = self._clock() + timeout
        self.close(service)
        moved = self.empty(name, end)
        resting = servers.on_host(self._cloud, name)
        self._begin_maintenance(host, end)
        reserved = " reserved=true" if host.reserved else ""
        described = describe_host(self._lookup.find_host(name), self._lookup.services().get(name))
        changed = moved or service.enabled or not host.on_maintenance
        results: Results = {"outcome": "drained" if changed else "unchanged"}
        if moved:
            results["moved"] = ",".join(moved)
        if resting:
            results["at-rest-there"] = ",".join(one.uuid for one in resting)
        return {
            **results,
            "host": described,
            "next": f"shut it down in an orderly way (systemctl poweroff); when the work is done,"
            f" run return-host host={name}{reserved}",
        }

    def close(self, service: Service) -> None:
        """Have Nova place no more instances on a host.

        Raises:
            ApiError: Nova does not.
        """
        if service.enabled:
            self._cloud.update_compute_service(service, status="disabled", disabled_reason=DRAINED)

    def empty(self, name: str, end: float, stay: Collection[str] = ()) -> list[str]:
        """Move away what runs on a host, and wait until it is gone.

        Args:
            name: the host's.
            end: when to give up, by the clock.
            stay: UUIDs of those that stay.

        Returns:
            The UUIDs of those that were moved.

        Raises:
            ActionError: some are left; the text names them and what to do.
            ApiError: Nova does not answer.
        """
        moved = self._move(
            lambda: [s for s in servers.on_host(self._cloud, name) if s.uuid not in stay], end
        )
        if moved.interrupted:
            raise ActionError(
                f"{counted(len(moved.left), 'instance is', 'instances are')} left on {name}:"
                f" {_named(moved.left)}; nothing is undone, and what is under way goes on: run the"
                f" action again, with a longer timeout, or return-host host={name} to leave it at"
                " that"
            )
        if moved.left:
            raise ActionError(
                f"{name} is not empty, and not in maintenance: {enumerated(moved.reasons)}. Have"
                " these stopped, or move them by hand, and run the action again; or run"
                f" return-host host={name} to leave it at that"
            )
        return list(moved.uuids)

    def _find(self, name: str) -> tuple[SegmentHost, Service]:
        """A host that works.

        Raises:
            ActionError: there is none of that name, or it does not work.
        """
        host, service = self._lookup.find_hypervisor(name)
        if service.forced_down or not service.up:
            raise ActionError(
                f"nova-compute of {name} is {'forced ' if service.forced_down else ''}down:"
                " nothing can be moved from there while it runs. A host that failed is recovered"
                " by itself: see list-recoveries and the status"
            )
        if self._cloud.is_recovering(host):
            raise ActionError(f"a recovery of {name} is going on: see list-recoveries")
        return host, service

    def _begin_maintenance(self, host: SegmentHost, end: float) -> None:
        """Have Masakari act upon no failure of it, as soon as Masakari lets it be changed."""
        while not host.on_maintenance:
            try:
                self._cloud.update_host(host, on_maintenance=True)
                return
            except Conflict as error:
                if self._clock() >= end:
                    raise ActionError(
                        f"{host.name} is empty, but Masakari does not take it into maintenance"
                        f" while it works on notifications of its segment: {error}. Run the"
                        " action again when they are finished or failed"
                    ) from error
            self._sleep(_POLL)


def _rehearsed(there: survey.Survey, name: str) -> Sequence[Move]:
    """Where Nova has room for each; it picks among the hosts that are enabled."""
    return play(Ground(there), [name], "auto", (), Rules())


def _stays(one: Server, move: Move | None) -> str:
    """Why an instance would not be moved although something of it runs; empty if it would."""
    if one.rests:
        return ""
    if not one.movable:
        return f"Nova does not move what is {one.state}: see to it first"
    return "" if move is None or move.target else move.reason


def _foretold(one: Server, move: Move | None) -> str:
    if one.rests:
        return f"{one}: stays, nothing of it runs"
    if reason := _stays(one, move):
        return f"{one}: WOULD STAY: {reason}"
    room = f"; there is room on {move.target}" if move is not None else ""
    return f"{one}: moved while it runs, Nova picks{room}"


def _plain(one: Server, move: Move | None) -> dict[str, Any]:
    return {
        "uuid": one.uuid,
        "name": one.name,
        "state": one.state,
        "moves": one.movable and not _stays(one, move),
        "reason": _stays(one, move),
    }


def _named(found: Sequence[Server]) -> str:
    return enumerated([str(one) for one in found])
