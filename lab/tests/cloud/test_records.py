"""The lists that are shown after a recovery."""

from __future__ import annotations

from typing import Any

from jujulab.cloud import records

ONE, TWO = "node1.maas", "node2.maas"


class Cloud:
    """The answers of both APIs, in their form."""

    def get(self, service: str, path: str, **options: Any) -> Any:
        if path == "/segments":
            return {"segments": [{"uuid": "s1"}]}
        host = {"name": ONE, "reserved": False, "on_maintenance": True}
        return {"hosts": [{"name": TWO, "reserved": True, "on_maintenance": False}, host]}

    def servers(self) -> list[dict[str, Any]]:
        guest = {"status": "ACTIVE", "OS-EXT-SRV-ATTR:host": TWO, "OS-EXT-STS:task_state": None}
        names = ("trial-1", "other")
        return [{"name": name, "locked": True, **guest} for name in names]

    def compute_services(self) -> list[dict[str, Any]]:
        up = {"host": TWO, "status": "enabled", "state": "up", "forced_down": False}
        return [up, {"host": ONE, "status": "disabled", "state": "down", "forced_down": True}]


def test_the_lists_of_the_page() -> None:
    found = records.read(Cloud(), "trial-")  # type: ignore[arg-type]
    assert found.hosts[ONE] == records.SegmentHost(reserved=False, on_maintenance=True)
    assert found.services[ONE] == records.ComputeService("disabled", "down", True)
    assert found.servers == {"trial-1": records.Server("ACTIVE", TWO, None, True)}
    assert (
        records.render(found)
        == """\
+------------+----------+----------------+
| name       | reserved | on_maintenance |
+------------+----------+----------------+
| node1.maas | False    | True           |
| node2.maas | True     | False          |
+------------+----------+----------------+
+------------+----------+-------+
| Host       | Status   | State |
+------------+----------+-------+
| node1.maas | disabled | down  |
| node2.maas | enabled  | up    |
+------------+----------+-------+
+---------+------------+--------+
| Name    | Host       | Status |
+---------+------------+--------+
| trial-1 | node2.maas | ACTIVE |
+---------+------------+--------+"""
    )
