"""A hypervisor fails in one of many ways: it is fenced, and its guests come up elsewhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

import pytest
from jujulab.cloud.console import first_machine
from jujulab.machines.lab import Machine
from jujulab.trials.trial import Trial
from jujulab.waiting import poll
from kinds import cut_everything, cut_management, end_remote, freeze

COMES_BACK = 120.0
"""Seconds in which a fenced hypervisor has booted again: 20 of them are its firmware's."""

STAYS_DOWN = 20.0
"""Seconds after its boot in which a hypervisor would start guests that it takes for its own."""

FULL = 300.0
"""Seconds after which the kernel takes nothing more for a member that is gone, and a bit."""


def carrier(trial: Trial, role: str) -> str:
    """Return a hypervisor whose machine carries the member with a role in the cluster."""
    if role == "watcher":
        return watched_at_home(trial)
    roles: dict[str, Callable[[], Machine]] = {
        "controller": trial.cluster.controller,
        "address": trial.cluster.address_holder,
        "leader": trial.cluster.leader,
    }
    member = roles[role]()
    return trial.lab.machine(str(member.parent)).fqdn


def watched_at_home(trial: Trial) -> str:
    """Have the member on a hypervisor's own machine watch it, which the charm avoids."""
    member = trial.cluster.members[0]
    host = trial.lab.machine(str(member.parent)).fqdn
    crm_resource = ["crm_resource", "--resource", host]
    member.run([*crm_resource, "--move", "--node", member.hostname], timeout=60)

    def cleared() -> bool:
        # The member may be what was lost.
        able = trial.cluster.answering()
        clear = [*crm_resource, "--clear"]
        return able is not None and able.run(clear, timeout=60, check=False).returncode == 0

    trial.repair(lambda: poll(cleared, 60, 1))
    moved = poll(lambda: trial.cluster.watcher(host).id == member.id, 60, 1)
    assert moved, f"{host} is watched by {trial.cluster.watcher(host).hostname}"
    trial.settle()
    return host


@pytest.mark.parametrize("role", ["plain", "watcher", "controller", "address", "leader"])
def test_power_cut(trial: Trial, plain: str, role: str) -> None:
    host = plain if role == "plain" else carrier(trial, role)
    machine = trial.machine(host)
    trial.populate(host)
    with trial.watched(f"power cut ({role}): {host} {' '.join(machine.children)}"):
        trial.faults.power_off(machine)
        trial.await_recovery(host)
    trial.verify(host)


def test_one_that_is_kept_off_is_switched_on_where_its_member_is_needed(trial: Trial) -> None:
    """Another that carries a member dies meanwhile, and there is no quorum."""
    first, second = (str(member.parent) for member in trial.cluster.members[:2])
    machines = [trial.lab.machine(first), trial.lab.machine(second)]
    held, dead = (machine.fqdn for machine in machines)
    trial.populate(held)
    scheduler = trial.lab.machine(
        first_machine(trial.demo.console.status(), "nova-cloud-controller")
    )
    begun = time.time()

    def fences() -> int:
        return [node for node, _ in trial.cluster.fences(begun)].count(held)

    trial.repair(trial.faults.service, scheduler, "start", "nova-scheduler")
    with trial.watched(f"{held} boots before its guests are evacuated, then {dead} dies"):
        trial.faults.service(scheduler, "stop", "nova-scheduler")
        trial.faults.power_off(machines[0])
        assert poll(lambda: fences() > 1, 400, 1), f"{held} is not fenced again"
        assert machines[0].state == "off"
        trial.faults.power_off(machines[1])
        trial.faults.service(scheduler, "start", "nova-scheduler")
        assert poll(lambda: machines[0].state == "on", 240, 1), f"{held} stays off"
        trial.await_recovery(held)
    trial.verify(held, dead)


def test_the_unit_whose_engine_recovers_is_paused(trial: Trial, plain: str) -> None:
    """Another takes the recovery, long before the unit is resumed."""
    console, machine = trial.demo.console, trial.machine(plain)
    scheduler = trial.lab.machine(first_machine(console.status(), "nova-cloud-controller"))
    trial.populate(plain)

    def engine() -> str:
        # The record of an earlier recovery names who has ended that.
        return recorded(trial, plain, "-engine") if recorded(trial, plain) != earlier else ""

    earlier = recorded(trial, plain)
    trial.repair(trial.faults.service, scheduler, "start", "nova-scheduler")
    with trial.watched(f"power cut: {plain}, then the unit is paused that recovers it"):
        trial.faults.service(scheduler, "stop", "nova-scheduler")
        trial.faults.power_off(machine)
        assert poll(lambda: bool(engine()), 60, 0.5), "nobody recovers it"
        first = engine()
        pause(trial, first.partition(".")[0])
        assert poll(lambda: engine() not in ("", first), 30, 0.5), "nobody else takes it"
        trial.faults.service(scheduler, "start", "nova-scheduler")
        trial.await_recovery(plain)
    trial.verify(plain)


def recorded(trial: Trial, node: str, what: str = "") -> str:
    """Return what the cluster records of a host's recovery: its notification, or what is asked."""
    name = f"masakari-fencing-recovery-{node}{what}"
    argv = ["cibadmin", "--query", "--xpath", f"//nvpair[@name='{name}']"]
    reply = trial.cluster.members[0].run(argv, check=False)
    return "" if reply.returncode else reply.stdout.partition('value="')[2].partition('"')[0]


def test_what_is_recorded_while_a_member_is_cut_off_stays(trial: Trial, plain: str) -> None:
    """Hooks go on there, and clean up, each of which counts as a change of its copy."""
    earlier, member = recorded(trial, plain), trial.cluster.members[-1]
    trial.populate(plain)
    with trial.watched(f"power cut: {plain}, while {member.hostname} is cut off"):
        trial.repair(trial.faults.restore, member)
        trial.faults.cut(member, "internal")
        alone = ["cibadmin", "--query", "--xpath", "/cib[@have-quorum='0'][@dc-uuid]"]
        assert poll(lambda: not member.run(alone, check=False).returncode, 60, 1)
        trial.faults.power_off(trial.machine(plain))
        trial.await_recovery(plain)
        # What Pacemaker itself writes with each cleanup of something that has failed.
        argv = ["crm_attribute", "--type=crm_config", "--name=last-lrm-refresh"]
        for number in range(20):
            member.run([*argv, f"--update={number}"], timeout=60)
        trial.faults.restore(member)
        trial.settle()
        assert recorded(trial, plain) not in ("", earlier), "the recovery's record is undone"
    trial.verify(plain)


def test_the_controllers_unit_is_paused(trial: Trial, plain: str) -> None:
    """Pacemaker gives up there; who sees to it is the next member."""
    trial.populate(plain)
    with trial.watched(f"{plain} isolated, the controller's unit paused, no fencing for 60 s"):
        trial.repair(trial.faults.maas_forget)
        trial.faults.maas_forget(trial.machine(plain).hostname)
        pause(trial, trial.cluster.controller().hostname)
        trial.faults.cut(trial.machine(plain))
        trial.await_nothing(60.0)
        trial.faults.maas_forget()
        trial.await_recovery(plain)
    trial.verify(plain)


def pause(trial: Trial, hostname: str) -> None:
    """Have the unit on a machine paused, until the end of the test."""
    console = trial.demo.console
    units = console.status()["applications"]["masakari"]["units"]
    homes = {trial.lab.machine(str(u["machine"])).hostname: name for name, u in units.items()}
    trial.repair(console.run_action, homes[hostname], "resume")
    console.run_action(homes[hostname], "pause")


@contextlib.contextmanager
def half_a_message(watched: Machine, member: Machine) -> Iterator[None]:
    """Let only the first half of a message from a member arrive; enter when it has.

    A message is two segments, and only the first is short.
    """
    rule = ["-p", "tcp", "--dport", "3121", "-s", str(member.addresses["internal"].ip)]
    rule += ["-m", "length", "--length", "160:65535", "-j", "DROP"]
    watched.run(["iptables", "-I", "INPUT", *rule])

    def dropped() -> bool:
        reply = watched.run(["iptables", "-nvxL", "INPUT", "1"])
        return int(reply.stdout.split()[0]) > 0

    try:
        assert poll(dropped, 10, 0.1), "no message was sent"
        yield
    finally:
        watched.run(["iptables", "-D", "INPUT", *rule])


def test_a_member_that_dies_in_the_middle_of_a_message(trial: Trial, plain: str) -> None:
    """The daemon that it was talking to must not cost its own, healthy host the power."""
    member = trial.cluster.watcher(plain)
    home = trial.lab.machine(str(member.parent))
    trial.populate(home.fqdn)
    with trial.watched(f"{home.fqdn} dies, its member in the middle of a message to {plain}"):
        with half_a_message(trial.machine(plain), member):
            trial.faults.power_off(home)
        trial.await_recovery(home.fqdn)
        trial.settle()
    trial.verify(home.fqdn)


def test_a_member_that_stays_away(trial: Trial, plain: str) -> None:
    """What its daemon would still tell the dead member must not cost a healthy host the power.

    The daemon tells every member that is connected of every look at it. Where the kernel takes no
    more for one that does not answer, it waits, and answers the others no longer: after three or
    four minutes of looks each second.
    """
    member = trial.cluster.watcher(plain)
    home = trial.lab.machine(str(member.parent))
    trial.populate(home.fqdn)
    with trial.watched(f"{home.fqdn} is cut off for good, and its member watched {plain}"):
        cut_everything(trial, home)
        trial.await_recovery(home.fqdn)
        time.sleep(FULL)
    trial.verify(home.fqdn)


@pytest.mark.parametrize("fault", [cut_management, cut_everything, freeze, end_remote])
def test_a_host_that_runs_on_is_fenced_before_its_guests_move(
    trial: Trial, host: str, fault: Callable[[Trial, Machine], None]
) -> None:
    trial.populate(host)
    with trial.watched(f"{fault.__name__}: {host}"):
        fault(trial, trial.machine(host))
        trial.await_recovery(host)
    trial.verify(host)


def test_a_frozen_host_that_thaws_before_it_can_be_fenced(trial: Trial, plain: str) -> None:
    """Its guests run on, unaware of the time that has passed: it is taken back, unfenced."""
    trial.populate(plain)
    trial.repair(trial.faults.maas_outage, False)
    with trial.watched(f"{plain} frozen while MAAS is away, thawed, MAAS back"):
        trial.faults.maas_outage(True)
        trial.faults.freeze(trial.machine(plain))
        trial.await_event("fence-failed")
        trial.faults.thaw(trial.machine(plain))
        trial.await_nothing()
        trial.faults.maas_outage(False)
        trial.await_nothing()
    trial.verify()


@pytest.mark.parametrize("isolated", [False, True], ids=["connected", "isolated"])
def test_a_host_that_came_back_does_not_start_its_former_guests(
    trial: Trial, plain: str, isolated: bool
) -> None:
    machine = trial.machine(plain)
    trial.populate(plain)
    with trial.watched(f"{plain} is lost, fenced, and comes back"):
        first_boot = machine.boot_id
        if isolated:
            trial.faults.cut(machine)
        else:
            freeze(trial, machine)
        trial.await_recovery(plain)
        back = poll(lambda: machine.boot_id not in (None, first_boot), COMES_BACK, 0.5)
        assert back, f"{plain} has not booted again"
        if not isolated:  # without its networks, nova-compute does not come up
            machine.wait_booted(COMES_BACK)
        trial.await_no_process(plain, STAYS_DOWN)
        trial.faults.restore(machine)
        trial.await_no_process(plain, STAYS_DOWN)
        trial.demo.restore()
        trial.await_no_process(plain, STAYS_DOWN)
    trial.verify(plain)
