"""The simulation's Nova as a side of the suite."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

from masakari_fencing.openstack import faults
from novaclient import exceptions
from sides import ELSEWHERE, FIRST, HOME, SECOND, Look, Rule
from simulation.core import kernel
from simulation.core.kernel import Kernel, Process
from simulation.models.nova.client import Client
from simulation.models.nova.nova import Nova
from simulation.models.nova.records import Service
from simulation.world import Guest, Hypervisor, Unit, World

HOSTS = (HOME, FIRST, SECOND)

POWER = {"stopped": 4, "error": 1, "paused": 3, "suspended": 4}
"""Nova's number of the state that an instance's process is in."""


class NoFaults:
    """Nothing goes wrong on its own."""

    def strike(self, *_: Any) -> tuple[None, None]:
        return None, None


class Stage:
    """A world in virtual time in which functions are run as one of its processes.

    Args:
        seed: of its random choices.
    """

    def __init__(self, seed: int = 1) -> None:
        self.kernel = Kernel(seed)
        self.kernel.faults = NoFaults()
        self.world = World(self.kernel)
        # Only what happens is of interest here, not whether it should have.
        self.world._judge_fence = lambda *_: None  # type: ignore[method-assign]

    def run(self, function: Callable[[], Any], unit: Unit | None = None) -> Any:
        """Run a function to its end, however long it takes in virtual time.

        Raises:
            RuntimeError: it has not come to an end.
        """
        ended: list[tuple[Any, BaseException | None]] = []

        def body() -> None:
            try:
                ended.append((function(), None))
            except Exception as error:  # handed over to the test
                ended.append((None, error))
            self.kernel.over = True

        before, kernel.ACTIVE = kernel.ACTIVE, self.kernel
        try:
            self.kernel.over = False
            self.kernel.spawn(Process(self.kernel, "test", unit or Unit("test")), body)
            self.kernel.run(self.kernel.now + 86400)
        finally:
            kernel.ACTIVE = before
        if not ended:
            raise RuntimeError("the rule waits for ever in the model")
        [(result, error)] = ended
        if error is not None:
            raise error
        return result

    def add_host(self, name: str) -> Hypervisor:
        """Add a hypervisor that works."""
        host = Hypervisor(name, name, service=self.kernel.now)
        self.world.hosts[name] = host
        return host


class ModelSide:
    """`sides.Side` by the model."""

    def __init__(self) -> None:
        self.stage = Stage()
        self.kernel, self.world = self.stage.kernel, self.stage.world
        connections = SimpleNamespace(look_at=lambda name: None)
        self.world.cluster = SimpleNamespace(connections=connections)
        owners = SimpleNamespace(instead=lambda host: "")
        self.world.commands = SimpleNamespace(owners=owners)
        self.nova = self.world.nova = Nova(self.world, self.kernel)
        self.nova.evacuations._judge = lambda guest: None  # type: ignore[method-assign]
        # Its messages are lost with the broker, which is restarted while nobody takes them.
        self.nova.held = 0.0
        self.client = Client(self.nova)
        for name in HOSTS:
            self.stage.add_host(name)
            self.nova.services[name] = Service(name, name)
        self._held: list[Hypervisor] = []

    def do(self, rule: Rule) -> Any:
        """Have the model do what a rule says."""
        return self.stage.run(lambda: rule(self))

    def boot(self, names: list[str]) -> None:
        for name in names:
            self.world.guests[name] = Guest(name, HOME)
            self.world.hosts[HOME].qemu.add(name)

    def half_boot(self, name: str) -> None:
        self.world.guests[name] = Guest(name, HOME, "error", power_state=0, launched=False)

    def prepare(self, name: str, state: str) -> None:
        guest = self.world.guests[name]
        if state == "locked":
            self.lock(name)
            return
        guest.vm_state, guest.power_state = state, POWER[state]
        if state in ("stopped", "suspended"):
            self.world.hosts[HOME].qemu.discard(name)

    def look(self, name: str) -> Look:
        server = vars(self.client.servers.get(name))
        return Look(
            server["OS-EXT-STS:vm_state"],
            server["OS-EXT-STS:task_state"],
            server["OS-EXT-STS:power_state"],
            _where(server["OS-EXT-SRV-ATTR:host"]),
            self.runs(name),
        )

    def fault(self, name: str) -> str:
        return str(self.client.servers.get(name).fault.get("message", ""))

    def actions(self, name: str) -> list[tuple[str, bool]]:
        done = self.client.instance_action.list(name)
        return [(action.action, action.user_id is not None) for action in done]

    def begun(self, name: str) -> list[str]:
        starts = [a for a in self.client.instance_action.list(name) if a.action == "start"]
        action = self.client.instance_action.get(name, starts[-1].request_id)
        return [event["event"] for event in action.events]

    def why_failed(self, name: str) -> list[str]:
        actions = self.client.instance_action
        done = [a.request_id for a in actions.list(name) if a.action == faults.ACTION]
        events = [event for one in done for event in actions.get(name, one).events]
        return [e["details"] for e in events if e["event"] == faults.EVENT and "details" in e]

    def migrations(self, name: str) -> list[str]:
        return [m.status for m in self.client.migrations.list(instance_uuid=name)]

    def records(self, name: str) -> list[tuple[str, str | None, str | None]]:
        found = self.client.migrations.list(instance_uuid=name)
        return [(m.status, m.source_compute, m.dest_compute) for m in found]

    def _status(self, do: Callable[[], Any]) -> int:
        try:
            do()
        except exceptions.ClientException as error:
            return int(error.code)
        return 0

    def evacuate(self, name: str, target: str | None = None) -> int:
        return self._status(lambda: self.client.servers.evacuate(name, host=target))

    def stop(self, name: str) -> int:
        return self._status(lambda: self.client.servers.stop(name))

    def start(self, name: str) -> int:
        return self._status(lambda: self.client.servers.start(name))

    def lock(self, name: str) -> int:
        return self._status(lambda: self.client.servers.lock(name))

    def unlock(self, name: str) -> int:
        return self._status(lambda: self.client.servers.unlock(name))

    def reboot(self, name: str) -> int:
        return self._status(lambda: self.nova.requests.reboot(name))

    def reset_state(self, name: str, state: str) -> int:
        return self._status(lambda: self.client.servers.reset_state(name, state))

    def delete(self, name: str) -> int:
        del self.world.guests[name]
        return 0

    def service(self, host: str) -> tuple[str, str]:
        [found] = self.client.services.list(host=host)
        return found.state, found.status

    def reported(self, host: str) -> float:
        [found] = self.client.services.list(host=host)
        shown = datetime.fromisoformat(found.updated_at).replace(tzinfo=timezone.utc)
        return self.kernel.now - shown.timestamp()

    def force_down(self, host: str, forced: bool) -> int:
        return self._status(lambda: self.client.services.force_down(host, forced))

    def disable(self, host: str) -> int:
        return self._status(lambda: self.client.services.disable(host))

    def enable(self, host: str) -> int:
        return self._status(lambda: self.client.services.enable(host))

    def lose(self, host: str) -> None:
        self.world.power_off(self.world.hosts[host])

    def power_on(self, host: str) -> None:
        self.world.power_on(self.world.hosts[host])
        self.wait(lambda: self.world.hosts[host].compute, 300)
        self.sleep(10)

    def stop_compute(self, host: str) -> None:
        machine = self.world.hosts[host]
        machine.last_seen, machine.compute = self.nova.seen(machine), False

    def start_compute(self, host: str) -> None:
        self.world.start_compute(self.world.hosts[host])
        self.sleep(10)

    def crash(self, name: str) -> None:
        self.nova.computes.crash_guest(self.world.guests[name])

    def run_behind(self, name: str) -> None:
        host = self.world.hosts[HOME]
        self.world.run_guest(host, name)
        self.nova.computes.lifecycle(self.world.guests[name])

    def hold_spawns(self, held: bool) -> None:
        # In the model a spawn is as long as a rebuild: what is done meanwhile, is done in time.
        self.nova.rebuild_time = (60.0, 60.0) if held else (2.0, 8.0)

    def lose_messages(self, do: Callable[[], int]) -> int:
        self.nova.broker_away = True
        try:
            return do()
        finally:
            self.nova.broker_away = False

    def lose_request(self, do: Callable[[], int]) -> int:
        return self.lose_messages(do)

    def stop_scheduler(self, stopped: bool) -> None:
        self.nova.scheduler_gone = self.kernel.now if stopped else 0.0

    def slow_scheduler(self, slow: bool) -> None:
        # In the model it is as slow as it was when it was asked.
        self.nova.schedule_time = (80.0, 81.0) if slow else (0.2, 1.0)

    def ignore_locks(self, host: str) -> None:
        """The model's storage knows no locks."""

    def lose_database(self, do: Callable[[], None]) -> None:
        self.nova.database_away = True
        try:
            do()
        finally:
            self.nova.database_away = False

    def runs(self, name: str) -> tuple[str, ...]:
        return tuple(_where(host.name) for host in self.world.hosts.values() if name in host.qemu)

    def resume_guests(self, resumed: bool) -> None:
        self.world.resume_guests = resumed

    def now(self) -> float:
        return self.kernel.now

    def wait(self, reached: Callable[[], bool], seconds: float) -> bool:
        end = self.kernel.now + seconds
        while not reached():
            if self.kernel.now > end:
                return False
            self.kernel.sleep(0.25)
        return True

    def sleep(self, seconds: float) -> None:
        self.kernel.sleep(seconds)


def _where(host: str) -> str:
    return HOME if host == HOME else ELSEWHERE
