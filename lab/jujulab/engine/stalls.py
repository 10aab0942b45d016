"""Notices when a deployment stands still: a unit is not ready, and nothing runs that could help.

Juju runs a hook when something changed. A unit that waits for what sends no event (its machine's
own software, a cluster) is left waiting until the next update-status, five minutes on a real Juju.
"""

from dataclasses import dataclass

from jujulab.engine.model.model import Model
from jujulab.engine.model.state import ALIVE, Stall

PATIENCE = 60.0
"""Seconds without a hook from which a deployment counts as standing still."""

_KEPT = 50


@dataclass
class StallWatch:
    """Looks at the model now and then, and records in it what stands still.

    update-status is not counted as something that runs: on a real Juju it comes seldom.
    """

    model: Model
    since: float
    open: Stall | None = None

    def look(self, now: float) -> bool:
        """Look at the model, its lock held; return whether there is something new to persist."""
        waiting = self._waiting()
        if not waiting or self._busy():
            self.since, self.open = now, None
            return False
        self.since = max(self.since, self.model.last_run)
        if now - self.since < PATIENCE:
            self.open = None
            return False
        if self.open is None or self.open.since != self.since:
            self.open = Stall(since=self.since)
            stalls = self.model.state.stalls
            stalls.append(self.open)
            del stalls[:-_KEPT]
        self.open.seconds = now - self.since
        fresh = self.open.units != waiting
        self.open.units |= waiting
        return fresh

    def _waiting(self) -> dict[str, str]:
        """Return the status of each living unit that is not active."""
        model = self.model
        return {
            unit.name: f"{unit.workload.current}: {unit.workload.message}"
            for unit in model.state.units.values()
            if unit.life == ALIVE
            and unit.workload.current != "active"
            and not model.is_down(unit.machine)
        }

    def _busy(self) -> bool:
        """Whether a machine is being made, or a hook, an action or a command runs."""
        state = self.model.state
        return (
            any(not machine.provisioned for machine in state.machines.values())
            or any(not task.done for task in state.tasks.values())
            or any(
                unit.agent.current == "executing" and "update-status" not in unit.agent.message
                for unit in state.units.values()
            )
        )
