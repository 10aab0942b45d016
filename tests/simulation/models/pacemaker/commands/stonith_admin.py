"""What stonith_admin has fenced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulation.core import kernel
from simulation.models.pacemaker.commands.part import Part
from simulation.models.pacemaker.records import Event, Fencing, Remote
from simulation.world import KNOWN, Unit

if TYPE_CHECKING:
    from simulation.models.pacemaker.commands.commands import Commands


AT_ONCE = 2.0
"""Seconds in which nobody need know of a fence; the record of it has whole seconds."""


class StonithAdmin(Part):
    """`stonith_admin`."""

    def __init__(self, commands: Commands) -> None:
        super().__init__(commands)
        self._requests = 0

    def run(self, options: dict[str, str], unit: Unit, timeout: float) -> tuple[int, str]:
        """Fence a node, switch it on, or take the operator's word for it."""
        # Lab: test_the_devices_that_can_fence_a_node
        # Lab: test_a_fence_that_two_ask_for_is_one
        if "list" in options:
            return (0, "st-maas\n") if self.cluster.lists else (1, "no devices found")
        names = [name for name in ("reboot", "fence", "unfence", "confirm") if name in options]
        target = options[names[0]] if names else ""
        remote = self.cluster.remotes.get(target)
        if remote is None:
            return 1, "stonith_admin: Couldn't fence: No such device"
        if "confirm" in options:
            self.cluster.fencing.confirm(target)
            return 0, ""
        task, running = kernel.current(), kernel.ACTIVE
        if task is None or running is None:
            return 1, "nobody"
        self._requests += 1
        tag = f"{options['tag']}." if options.get("tag") else ""
        client = f"stonith_admin.{tag}{self._requests}"
        action = "reboot" if "reboot" in options else "off"
        if "unfence" in options:
            return self._unfence(remote, client, unit)
        self._judge(remote, action, unit)
        if unit.isolated:
            return self._fence_alone(remote, action, f"{client}@{unit.name}", unit)
        results: list[bool] = []

        def done(works: bool) -> None:
            results.append(works)
            running.wake(task)

        limit = float(options.get("timeout") or 120)
        self.cluster.fencing.fence(remote, action, client, unit.name, done)
        running.park(min(limit, timeout))
        if not results:
            return 124, "stonith_admin: Couldn't fence: Timer expired"
        return (0, "") if results[0] else (1, "stonith_admin: Couldn't fence: No data available")

    def _judge(self, remote: Remote, action: str, unit: Unit) -> None:
        """Who has one fenced that Pacemaker has lost has no cause to once it is fenced.

        A recovery has; but that switches it `off`.
        """
        clean = remote.fenced and not remote.unclean and remote.fencing is None
        if clean and action == "reboot" and self.cluster.kernel.now - remote.fenced > AT_ONCE:
            self.cluster.world.violate("fenced once more", f"{remote.name} by {unit.name}")

    def _fence_alone(
        self, remote: Remote, action: str, client: str, unit: Unit
    ) -> tuple[int, str]:
        """An inquorate member's fencer still fences what its devices can reach."""
        # Source only: daemons/fenced/fenced_remote.c: initiate_remote_stonith_op
        task, running = kernel.current(), kernel.ACTIVE
        if task is None or running is None:
            return 1, "nobody"
        if running.now - unit.isolated_since > KNOWN:
            self.cluster.world.violate("fenced without quorum", f"{remote.name} by {unit.name}")
        running.sleep_exactly(task, 2.0)
        if not self.cluster.power_controller or remote.name not in self.cluster.lists:
            return 1, "stonith_admin: Couldn't fence: No data available"
        self.cluster.world.fence(remote.host, action, client)
        self.cluster.world.known_to_nobody(remote.host)
        fencing = Fencing(action, client.partition("@")[0], unit.name, running.now)
        self.cluster.alerts.tell(remote.name, fencing, alone=unit.name)
        return 0, ""

    def _unfence(self, remote: Remote, client: str, unit: Unit) -> tuple[int, str]:
        """The action `on`, with none of a fencing's consequences (`handle_fence_notification`)."""
        # Lab: test_a_node_that_is_switched_off_and_on
        # Lab: test_a_member_that_is_cut_off_switches_a_node_on
        task = kernel.current()
        if task is not None and kernel.ACTIVE is not None:
            kernel.ACTIVE.sleep_exactly(task, 1.0)
        if not self.cluster.power_controller or remote.name not in self.cluster.lists:
            return 1, "stonith_admin: Couldn't unfence: No data available"
        self.cluster.world.power_on(remote.host)
        moment = int(self.cluster.kernel.now)
        event = Event(remote.name, "on", client, unit.name, "success", moment)
        self.cluster.history.insert(0, event)
        self.cluster.changed()
        return 0, ""
