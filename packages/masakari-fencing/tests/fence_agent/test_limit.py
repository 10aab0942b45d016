"""The limit that stops a mass power-off before the power is cut."""

from __future__ import annotations

import errno
import math
import tempfile
from pathlib import Path
from typing import Any

import pytest
from fencing_ceph import cut_off
from fencing_fakes import Remote
from fencing_rack import NOW, Rack
from masakari_fencing.fence_agent import limit
from masakari_fencing.pacemaker import fencing_limit, properties
from masakari_fencing.pacemaker.fencing_limit import FencingLimit
from masakari_fencing.pacemaker.readmission import HOLD_TIME
from masakari_fencing.pacemaker.tools import PacemakerError
from masakari_fencing.records import stopped_fencing
from masakari_fencing.records.stopped_fencing import StoppedFencing


def test_one_dead_host_is_fenced() -> None:
    rack = Rack()
    rack.lose("node1")
    assert rack.check() is None
    assert "node1" not in rack.tried, "that it is lost is known"


def test_as_many_as_the_limit_allows_are_fenced() -> None:
    rack = Rack()
    rack.lose("node1", "node2")
    assert rack.check("node1") is None
    assert rack.check("node2") is None


def test_the_first_request_already_sees_the_whole_extent() -> None:
    rack = Rack()
    rack.lose("node1")
    rack.lose(*(f"node{number}" for number in range(2, 11)), noticed=False)
    reason = rack.check()
    assert reason is not None
    assert "10 of 10" in reason
    assert "limit is 2" in reason


def test_hosts_that_wait_to_be_fenced_count_even_if_they_answer() -> None:
    rack = Rack()
    rack.lose("node1", "node2", "node3")
    rack.silent.clear()
    assert rack.check() is not None


def test_hosts_that_were_fenced_within_the_window_count() -> None:
    rack = Rack()
    rack.lose("node1")
    for name in ("node2", "node3"):
        remote = rack.cluster.remote(name)
        assert remote is not None
        remote.events = [("reboot", "success", NOW - 60)]
    assert rack.check(max_hosts=2, window=120) is not None
    assert rack.check(max_hosts=2, window=30) is None


def test_hosts_that_have_long_been_off_do_not_count() -> None:
    rack = Rack()
    rack.lose("node1")
    for name in ("node2", "node3", "node4"):
        remote = rack.cluster.remote(name)
        assert remote is not None
        remote.fenced, remote.online, remote.role = NOW - 86400, False, "Stopped"
        rack.silent.add(name)
    assert rack.check(max_hosts=1) is None


def test_hosts_whose_daemon_was_stopped_on_purpose_do_not_count() -> None:
    rack = Rack()
    rack.lose("node1")
    for name in ("node2", "node3", "node4"):
        remote = rack.cluster.remote(name)
        assert remote is not None
        remote.managed, remote.online, remote.role = False, False, "Stopped"
        rack.silent.add(name)
    assert rack.check(max_hosts=1) is None


def test_a_failed_fencing_does_not_count_twice() -> None:
    rack = Rack()
    rack.lose("node1", "node2")
    for name in ("node1", "node2"):
        remote = rack.cluster.remote(name)
        assert remote is not None
        remote.events = [("reboot", "failed", NOW - 5), ("reboot", "success", NOW - 50)]
    assert rack.check(max_hosts=2) is None


@pytest.mark.parametrize(
    ("hosts", "share", "total", "limit"),
    [(0, 0, 10, math.inf), (2, 0, 10, 2), (0, 30, 10, 3), (2, 30, 10, 3), (2, 5, 10, 2)],
)
def test_limits(hosts: int, share: int, total: int, limit: float) -> None:
    assert FencingLimit(max_hosts=hosts, max_share=share).most(total) == limit


@pytest.mark.parametrize(
    "values", [{"max_hosts": -1}, {"max_share": 101}, {"max_share": -1}, {"window": 0}]
)
def test_limits_that_make_no_sense(values: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="sensible"):
        FencingLimit(**values)


def test_no_limit_asks_nobody() -> None:
    rack = Rack()
    rack.lose(*(f"node{number}" for number in range(1, 11)))
    assert rack.check(max_hosts=0) is None
    assert rack.tried == set()


def test_the_operator_lifts_the_limit_for_a_while() -> None:
    rack = Rack()
    rack.lose("node1", "node2", "node3")
    rack.cluster.runner.on(f"crm_attribute --type=crm_config --name={properties.ALLOW}", "")
    until = properties.allow(rack.cluster.runner, 300, clock=lambda: NOW)
    assert until == NOW + 300
    assert rack.cluster.runner.calls[-1][-1] == "--update=2000300"
    rack.properties[properties.ALLOW] = until
    assert rack.check() is None
    rack.properties[properties.ALLOW] = NOW - 1
    assert rack.check() is not None


def test_without_an_answer_of_the_cluster_nothing_is_fenced() -> None:
    rack = Rack()
    for command in ("cibadmin --query", "crm_mon"):
        rack.cluster.runner.on(command, 102)
        with pytest.raises(PacemakerError):
            rack.check()


@pytest.mark.parametrize("says", ["crm_mon", "crm_node"])
def test_without_quorum_nothing_is_fenced(says: str) -> None:
    """Pacemaker lets a member without quorum fence a hypervisor that it is connected to."""
    rack = Rack()
    rack.lose("node1")
    rack.cluster.quorum = False
    if says == "crm_node":  # the configuration is written a moment later
        rack.cluster.quorum = True
        rack.cluster.runner.on("crm_node --quorum", "0\n")
    assert rack.check() == "spared: this part of the cluster has no quorum"
    rack.properties[properties.ALLOW] = NOW + 60
    assert rack.check() == "spared: this part of the cluster has no quorum"


def test_a_controller_that_does_not_answer_is_no_quorum() -> None:
    rack = Rack()
    for answer in (1, "maybe\n"):
        rack.cluster.runner.on("crm_node --quorum", answer)
        with pytest.raises(PacemakerError):
            rack.check()


@pytest.mark.parametrize("lack", ["unseen", "unrecorded"])
def test_one_that_is_still_being_added_is_fenced_only_when_asked_for(lack: str) -> None:
    rack = Rack()
    rack.lose("node1")
    getattr(rack, lack).add("node1")
    remote = rack.cluster.remote("node1")
    assert remote is not None
    remote.events = [("reboot", "pending", None)]
    assert "spared: it " in str(rack.check())
    rack.properties[properties.ALLOW] = NOW + 60
    assert rack.check() is not None, "that lifts the limit, for hosts that are dead"
    remote.requester = "stonith_admin.871@juju-1-lxd-0"
    assert rack.check() is None


def test_a_refusal_is_kept_for_a_minute(tmp_path: Path) -> None:
    path = tmp_path / "guard" / "refused.json"
    assert stopped_fencing.read(path) is None
    refusal = StoppedFencing("node1", "too many", NOW)
    stopped_fencing.remember(refusal, path)
    assert stopped_fencing.read(path, clock=lambda: NOW + 59) == refusal
    assert stopped_fencing.read(path, clock=lambda: NOW + 61) is None
    stopped_fencing.forget("node2", path)
    assert stopped_fencing.read(path, clock=lambda: NOW) == refusal, "fenced beside it"
    stopped_fencing.forget("node1", path)
    assert stopped_fencing.read(path, clock=lambda: NOW) is None
    path.write_text("torn")
    assert stopped_fencing.read(path, clock=lambda: NOW) is None
    stopped_fencing.remember(refusal, path)
    assert stopped_fencing.read(path, clock=lambda: NOW - 3600) is None, "a clock was set back"


def test_no_fence_waits_for_a_disk_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "refused.json"
    refusal = StoppedFencing("node1", "too many", NOW)
    stopped_fencing.remember(refusal, path)

    def refuse(*args: object, **options: object) -> None:
        raise OSError(errno.EROFS, "read-only file system")

    monkeypatch.setattr(Path, "unlink", refuse)
    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    stopped_fencing.forget("node1", path)
    stopped_fencing.remember(StoppedFencing("node2", "too many", NOW), path)
    assert stopped_fencing.read(path, clock=lambda: NOW) == refusal


def test_fences_of_before_a_clock_was_set_back_do_not_count() -> None:
    rack = Rack()
    rack.lose("node1")
    for name in ("node2", "node3"):
        remote = rack.cluster.remote(name)
        assert remote is not None
        remote.events = [("reboot", "success", NOW + 3600)]
    assert rack.check() is None


def test_nor_does_a_readmission() -> None:
    rack = Rack()
    rack.lose("node1")
    rack.properties[f"{properties.HOLD}node1"] = NOW + HOLD_TIME
    assert rack.check() == "spared: it is being readmitted"
    rack.properties[f"{properties.HOLD}node1"] = NOW + 3600
    assert rack.check() is None


def test_options_of_the_agent() -> None:
    values: dict[str, Any] = {"max_hosts": "3", "max_share": "20", "window": "60", "plug": "x"}
    assert fencing_limit.from_options(values) == FencingLimit(3, 20, 60)


def test_the_others_may_object_to_fencing_a_host_that_pacemaker_lost() -> None:
    rack = Rack(3)
    rack.lose("node1")
    rack.objection = "node1 still answers"
    assert rack.check(max_hosts=2, matrix=True) == "node1 still answers"
    assert rack.asked == [("node1", ["ip-node2", "ip-node3"])]


def test_without_an_objection_the_limit_decides() -> None:
    rack = Rack(3)
    rack.lose("node1", "node2")
    assert rack.check(max_hosts=2, matrix=True) is None
    assert "limit is 1" in str(rack.check(max_hosts=1, matrix=True))


def test_nobody_is_asked_where_no_matrix_is_in_use() -> None:
    rack = Rack(3)
    rack.lose("node1")
    rack.objection = "node1 still answers"
    assert rack.check() is None
    assert not rack.asked


def test_one_that_pacemaker_lost_and_forgot_to_fence_is_objected_to_as_well() -> None:
    rack = Rack(3)
    remote = rack.cluster.remote("node1")
    assert remote is not None
    remote.online, remote.role = False, "Stopped"
    rack.objection = "node1 still answers"
    assert rack.check(matrix=True) == "node1 still answers"


def test_one_that_answers_again_is_given_time_to_be_taken_back() -> None:
    rack = Rack(3)
    rack.lose("node1")
    remote = rack.cluster.remote("node1")
    assert remote is not None
    remote.start_failed = NOW - limit.RETURNING + 1
    assert rack.check() is None
    rack.returned = True
    assert rack.check() == "spared: it was lost a moment ago, and answers again"
    remote.events = [("off", "pending", None)]
    remote.requester = "stonith_admin.871@juju-1-lxd-0"
    assert "spared" in str(rack.check()), "whoever asks: it is lost"
    remote.start_failed = NOW - limit.RETURNING - 1
    assert rack.check() is None, "nobody took it back: it was started anew, say"


def test_one_that_the_cluster_is_in_touch_with_is_fenced_only_for_who_asks() -> None:
    rack = Rack(3)
    assert rack.check() == "spared: the cluster is in touch with it again"
    remote = asked_for(rack)
    assert rack.check() is None
    remote.connected = NOW + 2
    assert "spared" in str(rack.check()), "it was lost when it was asked for"
    remote.connected = NOW - 0.5
    assert "spared" in str(rack.check()), "or was it? Pacemaker tells whole seconds"


def test_lifting_the_limit_has_none_fenced_that_the_cluster_is_in_touch_with() -> None:
    rack = Rack(3)
    rack.properties[properties.ALLOW] = NOW + 60
    assert rack.check() == "spared: the cluster is in touch with it again"
    asked_for(rack)
    assert rack.check() is None


def test_what_a_member_has_asked_for_that_is_gone_nobody_asks_for() -> None:
    """It stays pending until that member's fencer is back."""
    rack = Rack(3)
    asked_for(rack).requester = "stonith_admin.871@juju-gone"
    assert rack.check() == "spared: the cluster is in touch with it again"


def asked_for(rack: Rack) -> Remote:
    remote = rack.cluster.remote("node1")
    assert remote is not None
    remote.events = [*remote.events, ("off", "pending", None)]
    remote.requester = "stonith_admin.871@juju-1-lxd-0"
    return remote


def test_one_that_is_cut_off_from_its_storage_is_fenced_even_if_it_is_back() -> None:
    rack = Rack()
    rack.lose("node1")
    rack.returned, rack.objection = True, "node2 reaches it"
    remote = rack.cluster.remote("node1")
    assert remote is not None
    remote.start_failed = NOW - 1
    assert rack.check(matrix=True) == "spared: it was lost a moment ago, and answers again"
    rack.extra = cut_off("node1", time=0.0)
    assert rack.check(matrix=True) == "spared: it was lost a moment ago, and answers again"
    rack.extra = cut_off("node1")
    assert rack.check(matrix=True) is None
    assert rack.asked == []


def test_a_fencing_that_somebody_asked_for_is_not_objected_to() -> None:
    rack = Rack(3)
    asked_for(rack)
    rack.objection = "node1 still answers"
    assert rack.check(matrix=True) is None


def test_the_operators_permission_overrules_an_objection() -> None:
    rack = Rack(3)
    rack.lose("node1")
    rack.objection = "node1 still answers"
    rack.properties[properties.ALLOW] = NOW + 60
    assert rack.check(matrix=True) is None


def test_the_matrix_is_an_option_of_the_agent() -> None:
    assert fencing_limit.from_options({"max_hosts": "2", "matrix": "true"}).matrix
    assert not fencing_limit.from_options({"max_hosts": "2", "matrix": "false"}).matrix


@pytest.mark.parametrize(("until", "lifted"), [(NOW + 1, True), (NOW - 1, False), (None, False)])
def test_whether_the_limits_are_lifted(until: float | None, lifted: bool) -> None:
    rack = Rack(1)
    if until is not None:
        rack.properties[properties.ALLOW] = until
    assert properties.lifted(rack.cluster.runner, clock=lambda: NOW) is lifted
