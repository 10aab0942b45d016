"""Recoveries that nobody works on are begun again."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NoReturn

import pytest
from fencing_cib import Cib
from fencing_fakes import Cluster, Remote
from masakari_fencing.notifier.watchers import unattended_recoveries
from masakari_fencing.notifier.watchers.unattended_recoveries import (
    AGAIN,
    OTHERS_PATIENCE,
    PATIENCE,
    UnattendedRecoveries,
)
from masakari_fencing.openstack.masakari_api import Host, Notification
from masakari_fencing.openstack.rest import ApiError
from masakari_fencing.pacemaker.tools import PacemakerError
from masakari_fencing.records import disarmed
from masakari_fencing.records.recoveries import Records
from masakari_fencing.records.recovery import (
    FAILED,
    NOTHING,
    RECOVERED,
    REFUSED,
    End,
    Instance,
    Proof,
    Record,
)
from masakari_fencing.retries import DEFAULT, Retries, parse

PAUSES = parse(DEFAULT).pauses

HERE = "juju-1-lxd-0"
ENGINE = f"{HERE}.12345678.1.2"
FENCED = 1_795_233_223.0
REQUEUE = f"{sys.executable} -m masakari_fencing.notifier.requeue"


class Bench:
    """The controller's member, Masakari's hosts and running recoveries, and the records."""

    def __init__(self, name: str = HERE, cib: Cib | None = None) -> None:
        self.cluster = Cluster([Remote("Node1.maas"), Remote("Node2.maas")], dc=HERE)
        self.cluster.runner.on("crm_node --name", f"{name}\n").on(REQUEUE, "")
        self.cib = cib or Cib()
        self.cib.others = self._other
        self.begun: list[Notification] = []
        self.maintenance = {"Node1.maas": True, "Node2.maas": True}
        self.asked = 0
        self.now = 1000.0
        self.store = Records(self.cib)
        self.failed: list[Notification] = []
        self.down: bool | Exception = True
        self.unattended = UnattendedRecoveries(
            self.cib, self, self._stays_down, clock=lambda: self.now
        )

    def _stays_down(self, instance: str) -> bool:
        assert instance == "g1"
        if isinstance(self.down, Exception):
            raise self.down
        return self.down

    def failed_instances(self, since: float) -> list[Notification]:
        return self.failed

    def _other(self, argv: list[str]) -> str | int:
        answer = self.cluster.runner.run(argv)
        return answer.stdout if answer.returncode == 0 else answer.returncode

    def running(self) -> list[Notification]:
        self.asked += 1
        return self.begun

    def hosts(self) -> Iterable[Host]:
        for name, out in self.maintenance.items():
            yield Host(f"uuid-{name.lower()}", "segment", name, out)

    def have(self, notification: str = "n1", host: str = "node1.maas", **values: Any) -> Record:
        """Have a record of a recovery, by an engine that lives if nothing else is said."""
        record = Record(host, notification, values.pop("engine", ENGINE), **values)
        assert self.store.create(record)
        return record

    def take(self, **changes: Any) -> Record:
        """Have the recovery of the first host written anew, as an engine does."""
        record = self.store.read("node1.maas")
        assert record is not None
        return self.store.write(record, replace(record, **changes))

    def run(self, uuid: str, host: str = "node1.maas", kind: str = "COMPUTE_HOST") -> None:
        self.begun.append(
            Notification(kind, "STOPPED", "running", 0, 0, uuid, f"uuid-{host.lower()}")
        )

    def look_after(self, seconds: float) -> list[str]:
        self.now += seconds
        return self.unattended.check()

    def handed(self) -> list[str]:
        """What Masakari was told to begin again, with the option before the notification."""
        calls = self.cluster.runner.ran(REQUEUE)
        return [" ".join(call[3:]) for call in calls]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def ended(outcome: str, **values: Any) -> dict[str, Any]:
    """The end of a recovery of a host that was fenced."""
    proof = Proof(FENCED, "fenced", "Node1.maas")
    return {"end": End(outcome, "for a reason", FENCED + 60), "proof": proof, **values}


def test_an_open_record_without_an_engine_is_handed_back_until_somebody_takes_it(
    bench: Bench,
) -> None:
    bench.have(engine="")
    assert bench.unattended.check() == ["n1"], "at once"
    assert bench.handed() == ["--unfinished n1"], "whatever Masakari says of it"
    assert bench.look_after(AGAIN - 1) == [], "an engine has to get it first"
    assert bench.look_after(1) == ["n1"]
    bench.take(engine=ENGINE)
    for _ in range(3):
        assert bench.look_after(AGAIN) == []


def test_one_that_was_taken_and_left_again_is_a_new_one(bench: Bench) -> None:
    bench.have(engine="")
    assert bench.unattended.check() == ["n1"]
    bench.take(engine=ENGINE)
    bench.take(engine="")
    assert bench.look_after(2) == ["n1"]


def test_a_recovery_that_goes_on_is_left_alone(bench: Bench) -> None:
    bench.have(instances=(Instance("g1", "active"),), attempts=3)
    bench.run("n1")
    for _ in range(3):
        assert bench.look_after(PATIENCE) == []


@pytest.mark.parametrize("record", [{"engine": ""}, {"failed": True}])
def test_what_is_disarmed_or_was_left_then_waits_for_the_operator(
    bench: Bench, record: dict[str, Any]
) -> None:
    bench.have(**(ended(FAILED, attempts=1) if "failed" in record else record))
    disarmed.disarm(bench.cib, disarmed.Disarmed("cloud", "", (), 0.0, 2000.0, "work"))
    bench.unattended.now = lambda: bench.now
    assert bench.look_after(0) == bench.look_after(PAUSES[0]) == []
    disarmed.leave(bench.cib, disarmed.read(bench.cib), disarmed.Left("Node1.maas", 1002.0))
    assert bench.look_after(5000) == bench.look_after(PAUSES[0]) == [], "it is over"
    disarmed.forget(bench.cib, disarmed.Left("Node1.maas", 1002.0))
    assert [*bench.look_after(0), *bench.look_after(PAUSES[0])] == ["n1"]


def test_each_failure_is_followed_by_another_attempt_after_a_longer_pause(bench: Bench) -> None:
    bench.have(**ended(FAILED, attempts=1))
    for number in range(1, len(PAUSES) + 3):
        pause = PAUSES[min(number, len(PAUSES)) - 1]
        assert bench.look_after(1) == [], "first seen"
        assert bench.look_after(pause - 0.5) == [], number
        assert bench.look_after(0.5) == ["n1"], number
        bench.take(end=None)
        assert bench.look_after(AGAIN) == [], "it goes on"
        bench.take(**ended(FAILED, attempts=number + 1))
    assert set(bench.handed()) == {"--unfinished n1"}
    assert sorted(PAUSES) == list(PAUSES)


def test_an_operator_says_how_often_and_when(bench: Bench) -> None:
    bench.unattended.retries = Retries((5, 50))
    for failures, pause in ((1, 5), (2, 50)):
        bench.have(**ended(FAILED, attempts=1)) if failures == 1 else bench.take(
            **ended(FAILED, attempts=failures)
        )
        assert [*bench.look_after(1), *bench.look_after(pause - 1)] == []
        assert bench.look_after(1) == ["n1"]
        bench.take(end=None)
    bench.take(**ended(FAILED, attempts=3))
    assert looks(bench) == [], "the rest is the operator's"
    bench.take(**ended(REFUSED, proof=None, attempts=4))
    bench.cib.fenced("Node1.maas", FENCED)
    assert set(looks(bench)) == {"n1"}, "it has not failed: it was begun too early"


def test_what_was_interrupted_has_not_failed(bench: Bench) -> None:
    bench.unattended.retries = Retries(())
    bench.have(engine="", attempts=3)
    assert bench.unattended.check() == ["n1"]


def test_one_that_is_due_is_not_handed_back_again_at_each_look(bench: Bench) -> None:
    bench.have(**ended(FAILED, attempts=1))
    bench.unattended.check()
    assert bench.look_after(PAUSES[0]) == ["n1"]
    assert bench.look_after(PAUSES[0]) == []
    assert bench.look_after(AGAIN - PAUSES[0]) == ["n1"]


@pytest.mark.parametrize("outcome", [RECOVERED, NOTHING])
def test_what_has_succeeded_is_over(bench: Bench, outcome: str) -> None:
    bench.have(**ended(outcome, used=FENCED, recovered=FENCED + 60))
    bench.cib.fenced("Node1.maas", FENCED)
    bench.unattended.check()
    assert bench.look_after(PAUSES[-1]) == []


def refused(bench: Bench, **values: Any) -> None:
    """A host of which nothing proves that it is dead."""
    bench.have(**ended(REFUSED, proof=None, attempts=1, **values))


def looks(bench: Bench) -> list[str]:
    """Look for as long as any pause takes."""
    return [uuid for _ in range(3) for uuid in bench.look_after(PAUSES[-1])]


def test_what_was_refused_is_begun_again_once_the_host_is_fenced(bench: Bench) -> None:
    refused(bench)
    assert looks(bench) == []
    bench.cib.fenced("Node1.maas", 0)
    assert looks(bench) == [], "it has been back since"
    bench.cib.fenced("Node1.maas", FENCED)
    assert "n1" in looks(bench)


def test_but_not_by_a_fence_that_is_used_up(bench: Bench) -> None:
    refused(bench, used=FENCED)
    bench.cib.fenced("Node1.maas", FENCED)
    assert looks(bench) == []
    bench.cib.fenced("Node1.maas", FENCED + 600)
    assert "n1" in looks(bench)


def test_nor_where_the_cluster_does_not_know_the_host(bench: Bench) -> None:
    bench.have(host="node9.maas", **ended(REFUSED, attempts=1))
    bench.maintenance["node9.maas"] = True
    bench.cib.fenced("node9.maas", FENCED)
    assert looks(bench) == []


@pytest.mark.parametrize("outcome", [FAILED, REFUSED])
@pytest.mark.parametrize("state", ["returned", "out of maintenance", "in no segment"])
def test_a_host_that_was_taken_back_is_left_alone(bench: Bench, outcome: str, state: str) -> None:
    bench.have(**ended(outcome, attempts=1, returned=state == "returned"))
    bench.cib.fenced("Node1.maas", FENCED)
    if state == "out of maintenance":
        bench.maintenance["Node1.maas"] = False
    elif state == "in no segment":
        del bench.maintenance["Node1.maas"]
    assert looks(bench) == []
    assert bench.handed() == []


@pytest.mark.parametrize("outcome", [FAILED, REFUSED])
def test_but_what_it_owes_is_started_there_at_once_and_again_after_pauses(
    bench: Bench, outcome: str
) -> None:
    """Be it without any retry: the operator has asked for this one."""
    bench.have(**ended(outcome, down=FENCED))
    bench.maintenance["Node1.maas"] = False
    bench.unattended.retries = Retries((30,))
    assert bench.look_after(0) == ["n1"]
    bench.take(**ended(outcome, down=FENCED, attempts=1))
    assert bench.look_after(0) + bench.look_after(25) == []
    assert bench.look_after(10) == ["n1"]
    bench.take(**ended(outcome, down=FENCED, attempts=2))
    assert looks(bench) == []


def test_the_records_of_several_hosts_do_not_disturb_each_other(bench: Bench) -> None:
    bench.have(**ended(FAILED, attempts=5))
    bench.have("n2", "node2.maas", engine="")
    assert bench.unattended.check() == ["n2"]
    assert bench.look_after(PAUSES[4]) == ["n1", "n2"]


def test_of_two_members_only_the_controller_hands_back(bench: Bench) -> None:
    bench.have(engine="")
    other = Bench("juju-2-lxd-0", bench.cib)
    bench.cib.others = bench._other
    other.cluster.runner = bench.cluster.runner
    names = {id(bench.unattended): HERE, id(other.unattended): "juju-2-lxd-0"}
    for dc in (HERE, "juju-2-lxd-0"):
        bench.cluster.dc = dc
        handed = {}
        for member in (bench.unattended, other.unattended):
            bench.cluster.runner.on("crm_node --name", f"{names[id(member)]}\n")
            handed[names[id(member)]] = member.check()
        assert handed == {HERE: [], "juju-2-lxd-0": [], dc: ["n1"]}
    assert bench.handed() == ["--unfinished n1"] * 2


@pytest.mark.parametrize("state", ["another member", "no quorum"])
def test_only_the_controller_of_the_whole_cluster_checks(bench: Bench, state: str) -> None:
    bench.run("n1", kind="VM")
    bench.have("n2", "node2.maas", engine="")
    if state == "no quorum":
        bench.cluster.quorum = False
    else:
        bench.cluster.dc = "juju-2-lxd-0"
    for _ in range(2):
        assert bench.look_after(OTHERS_PATIENCE) == []
    assert bench.asked == 0


def test_who_becomes_the_controller_gives_everybody_their_time(bench: Bench) -> None:
    bench.have(**ended(FAILED, attempts=2))
    bench.unattended.check()
    bench.cluster.dc = "juju-2-lxd-0"
    assert bench.look_after(PAUSES[1]) == []
    bench.cluster.dc = HERE
    assert bench.look_after(1) == []
    assert bench.look_after(PAUSES[1]) == ["n1"]


def test_a_recovery_that_was_never_begun_is_handed_back(bench: Bench) -> None:
    bench.run("n1")
    assert bench.unattended.check() == [], "an engine may just be about to begin it"
    assert bench.look_after(PATIENCE - 1) == []
    assert bench.look_after(1) == ["n1"]
    assert bench.handed() == ["n1"], "only if Masakari still calls it running"
    assert bench.look_after(2) == [], "the next engine has its time, too"


def test_one_that_waits_for_another_of_the_same_host_is_left_alone(bench: Bench) -> None:
    bench.have("n1")
    bench.run("n1")
    bench.run("n2")
    for _ in range(3):
        assert bench.look_after(PATIENCE) == []


@pytest.mark.parametrize(
    ("host", "values"),
    [("node2.maas", {}), ("node1.maas", ended(RECOVERED)), ("node1.maas", ended(NOTHING))],
    ids=["another host", "recovered", "nothing"],
)
def test_the_record_of_another_host_or_of_one_that_has_ended_is_no_excuse(
    bench: Bench, host: str, values: dict[str, Any]
) -> None:
    bench.have("n1", host, **values)
    bench.run("n2")
    assert bench.unattended.check() == []
    assert bench.look_after(PATIENCE) == ["n2"]


def test_without_records_no_recovery_of_a_host_is_taken_for_lost(bench: Bench) -> None:
    """Masakari's own workflow writes none, and waits: a second one would run beside it."""
    bench.unattended.own_workflow = False
    bench.run("n1")
    bench.run("n2", kind="VM")
    bench.unattended.check()
    assert bench.look_after(PATIENCE) == []
    assert bench.look_after(OTHERS_PATIENCE) == ["n2"]


@pytest.mark.parametrize("kind", ["VM", "PROCESS"])
def test_another_kind_of_recovery_is_handed_back_when_it_takes_longer_than_any(
    bench: Bench, kind: str
) -> None:
    bench.run("n1", kind=kind)
    bench.unattended.check()
    assert bench.look_after(OTHERS_PATIENCE - 1) == []
    assert bench.look_after(1) == ["n1"]
    assert bench.handed() == ["n1"]


def test_one_that_was_taken_up_anew_has_its_time_again(bench: Bench) -> None:
    bench.run("n1")
    bench.unattended.check()
    bench.begun[0] = replace(bench.begun[0], updated=7.0)
    assert bench.look_after(PATIENCE) == []
    assert bench.look_after(PATIENCE) == ["n1"]


def test_one_that_begins_in_time_counts_anew_when_its_record_is_gone(bench: Bench) -> None:
    bench.run("n1")
    bench.unattended.check()
    bench.have("n1")
    assert bench.look_after(PATIENCE) == []
    bench.take(end=End(NOTHING, "", FENCED))
    assert bench.look_after(PATIENCE) == []
    assert bench.look_after(PATIENCE) == ["n1"]


OLD = "masakari-fencing-recovery-node1.maas"


def test_a_record_of_an_older_release_ends_with_its_notification(bench: Bench) -> None:
    """It has no end of its own; the notification says whether it goes on."""
    text = (
        f'<cluster_property_set id="{OLD}"><nvpair id="{OLD}-by" name="{OLD}" value="n1"/>'
        f'<nvpair id="{OLD}-engine" name="{OLD}-engine" value=""/></cluster_property_set>'
    )
    bench.cib.add(text)
    assert looks(bench) == []


def test_a_record_that_cannot_be_read_keeps_no_other_from_theirs(bench: Bench) -> None:
    bench.have("n1", engine="")
    [pair] = bench.cib.root.xpath(f"//nvpair[@id='{OLD}-record']")
    pair.set("value", "{")
    bench.have("n2", "node2.maas", engine="")
    assert bench.unattended.check() == ["n2"]


def test_one_that_cannot_be_handed_back_is_tried_again_at_the_next_look(bench: Bench) -> None:
    """As with a database that fails over together with the engine's machine."""
    bench.have(engine="")
    bench.cluster.runner.on(REQUEUE, 1)
    for _ in range(2):
        with pytest.raises(PacemakerError):
            bench.look_after(unattended_recoveries.INTERVAL)
    bench.cluster.runner.on(REQUEUE, "")
    assert bench.look_after(unattended_recoveries.INTERVAL) == ["n1"]


@pytest.mark.parametrize("failure", ["the process", "the API"])
def test_and_keeps_no_other_from_theirs(
    bench: Bench, failure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> NoReturn:
        raise ApiError("503")

    bench.have("n1", **ended(FAILED, attempts=1))
    bench.unattended.check()
    bench.have("n2", "node2.maas", engine="")
    if failure == "the API":
        monkeypatch.setattr(bench, "hosts", away)
        monkeypatch.setattr(bench, "running", away)
    else:
        bench.cluster.runner.on(f"{REQUEUE} --unfinished n1", 1)
    with pytest.raises((PacemakerError, ApiError)):
        bench.look_after(PAUSES[0])
    assert "--unfinished n2" in bench.handed()


GIVEN_UP = Notification("VM", "LIFECYCLE", "failed", 1, 2, "n1", "h1", "g1")


def test_an_instance_that_masakari_gave_up_is_begun_again_with_growing_pauses(
    bench: Bench,
) -> None:
    bench.failed, begun = [GIVEN_UP], []
    for second in range(0, 2000, 2):
        bench.now = 1000.0 + second
        if bench.unattended.check():
            begun.append(second)
            # It fails again.
            bench.failed = [replace(GIVEN_UP, updated=second + 3.0)]
    gaps = [later - earlier for earlier, later in itertools.pairwise(begun)]
    assert gaps == sorted(gaps)
    assert gaps[0] < 60 < PAUSES[-1] <= gaps[-1]
    assert set(bench.handed()) == {"--unfinished n1"}


def test_an_instance_that_is_not_down_is_left_alone(bench: Bench) -> None:
    bench.failed, bench.down = [GIVEN_UP], False
    for _ in range(20):
        assert bench.look_after(30) == []
    bench.down, told = ApiError("Nova is away"), 0
    for _ in range(20):
        try:
            assert bench.look_after(30) == []
        except ApiError:
            told += 1
    assert told
    assert bench.handed() == []


def test_one_that_is_off_for_its_recovery_was_not_taken_back(bench: Bench) -> None:
    """Its operator has ended its maintenance, and it cannot come back: nobody switches it on."""
    bench.have(**ended(FAILED, held=True, attempts=1))
    bench.maintenance["Node1.maas"] = False
    assert bench.unattended.check() == []
    assert bench.look_after(PAUSES[0]) == ["n1"]


def test_or_it_is_switched_on_where_it_is_in_no_segment_any_more(bench: Bench) -> None:
    bench.have(**ended(FAILED, held=True, attempts=1))
    del bench.maintenance["Node1.maas"]
    bench.unattended.check()
    assert bench.look_after(PAUSES[0]) == []
    record = bench.store.read("node1.maas")
    assert record is not None and record.lets_go
