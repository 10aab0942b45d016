"""Moving instances back to a host that has failed, when it is in service again."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

from masakari_fencing.openstack.rest import ApiError

from planned.moving import Mover
from preflight import survey
from preflight.findings import enumerated, shortened
from preflight.places import Ground, Places
from segments import servers
from segments.lookup import ActionError
from segments.results import Results
from segments.servers import Server

_DONE = ("done", "completed")
"""States of Nova's record of an evacuation that went well; the latter once its host is back."""
_WENT_WELL = (*_DONE, "finished", "confirmed")


class Restoring(Mover):
    """Moves back what was evacuated from a host, and is still where it was evacuated to.

    Nova's own record of its moves says which these are: where an instance was moved on since, or
    anything else was done about where it is, it stays. Each step looks at what is so already, so
    that it can be interrupted anywhere and begun again on any unit.
    """

    def plan(self, name: str) -> Results:
        """What would be moved back, and what would stay. Changes nothing.

        Raises:
            ActionError: the host is in no segment, or not in service.
            ApiError: an API does not answer.
        """
        self._check(name)
        found = self._strayed(name)
        stuck = self._stuck(name, found)
        told = [(one, _stays(one) or stuck.get(one.uuid, "")) for one in found]
        lines = [
            f"{n:4} {one} on {one.host}: {f'STAYS: {why}' if why else 'moved back while it runs'}"
            for n, (one, why) in enumerate(told, 1)
        ]
        plain = [
            {"uuid": s.uuid, "name": s.name, "host": s.host, "state": s.state, "reason": why}
            for s, why in told
        ]
        moves = sum(not why for _, why in told)
        return {
            "outcome": "would-be-restored" if moves else "unchanged",
            "host": name,
            "instances": moves,
            "would-stay": len(told) - moves,
            "table": shortened("\n".join(lines)) or "no instance that was evacuated from it",
            "plan": shortened(json.dumps(plain)),
        }

    def run(self, name: str, timeout: float) -> Results:
        """Move them back.

        Args:
            name: the host's.
            timeout: seconds after which the rest is left to another run.

        Raises:
            ActionError: some that run are left elsewhere, or it cannot be done.
            ApiError: an API does not answer.
        """
        self._check(name)
        found = self._strayed(name)
        wanted, hosts = {one.uuid for one in found}, {one.host for one in found}

        def elsewhere() -> list[Server]:
            every = (one for host in hosts for one in servers.on_host(self._cloud, host))
            return [one for one in every if one.uuid in wanted]

        moved = self._move(elsewhere, self._clock() + timeout, to=name)
        if moved.interrupted:
            raise ActionError(
                f"not yet moved back to {name}: {enumerated([*map(str, moved.left)])}; what is"
                " under way goes on: run the action again, with a longer timeout"
            )
        if moved.left:
            raise ActionError(
                f"not moved back to {name}: {enumerated(moved.reasons)}. Moved back:"
                f" {','.join(moved.uuids) or 'none'}. See to these, and run the action again"
            )
        results: Results = {"outcome": "restored" if moved.uuids else "unchanged", "host": name}
        if moved.uuids:
            results["moved"] = ",".join(moved.uuids)
        if stays := [one.uuid for one in elsewhere()]:
            results["at-rest-elsewhere"] = ",".join(stays)
        return results

    def _check(self, name: str) -> None:
        """Make sure that a host is in service.

        Raises:
            ActionError: it is not.
        """
        host, service = self._lookup.find_hypervisor(name)
        if self._cloud.is_recovering(host):
            raise ActionError(f"a recovery of {name} is going on: see list-recoveries")
        if host.on_maintenance or not (service.enabled and service.up and not service.forced_down):
            raise ActionError(
                f"{name} is not in service: run return-host host={name} first, or wait until"
                " auto-return has done it"
            )

    def _strayed(self, name: str) -> list[Server]:
        """The instances whose last move was their evacuation from a host.

        Raises:
            ApiError: Nova does not answer, or with something else than it should.
        """
        quoted = urllib.parse.quote(name, safe="")
        query = f"migration_type=evacuation&source_compute={quoted}"
        targets = {
            str(item["instance_uuid"]): str(item["dest_compute"])
            for item in self._migrations(query)
            if item.get("status") in _DONE
        }
        found = []
        for host in sorted(set(targets.values()) - {name}):
            for one in servers.on_host(self._cloud, host):
                if targets.get(one.uuid) == host and self._last_left(one, name):
                    found.append(one)
        return found

    def _last_left(self, server: Server, name: str) -> bool:
        """Whether the last move of an instance was its evacuation from a host to where it is."""
        every = self._migrations(f"instance_uuid={urllib.parse.quote(server.uuid, safe='')}")
        done = [item for item in every if item.get("status") in _WENT_WELL]
        last = max(done, key=lambda item: int(item.get("id") or 0), default={})
        return (last.get("migration_type"), last.get("source_compute")) == ("evacuation", name)

    def _migrations(self, query: str) -> Sequence[Mapping[str, Any]]:
        try:
            return list(self._cloud.ask_nova(f"/os-migrations?{query}")["migrations"])
        except (KeyError, TypeError) as error:
            raise ApiError(f"Nova: the answer has no list of migrations: {error!r}") from error

    def _stuck(self, name: str, found: Sequence[Server]) -> dict[str, str]:
        """Those for which no room is left, one after the other, and why."""
        there = survey.take(self._cloud)
        places = Places(Ground(there), [])
        known = {one.uuid: one for every in there.instances.values() for one in every}
        stuck = {}
        for one in found:
            instance = known.get(one.uuid)
            if instance is None or _stays(one):
                continue
            if places.takes(instance, name, any_zone=True):
                places.put(instance, name)
            else:
                stuck[one.uuid] = (
                    f"{name} has no room for it ({instance.asked}), or must not have it"
                )
        return stuck


def _stays(one: Server) -> str:
    if one.rests:
        return "nothing of it runs"
    return "" if one.movable else f"Nova does not move what is {one.state}"
