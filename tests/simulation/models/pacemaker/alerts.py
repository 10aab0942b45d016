"""What the members hear of a fence."""

from __future__ import annotations

from simulation.models.pacemaker.part import Part
from simulation.models.pacemaker.records import Fencing, Member


class Alerts(Part):
    """The alert agent of each member."""

    def tell(self, name: str, fencing: Fencing, alone: str = "") -> None:
        """Each member runs the alert agent; one whose Pacemaker is away never hears of it.

        `alone`: the member is cut off that has fenced it, so nobody else hears of it.
        """
        # Lab: test_a_node_that_is_lost_is_fenced_and_connected_to_again
        reference = f"{self.kernel.ids.getrandbits(48):012x}"
        now = self.kernel.now
        description = (
            f"Operation {fencing.action} of {name} by {self.cluster.dc} for "
            f"{fencing.client}@{fencing.origin}: OK (ref={reference})"
        )
        # Source only: daemons/controld/controld_fencing.c: handle_fence_notification
        # It asks nobody for quorum: a fence that began with it may end without.
        for member in self.cluster.members.values():
            if not member.up or (member.unit.isolated and member.name not in (fencing.by, alone)):
                continue
            if alone and member.name != alone:
                continue
            environ = {
                "CRM_alert_kind": "fencing",
                "CRM_alert_task": "st_notify_fence",
                "CRM_alert_rc": "0",
                "CRM_alert_node": name,
                "CRM_alert_desc": description,
                "CRM_alert_timestamp_epoch": str(int(now + member.unit.skew)),
                "CRM_alert_timestamp_usec": str(int(now % 1 * 1e6)),
            }
            wait = 0.05 + 0.3 * self.rng.random()
            self.kernel.after(wait, lambda m=member, e=environ: self._spool(m, e))  # type: ignore[misc]

    def _spool(self, member: Member, environ: dict[str, str]) -> None:
        # Lab: test_a_node_that_is_lost_is_fenced_and_connected_to_again
        if not member.up:
            return
        from masakari_fencing import alert  # its path is known only once the seams are installed

        found = alert.event(environ, self.kernel.now)
        if found is not None:
            self.world.masakari.spool(member.unit, found)
