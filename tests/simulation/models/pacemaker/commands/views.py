"""What each member has before it: the present, or, where it was cut off, the past."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from lxml import etree

from simulation.models.pacemaker.commands.cib_xml import flag, text_of
from simulation.models.pacemaker.commands.part import Part
from simulation.models.pacemaker.records import Remote
from simulation.world import Unit

if TYPE_CHECKING:
    from simulation.models.pacemaker.commands.commands import Commands

NOTICED = 7.0
"""Seconds after which a member that was cut off knows: corosync's token and consensus timeouts."""


class Views(Part):
    """The CIB and the cluster's status, as a member shows them."""

    def __init__(self, commands: Commands) -> None:
        super().__init__(commands)
        self._shown: dict[str, tuple[str, Any, str]] = {}
        self._status = -1

    def unaware(self, unit: Unit) -> bool:
        """Whether a member was cut off, and does not know that yet."""
        # Lab: test_a_member_that_is_cut_off
        return unit.isolated and self.cluster.kernel.now - unit.isolated_since < NOTICED

    def assumes_quorum(self, unit: Unit) -> bool:
        """Whether a member had quorum when it was cut off, and does not know that yet."""
        # Lab: test_a_member_that_is_cut_off
        return unit.had_quorum and self.unaware(unit)

    def isolated(self, unit: Unit) -> tuple[str, Any, str]:
        """What a member shows that was cut off: the past, and, once it knows, no quorum.

        The last one is what crm_mon shows until then.
        """
        # Lab: test_a_member_that_is_cut_off
        if unit.name not in self._shown:
            self.renew_status()
            past = copy.deepcopy(self.cluster.cib)
            unit.isolated = False
            before = self.commands.crm_mon.text(None)
            unit.isolated = True
            self._shown[unit.name] = (self.commands.crm_mon.text(unit), past, before)
            self.cluster.kernel.after(NOTICED, self.cluster.changed)
        text, past, before = self._shown[unit.name]
        past.set("have-quorum", "1" if self.assumes_quorum(unit) else "0")
        return text, past, before

    def cut_off(self, unit: Unit) -> None:
        """Keep what a member shows from now on that was cut off."""
        self.isolated(unit)

    def rejoined(self, unit: Unit) -> Any:
        """Forget what a member showed while it was cut off; return its copy of the CIB."""
        return self._shown.pop(unit.name)[1]

    def tree(self, unit: Unit) -> Any:
        """Return the CIB that a member has."""
        if unit.isolated:
            return self.isolated(unit)[1]
        self.renew_status()
        return self.cluster.cib

    def whole(self) -> str:
        """Return the text of the present one."""
        self.renew_status()
        return text_of(self.cluster.cib)

    def renew_status(self) -> None:
        """Write the status section; its attributes are those of the lab's fixtures."""
        # Lab: test_when_a_node_was_connected
        # Lab: test_a_node_that_was_never_connected
        if self._status == self.cluster.version:
            return
        self._status = self.cluster.version
        self.cluster.cib.set("have-quorum", "1" if self.cluster.membership.majority() else "0")
        section = self.cluster.cib.find("status")
        for child in list(section):
            section.remove(child)
        for remote in self.cluster.remotes.values():
            if remote.known or remote.noted:
                state = etree.SubElement(section, "node_state", remote_node="true", id=remote.name)
                state.set("uname", remote.name)
                state.set("in_ccm", flag(remote.role == "Started"))
                if remote.known:
                    state.set("node_fenced", str(remote.fenced))
            if remote.started:
                self._connected(section, remote)

    def _connected(self, section: Any, remote: Remote) -> None:
        """Write a connection's history, which the member tells that has made it."""
        # Lab: test_when_a_node_was_connected
        member = remote.member or next(iter(self.cluster.members))
        found = section.find(f"node_state[@uname='{member}']/lrm/lrm_resources")
        if found is None:
            state = etree.SubElement(section, "node_state", id=member, uname=member)
            found = etree.SubElement(etree.SubElement(state, "lrm"), "lrm_resources")
        resource = etree.SubElement(found, "lrm_resource", id=remote.name)
        for identity, operation in (
            ("last_0", {"operation": "start", "interval": "0"}),
            ("monitor_1000", {"operation": "monitor", "interval": "1000"}),
        ):
            done = {"rc-code": "0", "last-rc-change": str(remote.started)}
            identity = f"{remote.name}_{identity}"
            etree.SubElement(resource, "lrm_rsc_op", {"id": identity, **operation, **done})
