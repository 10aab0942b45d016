"""Where the volumes of an instance are, as Cinder says."""

from __future__ import annotations

from typing import Any

_VERSION = "volume 3.27"
"""The first version of Cinder's API that knows attachments."""


def connections(adapter: Any, instance: str, timeout: float) -> dict[str, dict[str, Any]]:
    """Return how each volume of an instance is reached, by the volume's identifier.

    What Cinder says of one is what Nova gives to libvirt; its form depends on
    `driver_volume_type` in it.

    Args:
        adapter: novaclient's, of an administrator: its login, region and interface count for
            Cinder, too; says what is raised.
        instance: the instance's identifier.
        timeout: seconds for the request.
    """
    answer = adapter.session.get(
        f"/attachments/detail?all_tenants=1&instance_id={instance}",
        endpoint_filter={
            "service_type": "block-storage",
            "region_name": getattr(adapter, "region_name", None),
            "interface": getattr(adapter, "interface", None) or "internal",
        },
        headers={"OpenStack-API-Version": _VERSION},
        timeout=timeout,
    )
    return {
        str(item["volume_id"]): item.get("connection_info") or {}
        for item in answer.json()["attachments"]
        if item.get("instance") == instance
    }
