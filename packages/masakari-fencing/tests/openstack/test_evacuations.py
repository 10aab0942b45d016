"""Which evacuations of an instance are under way, and where it may run."""

from __future__ import annotations

import datetime
from types import SimpleNamespace

import pytest
from masakari_fencing.openstack import evacuations
from masakari_fencing.openstack.evacuations import Steadiness
from novaclient import api_versions

HOST = "node1.maas"
NOW = 2_000_000.0
LIMIT = 1800.0


def moment(age: float) -> str:
    when = datetime.datetime.fromtimestamp(NOW - age, datetime.timezone.utc)
    return when.strftime("%Y-%m-%dT%H:%M:%S.000000")


def record(status: str, age: float, **changes: object) -> SimpleNamespace:
    values = {
        "instance_uuid": "guest",
        "migration_type": "evacuation",
        "source_compute": HOST,
        "dest_compute": "node2.maas",
        "status": status,
        "created_at": moment(age + 1),
        "updated_at": moment(age),
    }
    return SimpleNamespace(**{**values, **changes})


class Nova:
    """As much of novaclient as has to do with evacuations."""

    def __init__(self, *migrations: SimpleNamespace) -> None:
        self.dead: list[str] = []
        self.asked: list[str] = []
        self.updated = ""
        self.reports = dict.fromkeys(evacuations.SERVICES, 0.0)
        self.known = migrations
        self.migrations = SimpleNamespace(list=self._found)
        self.services = SimpleNamespace(list=self._services)
        self.steady = LIMIT
        self.fenced: dict[str, float] = {}
        self.api_version = api_versions.APIVersion("2.53")
        self.failures: list[tuple[str, float]] = []
        self.instance_action = SimpleNamespace(list=self._actions, get=self._action)

    def _actions(self, server: str) -> list[SimpleNamespace]:
        self.asked.append("actions")
        numbered = range(len(self.failures))
        evacuations = [SimpleNamespace(action="evacuate", request_id=str(n)) for n in numbered]
        return [SimpleNamespace(action="create", request_id="x"), *evacuations]

    def _action(self, server: str, request: str) -> SimpleNamespace:
        """As `show` of nova's instance_actions, which has the details from 2.84 on."""
        text, age = self.failures[int(request)]
        failed = {"event": "compute_rebuild_instance", "finish_time": moment(age)}
        if self.api_version >= api_versions.APIVersion("2.84"):
            failed["details"] = text
        rebuilt = {"event": "conductor_rebuild_instance", "finish_time": moment(age)}
        return SimpleNamespace(events=[{**rebuilt, "details": None}, failed])

    def _found(self, instance_uuid: str) -> list[SimpleNamespace]:
        return [m for m in self.known if m.instance_uuid == instance_uuid]

    def _services(self, binary: str) -> list[SimpleNamespace]:
        self.asked.append(binary)
        return [
            SimpleNamespace(
                host=f"node{n}.maas",
                forced_down=f"node{n}.maas" in self.dead,
                updated_at=self.updated or str(self.reports[binary]),
            )
            for n in (1, 2, 3)
        ]

    def goes_on(self, task: str = "") -> bool:
        return evacuations.goes_on(
            self,
            HOST,
            "guest",
            now=NOW,
            limit=LIMIT,
            task=task,
            steady=lambda _: self.steady,
            fenced=self.fenced_at,
        )

    def fenced_at(self, host: str) -> float:
        return self.fenced.get(host, 0.0)

    def left_at(self, **server: object) -> str:
        values = {"id": "guest", "OS-EXT-STS:vm_state": "error", **server}
        found = evacuations.left_at(
            self, HOST, SimpleNamespace(**values), now=NOW, fenced=self.fenced_at
        )
        return " ".join(found)


@pytest.mark.parametrize(
    ("status", "patience"),
    [
        ("accepted", evacuations.ACCEPTED_LIMIT),
        ("completed", evacuations.ACCEPTED_LIMIT),
        ("pre-migrating", LIMIT),
        ("a state of a newer release", LIMIT),
        ("done", evacuations.QUIET),
    ],
)
def test_how_long_a_record_counts(status: str, patience: float) -> None:
    assert Nova(record(status, patience - 1)).goes_on()
    assert not Nova(record(status, patience + 1)).goes_on()


@pytest.mark.parametrize("status", ["accepted", "completed"])
@pytest.mark.parametrize("target", ["node2.maas", None])
def test_one_that_nobody_has_taken_may_wait_while_something_is_away(
    status: str, target: str | None
) -> None:
    """Its old host calls it completed when it is back, and Nova goes on with it all the same."""
    nova = Nova(record(status, LIMIT - 1, dest_compute=target))
    assert not nova.goes_on("rebuilding")
    nova.steady = evacuations.ACCEPTED_LIMIT - 1
    assert nova.goes_on("rebuilding")
    assert not Nova(record(status, LIMIT + 1)).goes_on("rebuilding")


@pytest.mark.parametrize("status", ["failed", "error", "cancelled"])
def test_what_has_ended_is_not_waited_for(status: str) -> None:
    assert not Nova(record(status, 0)).goes_on()


def test_without_a_time_it_counts() -> None:
    assert Nova(record("pre-migrating", 0, updated_at=None, created_at="?")).goes_on()


@pytest.mark.parametrize(
    ("other", "counts"),
    [
        (record("pre-migrating", 0, migration_type="live-migration"), False),
        (record("pre-migrating", 0, instance_uuid="other"), False),
        (record("accepted", 0, source_compute="node3.maas", dest_compute=None), False),
        (record("pre-migrating", 0, source_compute="node3.maas"), True),
        (record("pre-migrating", 0, source_compute="node3.maas", dest_compute=HOST), False),
    ],
    ids=["of another kind", "of another", "that was lost", "that is gone on with", "to this host"],
)
def test_a_record_of_something_else(other: SimpleNamespace, counts: bool) -> None:
    """Nova goes on with the first that is accepted, which may be of another request."""
    assert Nova(other).goes_on() is counts


def test_what_was_before_it_came_to_its_host_is_over() -> None:
    came = record("done", 30, source_compute="node3.maas", dest_compute=HOST)
    assert not Nova(record("pre-migrating", 600), came).goes_on()
    assert Nova(record("pre-migrating", 20), came).goes_on()


@pytest.mark.parametrize("status", ["finished", "confirmed"])
def test_one_that_was_resized_to_its_host_has_come_there(status: str) -> None:
    kind = {"migration_type": "resize", "source_compute": "node3.maas", "dest_compute": HOST}
    nova = Nova(record("pre-migrating", 50_000), record(status, 30_000, **kind))
    assert nova.left_at() == ""


def test_a_rebuild_on_a_host_that_was_fenced_has_ended() -> None:
    nova = Nova(record("pre-migrating", 0))
    nova.dead = ["node2.maas"]
    assert not nova.goes_on()
    nova.updated = moment(5)
    assert nova.goes_on(), "it is back, though nobody has returned it"


@pytest.mark.parametrize("task", sorted(evacuations.GATED))
def test_a_rebuild_that_has_not_begun_to_start_the_guest_is_waited_for_briefly(task: str) -> None:
    for age, waits in ((evacuations.GATED_LIMIT - 1, True), (evacuations.GATED_LIMIT + 1, False)):
        nova = Nova(record("pre-migrating", age))
        assert nova.goes_on(task) is waits
        assert nova.goes_on(evacuations.SPAWNING)


def test_one_that_is_starting_is_waited_for_as_long_as_neutron_may_take() -> None:
    for age, waits in ((evacuations.SPAWN_LIMIT - 1, True), (evacuations.SPAWN_LIMIT + 1, False)):
        nova = Nova(record("pre-migrating", age))
        assert nova.goes_on(evacuations.SPAWNING) is waits
        assert nova.goes_on()


def test_what_its_old_host_calls_completed_may_go_on_while_it_is_being_rebuilt() -> None:
    """A nova-compute that starts says so of the last evacuation of each."""
    nova = Nova(record("completed", 100))
    assert nova.goes_on(evacuations.SPAWNING)
    assert not nova.goes_on(), "it has ended, or was never begun"
    assert not Nova(record("completed", evacuations.SPAWN_LIMIT + 10)).goes_on(
        evacuations.SPAWNING
    )


def test_where_nothing_goes_on_no_service_is_asked_for() -> None:
    nova = Nova(record("failed", 0))
    assert not nova.goes_on()
    assert nova.asked == []


ELSEWHERE = {"dest_compute": "node3.maas"}


@pytest.mark.parametrize(
    ("found", "there"),
    [
        ([], ""),
        ([record("pre-migrating", 5000)], "node2.maas"),
        ([record("completed", 5000)], "node2.maas"),
        ([record("completed", 5000, dest_compute=None)], ""),
        (
            [
                record("completed", 5000),
                record("completed", 900, source_compute="node2.maas", dest_compute=HOST),
            ],
            "",
        ),
        ([record("accepted", 5000, dest_compute=None)], ""),
        ([record("accepted", 5000)], ""),
        ([record("pre-migrating", 5000, instance_uuid="other")], ""),
        ([record("pre-migrating", 5000, migration_type="live-migration")], ""),
        ([record("pre-migrating", 5000), record("error", 10, dest_compute=None)], "node2.maas"),
        ([record("pre-migrating", 5000), record("accepted", 10)], "node2.maas"),
        ([record("pre-migrating", 5000, source_compute="node3.maas")], "node2.maas"),
        ([record("pre-migrating", 5000), record("pre-migrating", 10, **ELSEWHERE)], "node3.maas"),
    ],
)
def test_where_an_instance_may_have_been_left(found: list[SimpleNamespace], there: str) -> None:
    nova = Nova(*found)
    assert nova.left_at() == there
    nova.dead = [there]
    assert nova.left_at() == "", "nothing runs on a fenced host"


def test_what_a_fenced_host_has_taken_up_since_it_is_back_may_run_there() -> None:
    nova = Nova(record("pre-migrating", 20))
    nova.dead = ["node2.maas"]
    assert nova.left_at() == ""
    nova.updated = moment(5)
    assert nova.left_at() == "node2.maas"


def test_where_the_fence_is_known_it_alone_says_what_may_run() -> None:
    """However long ago, and whether the host is held for down or not."""
    nova = Nova(record("pre-migrating", 5000))
    nova.fenced = {"node2.maas": NOW - 4000}
    assert nova.left_at() == ""
    nova.fenced = {"node2.maas": NOW - 6000}
    nova.dead = ["node2.maas"]
    assert nova.left_at() == "node2.maas", "it has waited for it, and was taken up after that"
    nova = Nova(record("pre-migrating", 100))
    assert nova.goes_on()
    nova.fenced = {"node2.maas": NOW - 90}
    assert not nova.goes_on()
    nova.fenced = {"node2.maas": NOW - 110}
    nova.dead = ["node2.maas"]
    assert nova.goes_on()


def fault(message: str, age: float = 1000) -> dict[str, object]:
    return {"fault": {"message": message, "created": moment(age)}}


@pytest.mark.parametrize(
    ("server", "there"),
    [
        (fault("MessagingTimeout"), "node2.maas"),
        (fault("Conflict updating instance guest. Expected: ..."), "node2.maas"),
        (fault("Conflict updating instance guest. Expected: {'task_state': ['rebuild_spawning']}. "
               "Actual: {'task_state': None}"), "node2.maas"),
        (fault("Conflict updating instance guest. Expected: {'task_state': ['rebuilding']}. "
               "Actual: {'task_state': 'rebuild_spawning'}"), ""),
        (fault("Conflict updating instance guest. Expected: "
               "{'task_state': ['rebuild_block_device_mapping']}. Actual: ..."), ""),
        (fault("Instance guest already exists."), "node2.maas"),
        (fault("internal error: process exited while connecting to monitor"), ""),
        (fault("No valid host was found.", age=10), "node2.maas"),
        ({}, "node2.maas"),
        ({"OS-EXT-STS:vm_state": "stopped"}, "node2.maas"),
        ({"OS-EXT-STS:vm_state": "active", "OS-EXT-STS:task_state": "rebuilding"}, "node2.maas"),
    ],
    ids=[
        "no answer", "reset meanwhile", "reset while it started", "reset before",
        "and a bit later", "runs there", "did not start", "of a later one", "unknown",
        "stopped since", "not ended",
    ],
)  # fmt: skip
def test_one_that_has_failed_may_run_for_all_that_nova_says(
    server: dict[str, object], there: str
) -> None:
    """The last thing that a new host does is to write down where the instance is."""
    nova = Nova(record("failed", 1000))
    assert nova.left_at(**server) == there


@pytest.mark.parametrize("state", ["active", "stopped", "error"])
@pytest.mark.parametrize(
    ("text", "there"),
    [
        ("Binding failed for port p1, please check neutron logs for more information.", ""),
        ("Build of instance guest aborted: Insufficient compute resources", ""),
        ("Conflict updating instance guest. Expected: {'task_state': ['rebuilding']}. ...", ""),
        ("Conflict updating instance guest. Expected: {'task_state': ['rebuild_spawning']}. ...",
         "node2.maas"),
        ("MessagingTimeout", "node2.maas"),
        ("Instance guest already exists.", "node2.maas"),
    ],
)  # fmt: skip
def test_why_one_has_failed_is_asked_where_nova_shows_no_fault(
    text: str, there: str, state: str
) -> None:
    """Somebody has called it active again since, or it had no room and stays as it was."""
    nova = Nova(record("failed", 1000))
    nova.failures = [("of another one", 2000), (text, 1001)]
    assert nova.left_at(**{"OS-EXT-STS:vm_state": state}) == there
    nova.failures = [(text, 1020)]
    assert nova.left_at(**{"OS-EXT-STS:vm_state": state}) == "node2.maas", "of another one"
    nova.failures = [(text, 1001), ("MessagingTimeout", 999)]
    assert nova.left_at(**{"OS-EXT-STS:vm_state": state}) == "node2.maas", "of which?"


def test_nova_is_asked_only_where_it_does_not_show_the_fault() -> None:
    nova = Nova(record("failed", 1000))
    assert nova.left_at(**fault("process exited")) == ""
    assert nova.asked == []


def test_of_two_requests_that_were_worked_on_at_once_either_may_have_started_it() -> None:
    """The first was taken for lost, and comes alive as the second is asked for."""
    first = record("failed", 100, created_at=moment(200))
    second = record("failed", 101, created_at=moment(103), **ELSEWHERE)
    why = fault("Conflict updating instance guest", 100)
    assert Nova(first, second).left_at(**why) == "node2.maas node3.maas"
    both = Nova(first, second)
    both.dead = ["node2.maas"]
    assert both.left_at() == "node3.maas"
    later = record("failed", 50, created_at=moment(60))
    assert Nova(first, second, later).left_at(**fault("process exited", 50)) == ""


def test_one_that_was_broken_off_before_it_was_started_runs_nowhere() -> None:
    task = {"OS-EXT-STS:task_state": "rebuilding"}
    assert Nova(record("pre-migrating", 5000)).left_at(**task) == ""
    assert (
        Nova(record("pre-migrating", 5000, **ELSEWHERE), record("pre-migrating", 500)).left_at(
            **task
        )
        == ""
    )
    second = record("failed", 101, created_at=moment(103), **ELSEWHERE)
    first = record("pre-migrating", 100, created_at=moment(200))
    found = Nova(first, second).left_at(**task)
    assert "node2.maas" in found, "the other has set the task back as it failed"


def test_of_two_that_failed_at_once_nobody_knows_which_the_fault_is_of() -> None:
    first = record("failed", 100, created_at=moment(200))
    second = record("failed", 98, created_at=moment(103), **ELSEWHERE)
    why = fault("Conflict updating instance guest. Expected: {'task_state': ['rebuilding']}.", 98)
    assert Nova(first, second).left_at(**why) == "node2.maas node3.maas"
    assert Nova(second).left_at(**why) == ""


def test_of_an_older_failure_nothing_is_said_any_more() -> None:
    nova = Nova(record("pre-migrating", 5000), record("failed", 1000))
    assert nova.left_at(**fault("process exited")) == "node2.maas"
    nova = Nova(record("pre-migrating", 5000), record("failed", 1000, **ELSEWHERE))
    assert nova.left_at(**fault("process exited")) == ""


@pytest.mark.parametrize(
    ("status", "why", "there"),
    [
        ("error", "No valid host was found.", "node2.maas"),
        (
            "failed",
            "Build of instance guest aborted: Insufficient compute resources",
            "node2.maas",
        ),
        ("failed", "internal error: process exited while connecting to monitor", ""),
        (
            "failed",
            "Conflict updating instance guest. Expected: {'task_state': ['rebuilding']}.",
            "",
        ),
    ],
    ids=["no room there", "nor by its own word", "it did not start", "reset before"],
)
def test_a_host_has_to_have_looked_whether_it_runs_there(
    status: str, why: str, there: str
) -> None:
    nova = Nova(record("failed", 1000), record(status, 500))
    assert nova.left_at(**fault(why, 500)) == there


def test_a_fault_may_be_of_a_request_that_found_no_host() -> None:
    nova = Nova(record("failed", 100), record("error", 98, dest_compute=None))
    assert nova.left_at(**fault("No valid host was found.", 98)) == "node2.maas"


class Clock:
    def __init__(self) -> None:
        self.now = 500.0

    def __call__(self) -> float:
        return self.now


def watch(nova: Nova, steady: Steadiness, clock: Clock, seconds: float, *silent: str) -> float:
    """Look every 5 s; each service reports every 10 s, but those that are away."""
    for _ in range(int(seconds / 5)):
        clock.now += 5
        for binary in nova.reports:
            if binary not in silent:
                nova.reports[binary] = clock.now // 10
        found = steady.seconds(nova)
    return found


@pytest.mark.parametrize("silent", evacuations.SERVICES)
def test_whatever_takes_a_request_further_has_to_be_there_for_a_while(silent: str) -> None:
    clock, nova = Clock(), Nova()
    steady = Steadiness(clock)
    assert steady.seconds(nova) == 0, "nobody knows what was before"
    assert watch(nova, steady, clock, 100) == 100
    watch(nova, steady, clock, evacuations.SILENT + 5, silent)
    assert steady.seconds(nova) == 0
    assert watch(nova, steady, clock, 60) >= 55


def test_what_happened_while_nobody_looked_is_not_known() -> None:
    clock, nova = Clock(), Nova()
    steady = Steadiness(clock)
    watch(nova, steady, clock, 100)
    clock.now += evacuations.SILENT + 1
    assert watch(nova, steady, clock, 5) == 0
    clock.now = 10
    assert steady.seconds(nova) == 0, "of another process, whose clock begins anew"


def test_they_are_asked_for_but_now_and_then() -> None:
    clock, nova = Clock(), Nova()
    steady = Steadiness(clock)
    steady.seconds(nova)
    clock.now += evacuations.AGAIN - 1
    assert steady.seconds(nova) == evacuations.AGAIN - 1
    assert len(nova.asked) == len(evacuations.SERVICES)


def test_who_has_looked_a_moment_earlier_begins_nothing_anew() -> None:
    """Several instances are recovered at once, and one thread may wait for another."""
    clock, nova = Clock(), Nova()
    steady = Steadiness(clock)
    assert watch(nova, steady, clock, 100) >= 95
    late = clock.now
    clock.now -= 0.002
    assert steady.seconds(nova) >= 94
    clock.now = late + evacuations.AGAIN
    assert steady.seconds(nova) >= 99
