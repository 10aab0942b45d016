"""How the observer asks Nova, so that the asking does not slow down what it measures."""

from __future__ import annotations

from typing import Any

from jujulab.cloud import Cloud


class Asked(Cloud):
    """A connection that keeps what is asked for."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    def get(self, service: str, path: str, **options: Any) -> Any:
        self.paths.append(path)
        return {"servers": []}


def test_all_guests_are_asked_for() -> None:
    cloud = Asked()
    assert cloud.servers() == []
    assert cloud.paths == ["/servers/detail?all_tenants=1"]


def test_changes_are_asked_for_since_a_whole_second_before() -> None:
    cloud = Asked()
    cloud.servers(changed_since=1795233223.9)
    assert cloud.paths[0].endswith("&deleted=False&changes-since=2026-11-21T03:53:43Z")
