"""What is said about a host's instances, read with as few requests as there are images."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from masakari_fencing.openstack.images import Images
from masakari_fencing.openstack.rest import ApiError
from masakari_fencing.openstack.restart_order import (
    FLAVOR,
    IMAGE,
    SERVER,
    Place,
    is_settled,
    place,
)
from masakari_fencing.openstack.scope import Facts, Scope

PATIENCE = 3.0
"""Seconds after which no further image is asked for: the instances of a dead host wait for it."""

_AT_ONCE = 8


class Reading:
    """What is asked for once in an attempt, and only where it is needed.

    What cannot be read is noted at the instances that it matters for, and is no reason to recover
    nothing.

    Args:
        client: a novaclient (microversion 2.47 or later, which has the extra specs in a server).
        images: makes a client of Glance from one of Nova.
        clock: seconds, only ever compared with each other.
    """

    def __init__(
        self,
        client: Any,
        *,
        images: Callable[[Any], Images] = Images.beside,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._images = images
        self._clock = clock
        self._properties: dict[str, Mapping[str, object]] = {}
        self._failures: dict[str, str] = {}

    def objections(self, servers: Iterable[Any], scope: Scope, host: str) -> dict[str, str]:
        """Return why instances are left alone, by their identifiers; those alone that are.

        Args:
            servers: novaclient's servers of the host.
            scope: which are recovered.
            host: Nova's name of the host.
        """
        every = list(servers)
        if scope.asks_for("image", "image-tag"):
            self._ask(map(_image, every))
        aggregates: list[Mapping[str, object]] | None = []
        if scope.asks_for("aggregate"):
            aggregates = self._aggregates(host)
        found = {}
        for server in every:
            if text := scope.objection(self._facts(server, aggregates)):
                found[str(server.id)] = text
        return found

    def places(self, servers: Iterable[Any], sources: Collection[str]) -> dict[str, Place]:
        """Return the place of each instance in the order, by its identifier.

        Args:
            servers: novaclient's servers.
            sources: where to look, of `restart_order.SOURCES`.
        """
        known = {str(server.id): _embedded(server, sources) for server in servers}
        unsettled = {
            str(server.id): image
            for server in servers
            if IMAGE in sources
            and (image := _image(server))
            and not is_settled(known[str(server.id)])
        }
        self._ask(unsettled.values())
        found = {}
        for uuid, said in known.items():
            image = unsettled.get(uuid, "")
            read = place({**said, IMAGE: self._properties.get(image, {})})
            if image in self._failures:
                note = f"the properties of image {image} cannot be read ({self._failures[image]})"
                read = Place(read.priority, read.group, (*read.notes, note))
            found[uuid] = read
        return found

    def _ask(self, images: Iterable[str]) -> None:
        wanted = {image for image in images if image}
        wanted -= self._properties.keys() | self._failures.keys()
        if not wanted:
            return
        glance, end = self._images(self._client), self._clock() + PATIENCE

        def ask(image: str) -> None:
            try:
                if self._clock() >= end:
                    raise ApiError(f"no answer within {PATIENCE:g} s")
                self._properties[image] = glance.properties(image)
            except ApiError as error:
                self._failures[image] = str(error)

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(ask, sorted(wanted)))

    def _aggregates(self, host: str) -> list[Mapping[str, object]] | None:
        try:
            found = self._client.aggregates.list()
        except Exception:  # whatever a client library raises
            return None
        return [one.metadata for one in found if host in one.hosts]

    def _facts(self, server: Any, aggregates: Iterable[Mapping[str, object]] | None) -> Facts:
        embedded = _embedded(server, (SERVER, FLAVOR))
        image = _image(server)
        keys: dict[str, Mapping[str, object]] = {
            "metadata": _mapping(embedded[SERVER]),
            "flavor": _mapping(embedded[FLAVOR]),
        }
        if image not in self._failures:
            keys["image"] = self._properties.get(image, {})
        return Facts(
            name=str(getattr(server, "name", "") or ""),
            project=str(getattr(server, "tenant_id", "") or ""),
            keys=keys,
            aggregates=aggregates,
            own_project=self._own_project,
        )

    def _own_project(self) -> str | None:
        found = self._client.client.session.get_project_id()
        return str(found) if found else None


def _embedded(server: Any, sources: Collection[str]) -> dict[str, object]:
    flavor = getattr(server, "flavor", None)
    specs = flavor.get("extra_specs") if isinstance(flavor, Mapping) else None
    said = {SERVER: getattr(server, "metadata", None), FLAVOR: specs}
    return {source: keys for source, keys in said.items() if source in sources}


def _mapping(found: object) -> Mapping[str, object]:
    return found if isinstance(found, Mapping) else {}


def _image(server: Any) -> str:
    """Return the image of an instance; empty where its disk is a volume."""
    image = getattr(server, "image", None)
    return str(image.get("id") or "") if isinstance(image, Mapping) else ""
