"""Hypervisors that Pacemaker lost and left unfenced are fenced as soon as that works."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import pytest
from fencing_fakes import Cluster, Remote
from masakari_fencing.notifier.watchers import unfenced_hosts
from masakari_fencing.notifier.watchers.unfenced_hosts import (
    BLIND,
    DOUBTFUL,
    FORGOTTEN,
    INTERVAL,
    UnfencedHosts,
)
from masakari_fencing.pacemaker import stonith_admin

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
    state = {"unclean": False, "failed": False, "start_failed": NOW, "events": []}
    return lost(**{**state, **changes})


class Watch:
    """A member that has seen the hypervisor connected, before what is given happened to it."""

    def __init__(self, remote: Remote, dc: str = OWN, **changes: object) -> None:
        self.now, self.skew = NOW, 0.0
        self.answers = False
        self.spares = False
        self.cluster = Cluster(remotes=[Remote()], dc=dc, **changes)  # type: ignore[arg-type]
        self.cluster.runner.on("cibadmin --query", lambda argv: self._cib())
        node_state = "cibadmin --query --xpath //node_state"
        self.cluster.runner.on(node_state, self.cluster.node_state)
        self.tried: list[tuple[str, int]] = []
        self.machines = {OWN: "1/lxd/0", OTHER: "2/lxd/0", "node1.maas": "9"}
        self.connected_once = True
        self.extra = ""
        self.started: list[Callable[[], None]] = []
        self.retry = self.member(self._reachable)
        self.retry.check()
        self.cluster.remotes = [remote]

    def member(self, reachable: Callable[[str, int], bool]) -> UnfencedHosts:
        return UnfencedHosts(
            self.cluster.runner,
            lambda node: self.spares,
            reachable,
            clock=lambda: self.now + self.skew,
            timer=lambda: self.now,
            start=lambda work: work(),
        )

    def _reachable(self, address: str, port: int) -> bool:
        self.tried.append((address, port))
        return self.answers

    def _cib(self) -> str:
        nodes = "".join(
            f'<node id="{name}" uname="{name}"><instance_attributes id="{name}-a"><nvpair '
            f'id="{name}-m" name="juju-machine" value="{machine}"/></instance_attributes></node>'
            for name, machine in self.machines.items()
        )
        primitive = (
            '<primitive id="node1.maas" class="ocf" provider="pacemaker" type="remote">'
            '<instance_attributes id="i"><nvpair id="s" name="server" value="10.0.0.1"/>'
            "</instance_attributes></primitive>"
        )
        states = (
            f'<node_state remote_node="true" uname="{remote.name}" node_fenced="0"/>'
            for remote in self.cluster.remotes
        )
        state = "".join(states) if self.connected_once else ""
        return (
            f"<cib><configuration><crm_config>{self.extra}</crm_config><nodes>{nodes}</nodes><resources>{primitive}</resources>"
            f"</configuration><status>{state}</status></cib>"
        )

    def look_twice(self, later: float = FORGOTTEN) -> list[str]:
        """Look, and again when a fencing that Pacemaker forgot has to be taken for it."""
        found = self.retry.check()
        self.now += later
        return found + self.retry.check()

    def before_the_request(self, change: Callable[[], None]) -> None:
        """Have something happen in the cluster between the decision and the request."""

        def answer(argv: list[str]) -> str:
            change()
            return "reboot"

        self.cluster.runner.on("crm_attribute", answer)

    @property
    def requests(self) -> int:
        return len(self.cluster.runner.ran("stonith_admin"))


def test_what_pacemaker_gave_up_is_fenced() -> None:
    watch = Watch(lost())
    assert watch.retry.check() == []
    watch.now += INTERVAL
    assert watch.retry.check() == ["node1.maas"]
    assert watch.cluster.runner.ran("stonith_admin --reboot node1.maas")


def test_what_pacemaker_does_not_begin_to_fence_is_fenced() -> None:
    """It is busy with another one that it cannot fence; this one has never been lost before."""
    watch = Watch(lost(events=[]))
    assert watch.retry.check() == []
    watch.now += INTERVAL
    assert watch.retry.check() == ["node1.maas"]
    (request,) = watch.cluster.runner.ran("stonith_admin")
    assert f"--tag={stonith_admin.NOTIFIERS}" in request


def test_what_pacemaker_forgot_is_fenced() -> None:
    watch = Watch(forgotten())
    assert watch.retry.check() == []  # it may just be about to
    watch.now += FORGOTTEN
    assert watch.retry.check() == ["node1.maas"]


def test_when_it_was_seen_connected_is_known_for_as_long_as_somebody_looks() -> None:
    watch = Watch(Remote())
    watch.retry.check()
    watch.cluster.remotes[0] = forgotten()
    watch.now += BLIND
    watch.retry.check()
    assert watch.retry.seen == {"node1.maas": NOW}
    watch.now += BLIND + 1
    watch.retry.check()
    assert watch.retry.seen == {}


def test_what_was_fenced_is_not_fenced_at_each_look_where_nobody_records_it() -> None:
    """A member that was cut off just now records nothing for seconds."""
    watch = Watch(forgotten())
    watch.machines["node1.maas"] = "2"
    watch.cluster.gone = (OTHER,)
    assert watch.retry.check() == ["node1.maas"]
    watch.now += INTERVAL - 1
    assert watch.retry.check() == []
    watch.now += 1
    assert watch.retry.check() == ["node1.maas"]


def test_one_that_is_spared_is_looked_at_again_later() -> None:
    watch = Watch(lost())
    watch.spares = True
    assert watch.look_twice(INTERVAL) == []
    watch.spares = False
    assert watch.retry.check() == []
    watch.now += INTERVAL
    assert watch.retry.check() == ["node1.maas"]
    assert watch.requests == 1


def test_one_that_is_connected_to_again_meanwhile_is_not_fenced() -> None:
    """What was seen was so a moment ago, or a minute, where the machine stood still."""
    watch = Watch(lost())
    watch.before_the_request(lambda: watch.cluster.remotes.__setitem__(0, Remote()))
    assert watch.look_twice(INTERVAL) == []
    assert watch.requests == 0


@pytest.mark.parametrize("state", [lost, forgotten])
def test_one_that_pacemaker_fences_meanwhile_is_not_fenced_again(
    state: Callable[[], Remote],
) -> None:
    """The second fence would come as it boots, or is in service again."""
    remote = state()
    watch = Watch(remote)

    def fence() -> None:
        remote.unclean, remote.fenced = False, watch.now
        remote.events = [("reboot", "success", watch.now)]

    watch.before_the_request(fence)
    assert watch.look_twice(INTERVAL) == []
    assert watch.requests == 0


@pytest.mark.parametrize("change", [("quorum", False), ("dc", OTHER)], ids=lambda pair: pair[0])
def test_a_member_that_is_cut_off_meanwhile_asks_for_nothing(change: tuple[str, object]) -> None:
    """The others may have fenced it; what this one sees of it is old."""
    watch = Watch(lost())
    watch.before_the_request(lambda: setattr(watch.cluster, *change))
    assert watch.look_twice(INTERVAL) == []
    assert watch.requests == 0


def test_what_was_seen_before_the_machine_stood_still_has_nothing_fenced() -> None:
    remote = lost()
    watch = Watch(remote)
    watch.retry.check()
    watch.now += INTERVAL
    shown: list[str] = []

    def look(argv: list[str]) -> str:
        shown.append(watch.cluster.crm_mon())
        if len(shown) == 2:  # just before the request
            watch.now += 400
        return shown[-1]

    watch.cluster.runner.on("crm_mon", look)
    assert watch.retry.check() == []
    assert watch.requests == 0
    assert watch.retry.check() == ["node1.maas"]


def test_an_attempt_of_an_earlier_loss_does_not_show_that_pacemaker_has_given_up() -> None:
    """One that is unclean for a moment as it comes back is no matter for anybody else."""
    remote = lost(events=[("reboot", "success", NOW - 60)])
    watch = Watch(remote)
    assert watch.look_twice(INTERVAL - 1) == []
    remote.unclean, remote.online, remote.role, remote.failed = False, True, "Started", False
    assert watch.look_twice() == []
    remote.unclean = True
    assert watch.look_twice(INTERVAL - 1) == []
    assert watch.requests == 0


def test_a_fencing_whose_end_is_never_told_is_no_excuse() -> None:
    requester = "pacemaker-controld.1304@juju-2-lxd-0"
    watch = Watch(forgotten(events=[("reboot", "pending", None)], requester=requester))
    assert watch.look_twice() == ["node1.maas"]


def test_a_fencing_of_an_earlier_loss_is_no_excuse() -> None:
    watch = Watch(forgotten(events=[("reboot", "success", NOW - 86400)]))
    assert watch.look_twice() == ["node1.maas"]


@pytest.mark.parametrize(
    "remote",
    [
        pytest.param(Remote(), id="healthy"),
        pytest.param(forgotten(fenced=NOW - 3), id="fenced"),
        pytest.param(forgotten(start_failed=0), id="cleaned up by hand"),
        pytest.param(forgotten(managed=False), id="out of Pacemaker's hands"),
        pytest.param(forgotten(target_role="Stopped"), id="stopped by an operator"),
        pytest.param(forgotten(role="Starting"), id="being connected to"),
        pytest.param(forgotten(online=True), id="connected again"),
        pytest.param(forgotten(maintenance=True), id="in maintenance"),
        pytest.param(
            forgotten(
                events=[("reboot", "pending", None)],
                requester="stonith_admin.871@juju-2-lxd-0",
            ),
            id="being fenced",
        ),
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


def test_who_is_not_the_controller_looks_less_often() -> None:
    watch = Watch(Remote(), dc=OTHER)
    for _ in range(6):
        watch.retry.check()
        watch.now += 1.0
    assert len(watch.cluster.runner.ran("crm_mon")) == 2
    watch.cluster.dc = OWN
    for _ in range(6):
        watch.retry.check()
        watch.now += 1.0
    assert len(watch.cluster.runner.ran("crm_mon")) == 2 + 6


def test_a_connection_that_comes_back_in_between_counts_anew() -> None:
    remote = forgotten()
    watch = Watch(remote)
    watch.retry.check()
    remote.online, remote.role = True, "Started"
    watch.now += FORGOTTEN
    watch.retry.check()
    remote.online, remote.role = False, "Stopped"
    assert watch.retry.check() == []
    assert watch.requests == 0


@pytest.mark.parametrize("state", [{"role": "Starting", "online": True}, {}], ids=["next", "end"])
def test_a_hypervisor_that_died_with_its_member_is_not_tried_from_every_other(
    state: dict[str, object],
) -> None:
    watch = Watch(forgotten(**state))
    watch.machines["node1.maas"] = "2"
    watch.cluster.gone = (OTHER,)
    assert watch.retry.check() == ["node1.maas"]
    assert watch.tried == [("10.0.0.1", 3121)]


@pytest.mark.parametrize("entry", ["disarmed-cloud", "left-node1.maas"])
@pytest.mark.parametrize("state", [lost, forgotten])
def test_what_an_operator_has_disarmed_is_not_fenced(entry: str, state: type[Remote]) -> None:
    watch = Watch(state())
    watch.extra = f'<nvpair name="masakari-fencing-{entry}" value="?"/>'
    assert watch.look_twice() == []
    watch.now += 3600
    assert watch.retry.check() == []
    assert watch.requests == 0


@pytest.mark.parametrize("excuse", ["answers", "member", "stale", "none failed"])
def test_what_need_not_be_dead_is_left_to_pacemaker(excuse: str) -> None:
    remote = forgotten(role="Starting", online=True)
    watch = Watch(remote)
    watch.machines["node1.maas"] = "2"
    watch.cluster.gone = (OTHER,)
    if excuse == "answers":
        watch.answers = True
    elif excuse == "member":
        watch.cluster.gone = ()
    else:
        remote.start_failed = NOW - 60 if excuse == "stale" else 0
    assert watch.look_twice() == []
    assert watch.requests == 0


def test_a_failure_of_an_earlier_loss_does_not_count() -> None:
    """Pacemaker is only slow to connect again: failures stay until they are cleaned up."""
    watch = Watch(forgotten(start_failed=NOW - 60))
    assert watch.look_twice() == []
    watch.now += 60
    assert watch.retry.check() == []
    assert watch.requests == 0


def test_one_that_still_accepts_connections_is_given_more_time() -> None:
    watch = Watch(forgotten())
    watch.answers = True
    assert watch.look_twice() == []
    watch.now += DOUBTFUL - FORGOTTEN
    assert watch.retry.check() == ["node1.maas"]


def test_one_that_was_never_seen_connected_is_given_more_time() -> None:
    watch = Watch(forgotten())
    watch.retry = watch.member(lambda *_: False)
    assert watch.look_twice() == []
    watch.now += DOUBTFUL - FORGOTTEN
    assert watch.retry.check() == ["node1.maas"]


@pytest.mark.parametrize("lack", ["a connection", "a record"])
@pytest.mark.parametrize("state", [lost, forgotten])
def test_one_that_was_never_connected_is_not_fenced(lack: str, state: type[Remote]) -> None:
    """Nothing was lost: hacluster is adding it, or all members were restarted while it is off."""
    watch = Watch(state())
    if lack == "a record":
        del watch.machines["node1.maas"]
    watch.connected_once = lack != "a connection"
    watch.retry = watch.member(lambda *_: False)
    assert watch.look_twice() == []
    for _ in range(5):
        watch.now += DOUBTFUL
        assert watch.retry.check() == []
    assert watch.requests == 0


def test_a_slow_power_controller_holds_up_no_other() -> None:
    first, second = lost(), lost(name="node2.maas")
    watch = Watch(first)
    watch.machines["node2.maas"] = "8"
    watch.retry.start = watch.started.append
    assert watch.look_twice(INTERVAL) == []
    assert len(watch.started) == 1
    watch.cluster.remotes.append(second)
    watch.look_twice(INTERVAL)
    assert len(watch.started) == 2, "the other is begun while the first is on its way"
    watch.started[1]()
    assert watch.retry.check() == ["node2.maas"]
    watch.started[0]()
    assert watch.retry.check() == ["node1.maas"]
    assert watch.requests == 2


def test_what_is_done_aside_is_done() -> None:
    over = threading.Event()
    unfenced_hosts.aside(over.set)
    assert over.wait(30)


def test_failures_are_told_once_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    watch = Watch(lost(), fence=lambda node: 1)
    watch.retry.check()
    watch.now += INTERVAL
    for _ in range(3):
        assert watch.retry.check() == []
        assert watch.retry.check() == []  # too soon
        watch.now += INTERVAL
    assert watch.requests == 3
    assert caplog.text.count("cannot be fenced") == 1
    watch.cluster.fence = lambda node: 0
    assert watch.retry.check() == ["node1.maas"]
    assert "Pacemaker had lost it" in caplog.text


def test_where_nobody_tells_when_a_fencing_failed_it_is_tried_again_all_the_same() -> None:
    watch = Watch(lost(events=[("reboot", "failed", None)]))
    assert watch.retry.check() == []
    assert watch.cluster.runner.ran("stonith_admin") == []
    watch.now += INTERVAL
    watch.retry.check()
    assert len(watch.cluster.runner.ran("stonith_admin")) == 1


@pytest.mark.parametrize("state", [lost, forgotten])
@pytest.mark.parametrize("skew", [-7200.0, 7200.0])
def test_a_clock_that_is_set_keeps_nobody_from_being_fenced(
    skew: float, state: type[Remote]
) -> None:
    remote = state(start_failed=NOW + skew) if state is forgotten else state()
    watch = Watch(remote)
    watch.skew = skew
    assert watch.look_twice(INTERVAL) == ["node1.maas"]


def test_nor_a_member_from_looking_once_it_is_the_first() -> None:
    watch = Watch(lost(), dc=OTHER)
    assert watch.retry.check() == []
    watch.skew, watch.cluster.dc = -7200.0, OWN
    watch.now += INTERVAL
    assert watch.look_twice(INTERVAL) == ["node1.maas"]
