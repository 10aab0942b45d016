"""Two members do not switch off each other's machine at the same time."""

from __future__ import annotations

import pytest
from fencing_cib import Cib
from fencing_fakes import Cluster, Remote
from fencing_rack import NOW
from masakari_fencing.fence_agent import limit
from masakari_fencing.fence_agent.fencing_lock import LASTS, LOCK, FencingLock, TakenError
from masakari_fencing.pacemaker import cibadmin, crm_mon
from masakari_fencing.pacemaker.fencing_limit import FencingLimit
from masakari_fencing.pacemaker.tools import PacemakerError

HOSTS = {"hv1": "1", "hv2": "2", "hv3": "3", "hv4": "4"}
MEMBERS = {
    "juju-0-lxd-0": "0/lxd/0",
    "juju-1-lxd-0": "1/lxd/0",
    "juju-2-lxd-0": "2/lxd/0",
    "juju-3-lxd-0": "3/lxd/0",
}


class Bench:
    """Four hypervisors, of which three carry a member, and the cluster's configuration."""

    def __init__(self, *lost: str) -> None:
        self.cluster = Cluster([Remote(name, unclean=name in lost) for name in HOSTS])
        self.cib = Cib()
        for name, machine in {**HOSTS, **MEMBERS}.items():
            self.cib.add(
                f'<node uname="{name}"><instance_attributes>'
                f'<nvpair name="juju-machine" value="{machine}"/></instance_attributes></node>',
                "configuration/nodes",
            )
        for name in HOSTS:
            self.cib.fenced(name, 0)
        self.cib.serve(self.cluster.runner)
        self.quorum = "1"

    @property
    def end(self) -> str:
        found = self.cib.root.xpath(f"//cluster_property_set[@id='{LOCK}']/nvpair")
        return found[0].get("value") if found else ""

    def changes(self) -> int:
        """How often something was changed, or was to be."""
        return len([c for c in self.cluster.runner.ran("cibadmin") if "--query" not in c])

    def refuse(self) -> None:
        """Have the cluster say what it knows, and change nothing."""
        runner, known = self.cluster.runner, self.cib
        runner.on("cibadmin", lambda argv: known.answer(argv, None) if "--query" in argv else 102)

    def lock(self, target: str, member: str = "juju-2-lxd-0", now: float = NOW) -> FencingLock:
        """The lock of a fence that a member carries out; it is taken where it is needed."""
        runner = self.cluster.runner
        runner.on("crm_node --name", member)
        runner.on("crm_node --quorum", self.quorum)
        lock = FencingLock(runner, clock=lambda: now)
        lock.take(crm_mon.status(runner), cibadmin.cib(runner), target)
        return lock


def test_one_that_was_cut_off_just_now_has_no_turn() -> None:
    """For seconds its own copy of the configuration says that there is a quorum, and takes it."""
    bench = Bench("hv1")
    bench.quorum = "0"
    with pytest.raises(cibadmin.NoQuorum, match="lost its quorum"):
        bench.lock("hv1")


def test_one_at_a_time_where_each_could_kill_the_other() -> None:
    bench = Bench("hv2", "hv3")
    first = bench.lock("hv3", "juju-2-lxd-0")
    with pytest.raises(TakenError):
        bench.lock("hv2", "juju-3-lxd-0")
    first.give_back()
    assert bench.end == ""
    bench.lock("hv2", "juju-3-lxd-0")
    assert bench.end


def test_the_first_is_fenced_already_as_the_second_is_lost() -> None:
    bench = Bench("hv3")
    bench.lock("hv3", "juju-2-lxd-0")
    bench.cluster.remotes[1].unclean = True
    with pytest.raises(TakenError):
        bench.lock("hv2", "juju-3-lxd-0")


def test_both_look_before_one_of_them_takes_it() -> None:
    bench = Bench("hv2", "hv3")
    seen = bench.cib.text
    bench.lock("hv3", "juju-2-lxd-0")
    runner = bench.cluster.runner
    whole = ["cibadmin", "--query"]
    runner.on(" ".join(whole), lambda argv: seen if argv == whole else bench.cib.answer(argv, ""))
    with pytest.raises(TakenError):
        bench.lock("hv2", "juju-3-lxd-0")


@pytest.mark.parametrize(
    ("lost", "target", "member"),
    [
        (["hv2", "hv4"], "hv4", "juju-2-lxd-0"),
        (["hv2", "hv3"], "hv3", "juju-0-lxd-0"),
        (["hv2", "hv3"], "hv2", "juju-2-lxd-0"),
    ],
    ids=["no member there", "its own machine is no hypervisor", "its own"],
)
def test_usually_nobody_needs_it(lost: list[str], target: str, member: str) -> None:
    bench = Bench(*lost)
    bench.lock(target, member).give_back()
    assert bench.changes() == 0


def test_a_member_that_is_dead_kills_nobody() -> None:
    bench = Bench("hv2", "hv3")
    bench.cluster.gone = ("juju-3-lxd-0",)
    bench.lock("hv3")
    assert bench.end == ""


def test_the_turn_of_one_that_died_ends_by_itself() -> None:
    bench = Bench("hv2", "hv3")
    bench.lock("hv3", "juju-2-lxd-0")
    with pytest.raises(TakenError):
        bench.lock("hv2", "juju-3-lxd-0", NOW + LASTS - 1)
    late = bench.lock("hv2", "juju-3-lxd-0", NOW + LASTS + 1)
    assert float(bench.end) > NOW + LASTS + 1
    late.give_back()
    assert bench.end == ""


def test_a_clock_that_was_set_back_keeps_it_for_nobody() -> None:
    bench = Bench("hv2", "hv3")
    bench.lock("hv3", "juju-2-lxd-0", NOW + 3600)
    bench.lock("hv2", "juju-3-lxd-0")
    assert float(bench.end) == NOW + LASTS


def test_after_a_fence_it_is_kept_until_the_member_there_may_be_back() -> None:
    """Or the cluster would lose its quorum with the next one, and with it every recovery."""
    bench = Bench("hv1", "hv2", "hv3")
    lock = bench.lock("hv3", "juju-2-lxd-0")
    lock.keep()
    lock.give_back()
    with pytest.raises(TakenError):
        bench.lock("hv1", "juju-2-lxd-0", NOW + LASTS - 1)
    before = bench.end
    bench.lock("hv3", "juju-1-lxd-0", NOW + 60).give_back()
    assert bench.end == before, "the same one again takes nobody else along"
    assert bench.lock("hv1", "juju-2-lxd-0", NOW + LASTS + 1)


def test_nobody_gives_back_what_another_has_now() -> None:
    bench = Bench("hv2", "hv3")
    slow = bench.lock("hv3", "juju-2-lxd-0")
    bench.lock("hv2", "juju-3-lxd-0", NOW + LASTS + 1)
    slow.give_back()
    assert bench.end


def test_it_is_taken_once_by_one_that_looks_again() -> None:
    bench = Bench("hv2", "hv3")
    lock = bench.lock("hv3")
    runner = bench.cluster.runner
    lock.take(crm_mon.status(runner), cibadmin.cib(runner), "hv3")
    assert bench.changes() == 1


def test_a_cluster_that_does_not_take_it_is_told_of() -> None:
    bench = Bench("hv2", "hv3")
    bench.refuse()
    with pytest.raises(PacemakerError):
        bench.lock("hv3")


def test_a_cluster_that_does_not_answer_in_the_end_does_no_harm() -> None:
    bench = Bench("hv2", "hv3")
    lock = bench.lock("hv3")
    bench.refuse()
    lock.give_back()


@pytest.mark.parametrize("lifted", [False, True])
def test_the_guard_spares_one_whose_turn_it_is_not(lifted: bool) -> None:
    bench = Bench("hv2", "hv3")
    bench.lock("hv3", "juju-2-lxd-0")
    if lifted:
        allow = f'<nvpair name="{limit.ALLOW}" value="{NOW + 60}"/>'
        bench.cib.add(f"<cluster_property_set>{allow}</cluster_property_set>")
    bench.cluster.runner.on("crm_node --name", "juju-3-lxd-0")
    with pytest.raises(limit.Spared, match="that carries a member"):
        limit.check(
            bench.cluster.runner,
            "hv2",
            FencingLimit(max_hosts=2),
            lock=FencingLock(bench.cluster.runner, clock=lambda: NOW),
            probes=limit.Probes(
                reachable=lambda *_: True, returned=lambda *_: False, clock=lambda: NOW
            ),
        )
