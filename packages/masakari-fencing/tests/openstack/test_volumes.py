"""Where the volumes of an instance are: the answer in the form of Cinder's attachments view."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from masakari_fencing.openstack import volumes

RBD = {"driver_volume_type": "rbd", "hosts": ["10.77.4.11"], "name": "volumes/volume-v1"}


def test_each_volume_is_said_how_it_is_reached() -> None:
    asked: list[tuple[str, dict[str, Any]]] = []

    def get(path: str, **options: Any) -> SimpleNamespace:
        asked.append((path, options))
        items = [
            {"id": "a1", "volume_id": "v1", "instance": "g1", "connection_info": RBD},
            {"id": "a2", "volume_id": "v2", "instance": "g1", "connection_info": None},
            {"id": "a3", "volume_id": "v3", "instance": "g2", "connection_info": RBD},
        ]
        return SimpleNamespace(json=lambda: {"attachments": items})

    session = SimpleNamespace(get=get)
    adapter = SimpleNamespace(session=session, region_name="RegionTwo", interface="internal")
    found = volumes.connections(adapter, "g1", 20)
    assert found == {"v1": RBD, "v2": {}}
    path, options = asked[0]
    assert path == "/attachments/detail?all_tenants=1&instance_id=g1"
    assert options["headers"] == {"OpenStack-API-Version": "volume 3.27"}
    assert options["endpoint_filter"]["service_type"] == "block-storage"
