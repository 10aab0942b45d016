"""How an evacuation is asked for, and a host found for it."""

from __future__ import annotations

from typing import Any

from novaclient import exceptions

from simulation.models.nova.part import Part
from simulation.models.nova.records import NO_VALID_HOST, RPC_TIMEOUT, Migration
from simulation.world import Guest


class Evacuations(Part):
    """The API, the conductor and the scheduler."""

    def evacuate(self, uuid: Any, target: str | None) -> None:
        """`compute/api.py: evacuate`."""
        # Lab: test_what_is_in_service_is_not_evacuated
        # Lab: test_an_evacuation_to_a_named_host
        # Lab: test_what_is_asked_for_is_lost_with_the_broker
        guest = self.nova.instances.find(uuid)
        if other := self.world.commands.owners.instead(guest.host):
            self.world.violate(
                "evacuated by a superseded engine", f"{other} recovers {guest.host}"
            )
        # Whatever is being done to it, another evacuation included.
        # Lab: test_what_is_being_done_does_not_keep_it_from_being_evacuated
        self.nova.instances.require(guest, ("active", "stopped", "error"), "evacuate", idle=False)
        if self.nova.is_up(guest.host):
            text = f"Compute service of {guest.host} is still in use."
            raise exceptions.BadRequest(400, text)
        self._judge(guest)
        if guest.deleting:
            self.world.violate("brought back although deleted", guest.uuid[:8])
        if any(self._goes_on(m) for m in self.nova.migrations if m.instance_uuid == guest.uuid):
            self.world.violate("evacuated twice at once", f"{guest.uuid[:8]} from {guest.host}")
        now = self.kernel.now
        guest.task_state = "rebuilding"
        action = self.nova.instances.note(guest, "evacuate")
        migration = Migration(guest.uuid, guest.host, target, "accepted", now, now, action=action)
        migration.number = len(self.nova.migrations) + 1
        migration.orig_state = guest.vm_state
        self.nova.migrations.append(migration)
        self.kernel.trace("nova", f"evacuate {guest.uuid[:8]} from {guest.host}")
        self.kernel.changed("guests")
        if not self.nova.broker_away:
            migration.live = True
            low, high = self.nova.schedule_time
            wait = low + (high - low) * self.kernel.rng.random()
            self.kernel.after(wait, lambda: self._find_host(guest, migration, target, now))
        elif self.kernel.rng.random() < self.nova.held:
            self.nova.messages.hold(
                lambda: self._find_host(guest, migration, target, self.kernel.now)
            )

    def _find_host(self, guest: Guest, asked: Migration, target: str | None, since: float) -> None:
        """`scheduler/rpcapi.py: select_destinations`: a host is asked for.

        The scheduler may take half an hour (`long_rpc_timeout`) if it says in each minute that it
        works. If none has taken the request by then, it is lost, and nobody writes that down.
        """
        # Lab: test_an_evacuation_waits_for_the_scheduler_for_a_minute
        # Lab: test_an_evacuation_that_the_scheduler_works_on_waits_for_longer
        # Lab: test_an_evacuation_is_lost_that_no_scheduler_takes_in_a_minute
        if not self.nova.scheduler_gone:
            self._schedule(guest, asked, target)
        elif self.kernel.now - since < RPC_TIMEOUT:
            self.kernel.after(1.0, lambda: self._find_host(guest, asked, target, since))
        else:
            asked.live = False

    def _goes_on(self, migration: Migration) -> bool:
        """Whether somebody works on an evacuation, or will; not who has lost his power."""
        if migration.status != "pre-migrating":
            return migration.live
        return (
            migration.live and self.nova.host(migration.dest_compute or "").boots == migration.boot
        )

    def _judge(self, guest: Guest) -> None:
        host = self.nova.host(guest.host)
        if self.world.masakari.off_for(guest.host) > 5.0:
            self.world.violate("recovered, switched off", f"{guest.uuid[:8]} from {host.name}")
        if guest.uuid in host.qemu:
            self.world.violate("evacuated while it runs", f"{guest.uuid[:8]} on {host.name}")
        elif host.fenced <= host.service or host.fenced < (host.failed or 0.0):
            self.world.violate("evacuated without a fence", f"{guest.uuid[:8]} from {host.name}")
        if guest.left_alone:
            self.world.violate("recovered against a rule", guest.uuid[:8])
        self._judge_order(guest)

    def _judge_order(self, guest: Guest) -> None:
        """Nobody goes before those of an earlier group are up, unless their time is over."""
        latest = self.nova.groups_since + guest.turn * self.nova.group_timeout
        early = [
            other
            for other in self.world.guests.values()
            if other.home == guest.home and other.turn < guest.turn and not other.deleting
            and not other.left_alone
            and not self.world.is_well(other)
        ]  # fmt: skip
        if early and self.kernel.now < latest:
            text = f"{guest.uuid[:8]} of turn {guest.turn}, {early[0].uuid[:8]} is not up"
            self.world.violate("evacuated out of turn", text)

    def _schedule(self, guest: Guest, asked: Migration, target: str | None) -> None:
        """`conductor/manager.py: rebuild_instance`: a host is looked for.

        The record that it goes on with is the first that is accepted, not the request's own:
        `migration_get_by_instance_and_status` asks for no more, and one that was lost stays so.
        """
        # Lab: test_no_valid_host_ends_in_an_error
        # Lab: test_an_evacuation_to_a_named_host
        # Lab: test_an_evacuation_goes_on_with_the_first_record_that_is_accepted
        # Lab: test_a_record_that_is_left_is_taken_for_an_evacuation_from_elsewhere
        # Lab: test_several_evacuations_that_are_lost
        own = [m for m in self.nova.migrations if m.instance_uuid == guest.uuid]
        migration = next((m for m in own if m.status == "accepted"), asked)
        if migration is not asked:
            migration.live, asked.live, migration.orig_state = True, False, asked.orig_state
            migration.action = asked.action
        if self.nova.away or self.nova.broker_away or guest.uuid not in self.world.guests:
            migration.live = False
            return
        if self.nova.database_away:
            # Its own record of the failure is lost, too (a restarted MariaDB in the lab).
            migration.live = False
            return
        able = [
            s.host
            for s in self.nova.services.values()
            if s.enabled and self.nova.is_up(s.host) and s.host != asked.source_compute
            and target in (None, s.host)
        ]  # fmt: skip
        if guest.unplaceable or not able:
            self.nova.rebuilds.give_up(guest, migration, NO_VALID_HOST)
            return
        host = self.nova.host(self.kernel.rng.choice(able))
        if host.compute:
            self.nova.rebuilds.claim(guest, migration, host)
        else:
            # It counts as up, and is not: the request waits for it, and is of use to nobody.
            migration.live = False
            waits = self.nova.queues.setdefault(host.name, [])
            waits.append(lambda: self.nova.rebuilds.claim(guest, migration, host))
