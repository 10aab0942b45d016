"""Whose recoveries the CIB says are going on, which is judged."""

from __future__ import annotations

from simulation.core import kernel
from simulation.models.pacemaker.commands.part import Part
from simulation.world import KNOWN


class Owners(Part):
    """The engines that have a recovery."""

    def instead(self, host: str) -> str:
        """Return who recovers a host instead of the engine that runs now, empty if nobody does."""
        from masakari_fencing.pacemaker import tools
        from masakari_fencing.records import recoveries

        task = kernel.current()
        if task is None or not task.process.name.startswith("engine"):
            return ""
        for record in recoveries.all_of(tools.parse(self.commands.views.whole())):
            if record.host != host.lower() or record.end is not None:
                continue
            name, _, pid, _ = (record.engine or "...").rsplit(".", 3)
            if (name, pid) != (task.process.unit.name, str(task.process.pid)):
                return record.engine or "nobody"
        return ""

    def judged(self, text: str) -> str:
        """Return whose recovery a change would take away that lives, and is reached."""
        from masakari_fencing.pacemaker import tools
        from masakari_fencing.records import recoveries

        given = tools.parse(text) if recoveries.PREFIX in text else None
        given = None if given is None else next(given.iter("cluster_property_set"), None)
        if given is None:
            return ""
        old = next(
            (
                r
                for r in recoveries.all_of(tools.parse(self.commands.views.whole()))
                if r.host in given.get("id", "")
            ),
            None,
        )
        if old is None or old.end is not None or not old.engine:
            return ""
        if recoveries.parse(given).engine == old.engine:
            return ""
        return old.engine if self._is_reached(old.engine) else ""

    def _is_reached(self, engine: str) -> bool:
        """Whether a process lives on a member that has long been one; see `processes`."""
        name, _, pid, _ = engine.rsplit(".", 3)
        member = self.cluster.members[name]
        unit, now = member.unit, self.cluster.kernel.now
        stays = now - max(member.since, unit.isolated_since) > KNOWN
        alive = any(p.alive and str(p.pid) == pid for p in unit.processes)
        return alive and member.up and not unit.isolated and stays
