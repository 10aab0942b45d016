"""Who is a member of the cluster, and which part of it has quorum."""

from __future__ import annotations

from simulation.models.pacemaker.part import Part
from simulation.models.pacemaker.records import Member
from simulation.world import Unit


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
        self._write_states_anew()
        self.cluster.ring += 1
        member.up, member.stands, member.since = True, False, self.kernel.now
        self.kernel.after(1.0, self.elect)
        self.cluster.changed()

    def _write_states_anew(self) -> None:
        """Lose `node_fenced` of the nodes that are connected, as members come together again."""
        # Source only: daemons/controld/controld_membership.c: populate_cib_nodes
        # It was seen with 2.1.5 after a member was power-cycled, of three hypervisors each time.
        for remote in self.cluster.remotes.values():
            if remote.role == "Started" and remote.known:
                remote.known, remote.noted = False, True

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

    def isolate(self, unit: Unit, isolated: bool) -> None:
        """Cut a member off, or let it back in."""
        # Lab: test_a_member_that_is_cut_off
        unit.isolated, unit.isolated_since = isolated, self.kernel.now
        if not isolated:
            self._write_states_anew()
        unit.ring = self.cluster.ring
        self.cluster.ring += 1
        self.kernel.after(1 + 2 * self.rng.random(), self.elect)
        self.cluster.changed()

    def is_there(self, name: str) -> bool:
        """Whether a member's Pacemaker runs, and the others would hear of it."""
        # Source only: lib/pengine/unpack.c: unpack_rsc_op_failure
        member = self.cluster.members.get(name)
        return member is not None and member.up and not member.unit.isolated
