"""What crm_mon shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulation.models.pacemaker.commands.cib_xml import flag, node, resource
from simulation.models.pacemaker.commands.part import Part, reads
from simulation.models.pacemaker.records import zulu
from simulation.world import Unit

if TYPE_CHECKING:
    from simulation.models.pacemaker.commands.commands import Commands


class CrmMon(Part):
    """`crm_mon --output-as=xml`."""

    def __init__(self, commands: Commands) -> None:
        super().__init__(commands)
        self._shown: tuple[int, str] | None = None
        self._attributes = (-1, "")

    def run(self, options: dict[str, str], unit: Unit, timeout: float) -> tuple[int, str]:
        """Show the cluster."""
        # Lab: test_what_the_cluster_shows_of_itself
        reads("status")
        if unit.isolated:
            views = self.commands.views
            return 0, views.isolated(unit)[2 if views.unaware(unit) else 0]
        if self._shown is None or self._shown[0] != self.cluster.version:
            self._shown = (self.cluster.version, self.text(None))
        return 0, self._shown[1]

    def attributes(self) -> str:
        """Return what it shows of the nodes' permanent attributes."""
        # Lab: test_an_attribute_of_a_member
        if self._attributes[0] != self.cluster.edition:
            found = ["<node_attributes>"]
            for one in self.cluster.cib.iterfind("configuration/nodes/node"):
                pairs = "".join(
                    f"<attribute name='{pair.get('name')}' value='{pair.get('value')}'/>"
                    for pair in one.iterfind("instance_attributes/nvpair")
                )
                found.append(f"<node name='{one.get('uname')}'>{pairs}</node>" if pairs else "")
            self._attributes = (self.cluster.edition, "".join(found) + "</node_attributes>")
        return self._attributes[1]

    def text(self, alone: Unit | None) -> str:
        """Return crm_mon's XML; for one that is alone, with everybody else offline."""
        # Lab: test_what_the_cluster_shows_of_itself
        # Lab: test_a_node_that_is_lost_is_fenced_and_connected_to_again
        cluster = self.cluster
        dc = alone.name if alone else cluster.dc
        quorum = alone is None and bool(cluster.membership.majority())
        there = {m.name for m in cluster.membership.majority()} if alone is None else {alone.name}
        lines = [
            "<pacemaker-result api-version='2.25'><summary><current_dc present='true' "
            f"version='2.1.5-a3f44794f94' name='{dc}' with_quorum='{flag(quorum)}'/>"
            f"<cluster_options stonith-enabled='{flag(cluster.stonith)}' "
            "maintenance-mode='false'/></summary><nodes>"
        ]
        for name in cluster.members:
            lines.append(node(name, "member", name in there, False, name == dc))
        for remote in cluster.remotes.values():
            online = remote.role in ("Started", "Starting") and not remote.unclean
            lines.append(node(remote.name, "remote", online, remote.unclean, False))
        lines.append("</nodes><resources>")
        lines.extend(resource(remote) for remote in cluster.remotes.values())
        lines.append(f"</resources>{self.attributes()}<failures>")
        for remote in cluster.remotes.values():
            for key, member, moment in remote.failures:
                lines.append(
                    f"<failure op_key='{key}' node='{member}' last-rc-change='{zulu(moment)}'/>"
                )
        lines.append("</failures><fence_history>")
        for remote in cluster.remotes.values():
            if (fencing := remote.fencing) is not None:
                lines.append(
                    f"<fence_event action='{fencing.action}' target='{remote.name}' "
                    f"client='{fencing.client}' origin='{fencing.origin}' status='pending'/>"
                )
        for event in cluster.history:
            lines.append(
                f"<fence_event action='{event.action}' target='{event.target}' "
                f"client='{event.client}' origin='{event.origin}' status='{event.status}' "
                f"completed='{zulu(event.completed)}'/>"
            )
        lines.append("</fence_history><status code='0'/></pacemaker-result>")
        return "".join(lines)
