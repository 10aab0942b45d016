"""Each rule of the simulation's Nova, next to what the real one does.

The cloud is without this project's overlay, so nobody but the test does anything about a host
that is lost. The tests go through one story: a hypervisor with instances in all states works, is
lost, is forced down, its instances are evacuated, and it comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from jujulab.trials.deployment import Deployment
from masakari_fencing.openstack import faults
from nova_lab import LabSide
from nova_model import ModelSide
from sides import ELSEWHERE, FIRST, HOME, Both, Look, Side
from simulation.models.nova import records

pytestmark = pytest.mark.lab

REBUILD = 120
"""Seconds in which a rebuild ends, on a machine that does much else."""

STAYS = 12
"""Seconds in which a state would have changed: a message takes one."""

SYNC = 90
"""Seconds in which nova-compute has compared its instances since it started; it begins after up to
a minute, by chance (`periodic_fuzzy_delay`)."""

QUICK = 20
"""Seconds; a call that waits for somebody who is dead takes more, all others much less."""

SETTLES = 20
"""Seconds in which Nova has written down the end of an evacuation that has brought an instance."""

UNSETTLED: tuple[list[str], ...] = ([], ["accepted"], ["pre-migrating"])
"""The last evacuation of an instance before its end; there may be none."""

STATES = ("stopped", "error", "paused", "suspended", "locked")
NAMES: tuple[str, ...] = (
    *STATES,
    "active",
    "crashed",
    "behind",
    "halted",
    "moved",
    "named",
    "unplaceable",
    "early",
    "late",
)
NAMES += ("deleted", "unwritten", "lost", "left", "resumed", "asked")


@pytest.fixture(scope="module")
def whole(cloud: Deployment) -> Iterator[Both]:
    """Instances in all states on a hypervisor that works."""
    assert "masakari" not in cloud.console.status()["applications"], (
        "these tests lose hypervisors in a cloud that nobody recovers: `make clean` first"
    )
    both = Both(LabSide(cloud), ModelSide())

    def begin(side: Side) -> None:
        side.boot(list(NAMES))
        for state in STATES:
            side.prepare(state, state)

    both.alike(begin)
    with both.lab.repairs:
        yield both


@pytest.fixture(scope="module")
def lost(whole: Both) -> Both:
    """The hypervisor has just lost its power."""
    whole.alike(lambda side: side.lose(HOME))
    return whole


@pytest.fixture(scope="module")
def down(lost: Both) -> Both:
    """The hypervisor that has no power is forced down."""
    assert lost.alike(lambda side: side.force_down(HOME, True)) == 0
    return lost


@pytest.fixture(scope="module")
def back(down: Both) -> Both:
    """The hypervisor has booted, and is still forced down."""
    down.alike(lambda side: side.power_on(HOME))
    return down


def ends(name: str, seconds: float = REBUILD) -> Callable[[Side], Look]:
    """Wait until nothing is done to an instance any more, and return what it is then."""

    def rule(side: Side) -> Look:
        def idle() -> bool:
            return side.look(name).task is None

        def settled() -> bool:
            # Before it stops one there, Nova says for a moment that nothing is done.
            return side.migrations(name)[-1:] not in UNSETTLED and idle()

        side.wait(idle, seconds)
        side.wait(settled, SETTLES)
        return side.look(name)

    return rule


# -- a hypervisor that works ------------------------------------------------------------------
def test_the_times_are_those_of_the_configuration(whole: Both) -> None:
    controller = whole.lab._unit("nova-cloud-controller")
    names = ("service_down_time", "report_interval", "rpc_response_timeout")
    program = (
        "import nova.conf\n"
        "from oslo_messaging.rpc import client\n"
        "conf = nova.conf.CONF\n"
        "conf([], project='nova', default_config_files=['/etc/nova/nova.conf'])\n"
        "conf.register_opts(client._client_opts)\n"
        f"print(*(conf[name] for name in {names}))\n"
    )
    said = controller.run(["python3", "-c", program], timeout=60).stdout.split()
    assert [float(word) for word in said] == [
        records.SERVICE_DOWN_TIME,
        records.REPORT_INTERVAL,
        records.RPC_TIMEOUT,
    ]


def test_what_is_in_service_is_not_evacuated(whole: Both) -> None:
    assert whole.alike(lambda side: side.evacuate("active")) == 400


def test_what_does_not_exist_is_not_found(whole: Both) -> None:
    lab, model = whole.lab, whole.model
    lab._servers["nobody"] = "00000000-0000-4000-8000-000000000000"
    assert lab.stop("nobody") == model.do(lambda side: side.stop("nobody")) == 404


@pytest.mark.parametrize("name", ["stopped", "paused", "suspended"])
def test_which_states_are_not_stopped(whole: Both, name: str) -> None:
    assert whole.alike(lambda side: side.stop(name)) == 409


@pytest.mark.parametrize("name", ["active", "error", "paused", "suspended"])
def test_which_states_are_not_started(whole: Both, name: str) -> None:
    assert whole.alike(lambda side: side.start(name)) == 409


def test_a_stop_and_a_start(whole: Both) -> None:
    def rule(side: Side) -> list[Any]:
        seen: list[Any] = [side.stop("active")]
        side.wait(lambda: side.look("active").task is None, 60)
        seen += [side.look("active"), side.start("active")]
        side.wait(lambda: side.look("active").task is None, 60)
        return [*seen, side.look("active"), side.actions("active")[-2:]]

    whole.alike(rule)


def test_who_locks_and_unlocks_it_is_on_record(whole: Both) -> None:
    """Among what is done with an instance, and once more where it changes nothing."""

    def rule(side: Side) -> list[tuple[str, bool]]:
        for do in (side.lock, side.unlock, side.unlock):
            assert do("active") == 0
            side.sleep(2)  # Nova writes down whole seconds.
        return side.actions("active")[-3:]

    assert whole.alike(rule) == [("lock", True), ("unlock", True), ("unlock", True)]


@pytest.mark.parametrize("name", ["active", "crashed"])
def test_a_hard_reboot(whole: Both, name: str) -> None:
    """It starts what is shut off, too."""

    def rule(side: Side) -> list[Any]:
        if name == "crashed":
            side.crash(name)
            side.wait(lambda: side.look(name)[:2] == ("stopped", None), 60)
        seen: list[Any] = [side.reboot(name)]
        side.wait(lambda: side.look(name).task is None, 90)
        return [*seen, side.look(name)]

    whole.alike(rule)


def test_what_died_is_stopped_by_nova_in_nobodys_name(whole: Both) -> None:
    def rule(side: Side) -> list[Any]:
        side.crash("crashed")
        side.wait(lambda: side.look("crashed").vm_state == "stopped", 60)
        return [side.look("crashed"), side.actions("crashed")[-1]]

    look, action = whole.alike(rule)
    assert look.vm_state == "stopped"
    assert action == ("stop", False)


def test_what_was_stopped_and_runs_is_stopped_again(whole: Both) -> None:
    def rule(side: Side) -> list[Any]:
        side.stop("behind")
        side.wait(lambda: side.look("behind")[:2] == ("stopped", None), 60)
        side.sleep(5)
        side.run_behind("behind")
        side.wait(lambda: len(side.actions("behind")) > 1, 60)
        side.wait(lambda: side.look("behind").task is None, 60)
        side.sleep(2)
        return [side.look("behind"), side.actions("behind")]

    look, actions = whole.alike(rule)
    assert look.runs == ()
    assert actions[-1] == ("stop", False)


# -- it has no power, and counts as up ----------------------------------------------------------
def test_a_service_counts_as_up_for_its_time(lost: Both) -> None:
    """Meanwhile nothing is evacuated, and disabling it waits for an answer that never comes."""

    def rule(side: Side) -> list[Any]:
        seen: list[Any] = [side.evacuate("active"), side.service(HOME)]
        begun = side.now()
        last = begun - side.reported(HOME)
        seen.append(side.disable(HOME))
        took = side.now() - begun
        # What is shown as its last report is when its record was changed last, by whomever.
        seen.append(side.now() - side.reported(HOME) >= begun - 1)
        side.wait(lambda: side.service(HOME)[0] == "down", 120)
        late = side.now() - last - records.SERVICE_DOWN_TIME
        print(f"\ndisabling took {took:.1f} s; down {late:.1f} s after its time")
        begun = side.now()
        seen += [took > QUICK, -2 < late < QUICK, side.service(HOME), side.enable(HOME)]
        return [*seen, side.now() - begun < QUICK]

    lost.alike(rule)


def test_what_is_stopped_on_a_dead_host_stays_being_stopped(lost: Both) -> None:
    def rule(side: Side) -> list[Any]:
        seen: list[Any] = [side.stop("halted")]
        side.sleep(STAYS)
        look = side.look("halted")
        return [*seen, look.vm_state, look.task]

    assert lost.alike(rule) == [0, "active", "powering-off"]


def test_what_is_being_done_does_not_keep_it_from_being_evacuated(down: Both) -> None:
    def rule(side: Side) -> list[Any]:
        seen: list[Any] = [side.stop("moved"), side.look("moved").task]
        seen += [side.evacuate("moved"), side.look("moved").task == "powering-off"]
        return [*seen, ends("moved")(side), side.migrations("moved")]

    assert down.alike(rule)[:3] == [0, "powering-off", 0]


# -- it is forced down --------------------------------------------------------------------------
def test_forced_down_counts_as_down_at_once(down: Both) -> None:
    def rule(side: Side) -> list[Any]:
        seen: list[Any] = [side.force_down(FIRST, True), side.service(FIRST)]
        return [*seen, side.force_down(FIRST, False), side.service(FIRST)]

    assert down.alike(rule) == [0, ("down", "enabled"), 0, ("up", "enabled")]


@pytest.mark.parametrize("name", ["paused", "suspended"])
def test_which_states_are_not_evacuated(down: Both, name: str) -> None:
    assert down.alike(lambda side: side.evacuate(name)) == 409


@pytest.mark.parametrize("name", ["active", "stopped", "error", "locked"])
def test_which_states_are_evacuated_and_how_they_arrive(down: Both, name: str) -> None:
    def rule(side: Side) -> list[Any]:
        seen: list[Any] = [side.evacuate(name), side.look(name).task is None]
        return [*seen, ends(name)(side), side.migrations(name), side.actions(name)[-1]]

    status, idle, look, migrations, _ = down.alike(rule)
    assert (status, idle, migrations) == (0, False, ["done"])
    assert look.host == ELSEWHERE


def test_an_evacuation_to_a_named_host(down: Both) -> None:
    def rule(side: Side) -> list[Any]:
        return [side.evacuate("named", FIRST), ends("named")(side), side.migrations("named")]

    down.alike(rule)
    assert down.lab._show("named")["OS-EXT-SRV-ATTR:host"] == down.lab.machines[FIRST].fqdn
    assert down.model.world.guests["named"].host == FIRST


def test_no_valid_host_ends_in_an_error(down: Both) -> None:
    def rule(side: Side) -> list[Any]:
        for host in (FIRST, "second"):
            side.disable(host)
        status = side.evacuate("unplaceable")
        look = ends("unplaceable")(side)
        for host in (FIRST, "second"):
            side.enable(host)
        fault = side.fault("unplaceable").startswith(records.NO_VALID_HOST)
        return [status, look, fault, side.migrations("unplaceable")]

    status, look, fault, migrations = down.alike(rule)
    assert (status, look.vm_state, fault, migrations) == (0, "error", True, ["error"])


def test_a_task_that_is_reset_before_the_rebuild_has_begun(down: Both) -> None:
    def rule(side: Side) -> list[Any]:
        seen: list[Any] = [side.evacuate("early"), side.reset_state("early", "error")]
        side.wait(lambda: side.migrations("early")[-1] not in ("accepted", "pre-migrating"), 60)
        side.sleep(2)
        seen += [side.fault("early"), side.look("early"), side.migrations("early")]
        seen.append(side.reset_state("early", "error"))
        return [*seen, faults.BEFORE_START.findall(side.fault("early"))]

    hidden, *_, shown = down.alike(rule)[2:]
    assert (hidden, shown) == ("", ["rebuilding"]), "nothing is said of one that has such a task"


def test_a_task_that_is_reset_while_the_process_starts(down: Both) -> None:
    """The rebuild fails at its end, and its process runs on a host that is not the instance's."""

    def rule(side: Side) -> list[Any]:
        side.hold_spawns(True)
        seen: list[Any] = [side.evacuate("late", FIRST)]
        side.wait(lambda: side.look("late").task == records.SPAWNING, 60)
        seen.append(side.reset_state("late", "error"))
        side.hold_spawns(False)
        side.wait(lambda: side.migrations("late")[-1] not in ("accepted", "pre-migrating"), 90)
        side.sleep(2)
        seen.append(faults.BEFORE_START.findall(side.fault("late")))
        return [*seen, side.look("late"), side.migrations("late")]

    assert down.alike(rule)[2] == [records.SPAWNING]


def test_a_process_that_is_there_already_ends_a_rebuild(down: Both) -> None:
    """The one of the test before, which Nova knows nothing of."""

    def rule(side: Side) -> list[Any]:
        seen: list[Any] = [side.evacuate("late", FIRST)]
        side.wait(lambda: side.migrations("late")[-1] not in ("accepted", "pre-migrating"), 90)
        side.sleep(2)
        return [*seen, side.look("late"), side.migrations("late")]

    down.alike(rule)


def test_why_a_rebuild_has_failed_is_kept_with_its_action(down: Both) -> None:
    """The same; called active again, it shows no fault any more."""

    def rule(side: Side) -> list[Any]:
        fault = side.fault("late")
        status = side.reset_state("late", "active")
        why = side.why_failed("late")
        seen = [status, side.fault("late"), why[-1] == fault, "already exists" in fault]
        seen.append([faults.BEFORE_START.findall(text) for text in why])
        return [*seen, side.reset_state("late", "error")]

    _, hidden, kept, *_ = down.alike(rule)
    assert (hidden, kept) == ("", True)


def test_what_is_deleted_while_its_process_starts(down: Both) -> None:
    def rule(side: Side) -> list[Any]:
        side.hold_spawns(True)
        seen: list[Any] = [side.evacuate("deleted")]
        side.wait(lambda: side.look("deleted").task == records.SPAWNING, 60)
        # Its evacuation is shown no more, whatever comes of it.
        seen += [side.delete("deleted"), side.migrations("deleted")]
        side.hold_spawns(False)
        seen.append(side.wait(lambda: bool(side.runs("deleted")), 60))
        # It stays until a nova-compute looks for such: in the first minute, and each half hour.
        side.sleep(STAYS)
        return [*seen, side.migrations("deleted"), side.runs("deleted")]

    down.alike(rule)


def test_what_the_database_is_not_told_of_a_rebuild(down: Both) -> None:
    """The process is started, and the records stay as they were before."""

    def rule(side: Side) -> list[Any]:
        side.hold_spawns(True)
        seen: list[Any] = [side.evacuate("unwritten")]
        side.wait(lambda: side.look("unwritten").task == records.SPAWNING, 60)

        def go_on() -> None:
            side.hold_spawns(False)
            side.wait(lambda: bool(side.runs("unwritten")), 120)
            side.sleep(STAYS)

        side.lose_database(go_on)
        side.wait(lambda: side.service(FIRST)[0] == "up", 120)
        side.sleep(STAYS)
        return [*seen, side.look("unwritten"), side.migrations("unwritten")]

    down.alike(rule)


def test_what_is_asked_for_is_lost_with_the_broker(down: Both) -> None:
    def rule(side: Side) -> list[Any]:
        seen: list[Any] = [side.lose_messages(lambda: side.evacuate("lost"))]
        side.wait(lambda: side.service(FIRST)[0] == "up", 120)
        side.sleep(STAYS)
        return [*seen, side.look("lost"), side.migrations("lost")]

    status, look, migrations = down.alike(rule)
    assert (status, look.task, migrations) == (0, "rebuilding", ["accepted"])


def test_forced_down_is_not_cleared_before_evacuations_are_cleaned_up(down: Both) -> None:
    assert down.alike(lambda side: side.force_down(HOME, False)) == 400


# -- it has booted ------------------------------------------------------------------------------
def test_what_was_evacuated_is_cleaned_up_when_nova_compute_starts(back: Both) -> None:
    def rule(side: Side) -> list[Any]:
        return [side.migrations("active"), side.migrations("lost"), side.force_down(HOME, False)]

    # One that was lost is taken for one that was done.
    assert back.alike(rule) == [["completed"], ["completed"], 0]


@pytest.mark.parametrize("name", ["left", "paused", "suspended"])
def test_what_was_left_behind_after_the_boot(back: Both, name: str) -> None:
    """Nova stops what ran, though nobody asked for it."""

    def rule(side: Side) -> list[Any]:
        side.wait(lambda: side.look(name)[:2] == ("stopped", None), SYNC)
        return [side.look(name), side.actions(name)]

    back.alike(rule)


def test_what_was_being_stopped_is_stopped_when_nova_compute_starts(back: Both) -> None:
    def rule(side: Side) -> Look:
        side.wait(lambda: side.look("halted").task is None, 60)
        return side.look("halted")

    back.alike(rule)


def test_a_rebuild_that_was_lost_stays(back: Both) -> None:
    back.alike(lambda side: side.look("lost"))


def test_what_ran_is_started_where_that_is_configured(back: Both) -> None:
    """Not what was stopped, and not what is stopped meanwhile."""

    def rule(side: Side) -> list[Any]:
        side.resume_guests(True)
        side.wait(lambda: side.look("resumed").task is None, 30)
        side.start("resumed")
        side.wait(lambda: side.look("resumed")[:2] == ("active", None), 60)
        side.lose(HOME)
        status = side.stop("left")
        side.power_on(HOME)
        side.wait(lambda: bool(side.look("resumed").runs), 60)
        seen = [status, side.look("resumed"), side.look("halted"), side.look("left")]
        side.resume_guests(False)
        return seen

    assert back.alike(rule)[1].runs == (HOME,)


def test_a_rebuild_that_was_lost_is_an_error_once_its_host_starts_again(back: Both) -> None:
    """At the first start it was cleaned up; at this one it is one that failed."""
    assert back.alike(lambda side: side.look("lost")[:2]) == ("error", None)


def test_what_is_being_started_is_started_when_nova_compute_starts(back: Both) -> None:
    """By itself, and once more, as it was asked for."""

    def rule(side: Side) -> list[Any]:
        side.wait(lambda: side.look("asked")[:2] == ("stopped", None), 30)
        side.lose(HOME)
        seen: list[Any] = [side.start("asked"), side.look("asked").task]
        side.power_on(HOME)
        side.wait(lambda: side.look("asked").task is None, 60)
        seen.append(side.look("asked"))
        side.wait(lambda: len(side.begun("asked")) > 1, 60)
        return [*seen, side.begun("asked")]

    assert back.alike(rule)[-1] == ["compute_start_instance"] * 2
