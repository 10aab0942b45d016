"""How many hosts of a segment were reported failed."""

from __future__ import annotations

import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from masakari_fencing.workflow.proof.report_limit import ReportLimit

NOW = 1_795_233_223.0
SEGMENT = SimpleNamespace(uuid="s1", name="rack1")


def moment(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)


class Objects:
    """The parts of `masakari.objects` that are asked; hosts h1 to h4 are in one segment."""

    def __init__(self) -> None:
        self.notifications: list[Any] = []
        self.Host = SimpleNamespace(
            get_by_name=lambda context, name: SimpleNamespace(failover_segment=SEGMENT)
        )
        self.HostList = SimpleNamespace(get_all=self._hosts)
        self.NotificationList = SimpleNamespace(get_all=self._notifications)
        self.filters: dict[str, Any] = {}

    def report(
        self,
        *hosts: str,
        event: str = "STOPPED",
        status: str = "running",
        generated: float = NOW,
        created: float = NOW,
    ) -> None:
        for host in hosts:
            payload = {"event": event}
            self.notifications.append(
                SimpleNamespace(
                    source_host_uuid=f"u-{host}",
                    payload=payload,
                    status=status,
                    generated_time=moment(generated),
                    created_at=moment(created),
                )
            )

    def _hosts(self, context: Any, filters: dict[str, Any]) -> list[Any]:
        assert filters == {"failover_segment_id": "s1"}
        return [SimpleNamespace(uuid=f"u-h{n}", name=f"h{n}") for n in range(1, 5)]

    def _notifications(self, context: Any, filters: dict[str, Any]) -> list[Any]:
        self.filters = filters
        return self.notifications


@pytest.fixture
def objects() -> Objects:
    return Objects()


def excess(objects: Objects, hosts: int = 2) -> str | None:
    return ReportLimit(hosts, 60).excess("context", objects, "h1", NOW)


def test_as_many_as_the_limit_are_fenced(objects: Objects) -> None:
    objects.report("h1", "h2", "h1")
    assert excess(objects) is None, "a host that several monitors report counts once"


def test_one_more_and_none_is(objects: Objects) -> None:
    objects.report("h1", "h2", "h3")
    text = excess(objects)
    assert text is not None
    assert text.startswith("3 of the 4 hosts of segment rack1") and "the limit is 2" in text
    assert "h1, h2, h3" in text


def test_without_a_limit_nothing_is_counted(objects: Objects) -> None:
    objects.report("h1", "h2", "h3", "h4")
    assert excess(objects, 0) is None
    assert objects.filters == {}


def test_what_is_not_a_failure_of_the_segments_hosts_does_not_count(objects: Objects) -> None:
    objects.report("h1", "h2")
    objects.report("h3", event="STARTED")
    objects.report("h3", status="ignored")
    objects.report("h9")
    assert excess(objects) is None


def test_what_was_reported_in_the_window_before_the_host_counts_whenever_it_is_tried_again(
    objects: Objects,
) -> None:
    """Masakari tries a refused recovery again later; by the time of that nobody else was lost."""
    excess(objects)
    since = datetime.datetime.fromtimestamp(NOW - 60, datetime.timezone.utc)
    assert objects.filters == {"generated-since": since, "type": "COMPUTE_HOST"}


def test_what_was_reported_long_before_does_not_count_for_a_clock_that_is_ahead(
    objects: Objects,
) -> None:
    objects.report("h1", "h2")
    objects.report("h3", "h4", generated=NOW, created=NOW - 3600)
    assert excess(objects) is None
    objects.report("h3", generated=NOW + 3600)
    assert excess(objects) is not None
