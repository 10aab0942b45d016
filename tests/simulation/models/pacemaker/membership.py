"""Who is a member of the cluster, and which part of it has quorum."""

from __future__ import annotations

from typing import Any

from simulation.models.pacemaker.commands.cib_xml import count_change, text_of, version
from simulation.models.pacemaker.part import Part
from simulation.models.pacemaker.records import Member
from simulation.world import Unit

CLEANED_UP = 5.0
"""Seconds after which a hook of hacluster has changed something once more in the copy of a member
that is cut off (`last-lrm-refresh`). Seen were 25; a hook of the real charm cleans up each
resource."""


def _sets(root: Any) -> frozenset[str]:
    """What a configuration says in its sets of properties."""
    return frozenset(map(text_of, root.iter("cluster_property_set")))


class Membership(Part):
    """The members, as Corosync and their controllers know them."""

    def elect(self) -> None:
        """Choose the designated controller: Pacemaker's is the longest-lived; here the first."""
        # Lab: test_another_member_takes_over
        able = [m.name for m in self.majority()]
        if self.cluster.dc not in able:
            self.cluster.dc = able[0] if able else ""
            self.cluster.changed()
            for remote in self.cluster.remotes.values():
                if remote.role == "Started" and remote.member not in able:
                    self.cluster.connections.move(remote)
        for remote in self.cluster.remotes.values():
            if remote.unclean:
                self.cluster.fencing.schedule(remote)

    def majority(self) -> list[Member]:
        """Return the members of the part that has quorum."""
        # Lab: test_a_member_that_is_cut_off
        found = [m for m in self.cluster.members.values() if m.up and not m.unit.isolated]
        return found if 2 * len(found) > len(self.cluster.members) else []

    def has_quorum(self, unit: Unit) -> bool:
        """Whether a unit is in that part."""
        # Lab: test_a_member_knows_its_name_and_its_quorum
        # Lab: test_a_member_that_is_cut_off
        return any(member.unit is unit for member in self.majority())

    def stop(self, unit: Unit, *, stands: bool = False) -> None:
        """End a member's Pacemaker, or have it stand still."""
        # Lab: test_a_member_whose_pacemaker_is_stopped
        member = self.cluster.members[unit.name]
        member.stands = stands
        if member.up:
            self.cluster.ring += 1
            member.up, member.since = False, self.kernel.now
            self.kernel.after(1 + 3 * self.rng.random(), self.elect)
            self.cluster.changed()

    def start(self, unit: Unit) -> None:
        """Start it again."""
        # Lab: test_a_member_whose_pacemaker_is_stopped
        # Lab: test_a_member_that_starts_alone_has_no_quorum
        member = self.cluster.members[unit.name]
        if not any(one.up or one.stands for one in self.cluster.members.values()):
            self.restart()
            self.world.leave_to_operator()
        self.cluster.ring += 1
        member.up, member.stands, member.since = True, False, self.kernel.now
        self.kernel.after(1.0, self.elect)
        self.cluster.changed()

    def _agree_on(self, copied: Any, known: frozenset[str]) -> None:
        """Have the copy of the CIB that has the highest version become everybody's."""
        # Lab: test_the_copy_of_a_member_that_was_cut_off
        theirs, ours = version(copied), version(self.cluster.cib)
        if theirs > ours:
            self.cluster.world.note_fault("its copy of the CIB becomes everybody's")
            for name in ("admin_epoch", "epoch"):
                self.cluster.cib.set(name, copied.get(name))
            old, new = (root.find("configuration") for root in (self.cluster.cib, copied))
            kept = _sets(new)
            for text in _sets(old) - known - kept:
                self.cluster.world.violate("recorded, and undone", text[:90])
            self.cluster.cib.replace(old, new)
            self.cluster.configured()

    def restart(self) -> None:
        """All members have been restarted: the status section and the history are lost."""
        # Lab: test_what_is_lost_when_all_members_restart
        for remote in self.cluster.remotes.values():
            remote.fenced, remote.unclean, remote.failed = 0, False, False
            remote.started, remote.known, remote.noted = 0, False, False
            remote.failures.clear()
            remote.role = "Stopped"
            self.cluster.connections.plan(remote, 5.0 + 5 * self.rng.random())
        self.cluster.history.clear()
        self.cluster.changed()

    def isolate(self, unit: Unit) -> None:
        """Cut a member off."""
        # Lab: test_a_member_that_is_cut_off
        unit.had_quorum = self.has_quorum(unit)
        unit.known = _sets(self.cluster.cib)
        self._separate(unit, True)

    def rejoin(self, unit: Unit, copied: Any) -> None:
        """Let a member back in that was cut off, with its copy of the CIB."""
        # Lab: test_a_member_that_is_cut_off
        # Lab: test_the_copy_of_a_member_that_was_cut_off
        apart = self.kernel.now - unit.isolated_since
        count_change(copied, round(apart / CLEANED_UP))
        self._separate(unit, False)
        self._agree_on(copied, unit.known)

    def _separate(self, unit: Unit, isolated: bool) -> None:
        # Lab: test_each_membership_has_a_ring_of_its_own
        unit.isolated, unit.isolated_since = isolated, self.kernel.now
        unit.ring = self.cluster.ring
        self.cluster.ring += 1
        self.kernel.after(1 + 2 * self.rng.random(), self.elect)
        self.cluster.changed()

    def is_there(self, name: str) -> bool:
        """Whether a member's Pacemaker runs, and the others would hear of it."""
        # Source only: lib/pengine/unpack.c: unpack_rsc_op_failure
        member = self.cluster.members.get(name)
        return member is not None and member.up and not member.unit.isolated
