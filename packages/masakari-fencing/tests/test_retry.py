"""Hypervisors whose fencing failed until Pacemaker gave up are fenced as soon as that works."""

from __future__ import annotations

import logging

import pytest
from fencing_fakes import Cluster, Remote
from masakari_fencing.retry import INTERVAL, Retry

NOW = 2_000_000.0
OWN, OTHER = "juju-1-lxd-0", "juju-2-lxd-0"


def lost(**changes: object) -> Remote:
    remote = Remote(online=False, unclean=True, role="Stopped", failed=True)
    remote.events = [("reboot", "failed", NOW - INTERVAL - 5), ("reboot", "failed", NOW - 60)]
    for name, value in changes.items():
        setattr(remote, name, value)
    return remote


def watch(remote: Remote, dc: str = OWN, **changes: object) -> tuple[Cluster, Retry]:
    cluster = Cluster(remotes=[remote], dc=dc, **changes)  # type: ignore[arg-type]
    return cluster, Retry(cluster.runner, clock=lambda: NOW)


def test_what_pacemaker_gave_up_is_fenced() -> None:
    cluster, retry = watch(lost())
    assert retry.look() == ["node1.maas"]
    assert len(cluster.runner.ran("stonith_admin --reboot node1.maas")) == 1


@pytest.mark.parametrize(
    "remote",
    [
        pytest.param(Remote(), id="healthy"),
        pytest.param(lost(unclean=False), id="fenced, or cleaned up by hand"),
        pytest.param(lost(maintenance=True), id="in maintenance"),
        pytest.param(lost(events=[]), id="Pacemaker has not begun"),
        pytest.param(
            lost(events=[("reboot", "pending", None), ("reboot", "failed", NOW - 60)]),
            id="Pacemaker is at it",
        ),
        pytest.param(
            lost(events=[("reboot", "failed", NOW - 1), ("reboot", "failed", NOW - 60)]),
            id="Pacemaker tries again at once",
        ),
    ],
)
def test_nothing_else_is_touched(remote: Remote) -> None:
    cluster, retry = watch(remote)
    assert retry.look() == []
    assert cluster.runner.ran("stonith_admin") == []


@pytest.mark.parametrize(
    "changes", [{"dc": OTHER}, {"quorum": False}, {"stonith": False}], ids=lambda c: next(iter(c))
)
def test_only_the_controller_of_a_working_cluster_acts(changes: dict[str, object]) -> None:
    cluster, retry = watch(lost(), **changes)
    assert retry.look() == []
    assert cluster.runner.ran("stonith_admin") == []


def test_failures_are_told_once_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    remote, now = lost(), [NOW]
    cluster = Cluster(remotes=[remote], dc=OWN, fence=lambda node: 1)
    retry = Retry(cluster.runner, clock=lambda: now[0])
    for _ in range(3):
        assert retry.look() == []
        assert retry.look() == []  # too soon
        now[0] += INTERVAL
    assert len(cluster.runner.ran("stonith_admin --reboot")) == 3
    assert caplog.text.count("cannot be fenced") == 1
    cluster.fence = lambda node: 0
    assert retry.look() == ["node1.maas"]
    assert "is fenced, after Pacemaker had given up" in caplog.text
