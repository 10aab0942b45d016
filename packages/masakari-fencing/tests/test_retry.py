"""Hypervisors that Pacemaker lost and left unfenced are fenced as soon as that works."""

from __future__ import annotations

import logging

import pytest
from fencing_fakes import Cluster, Remote
from masakari_fencing.retry import FORGOTTEN, INTERVAL, Retry

NOW = 2_000_000.0
OWN, OTHER = "juju-1-lxd-0", "juju-2-lxd-0"


def lost(**changes: object) -> Remote:
    remote = Remote(online=False, unclean=True, role="Stopped", failed=True)
    remote.events = [("reboot", "failed", NOW - INTERVAL - 5), ("reboot", "failed", NOW - 60)]
    for name, value in changes.items():
        setattr(remote, name, value)
    return remote


def forgotten(**changes: object) -> Remote:
    """As after a fencing that was decided on, and lost with the transition that it was part of."""
    state = {"unclean": False, "failed": False, "start_failed": True, "events": []}
    return lost(**{**state, **changes})


class Watch:
    def __init__(self, remote: Remote, dc: str = OWN, **changes: object) -> None:
        self.now = NOW
        self.cluster = Cluster(remotes=[remote], dc=dc, **changes)  # type: ignore[arg-type]
        self.retry = Retry(self.cluster.runner, clock=lambda: self.now)

    def look_twice(self) -> list[str]:
        """Look, and again when a fencing that Pacemaker forgot has to be taken for it."""
        found = self.retry.look()
        self.now += FORGOTTEN
        return found + self.retry.look()

    @property
    def requests(self) -> int:
        return len(self.cluster.runner.ran("stonith_admin"))


def test_what_pacemaker_gave_up_is_fenced() -> None:
    watch = Watch(lost())
    assert watch.retry.look() == ["node1.maas"]
    assert watch.cluster.runner.ran("stonith_admin --reboot node1.maas")


def test_what_pacemaker_forgot_is_fenced() -> None:
    watch = Watch(forgotten())
    assert watch.retry.look() == []  # it may just be about to
    watch.now += FORGOTTEN
    assert watch.retry.look() == ["node1.maas"]


def test_a_fencing_of_an_earlier_loss_is_no_excuse() -> None:
    watch = Watch(forgotten(events=[("reboot", "success", NOW - 86400)]))
    assert watch.look_twice() == ["node1.maas"]


@pytest.mark.parametrize(
    "remote",
    [
        pytest.param(Remote(), id="healthy"),
        pytest.param(forgotten(fenced=NOW - 3), id="fenced"),
        pytest.param(forgotten(start_failed=False), id="cleaned up by hand"),
        pytest.param(forgotten(managed=False), id="out of Pacemaker's hands"),
        pytest.param(forgotten(target_role="Stopped"), id="stopped by an operator"),
        pytest.param(forgotten(role="Starting"), id="being connected to"),
        pytest.param(forgotten(online=True), id="connected again"),
        pytest.param(forgotten(maintenance=True), id="in maintenance"),
        pytest.param(forgotten(events=[("reboot", "pending", None)]), id="being fenced"),
        pytest.param(lost(maintenance=True), id="unclean in maintenance"),
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
    watch = Watch(remote)
    assert watch.look_twice() == []
    assert watch.requests == 0


@pytest.mark.parametrize(
    "changes",
    [{"dc": OTHER}, {"quorum": False}, {"stonith": False}, {"maintenance": True}],
    ids=lambda changes: next(iter(changes)),
)
@pytest.mark.parametrize("state", [lost, forgotten])
def test_only_the_controller_of_a_working_cluster_acts(
    changes: dict[str, object], state: type[Remote]
) -> None:
    watch = Watch(state(), **changes)
    assert watch.look_twice() == []
    assert watch.requests == 0


def test_a_connection_that_comes_back_in_between_counts_anew() -> None:
    remote = forgotten()
    watch = Watch(remote)
    watch.retry.look()
    remote.online, remote.role = True, "Started"
    watch.now += FORGOTTEN
    watch.retry.look()
    remote.online, remote.role = False, "Stopped"
    assert watch.retry.look() == []
    assert watch.requests == 0


def test_failures_are_told_once_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    watch = Watch(lost(), fence=lambda node: 1)
    for _ in range(3):
        assert watch.retry.look() == []
        assert watch.retry.look() == []  # too soon
        watch.now += INTERVAL
    assert watch.requests == 3
    assert caplog.text.count("cannot be fenced") == 1
    watch.cluster.fence = lambda node: 0
    assert watch.retry.look() == ["node1.maas"]
    assert "Pacemaker had lost it" in caplog.text
