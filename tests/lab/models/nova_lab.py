"""The lab's Nova as a side of the suite."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime, timezone
from typing import Any

from jujulab.cloud.connection import CloudError
from jujulab.cloud.guests import IMAGE, Guests
from jujulab.files import LAB
from jujulab.machines.lab import Machine
from jujulab.trials.deployment import Deployment
from jujulab.trials.faults import Faults
from jujulab.waiting import poll
from masakari_fencing.openstack import faults
from sides import ELSEWHERE, FIRST, HOME, SECOND, Look, Rule

PREFIX = "model-"
VERSION = "2.53"
"""The microversion of Masakari's requests."""

SHOWN = "2.79"
"""The one with which instances are shown: it has everything."""

QEMU = "/usr/bin/qemu-system-x86_64"
HOLD = "/run/model-hold"
HELD = f"""\
#!/bin/sh
case "$*" in *guest=*) while [ -e {HOLD} ]; do sleep 0.2; done;; esac
exec "$0.real" "$@"
"""

PREPARED = {
    "stopped": ("os-stop", None),
    "error": ("os-resetState", {"state": "error"}),
    "paused": ("pause", None),
    "suspended": ("suspend", None),
}


class LabCloud:
    """The lab's hypervisors, and what Nova says of them.

    Args:
        cloud: the deployment, without this project's overlay: nothing else recovers anything.
    """

    def __init__(self, cloud: Deployment) -> None:
        self.deployment = cloud
        self.cloud = cloud.cloud
        self.faults = Faults(cloud.lab)
        self.guests = Guests(cloud.lab, self.cloud)
        machines = sorted(cloud.hypervisors(), key=lambda machine: machine.fqdn)
        self.machines = dict(zip((HOME, FIRST, SECOND), machines, strict=True))
        self._names = {machine.fqdn: role for role, machine in self.machines.items()}
        self._servers: dict[str, str] = {}
        self._domains: dict[str, str] = {}
        self.repairs = ExitStack()

    def _processes(self, name: str) -> list[str]:
        pattern = f"guest={self._domains[name]},"
        found = []
        for role, machine in self.machines.items():
            if machine.state == "on":
                reply = machine.run(["pgrep", "--full", pattern], check=False, timeout=30)
                found += [role] * len(reply.stdout.split())
        return found

    def _status(self, do: Callable[[], Any]) -> int:
        try:
            do()
        except CloudError as error:
            if not error.status:
                raise
            return error.status
        return 0

    def _service(self, host: str) -> dict[str, Any]:
        name = self.machines[host].fqdn
        return next(s for s in self.cloud.compute_services() if s["host"] == name)

    def service(self, host: str) -> tuple[str, str]:
        found = self._service(host)
        return found["state"], found["status"]

    def reported(self, host: str) -> float:
        seen = datetime.fromisoformat(self._service(host)["updated_at"])
        return time.time() - seen.replace(tzinfo=timezone.utc).timestamp()

    def _update(self, host: str, body: dict[str, Any]) -> int:
        path = f"/os-services/{self._service(host)['id']}"
        return self._status(
            lambda: self.cloud.request("PUT", "compute", path, body=body, microversion=VERSION)
        )

    def force_down(self, host: str, forced: bool) -> int:
        return self._update(host, {"forced_down": forced})

    def disable(self, host: str) -> int:
        return self._enable(host, "disabled")

    def enable(self, host: str) -> int:
        return self._enable(host, "enabled")

    def _enable(self, host: str, status: str) -> int:
        try:
            return self._update(host, {"status": status})
        except CloudError as error:
            # The bridge waits for half of what this may take.
            if not self.wait(lambda: self.service(host)[1] == status, 60):
                raise error
            return 0

    def now(self) -> float:
        return time.time()

    def wait(self, reached: Callable[[], bool], seconds: float) -> bool:
        def look() -> bool:
            try:
                return reached()
            except CloudError:
                return False

        return poll(look, seconds, 0.1)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class LabFaults(LabCloud):
    """What goes wrong in it."""

    def lose(self, host: str) -> None:
        self.faults.power_off(self.machines[host])

    def power_on(self, host: str) -> None:
        machine = self.machines[host]
        self.faults.power_on(machine)
        machine.wait_booted(120)
        self._await_report(host)

    def _await_report(self, host: str) -> None:
        # For an instance of its own that is to be evacuated, and has files on shared storage,
        # nova-compute asks itself whether it shares them, and waits for a minute.
        begun = time.time()
        back = poll(lambda: self.reported(host) < time.time() - begun, 300, 1)
        assert back, f"nova-compute of {self.machines[host].fqdn} does not report"
        self.sleep(10)

    def stop_compute(self, host: str) -> None:
        self.faults.service(self.machines[host], "stop", "nova-compute")

    def start_compute(self, host: str) -> None:
        self.faults.service(self.machines[host], "restart", "nova-compute")
        self._await_report(host)

    def crash(self, name: str) -> None:
        [role] = self._processes(name)
        self.faults.kill(self.machines[role], f"guest={self._domains[name]},")

    def run_behind(self, name: str) -> None:
        self.machines[HOME].run(["virsh", "start", self._domains[name]], timeout=30)

    def end_behind(self, name: str) -> None:
        """End an instance's process on `HOME`, where Nova knows nothing of it."""
        for command in ("destroy", "undefine"):
            argv = ["virsh", command, self._domains[name]]
            self.machines[HOME].run(argv, timeout=30, check=False)

    def _install_hold(self, machine: Machine) -> None:
        """Have QEMU wait for leave to start guests; libvirt gives it half a minute."""
        install = 'test -e "$0.real" || mv "$0" "$0.real"; cat >"$0"; chmod 755 "$0"'
        machine.run(["sh", "-ec", install, QEMU], input=HELD)
        undo = f'rm -f {HOLD}; test ! -e "$0.real" || mv -f "$0.real" "$0"'
        self.repairs.callback(machine.run, ["sh", "-c", undo, QEMU], check=False)

    def ignore_locks(self, host: str) -> None:
        self.faults.image_locks(self.machines[host], kept=False)
        self.repairs.callback(self.faults.image_locks, self.machines[host], kept=True)

    def hold_spawns(self, held: bool) -> None:
        for machine in (self.machines[FIRST], self.machines[SECOND]):
            machine.run(["touch", HOLD] if held else ["rm", "-f", HOLD])

    def lose_messages(self, do: Callable[[], int]) -> int:
        conductor, broker = self._unit("nova-cloud-controller"), self._unit("rabbitmq-server")
        self.faults.service(conductor, "stop", "nova-conductor")
        try:
            status = do()
            self.faults.service(broker, "restart", "rabbitmq-server")
        finally:
            self.faults.service(conductor, "start", "nova-conductor")
        return status

    def lose_request(self, do: Callable[[], int]) -> int:
        conductor, broker = self._unit("nova-cloud-controller"), self._unit("rabbitmq-server")
        self.faults.service(conductor, "stop", "nova-conductor")
        try:
            status = do()
            purge = ["rabbitmqctl", "purge_queue", "--vhost", "openstack", "conductor"]
            broker.run(purge, timeout=60)
        finally:
            self.faults.service(conductor, "start", "nova-conductor")
        return status

    def stop_scheduler(self, stopped: bool) -> None:
        verb = "stop" if stopped else "start"
        self.faults.service(self._unit("nova-cloud-controller"), verb, "nova-scheduler")

    def slow_scheduler(self, slow: bool) -> None:
        placement = self._unit("placement")
        self.faults.freeze(placement) if slow else self.faults.thaw(placement)

    def lose_database(self, do: Callable[[], None]) -> None:
        database = self.deployment.database()
        self.faults.service(database, "stop", "mariadb")
        try:
            do()
        finally:
            self.faults.service(database, "start", "mariadb")

    def _unit(self, application: str) -> Machine:
        units = self.deployment.console.status()["applications"][application]["units"]
        [unit] = units.values()
        return self.deployment.lab.machine(str(unit["machine"]))

    def resume_guests(self, resumed: bool) -> None:
        console = self.deployment.console
        console.juju("config", "nova-compute", f"resume-guests-state-on-host-boot={resumed}")
        console.wait_active("nova-compute's option", timeout=120)


class LabSide(LabFaults):
    """`sides.Side` by the lab."""

    def do(self, rule: Rule) -> Any:
        """Do what a rule says."""
        return rule(self)

    def boot(self, names: list[str]) -> None:
        for role in self.machines:
            ready = self.wait(lambda r=role: self._in_service(r), 180)  # type: ignore[misc]
            assert ready, f"{self.machines[role].fqdn} is {self.service(role)}"
        self.guests.prepare()
        self.guests.delete(PREFIX)
        # Nothing in these instances hears that it is to shut down: Nova would wait a minute.
        argv = ["image", "set", "--property", "os_shutdown_timeout=2", IMAGE]
        subprocess.run([LAB / "openstack", *argv], check=True, timeout=120)
        for role in (FIRST, SECOND):
            self._install_hold(self.machines[role])
        full = [PREFIX + name for name in names]
        self.guests.boot(full, self.machines[HOME].fqdn, timeout=400)
        self._look_up()

    def _look_up(self) -> None:
        for name, server in self.guests.find(PREFIX).items():
            self._servers[name.removeprefix(PREFIX)] = server["id"]
            self._domains[name.removeprefix(PREFIX)] = server["OS-EXT-SRV-ATTR:instance_name"]

    def _in_service(self, host: str) -> bool:
        """Undo what a run before has left; whether that is possible yet."""
        done = [self.force_down(host, False), self.enable(host)]
        return not any(done) and self.service(host) == ("up", "enabled")

    def half_boot(self, name: str) -> None:
        home = self.machines[HOME]

        def begun() -> bool:
            self._look_up()
            return name in self._domains and bool(self._processes(name))

        self._install_hold(home)
        home.run(["touch", HOLD])
        self.guests.ask([PREFIX + name], home.fqdn)
        assert self.wait(begun, 60), f"{name} is not started"
        home.run(["systemctl", "kill", "--signal=KILL", "nova-compute"])
        self.faults.kill(home, f"guest={self._domains[name]},")
        home.run(["rm", "-f", HOLD])
        self.start_compute(HOME)

    def prepare(self, name: str, state: str) -> None:
        if state == "locked":
            self.lock(name)
            return
        self._act(name, *PREPARED[state])
        reached = self.wait(lambda: self.look(name)[:2] == (state, None), 120)
        assert reached, f"{name} is not {state}: {self.look(name)}"

    def _act(self, name: str, action: str, argument: object) -> None:
        path = f"/servers/{self._servers[name]}/action"
        self.cloud.post("compute", path, {action: argument}, microversion=VERSION)

    def _show(self, name: str) -> dict[str, Any]:
        path = f"/servers/{self._servers[name]}"
        return dict(self.cloud.get("compute", path, microversion=SHOWN)["server"])

    def look(self, name: str) -> Look:
        server = self._show(name)
        return Look(
            server["OS-EXT-STS:vm_state"],
            server["OS-EXT-STS:task_state"],
            server["OS-EXT-STS:power_state"],
            self._where(server["OS-EXT-SRV-ATTR:host"]),
            self.runs(name),
        )

    def runs(self, name: str) -> tuple[str, ...]:
        return tuple(HOME if role == HOME else ELSEWHERE for role in self._processes(name))

    def _where(self, host: str) -> str:
        return HOME if self._names[host] == HOME else ELSEWHERE

    def fault(self, name: str) -> str:
        return str(self._show(name).get("fault", {}).get("message", ""))

    def actions(self, name: str) -> list[tuple[str, bool]]:
        path = f"/servers/{self._servers[name]}/os-instance-actions"
        found = self.cloud.get("compute", path, microversion=VERSION)["instanceActions"]
        found.sort(key=lambda action: action["start_time"])
        return [
            (action["action"], action["user_id"] is not None)
            for action in found
            if action["action"] in ("evacuate", "stop", "start", "lock", "unlock")
        ]

    def begun(self, name: str) -> list[str]:
        return [event["event"] for event in self._events(name, "start", VERSION)[-1]]

    def why_failed(self, name: str) -> list[str]:
        events = [e for found in self._events(name, faults.ACTION, faults.DETAILS) for e in found]
        return [e["details"] for e in events if e["event"] == faults.EVENT and e["details"]]

    def _events(self, name: str, action: str, version: str) -> list[list[dict[str, Any]]]:
        """Return what was written down with each of an instance's actions, the first's first."""
        path = f"/servers/{self._servers[name]}/os-instance-actions"
        known = self.cloud.get("compute", path, microversion=version)["instanceActions"]
        mine = sorted(
            (str(one["start_time"]), str(one["request_id"]))
            for one in known
            if one["action"] == action
        )
        paths = [f"{path}/{request}" for _, request in mine]
        shown = [self.cloud.get("compute", one, microversion=version) for one in paths]
        return [one["instanceAction"]["events"] for one in shown]

    def migrations(self, name: str) -> list[str]:
        return [status for status, _, _ in self.records(name)]

    def records(self, name: str) -> list[tuple[str, str | None, str | None]]:
        path = "/os-migrations?migration_type=evacuation"
        found = self.cloud.get("compute", path, microversion="2.59")["migrations"]
        mine = [m for m in found if m["instance_uuid"] == self._servers[name]]
        mine.sort(key=lambda m: int(m["id"]))
        hosts = [
            [self._names.get(m[f"{end}_compute"]) for end in ("source", "dest")] for m in mine
        ]
        return [(m["status"], *pair) for m, pair in zip(mine, hosts, strict=True)]

    def evacuate(self, name: str, target: str | None = None) -> int:
        argument = {"host": self.machines[target].fqdn} if target else {}
        return self._status(lambda: self._act(name, "evacuate", argument))

    def stop(self, name: str) -> int:
        return self._status(lambda: self._act(name, "os-stop", None))

    def start(self, name: str) -> int:
        return self._status(lambda: self._act(name, "os-start", None))

    def lock(self, name: str) -> int:
        return self._status(lambda: self._act(name, "lock", None))

    def unlock(self, name: str) -> int:
        return self._status(lambda: self._act(name, "unlock", None))

    def reboot(self, name: str) -> int:
        return self._status(lambda: self._act(name, "reboot", {"type": "HARD"}))

    def reset_state(self, name: str, state: str) -> int:
        return self._status(lambda: self._act(name, "os-resetState", {"state": state}))

    def delete(self, name: str) -> int:
        path = f"/servers/{self._servers[name]}"
        status = self._status(lambda: self.cloud.request("DELETE", "compute", path))
        gone = self.wait(lambda: PREFIX + name not in self.guests.find(PREFIX), 30)
        assert gone, f"{name} is not deleted: {self.look(name)}"
        return status
