"""Instances of a drill's own, which die with the host and have to come back."""

from __future__ import annotations

import re
import time
import urllib.parse
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from masakari_fencing.openstack.rest import ApiError

from planned.drills import Kind
from segments import servers
from segments.cloud import Cloud
from segments.lookup import ActionError
from segments.servers import Server

_VERSION = "2.74"
"""The first microversion in which an administrator names the host of a new server."""
_POLL = 0.5  # seconds
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NETWORKS = ("none", "auto")


def choose(cloud: Cloud, params: Mapping[str, Any]) -> Kind:
    """The kind that the parameters of an action ask for, by names or identifiers.

    Raises:
        ActionError: something is missing, or not there.
        ApiError: an API does not answer.
    """
    count = int(params.get("canaries") or 0)
    if not count:
        return Kind()
    given = {key: str(params.get(key) or "") for key in ("image", "flavor")}
    if missing := [key for key, value in given.items() if not value]:
        raise ActionError(f"canaries need {' and '.join(missing)}: name or identifier")
    flavors = cloud.ask_nova("/flavors/detail?is_public=None").get("flavors") or []
    return Kind(
        count=count,
        image=_only("image", given["image"], _images(cloud, given["image"])),
        flavor=_only("flavor", given["flavor"], _matching(flavors, given["flavor"])),
        network=str(params.get("network") or "none"),
    )


def _images(cloud: Cloud, wanted: str) -> Sequence[Mapping[str, Any]]:
    quoted = urllib.parse.quote(wanted, safe="")
    found = cloud.ask("Glance", f"/v2/images?status=active&name={quoted}").get("images") or []
    if not found and _UUID.fullmatch(wanted):
        return [cloud.ask("Glance", f"/v2/images/{quoted}")]
    return list(found)


def _matching(found: Iterable[Mapping[str, Any]], wanted: str) -> list[Mapping[str, Any]]:
    return [one for one in found if wanted in (one.get("id"), one.get("name"))]


def _only(what: str, wanted: str, found: Sequence[Mapping[str, Any]]) -> str:
    if len(found) != 1:
        number = "no" if not found else str(len(found))
        raise ActionError(f"there is {number} {what} {wanted!r} that the service user sees")
    return str(found[0]["id"])


class Canaries:
    """The canaries of one drill.

    Args:
        cloud: access to the APIs.
        drill: the drill's identifier.
        sleep: waits for so many seconds.
        clock: seconds, only ever compared with each other.
    """

    def __init__(
        self,
        cloud: Cloud,
        drill: str,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cloud = cloud
        self._prefix = f"{servers.CANARY}{drill}-"
        self._sleep = sleep
        self._clock = clock

    def servers(self) -> list[Server]:
        """All that there are now.

        Raises:
            ApiError: Nova does not answer.
        """
        return sorted(servers.named(self._cloud, self._prefix), key=lambda one: one.name)

    def boot(self, kind: Kind, host: str, metadata: str, timeout: float) -> list[Server]:
        """Have so many run on a host; those that are there already are left alone.

        Args:
            kind: what they are made of.
            host: Nova's name of the host.
            metadata: the key of instances that are recovered (first).
            timeout: seconds for all of them together.

        Raises:
            ActionError: one does not run there.
            ApiError: Nova does not make one.
        """
        there = {one.name for one in self.servers()}
        network = kind.network
        for number in range(1, kind.count + 1):
            name = f"{self._prefix}{number}"
            if name in there:
                continue
            server = {
                "name": name,
                "imageRef": kind.image,
                "flavorRef": kind.flavor,
                "networks": network if network in _NETWORKS else [{"uuid": network}],
                "host": host,
                "metadata": {metadata: "True"},
            }
            self._cloud.tell_nova("POST", "/servers", {"server": server}, microversion=_VERSION)
        end = self._clock() + timeout
        while True:
            found = self.servers()
            if len(found) == kind.count and all(_runs_on(one, host) for one in found):
                return found
            broken = next((one for one in found if one.state == "error"), None)
            if broken is not None or self._clock() >= end:
                one = broken or next((s for s in found if not _runs_on(s, host)), None)
                why = (one.fault or str(one)) if one else "Nova does not list it"
                raise ActionError(f"a canary does not run on {host}: {why}")
            self._sleep(_POLL)

    def delete(self, timeout: float) -> None:
        """Have none any more.

        Args:
            timeout: seconds after which to give up.

        Raises:
            ActionError: some are left.
            ApiError: Nova does not answer.
        """
        end = self._clock() + timeout
        asked: set[str] = set()
        while found := self.servers():
            for one in found:
                if one.uuid not in asked:
                    asked.add(one.uuid)
                    self._delete(one)
            if self._clock() >= end:
                names = ", ".join(map(str, found))
                raise ActionError(f"canaries are left, delete them: {names}")
            self._sleep(_POLL)

    def _delete(self, server: Server) -> None:
        try:
            self._cloud.tell_nova("DELETE", f"/servers/{server.uuid}")
        except ApiError as error:
            if "could not be found" not in str(error):
                raise


def _runs_on(server: Server, host: str) -> bool:
    return server.state == "active" and not server.task and server.host == host


def back(server: Server, lost: str) -> bool:
    """Whether a canary runs again, elsewhere than on the lost host."""
    return server.state == "active" and not server.task and server.host not in ("", lost)
