"""What can break, each kind with a name: what a round of the campaign is made of.

`LOSSES` take a hypervisor away, which has to be fenced then. `HARMLESS` must not cost anybody
anything. `COMPANIONS` break something else while a hypervisor is recovered, and mend it again.
"""

from __future__ import annotations

import contextlib
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from jujulab.cloud.connection import CloudError
from jujulab.cloud.console import StepError, first_machine
from jujulab.errors import LabError
from jujulab.machines.lab import Machine
from jujulab.trials.failover import Failover
from jujulab.trials.trial import Trial
from jujulab.waiting import poll

ENGINE, API, NOTIFIER = "masakari-engine", "masakari-api", "masakari_fencing.notifier"

HICCUP = 3.0
"""Seconds: less than remote-monitor-timeout, which is 4."""

FLAP = 2.0
"""Seconds: a TCP connection sends again after at most twice this long."""

AWAY = 12.0
"""Seconds for which a service is away."""


# A hypervisor is lost


def power_cut(trial: Trial, machine: Machine) -> None:
    trial.faults.power_off(machine)


def cut_management(trial: Trial, machine: Machine) -> None:
    trial.faults.cut(machine, "internal")


def cut_everything(trial: Trial, machine: Machine) -> None:
    trial.faults.cut(machine)


def freeze(trial: Trial, machine: Machine) -> None:
    trial.faults.freeze(machine)


def end_remote(trial: Trial, machine: Machine) -> None:
    """As the field's functional tests lose one: its daemons are gone, its guests run on."""
    trial.faults.service(machine, "stop", "nova-compute")
    trial.faults.kill_for_good(machine, "pacemaker_remote")


# Nothing is lost


def kill_remote(trial: Trial, machine: Machine) -> None:
    """Its machine starts it again; meanwhile Pacemaker has lost it."""
    trial.faults.kill(machine, "^/usr/sbin/pacemaker.remoted")


def freeze_briefly(trial: Trial, machine: Machine) -> None:
    for _ in range(2):
        trial.faults.freeze(machine)
        time.sleep(HICCUP)
        trial.faults.thaw(machine)
        time.sleep(2 * HICCUP)


def flap(trial: Trial, machine: Machine) -> None:
    for _ in range(3):
        trial.faults.cut(machine)
        time.sleep(FLAP)
        trial.faults.restore(machine)
        time.sleep(3 * FLAP)


def cut_storage(trial: Trial, machine: Machine) -> None:
    """Pacemaker sees a healthy host; without a monitor of the storage network nobody knows."""
    trial.faults.cut(machine, "storage")


def stop_remote(trial: Trial, machine: Machine) -> None:
    trial.repair(trial.faults.service, machine, "start", "pacemaker_remote")
    trial.faults.service(machine, "stop", "pacemaker_remote")


def restart_remote(trial: Trial, machine: Machine) -> None:
    trial.faults.service(machine, "restart", "pacemaker_remote")


def upgrade_remote(trial: Trial, machine: Machine) -> None:
    """Install the package again, whose scripts stop and start the daemon as an upgrade's do."""
    install = ["apt-get", "-q", "-y", "install", "--reinstall", "pacemaker-remote"]
    machine.run(install, env={"DEBIAN_FRONTEND": "noninteractive"}, timeout=180)


def restart_compute(trial: Trial, machine: Machine) -> None:
    trial.faults.service(machine, "restart", "nova-compute")


def kill_monitors(trial: Trial, machine: Machine) -> None:
    _kill(trial, machine, "/usr/bin/masakari-.*monitor")


def kill_the_guest(trial: Failover, machine: Machine) -> None:
    """Kill the QEMU of a guest that is to be started again then."""
    trial.kill_guest(machine.fqdn)


# Something else breaks meanwhile; each kind is called in a thread of its own

OWN_SERVICES = "masakari"
"""What is stopped or started on masakari's units, by systemd or by their charm."""

_BUSY: dict[str, threading.Lock] = {}


def _alone(what: str) -> threading.Lock:
    """Return the lock of whoever stops or starts something.

    A second job of systemd for one service would cancel the first.
    """
    return _BUSY.setdefault(what, threading.Lock())


@dataclass(frozen=True)
class Situation:
    """What a companion has to know.

    Attributes:
        trial: the trial.
        lost: the hypervisors that are lost.
        chance: decides what is left to it, the same way each time.
    """

    trial: Failover
    lost: tuple[str, ...]
    chance: random.Random

    def members(self) -> list[Machine]:
        """Return the machines of the cluster's members that did not go with a hypervisor."""
        gone = {child for host in self.lost for child in self.trial.machine(host).children}
        return [member for member in self.trial.cluster.members if member.id not in gone]

    def member(self) -> Machine:
        """Return one of them, by chance."""
        return self.chance.choice(self.members())

    def machine_of(self, application: str) -> Machine:
        """Return the machine of an application's first unit."""
        return self.trial.lab.machine(first_machine(self.trial.demo.console.status(), application))


def _kill(trial: Trial, machine: Machine, pattern: str, number: int = signal.SIGKILL) -> None:
    """Send a signal to processes, once there are any: the last fault may have killed them."""

    def killed() -> bool:
        try:
            trial.faults.kill(machine, pattern, number)
        except LabError:
            return False
        return True

    poll(killed, AWAY, 0.5)


@contextlib.contextmanager
def _stalled(trial: Trial, machine: Machine, pattern: str) -> Iterator[None]:
    _kill(trial, machine, pattern, signal.SIGSTOP)
    try:
        yield
    finally:
        _kill(trial, machine, pattern, signal.SIGCONT)


@contextlib.contextmanager
def _away(trial: Trial, machine: Machine, service: str) -> Iterator[None]:
    with _alone(service):
        trial.faults.service(machine, "stop", service)
        try:
            yield
        finally:
            trial.faults.service(machine, "start", service)


def _restart(trial: Trial, machine: Machine, service: str) -> None:
    with _alone(service):
        trial.faults.service(machine, "restart", service)


def kill_engines(situation: Situation) -> None:
    """Kill every masakari-engine, whichever of them works on the recovery."""
    for member in situation.members():
        _kill(situation.trial, member, ENGINE)


def kill_an_engine(situation: Situation) -> None:
    _kill(situation.trial, situation.member(), ENGINE)


def stall_an_engine(situation: Situation) -> None:
    """One that goes on later finds that others have gone on without it."""
    with _stalled(situation.trial, situation.member(), ENGINE):
        time.sleep(situation.chance.uniform(5, 40))


def restart_engines(situation: Situation) -> None:
    with _alone(OWN_SERVICES):
        for member in situation.members():
            if member.run(["systemctl", "is-active", ENGINE], check=False).returncode:
                continue  # a paused unit's
            # Whoever kills it just then keeps systemd from starting it; it does so by itself.
            with contextlib.suppress(LabError):
                situation.trial.faults.service(member, "restart", ENGINE)


def kill_notifiers(situation: Situation) -> None:
    for member in situation.members():
        _kill(situation.trial, member, NOTIFIER)


def stall_a_notifier(situation: Situation) -> None:
    with _stalled(situation.trial, situation.member(), NOTIFIER):
        time.sleep(situation.chance.uniform(5, 30))


def lose_the_api(situation: Situation) -> None:
    with _alone(OWN_SERVICES), contextlib.ExitStack() as away:
        for member in situation.members():
            if member.run(["systemctl", "is-active", API], check=False).returncode:
                continue  # a paused unit's
            away.callback(situation.trial.faults.give_back, member, API)
            situation.trial.faults.take_away(member, API)
        time.sleep(AWAY)


def restart_broker(situation: Situation) -> None:
    machine = situation.machine_of("rabbitmq-server")
    _restart(situation.trial, machine, "rabbitmq-server")


def restart_database(situation: Situation) -> None:
    _restart(situation.trial, situation.trial.demo.database(), "mariadb")


def lose_database(situation: Situation) -> None:
    with _away(situation.trial, situation.trial.demo.database(), "mariadb"):
        time.sleep(AWAY)


def restart_nova_api(situation: Situation) -> None:
    machine = situation.machine_of("nova-cloud-controller")
    _restart(situation.trial, machine, "nova-api")


def lose_the_scheduler(situation: Situation) -> None:
    with _away(situation.trial, situation.machine_of("nova-cloud-controller"), "nova-scheduler"):
        time.sleep(AWAY)


def restart_conductor(situation: Situation) -> None:
    machine = situation.machine_of("nova-cloud-controller")
    _restart(situation.trial, machine, "nova-conductor")


def restart_keystone(situation: Situation) -> None:
    _restart(situation.trial, situation.machine_of("keystone"), "keystone")


def lose_the_power_controller(situation: Situation) -> None:
    situation.trial.faults.maas_outage(True)
    time.sleep(AWAY)
    situation.trial.faults.maas_outage(False)


def kill_haproxy(situation: Situation) -> None:
    _kill(situation.trial, situation.member(), "haproxy")


def kill_the_cluster_controller(situation: Situation) -> None:
    _kill(situation.trial, situation.member(), "pacemaker-controld")


def report_it_again(situation: Situation) -> None:
    """A monitor that is late, or an operator who is in a hurry, reports the same failure."""
    now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    report = {
        "type": "COMPUTE_HOST",
        "hostname": situation.chance.choice(situation.lost),
        "generated_time": now,
        "payload": {"event": "STOPPED", "host_status": "UNKNOWN", "cluster_status": "OFFLINE"},
    }
    # It may be refused: the failure is known already.
    with contextlib.suppress(CloudError):
        situation.trial.cloud.post("instance-ha", "/notifications", {"notification": report})


def return_it_early(situation: Situation) -> None:
    """An operator who does not wait for the recovery's end; the action may refuse."""
    host = situation.chance.choice(situation.lost)
    with contextlib.suppress(StepError):
        situation.trial.action("return-host", f"host={host}")


def pause_a_unit(situation: Situation) -> None:
    console, member = situation.trial.demo.console, situation.member()
    units = console.status()["applications"]["masakari"]["units"]
    machines = {name: situation.trial.lab.machine(str(u["machine"])) for name, u in units.items()}
    (name,) = (name for name, machine in machines.items() if machine.id == member.id)
    situation.trial.repair(console.run_action, name, "resume")
    with _alone(OWN_SERVICES):
        console.run_action(name, "pause")


def delete_a_guest(situation: Situation) -> None:
    """Its owner deletes it while it is being recovered."""
    victims = sorted(situation.trial.victims(situation.lost))
    situation.trial.forget(situation.chance.choice(victims[1:]))


LOSSES = (power_cut, cut_management, cut_everything, freeze)
HARMLESS = (
    kill_remote, freeze_briefly, flap, cut_storage, restart_remote, stop_remote, upgrade_remote,
    restart_compute, kill_monitors,
)  # fmt: skip
COMPANIONS = (
    kill_engines, kill_an_engine, stall_an_engine, restart_engines, kill_notifiers,
    stall_a_notifier, lose_the_api, restart_broker, restart_database, lose_database,
    restart_nova_api, lose_the_scheduler, restart_conductor, restart_keystone,
    lose_the_power_controller, kill_haproxy, kill_the_cluster_controller, report_it_again,
    return_it_early, pause_a_unit, delete_a_guest,
)  # fmt: skip

BY_NAME: dict[str, Callable[..., None]] = {
    fault.__name__: fault for fault in (*LOSSES, *HARMLESS, kill_the_guest, *COMPANIONS)
}
"""Every kind by its name."""
