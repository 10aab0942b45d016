"""A trial of a failover segment: how its hosts are arranged, and what the lists say afterwards."""

import time
from collections.abc import Callable, Collection
from typing import Any

from jujulab.cloud import records
from jujulab.cloud.connection import CloudError
from jujulab.cloud.console import StepError
from jujulab.cloud.placement import Room
from jujulab.cloud.records import Records, SegmentHost
from jujulab.errors import LabError
from jujulab.trials.deployment import SEGMENT
from jujulab.trials.trial import Trial
from jujulab.trials.watch import PREFIX, RECOVERY_TIMEOUT, TrialError, insist
from jujulab.waiting import poll

IN_DUTY = SegmentHost(reserved=False, on_maintenance=False)
IN_RESERVE = SegmentHost(reserved=True, on_maintenance=False)
IN_MAINTENANCE = SegmentHost(reserved=False, on_maintenance=True)

HOST, GUEST = "COMPUTE_HOST", "VM"
"""Masakari's kinds of notifications."""

ENDED = frozenset({"finished", "failed", "ignored"})
"""States in which Masakari leaves a notification alone."""

DELETED = 120.0
"""Seconds in which Nova is there again to delete a guest: nothing takes it away for longer."""


class Failover(Trial):
    """A trial whose segment, options and guests' states are part of it.

    An action that fails is a StepError.
    """

    def arrange(self, method: str, *, reserved: Collection[str] = ()) -> None:
        """Have the segment recover by a method, these hosts in reserve, all others on duty."""
        self.action("update-segment", f"name={SEGMENT}", f"recovery-method={method}")
        lists = self.records()
        for name, host in lists.hosts.items():
            on_duty = host == IN_DUTY and lists.services[name].status == "enabled"
            if name not in reserved and not on_duty:
                self.action("return-host", f"host={name}")
        for name in reserved:
            self.action("update-host", f"host={name}", "reserved=true")

    def action(self, name: str, *parameters: str) -> dict[str, Any]:
        """Run an action on masakari's leader and return its results."""
        return self.demo.console.run_action("masakari/leader", name, *parameters)

    def refused(self, name: str, *parameters: str) -> str:
        """Run an action that has to fail; return why it did."""
        try:
            results = self.action(name, *parameters)
        except StepError as error:
            self.say(str(error))
            return str(error)
        raise TrialError(f"{name} succeeded: {results}")

    def configure(self, *options: str) -> None:
        """Set options of masakari, `name=value`, for the time of the trial."""
        names = [option.split("=")[0] for option in options]
        self.repair(self._set, "--reset", ",".join(names))
        self._set(*options)

    def _set(self, *arguments: str) -> None:
        """Change options, and wait until every engine works with them."""
        before = self._configurations()
        self.demo.console.juju("config", "masakari", *arguments)
        if not poll(lambda: not set(before) & set(self._configurations()), 120):
            raise StepError(f"{arguments} did not reach masakari.conf of all units")
        self.demo.console.wait_active("the change of options", timeout=120)

    def _configurations(self) -> list[str]:
        path = "etc/masakari/masakari.conf"
        return [f"{m.id}: {(m.root / path).read_text()}" for m in self.cluster.members]

    def fill(self, *hosts: str) -> None:
        """Leave no room for guests on some hypervisors for the time of the trial.

        The guests of earlier trials go: the room that they leave would not be taken.
        """
        self.guests.delete(PREFIX)
        room = Room(self.cloud)
        self.repair(room.give_back)
        for host in hosts:
            room.take(host)

    def records(self) -> Records:
        """Return the three lists."""
        return records.read(self.cloud, PREFIX)

    def show(self) -> Records:
        """Show the three lists, and return them."""
        lists = self.records()
        print(records.render(lists))
        return lists

    def await_records(self, reached: Callable[[Records], bool]) -> Records:
        """Wait until the lists are as they have to be; show them either way."""

        def look() -> bool:
            try:
                return reached(self.records())
            except CloudError:
                return False  # asked again

        done = poll(look, RECOVERY_TIMEOUT)
        lists = self.show()
        within = f"within {RECOVERY_TIMEOUT:g} s"
        insist(done, f"not so {within}: {lists}; {self.notifications()}")
        return lists

    def await_end(self, kind: str = HOST) -> list[str]:
        """Wait until Masakari has dealt with all notifications of a kind since the fault.

        Returns:
            their states, the first notification's first.
        """

        def ended() -> bool:
            found = self.states(kind)
            return bool(found) and ENDED.issuperset(found)

        late = f"Masakari is still at it after {RECOVERY_TIMEOUT:g} s"
        insist(poll(ended, RECOVERY_TIMEOUT), late)
        return self.states(kind)

    def states(self, kind: str) -> list[str]:
        """Return the states of a kind's notifications since the fault, the first one's first."""
        found = (entry for entry in self.notifications() if entry["type"] == kind)
        return [str(entry["status"]) for entry in found]

    def notifications(self) -> list[dict[str, Any]]:
        """Return Masakari's notifications of failures since the fault, the first one first.

        That a host is there again is reported, too, at any time, and means nothing here.
        """
        since = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(self._since - 1))
        try:
            found = self.cloud.notifications()
        except CloudError:
            return []
        recent = [entry for entry in found if entry["created_at"] >= since]
        failures = [entry for entry in recent if entry["payload"].get("event") != "STARTED"]
        return sorted(failures, key=lambda entry: str(entry["created_at"]))

    def server(self, name: str) -> dict[str, Any]:
        """Return a guest as Nova shows it."""
        return self.guests.find(PREFIX)[name]

    def act(self, name: str, action: str, argument: object = None) -> None:
        """Have Nova do something to a guest, as a user or administrator would."""
        path = f"/servers/{self.server(name)['id']}/action"
        self.cloud.post("compute", path, {action: argument})

    def await_status_of(self, name: str, status: str) -> None:
        """Wait until Nova says that a guest is in a state and nothing is done to it."""

        def reached() -> bool:
            server = self.server(name)
            return (server["status"], server["OS-EXT-STS:task_state"]) == (status, None)

        if not poll(reached, 120):
            raise TrialError(f"{name} is {self.server(name)['status']}, not {status}")

    def beats(self, name: str, within: float = 60) -> bool:
        """Whether a guest writes to its disk, within so many seconds."""
        pulse = self._pulses[name]
        pulse.poll()
        return poll(pulse.poll, within, 0.2)

    def silent(self, *names: str, seconds: float = 5) -> bool:
        """Whether none of some guests writes to its disk for so many seconds."""

        def beaten() -> bool:
            return True in [self._pulses[name].poll() for name in names]  # each is asked

        beaten()
        return not poll(beaten, seconds)

    def await_cluster(self, host: str) -> None:
        """Wait until Pacemaker has connected to a hypervisor again."""
        late = f"Pacemaker does not reach {host} after {RECOVERY_TIMEOUT:g} s"
        insist(poll(lambda: self.connected(host), RECOVERY_TIMEOUT, 1), late)

    def connected(self, host: str) -> bool:
        """Whether Pacemaker is connected to a hypervisor."""
        try:
            resource = self.cluster.look().find(f".//resource[@id='{host}']")
        except LabError:
            return False
        state = {} if resource is None else resource.attrib
        return state.get("role") == "Started" and state.get("failed") != "true"

    def judge(self, *lost: str, powered: bool = False) -> None:
        """Judge from outside: no guest twice, no evacuation before its fence, no other fence.

        Args:
            lost: the hypervisors that had to be fenced.
            powered: and that without their power being cut.
        """
        problems = self._unsafe(lost, word=powered)
        if powered and (cut := self.switched_off()):
            problems.append(f"their power was cut: {cut}")
        insist(not problems, "\n".join(problems))

    def kill_guest(self, host: str) -> None:
        """Kill the QEMU of the hypervisor's tagged guest."""
        name = f"{PREFIX}{host.split('.')[0]}-1"
        domain = str(self.server(name)["OS-EXT-SRV-ATTR:instance_name"])
        self.faults.kill(self.machine(host), f"guest={domain},")

    def forget(self, name: str) -> None:
        """Delete a guest as its owner would, and expect nothing of it any more.

        Nova may be away for that moment.
        """

        def deleted() -> bool:
            try:
                if found := self.guests.find(PREFIX).get(name):
                    self.cloud.request("DELETE", "compute", f"/servers/{found['id']}")
            except CloudError:
                return False
            return True

        insist(poll(deleted, DELETED, 1), f"Nova does not delete {name}")
        self._homes.pop(name, None)
        self._pulses.pop(name, None)
