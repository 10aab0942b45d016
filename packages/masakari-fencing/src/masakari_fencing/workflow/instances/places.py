"""The places of a host's instances in the order, read with as few requests as there are images."""

from __future__ import annotations

import logging
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

LOG = logging.getLogger(__name__)

PATIENCE = 3.0
"""Seconds after which no further image is asked for: the instances of a dead host wait for it."""

_AT_ONCE = 8


def of_servers(
    client: Any,
    servers: Iterable[Any],
    sources: Collection[str],
    *,
    images: Callable[[Any], Images] = Images.beside,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Place]:
    """Return the place of each instance, by its identifier.

    What cannot be read is noted at the instances that it matters for, and is no reason to recover
    nothing.

    Args:
        client: a novaclient (microversion 2.47 or later, which has the extra specs in a server).
        servers: its servers.
        sources: where to look, of `restart_order.SOURCES`.
        images: makes a client of Glance from one of Nova.
        clock: seconds, only ever compared with each other.
    """
    known = {str(server.id): _embedded(server, sources) for server in servers}
    unsettled = {
        str(server.id): image
        for server in servers
        if IMAGE in sources and (image := _image(server)) and not is_settled(known[str(server.id)])
    }
    properties: dict[str, Mapping[str, object]] = {}
    failures: dict[str, str] = {}
    if unsettled:
        glance, end = images(client), clock() + PATIENCE

        def ask(image: str) -> None:
            try:
                if clock() >= end:
                    raise ApiError(f"no answer within {PATIENCE:g} s")
                properties[image] = glance.properties(image)
            except ApiError as error:
                failures[image] = str(error)

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(ask, sorted(set(unsettled.values()))))
    found = {}
    for uuid, said in known.items():
        image = unsettled.get(uuid, "")
        read = place({**said, IMAGE: properties.get(image, {})})
        if image in failures:
            note = f"the properties of image {image} cannot be read ({failures[image]})"
            read = Place(read.priority, read.group, (*read.notes, note))
        found[uuid] = read
    return found


def _embedded(server: Any, sources: Collection[str]) -> dict[str, object]:
    flavor = getattr(server, "flavor", None)
    specs = flavor.get("extra_specs") if isinstance(flavor, Mapping) else None
    said = {SERVER: getattr(server, "metadata", None), FLAVOR: specs}
    return {source: keys for source, keys in said.items() if source in sources}


def _image(server: Any) -> str:
    """Return the image of an instance; empty where its disk is a volume."""
    image = getattr(server, "image", None)
    return str(image.get("id") or "") if isinstance(image, Mapping) else ""
