"""Whether all disks of an instance are on the storage that its dead host is cut off from."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Mapping
from typing import Any

from masakari_fencing.records.storage_fences import StorageFence

VOLUMES = "os-extended-volumes:volumes_attached"
"""Nova's attribute of a server that lists its volumes."""

WAITS = "its host is only cut off from Ceph, and it waits for the power to be off"

_ELSEWHERE = "not all its disks are on that Ceph"


def outside(
    server: Any,
    fence: StorageFence,
    connections: Callable[[], Mapping[str, Mapping[str, Any]]],
) -> str | None:
    """Return why an instance must wait for the power of its host; None: it need not.

    Args:
        server: novaclient's server (microversion 2.47 or later, for its flavor).
        fence: how its host is cut off.
        connections: asks Cinder; see `openstack.volumes.connections`.
    """
    if not fence.images and _has_images(server):
        return f"{WAITS}: {_ELSEWHERE} (Nova keeps some on the host)"
    volumes = {str(item["id"]) for item in getattr(server, VOLUMES, None) or ()}
    if not volumes:
        return None
    try:
        known = connections()
    except Exception as error:  # whatever a client library raises
        return f"{WAITS}: Cinder does not say where its volumes are ({error})"
    wrong = sorted(v for v in volumes if not _on_ceph(known.get(v, {}), fence.monitors))
    return f"{WAITS}: {_ELSEWHERE} (volume {', '.join(wrong)})" if wrong else None


def _has_images(server: Any) -> bool:
    """Whether Nova itself made a disk of it: any but volumes."""
    flavor = getattr(server, "flavor", None) or {}
    if getattr(server, "image", None) or "disk" not in flavor:
        return True  # or nobody knows
    return bool(flavor.get("OS-FLV-EXT-DATA:ephemeral") or flavor.get("ephemeral")) or bool(
        flavor.get("swap")
    )


def _on_ceph(connection: Mapping[str, Any], monitors: Collection[str]) -> bool:
    if connection.get("driver_volume_type") != "rbd":
        return False
    found = set()
    for host in connection.get("hosts") or ():
        try:
            found.add(str(ipaddress.ip_address(str(host).strip("[]"))))
        except ValueError:
            return False
    return bool(found & set(monitors))
