"""A hypervisor that answers again after it was lost for long is not fenced at once."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from fencing_fakes import Remote
from fencing_rack import NOW, Rack
from masakari_fencing.fence_agent import limit
from masakari_fencing.fence_agent.comebacks import LOOKS_APART, Comebacks
from masakari_fencing.fence_agent.limit import BACK
from masakari_fencing.pacemaker import stonith_admin

SPARED = "spared: it answers again, after it was lost for long"


def lost(ago: float | None) -> tuple[Rack, Remote]:
    """A rack with one that was lost so many seconds ago, or nobody knows when."""
    rack = Rack(3)
    rack.lose("node1")
    remote = rack.cluster.remote("node1")
    assert remote is not None
    remote.start_failed = 0 if ago is None else NOW - ago
    return rack, remote


def test_the_network_is_back_after_a_while() -> None:
    """A switch or a partition: the others are in touch, and it is looked at next."""
    for ago in (limit.RETURNING + 1, 3600.0, None):
        rack, _ = lost(ago)
        assert rack.check() is None, "it does not answer"
        rack.returned = True
        assert rack.check() == SPARED
        rack.now += limit.BACK - 1
        assert rack.check() == SPARED
        rack.now += 2
        assert rack.check() is None, "nobody took it back: it was started anew, say"


def test_one_that_has_answered_all_the_time_is_spared_no_longer_than_before() -> None:
    rack, _ = lost(1)
    rack.returned = True
    assert rack.check() == "spared: it was lost a moment ago, and answers again"
    rack.now += limit.RETURNING
    assert rack.check() is None


def test_one_that_falls_silent_begins_anew() -> None:
    rack, _ = lost(300)
    rack.returned = True
    assert rack.check() == SPARED
    rack.now += limit.BACK - 1
    rack.returned = False
    assert rack.check() is None
    rack.returned = True
    assert rack.check() == SPARED
    rack.now += 2
    assert rack.check() == SPARED


def test_whoever_asks_for_its_fence_is_heeded() -> None:
    rack, remote = lost(300)
    rack.returned = True
    remote.events = [("off", "pending", None)]
    remote.requester = "stonith_admin.871@juju-1-lxd-0"
    assert rack.check() is None


def test_a_notifier_asks_in_pacemakers_place() -> None:
    """Which is not a reason of its own; it asks again after some seconds."""
    rack, remote = lost(300)
    rack.returned = True
    remote.events = [("reboot", "pending", None)]
    remote.requester = f"stonith_admin.{stonith_admin.NOTIFIERS}.871@juju-1-lxd-0"
    assert rack.check() == SPARED
    rack.now += BACK
    assert rack.check() is None


def test_since_when_is_kept_from_one_fence_to_the_next(tmp_path: Path) -> None:
    folder = tmp_path / "guard"
    assert Comebacks(folder).since("node1.maas", NOW) == NOW
    assert Comebacks(folder).since("node1.maas", NOW + 50) == NOW
    assert Comebacks(folder).since("node1", NOW + 50) == NOW + 50
    Comebacks(folder).forget("node1")
    assert Comebacks(folder).since("node1.maas", NOW + 100) == NOW
    assert Comebacks(folder).since("node1", NOW + 100) == NOW + 100


def test_what_is_left_of_another_time_does_not_count(tmp_path: Path) -> None:
    Comebacks(tmp_path).since("node1", NOW)
    later = NOW + LOOKS_APART + 1
    assert Comebacks(tmp_path).since("node1", later) == later


def test_what_a_clock_said_before_it_was_set_back_does_not_count(tmp_path: Path) -> None:
    Comebacks(tmp_path).since("node1", NOW + 3600)
    assert Comebacks(tmp_path).since("node1", NOW) == NOW


def test_nor_does_a_failure_of_before_it() -> None:
    rack, remote = lost(-3600)
    rack.returned = True
    assert rack.check() == SPARED
    rack.now += BACK + 1
    assert rack.check() is None
    remote.start_failed = rack.now + 1
    assert rack.check() == "spared: it was lost a moment ago, and answers again"


def test_no_fence_waits_for_a_disk_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Comebacks(tmp_path).since("node1", NOW)

    def unlink(path: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EROFS, "read-only file system")

    monkeypatch.setattr(Path, "unlink", unlink)
    Comebacks(tmp_path).forget("node1")


def test_no_fence_waits_for_room_on_a_disk(tmp_path: Path) -> None:
    (tmp_path / "guard").touch()
    assert Comebacks(tmp_path / "guard").since("node1", NOW) == 0
