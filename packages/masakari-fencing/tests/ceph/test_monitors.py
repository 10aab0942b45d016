"""Ceph's monitors, by what 16.2.15 answered to the same commands."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from fencing_ceph import MONITOR, FakeCeph
from masakari_fencing.ceph import monitors
from masakari_fencing.ceph.monitors import CephError, DeniedError, Monitors, entry

NOW = 2_000_000.0


def test_an_address_is_blocked_for_so_long_that_nothing_runs_out() -> None:
    ceph = FakeCeph(NOW)
    asked = Monitors(ceph)
    assert asked.missing(["10.77.4.12", "fd00::1"], NOW) == ["10.77.4.12", "fd00::1"]
    asked.block(["10.77.4.12", "fd00::1"])
    assert sorted(ceph.blocked) == ["10.77.4.12:0/0", "[fd00::1]:0/0"]
    assert asked.missing(["10.77.4.12", "fd00::1"], NOW) == []
    asked.unblock("10.77.4.12")
    assert asked.missing(["10.77.4.12"], NOW) == ["10.77.4.12"]


def test_an_entry_that_may_run_out_is_not_relied_on() -> None:
    ceph = FakeCeph(NOW)
    # Ceph's default, by whoever: a lock that was broken, a person.
    ceph.blocked = {"10.77.4.12:0/0": NOW + 3600, "10.77.4.13:0/123": NOW + monitors.FOREVER}
    assert Monitors(ceph).missing(["10.77.4.12", "10.77.4.13"], NOW) == [
        "10.77.4.12",
        "10.77.4.13",
    ]


def test_whether_the_key_may_is_found_out_without_changing_anything() -> None:
    ceph = FakeCeph(NOW)
    Monitors(ceph).check_permission()
    assert ceph.blocked == {}
    ceph.may = False
    with pytest.raises(DeniedError, match="may not run 'osd blocklist'"):
        Monitors(ceph).check_permission()


def test_what_is_full_lets_nobody_write() -> None:
    ceph = FakeCeph(NOW)
    ceph.full = ["OSD_NEARFULL", "MON_DOWN"]
    assert Monitors(ceph).obstacle() is None
    ceph.full = ["POOL_FULL"]
    assert "POOL_FULL" in (Monitors(ceph).obstacle() or "")


def test_who_and_where_it_is() -> None:
    asked = Monitors(FakeCeph(NOW))
    assert asked.fsid().startswith("a3dda617")
    assert asked.addresses() == [MONITOR]


def test_no_answer_is_an_error() -> None:
    ceph = FakeCeph(NOW)
    ceph.away = True
    with pytest.raises(CephError, match="do not answer"):
        Monitors(ceph).fsid()
    with pytest.raises(CephError):
        monitors.use(Monitors.fsid, ceph.connect)
    ceph.away = False
    with pytest.raises(CephError, match="ended with 22"):
        Monitors(ceph)._read("nonsense")
    ceph.mon_command = lambda *_: (0, b"{", "")  # type: ignore[method-assign]
    with pytest.raises(CephError, match="unreadable"):
        Monitors(ceph).blocked()
    ceph.mon_command = lambda *_: (0, b"", "")  # type: ignore[method-assign]
    with pytest.raises(CephError, match="no answer"):
        Monitors(ceph).blocked()


def test_a_time_that_nobody_can_read_is_over() -> None:
    ceph = FakeCeph(NOW)
    ceph.mon_command = lambda *_: (  # type: ignore[method-assign]
        0,
        b'[{"addr":"10.0.0.1:0/0","until":"for ever"}]',
        "",
    )
    assert Monitors(ceph).missing(["10.0.0.1"], NOW) == ["10.0.0.1"]


def test_a_connection_is_ended_whatever_happens() -> None:
    ceph = FakeCeph(NOW)
    assert monitors.use(lambda asked: asked.fsid(), ceph.connect)
    with pytest.raises(ValueError, match="no"):
        monitors.use(lambda _: int("no"), ceph.connect)
    assert ceph.opened == ceph.closed == 2


@pytest.mark.parametrize("text", ["", "node2.maas", "10.77.4.12:0/0", "10.77.4.0/24"])
def test_what_is_no_address_blocks_nothing(text: str) -> None:
    with pytest.raises(ValueError, match="does not appear"):
        entry(text)


def test_the_library_is_given_limits_and_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Error(Exception):
        pass

    made: list[dict[str, object]] = []

    class Rados:
        def __init__(self, **options: object) -> None:
            made.append(options)

        def connect(self, timeout: int) -> None:
            if len(made) > 1:
                raise Error("[errno 13] RADOS permission denied (error connecting)")

    configuration = tmp_path / "ceph.conf"
    with pytest.raises(CephError, match="no Ceph is configured"):
        monitors.connect(configuration)
    configuration.write_text("[global]\n")
    (tmp_path / "name").write_text("client.masakari\n")
    monkeypatch.setitem(sys.modules, "rados", None)
    with pytest.raises(CephError, match="python3-rados"):
        monitors.connect(configuration)
    monkeypatch.setitem(sys.modules, "rados", SimpleNamespace(Rados=Rados, Error=Error))
    monitors.connect(configuration)
    assert made[0]["name"] == "client.masakari"
    assert made[0]["conf"] == {"client_mount_timeout": "5", "rados_mon_op_timeout": "5"}
    with pytest.raises(CephError, match="permission denied"):
        monitors.connect(configuration)
