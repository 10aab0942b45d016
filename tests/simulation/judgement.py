"""What has to be so in the end: guests are as they were, or a status says why not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from simulation.models.masakari import database
from simulation.world import Guest, World

if TYPE_CHECKING:
    from simulation.simulation import Simulation


class Judgement:
    """Whether everything is in order.

    Args:
        sim: the run that is judged.
    """

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.world = sim.world

    def in_order(self) -> bool:
        """Whether all guests are well, and no recovery is under way."""
        return not self.unwell() and all(
            status in ("finished", "failed", "ignored")
            for _, status, _ in self.sim.masakari.notifications()
        )

    def unwell(self) -> list[Guest]:
        """Return the guests that are not as they were."""
        return [g for g in self.world.guests.values() if not g.disturbed and not self.well(g)]

    def well(self, guest: Guest) -> bool:
        """Whether a guest is as it should be."""
        return self.world.is_well(guest)

    def told(self, guest: Guest) -> bool:
        """Whether a status names a guest that is not well, or its host, and what to do."""
        for unit in self.world.units.values():
            for path, (text, _) in unit.files.items():
                if "refusals" in path and any(name in path for name in self._unrecovered(guest)):
                    return True
                if guest.uuid in text:
                    return True
                if path.endswith("out-of-service.json") and guest.home in json.loads(text).get(
                    "failed", []
                ):
                    return True
        return guest.uuid in self._left_behind() or self._is_withheld(guest.home)

    def _may_run_elsewhere(self, guest: Guest) -> bool:
        """Whether a status has a guest stopped elsewhere, or waited for, before it is unlocked."""
        return any(
            "refusals" in path and said in text.partition(f"{guest.uuid} (")[2].partition(")")[0]
            for said in ("stop it there", "stays locked", "stay locked")
            for unit in self.world.units.values()
            for path, (text, _) in unit.files.items()
        )

    def _is_withheld(self, host: str) -> bool:
        """Whether nobody may fence a host unasked, which the charm's status says (`health`)."""
        from masakari_fencing.pacemaker import fenceable, tools

        return fenceable.obstacle(tools.parse(self.sim.commands.views.whole()), host) is not None

    def _unrecovered(self, guest: Guest) -> set[str]:
        """Return the hosts of a guest whose last recovery has not ended well."""
        last = {name: status for kind, status, name in self.sim.masakari.notifications()}
        names = {guest.host, self.world.hosts[guest.home].nova_name}
        return {name for name in names if last.get(name) not in ("finished", "ignored")}

    def _left_behind(self) -> set[str]:
        """Return the guests that a recovery has ended without, as its record says."""
        ended = [record for record in self.records() if record.end is not None]
        return {item.uuid for record in ended for item in record.left}

    def _lost_reserves(self) -> list[str]:
        """Return the reserved hosts that are none any more, and that nothing was recovered to."""
        taken = {name for one in self.records() if not one.returned for name in one.reserved}
        # Its owner may have deleted the guest since.
        used = {
            m.dest_compute for m in self.sim.nova.migrations if m.status in ("done", "completed")
        }
        used |= {guest.host for guest in self.world.guests.values()}
        left = {row["name"] for row in database.TABLES[0].hosts.rows if not row["reserved"]}
        reserves = {h.nova_name for h in self.world.hosts.values() if h.reserved and not h.out}
        return sorted((reserves & left) - taken - used)

    def records(self) -> list[Any]:
        """Return the recoveries that the cluster has on record."""
        from masakari_fencing.pacemaker import tools
        from masakari_fencing.records import recoveries

        text = self.sim.commands.cibadmin.select(self.sim.cluster.cib, None, "configuration")
        return recoveries.all_of(tools.parse(text))

    def _untrue(self) -> list[str]:
        """Return the hosts whose recovery did not end as its notification says."""
        from masakari_fencing.records import recovery

        records = {record.notification: record for record in self.records()}
        found = []
        for row in database.TABLES[0].notifications.rows:
            record = records.get(row["notification_uuid"])
            if row["type"] != "COMPUTE_HOST" or record is None or record.end is None:
                continue
            contrary = {
                "failed": (recovery.RECOVERED,),
                "finished": (recovery.FAILED, recovery.REFUSED),
            }
            if record.end.outcome in contrary.get(row["status"], ()):
                found.append(f"{record.host} {row['status']}: {record.end.reason}")
        return found

    def complaints(self, *, ended: bool = True) -> list[tuple[str, str]]:
        """Return what is not in order, and in no status; `ended`: nothing may be under way."""
        found = []
        unwell = self.unwell()
        for guest in unwell:
            owed = self.sim.situation.must_recover and not guest.unplaceable
            runs = self.world.running_on(guest.uuid) or "no host"
            # One that runs where Nova does not know of it has to stay locked, or it runs twice; so
            # has one that may do so, for all that anybody knows.
            known = runs in ("no host", [guest.host]) and not self._may_run_elsewhere(guest)
            if not self.told(guest) or owed or (known and guest.locked != guest.was_locked):
                text = (
                    f"{guest.uuid[:8]} on {guest.host}: {guest.vm_state}/{guest.task_state}, "
                    f"locked={guest.locked}, runs on {runs}"
                )
                found.append((_kind(guest, self.world), text))
        found += [("reserved host lost", name) for name in self._lost_reserves()] if ended else []
        found += [("notification ends untrue", text) for text in self._untrue()] if ended else []
        for kind, status, name in self.sim.masakari.notifications() if ended else ():
            if status not in ("finished", "failed", "ignored"):
                found.append(("notification does not end", f"{kind} of {name} is {status}"))
            elif status == "finished" and kind == "COMPUTE_HOST":
                left = [g for g in unwell if g.host == name]
                if left and not all(self.told(g) for g in left):
                    text = f"{name}: {left[0].uuid[:8]} left"
                    found.append(("finished, and is not true", text))
        return found


def _kind(guest: Guest, world: World) -> str:
    if guest.locked != guest.was_locked:
        return "guest stays locked"
    if guest.vm_state == "error":
        return "guest ends in ERROR"
    if guest.before[1] and not world.running_on(guest.uuid):
        return "guest stays down"
    return "guest is not as before"
