"""The keeper: a hypervisor stays cut off from its storage until it was started anew."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fencing_ceph import MONITOR, NODE, FakeCeph, nodes, storage
from fencing_cib import EMPTY, Cib
from fencing_fakes import Cluster, Remote
from masakari_fencing import alert
from masakari_fencing.keeper.keeper import SETTLED, Keeper
from masakari_fencing.records import storage_fences
from masakari_fencing.records.spool import Spool
from masakari_fencing.records.storage_fences import StorageFence

NOW = 2_000_000.0
FENCE = StorageFence(
    NODE, NOW - 60, ("10.77.3.12", "10.77.4.12"), (MONITOR,), True, "boot-1", NOW - 59
)


class Bench:
    """One member with a keeper, a hypervisor that is cut off, and Ceph."""

    def __init__(self, tmp_path: Path, fence: StorageFence | None = FENCE) -> None:
        self.remote = Remote(NODE, online=False, unclean=True, role="Stopped", failed=True)
        self.cluster = Cluster([self.remote])
        self.ceph = FakeCeph(NOW)
        self.cib = Cib(EMPTY.replace("<nodes/>", nodes(node2=storage())))
        self.cib.others = lambda argv: self.cluster.runner.run(argv).stdout
        self.now = NOW
        if fence is not None:
            storage_fences.write(self.cib, fence)
            for address in fence.addresses:
                self.ceph.blocked[f"{address}:0/0"] = NOW + 10 * 365 * 86400
        self.directory, self.spool = tmp_path / "storage", tmp_path / "spool"
        self.directory.mkdir()
        self.spool.mkdir()
        self.keeper = Keeper(
            self.cib,
            self.ceph.connect,
            self.directory,
            self.spool,
            clock=lambda: self.now,
        )

    def doubt(self) -> str | None:
        fence = storage_fences.read(self.cib, NODE)
        assert fence is not None
        return storage_fences.doubt(fence, self.directory, clock=lambda: self.now)

    @property
    def kept(self) -> bool:
        return storage_fences.read(self.cib, NODE) is not None

    def fenced(self, moment: float, by: str = "juju-2-lxd-0") -> None:
        self.cib.fenced(NODE, moment)
        self.remote.events = [("off", "success", moment)]
        self.remote.delegate = by


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_the_engine_sees_that_it_is_kept_out(bench: Bench) -> None:
    assert "not seen" in (bench.doubt() or "")
    bench.keeper.check()
    assert bench.doubt() is None
    assert bench.ceph.opened == bench.ceph.closed == 1


def test_masakari_is_told_once_and_by_every_member_of_the_same(
    bench: Bench, tmp_path: Path
) -> None:
    bench.keeper.check()
    bench.keeper.check()
    (event,) = Spool(bench.spool).events()
    assert (event.node, event.time) == (NODE, FENCE.time)
    assert 59 <= event.age(NOW) < 62
    (bench.spool / f"{event.id}.json").unlink()
    bench.keeper.check()
    assert Spool(bench.spool).events() == [], "it was dealt with"
    other = Bench(tmp_path / "other") if (tmp_path / "other").mkdir() is None else bench
    other.keeper.check()
    assert [found.id for found in Spool(other.spool).events()] == [event.id]


def test_a_blocklist_that_somebody_took_back_is_seen_and_put_back(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.keeper.check()
    del bench.ceph.blocked["10.77.4.12:0/0"]
    bench.keeper.check()
    assert "10.77.4.12 in again" in (bench.doubt() or ""), "nothing is begun meanwhile"
    assert "let the clients of node2.maas at 10.77.4.12 in again" in caplog.text
    assert "10.77.4.12:0/0" in bench.ceph.blocked
    found = storage_fences.read(bench.cib, NODE)
    assert found is not None
    assert found.lifted == NOW, "the status can say it"
    bench.keeper.check()
    assert bench.doubt() is None


def test_an_entry_that_runs_out_within_an_hour_is_renewed(bench: Bench) -> None:
    bench.ceph.blocked["10.77.4.12:0/0"] = NOW + 3600
    bench.keeper.check()
    assert bench.ceph.blocked["10.77.4.12:0/0"] > NOW + 5 * 365 * 86400


def test_it_is_taken_back_when_the_power_was_off(bench: Bench) -> None:
    bench.keeper.check()
    bench.fenced(NOW + 5)
    bench.keeper.check()
    assert not bench.kept
    assert bench.ceph.blocked == {}
    bench.keeper.check()
    assert list(bench.directory.iterdir()) == []


def test_a_fence_from_before_proves_nothing_about_its_clients(bench: Bench) -> None:
    bench.fenced(FENCE.begun - 5)
    bench.keeper.check()
    assert bench.kept


@pytest.mark.parametrize("by", ["a human", ""])
def test_the_word_of_an_operator_gives_nothing_back(bench: Bench, by: str) -> None:
    bench.fenced(NOW + 5, by)
    if not by:
        bench.remote.events = []  # a history that was cleaned up
    bench.keeper.check()
    assert bench.kept
    assert bench.ceph.blocked


def test_a_host_that_is_back_has_its_storage_once_it_shows_another_boot(bench: Bench) -> None:
    bench.remote.online, bench.remote.unclean, bench.remote.role = True, False, "Started"
    bench.remote.failed = False
    bench.keeper.check()
    assert bench.kept, "connected again, and the same boot: its old clients may live"
    pair = bench.cib.root.xpath("//nodes//nvpair")[0]
    pair.set("value", storage(boot=""))
    bench.keeper.check()
    assert bench.kept, "it does not say"
    pair.set("value", storage(boot="boot-2"))
    bench.keeper.check()
    assert not bench.kept
    assert bench.ceph.blocked == {}


def test_what_was_begun_and_not_ended_is_taken_back_where_nobody_relied_on_it(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path, StorageFence(NODE, NOW, ("10.77.4.12",)))
    bench.remote.online, bench.remote.unclean, bench.remote.role = True, False, "Started"
    bench.remote.failed = False
    bench.keeper.check()
    assert bench.kept, "the fence agent may still be at it"
    bench.now = NOW + SETTLED
    bench.keeper.check()
    assert not bench.kept
    assert bench.ceph.blocked == {}
    assert Spool(bench.spool).events() == []


def test_what_was_begun_is_no_proof_and_not_reported(tmp_path: Path) -> None:
    bench = Bench(tmp_path, StorageFence(NODE, NOW - 60, ("10.77.4.12",)))
    bench.keeper.check()
    assert bench.kept
    assert Spool(bench.spool).events() == []
    assert "being cut off" in (bench.doubt() or "")


def test_without_quorum_nothing_is_believed_or_changed(bench: Bench) -> None:
    bench.cluster.quorum = False
    bench.ceph.blocked.clear()
    bench.fenced(NOW + 5)
    bench.keeper.check()
    assert bench.kept
    assert list(bench.directory.iterdir()) == []
    assert bench.ceph.blocked == {}


def test_ceph_that_does_not_answer_makes_it_doubtful(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.ceph.away = True
    bench.keeper.check()
    bench.keeper.check()
    assert "not seen" in (bench.doubt() or "")
    assert caplog.text.count("do not let this unit in") == 1
    bench.ceph.away = False
    bench.keeper.check()
    assert bench.doubt() is None


def test_nobody_asks_ceph_where_nothing_is_cut_off(tmp_path: Path) -> None:
    bench = Bench(tmp_path, None)
    (bench.directory / f"{NODE}.json").write_text(json.dumps({}))
    bench.keeper.check()
    assert bench.ceph.opened == 0
    assert list(bench.directory.iterdir()) == []


def test_what_the_notifier_gets_is_written_as_the_alert_agent_does(bench: Bench) -> None:
    bench.keeper.check()
    (path,) = bench.spool.iterdir()
    found = json.loads(path.read_text())
    assert found["boot"] == alert.boot()
    assert found["action"] == "off"
    assert path.stem == found["id"]


class Interrupted(FakeCeph):
    """Something else happens just before a command, once.

    Attributes:
        before: what it is, and before which command: `ls`, `add` or `rm`.
    """

    before: tuple[str, Callable[[], object]] | None = None

    def mon_command(self, cmd: str, inbuf: bytes, timeout: int = 0) -> tuple[int, bytes, str]:
        asked = json.loads(cmd)
        kind = asked.get("blocklistop") or asked["prefix"].rpartition(" ")[2]
        if self.before is not None and self.before[0] == kind:
            _, happens = self.before
            self.before = None
            happens()
        return super().mon_command(cmd, inbuf, timeout)


@pytest.mark.parametrize("moment", ["ls", "add"])
def test_what_one_member_lets_in_another_does_not_shut_out(bench: Bench, moment: str) -> None:
    """The other has looked a moment before the power was confirmed off, or a clock is behind."""
    slow = Interrupted(NOW)
    slow.blocked = bench.ceph.blocked
    other = Keeper(bench.cib, slow.connect, bench.directory, bench.spool, clock=lambda: NOW)
    if moment == "add":
        del slow.blocked["10.77.4.12:0/0"]

    def release() -> None:
        bench.fenced(NOW + 5)
        bench.keeper.check()

    slow.before = (moment, release)
    other.check()
    assert not bench.kept
    assert bench.ceph.blocked == {}, "entries of which nobody knows"


def test_one_whose_release_was_broken_off_is_let_in(tmp_path: Path) -> None:
    bench = Bench(tmp_path, replace(FENCE, released=NOW - 1))
    del bench.ceph.blocked["10.77.3.12:0/0"]
    assert "has its storage back" in (bench.doubt() or "")
    bench.keeper.check()
    assert not bench.kept
    assert bench.ceph.blocked == {}
    assert Spool(bench.spool).events() == []


def test_one_that_is_cut_off_anew_while_it_is_let_in_stays_out(bench: Bench) -> None:
    slow = Interrupted(NOW)
    slow.blocked = bench.ceph.blocked
    keeper = Keeper(bench.cib, slow.connect, bench.directory, bench.spool, clock=lambda: NOW)
    anew = replace(FENCE, begun=NOW + 6, time=NOW + 7)

    def cut_off() -> None:
        storage_fences.write(bench.cib, anew)
        for address in anew.addresses:
            slow.blocked[f"{address}:0/0"] = NOW + 10 * 365 * 86400

    bench.fenced(NOW + 5)
    slow.before = ("rm", cut_off)
    keeper.check()
    assert storage_fences.read(bench.cib, NODE) == anew
    assert set(bench.ceph.blocked) == {f"{address}:0/0" for address in anew.addresses}
