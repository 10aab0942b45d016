"""Those who look at the cluster in a row ask it once."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Sequence

import pytest
from fencing_fakes import CONFIGURATION, FakeRunner
from masakari_fencing.notifier import daemon
from masakari_fencing.pacemaker import cibadmin
from masakari_fencing.pacemaker.shared_looks import FRESH, OLDEST, SHARE, SharedLooks
from masakari_fencing.pacemaker.tools import PacemakerError

LOOK = ["crm_mon", "--output-as=xml"]


class Slow(FakeRunner):
    """A cluster that takes its time to answer."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.takes = 100.0, 0.0
        self.on("crm_mon", "<crm_mon/>")
        self.on(CONFIGURATION, '<configuration><crm_config id="one"/></configuration>')

    def run(self, argv: Sequence[str], **options: object) -> subprocess.CompletedProcess[str]:
        self.now += self.takes
        return super().run(argv, **options)  # type: ignore[arg-type]


@pytest.fixture
def cluster() -> Slow:
    return Slow()


@pytest.fixture
def shared(cluster: Slow) -> SharedLooks:
    return SharedLooks(cluster, clock=lambda: cluster.now)


def test_a_fresh_answer_serves_and_an_old_one_does_not(cluster: Slow, shared: SharedLooks) -> None:
    assert cibadmin.configuration(shared).find("crm_config") is not None
    cluster.now += FRESH / 2
    cibadmin.configuration(shared)
    assert len(cluster.calls) == 1
    cluster.now += FRESH / 2
    cluster.on(CONFIGURATION, "<configuration/>")
    assert cibadmin.configuration(shared).find("crm_config") is None


def test_other_questions_have_other_answers(cluster: Slow, shared: SharedLooks) -> None:
    shared.run(LOOK)
    shared.run([*LOOK, "--inactive"])
    shared.run(["cibadmin", "--query", "--scope", "configuration"])
    assert len(cluster.calls) == 3


def test_an_error_is_not_taken_for_an_answer(cluster: Slow, shared: SharedLooks) -> None:
    cibadmin.configuration(shared)
    cluster.now += FRESH
    cluster.on(CONFIGURATION, 102)
    for _ in range(2):
        with pytest.raises(PacemakerError):
            cibadmin.configuration(shared)
    cluster.on(CONFIGURATION, "<configuration/>")
    assert cibadmin.configuration(shared).find("crm_config") is None


def test_a_change_is_seen_at_once(cluster: Slow, shared: SharedLooks) -> None:
    shared.run(LOOK)
    cluster.on("stonith_admin", "")
    shared.run(["stonith_admin", "--fence", "node1"])
    shared.run(LOOK)
    assert len(cluster.ran("crm_mon")) == 2


def test_other_questions_are_no_changes(cluster: Slow, shared: SharedLooks) -> None:
    """The notifier has the fencer's lists renewed every 3 s, which must not cost a look."""
    cluster.on("stonith_admin", "").on("crm_node", "juju-1")
    shared.run(LOOK)
    shared.run(["stonith_admin", "--list", "node1", "--timeout=20"])
    shared.run(["crm_node", "--name"])
    shared.run(LOOK)
    assert len(cluster.ran("crm_mon")) == 1


def test_a_change_that_failed_may_have_changed_something(
    cluster: Slow, shared: SharedLooks
) -> None:
    shared.run(LOOK)
    cluster.on("cibadmin --modify", 62)
    shared.run(["cibadmin", "--modify", "--xml-pipe"], input="<x/>", check=False)
    shared.run(LOOK)
    assert len(cluster.ran("crm_mon")) == 2


def test_a_large_cluster_is_asked_less_often(cluster: Slow, shared: SharedLooks) -> None:
    """Else a thousand hypervisors would keep a processor busy for each watcher."""
    cluster.takes = 1.0
    begun = cluster.now
    while cluster.now < begun + 100:
        shared.run(LOOK)
        cluster.now += 0.1
    asked = len(cluster.ran("crm_mon"))
    assert 0 < asked * cluster.takes <= 100 / SHARE


def test_who_comes_while_it_is_asked_waits_for_that_answer(cluster: Slow) -> None:
    begun, go = threading.Event(), threading.Event()

    class Waiting(Slow):
        def run(self, argv: Sequence[str], **options: object) -> subprocess.CompletedProcess[str]:
            begun.set()
            assert go.wait(30)
            return super().run(argv, **options)

    waiting = Waiting()
    shared = SharedLooks(waiting, clock=lambda: waiting.now)
    threads = [threading.Thread(target=shared.run, args=(LOOK,)) for _ in range(4)]
    threads[0].start()
    assert begun.wait(30)
    for thread in threads[1:]:
        thread.start()
    go.set()
    for thread in threads:
        thread.join(30)
    assert len(waiting.calls) == 1


def test_a_round_of_the_notifier_asks_once(cluster: Slow, shared: SharedLooks) -> None:
    for look in daemon.cluster_checks(shared):
        daemon.attend(look, {})
    assert len([argv for argv in cluster.ran("cibadmin") if "configuration" in argv]) == 1


@pytest.mark.parametrize("seconds", [OLDEST - 1, OLDEST, 60.0])
def test_what_took_long_does_not_serve_for_long(
    cluster: Slow, shared: SharedLooks, seconds: float
) -> None:
    """The machine stood still in the middle of it."""
    cluster.takes = seconds
    shared.run(LOOK)
    cluster.takes = 0.0
    cluster.now += 1.0
    shared.run(LOOK)
    assert len(cluster.ran("crm_mon")) == 2
