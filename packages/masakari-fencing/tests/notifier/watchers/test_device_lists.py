"""The fencer's lists are renewed before they are needed."""

from __future__ import annotations

import pytest
from fencing_fakes import Cluster
from masakari_fencing.notifier.watchers.device_lists import DeviceLists
from masakari_fencing.pacemaker.tools import PacemakerError


def test_the_fencer_is_asked_each_time_and_the_nodes_once_a_minute() -> None:
    cluster, now = Cluster(), [0.0]
    cluster.runner.on("stonith_admin --list node1.maas", "")
    lists = DeviceLists(cluster.runner, clock=lambda: now[0])
    for moment in (0.0, 3.0, 6.0, 61.0):
        now[0] = moment
        lists.refresh()
    assert len(cluster.runner.ran("stonith_admin --list")) == 4
    assert len(cluster.runner.ran("crm_mon")) == 2


def test_without_hypervisors_nothing_is_asked() -> None:
    cluster = Cluster(remotes=[])
    DeviceLists(cluster.runner).refresh()
    assert cluster.runner.ran("stonith_admin") == []


def test_a_fencer_that_does_not_answer_is_an_error() -> None:
    cluster = Cluster()
    cluster.runner.on("stonith_admin --list", 124)
    with pytest.raises(PacemakerError, match="124"):
        DeviceLists(cluster.runner).refresh()
