"""A model of Nova: services, guests, evacuations, and what nova-compute does when it starts.

Where each rule was seen is said at it; files are those of openstack/nova (master, as since 2022).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from novaclient import exceptions

from simulation.core.kernel import Kernel
from simulation.models.nova_records import (
    ADMIN,
    NO_VALID_HOST,
    NOSTATE,
    PAUSED,
    REAP,
    REPORT_INTERVAL,
    RPC_TIMEOUT,
    RUNNING,
    SERVICE_DOWN_TIME,
    SHUTDOWN,
    SPAWNING,
    Action,
    Migration,
    Service,
    iso,
)
from simulation.world import Guest, Hypervisor, World


@dataclass
class Nova:
    """Nova as one service; its parts fail by faults at its calls."""

    world: World
    kernel: Kernel
    services: dict[str, Service] = field(default_factory=dict)
    migrations: list[Migration] = field(default_factory=list)
    away: bool = False
    broker_gone: float = 0.0
    waiting: set[str] = field(default_factory=set)
    broker_away: bool = False
    database_away: bool = False
    rebuild_time: tuple[float, float] = (2.0, 8.0)
    schedule_time: tuple[float, float] = (0.2, 1.0)
    scheduler_gone: float = 0.0
    suffix: str = ""
    held: float = 0.5
    queues: dict[str, list[Any]] = field(default_factory=dict)
    groups_since: float = 0.0
    group_timeout: float = 120.0

    # -- services ---------------------------------------------------------------------------
    def seen(self, host: Hypervisor) -> float:
        """Return when a nova-compute last reported."""
        # Lab: test_a_service_counts_as_up_for_its_time
        # Lab: test_the_times_are_those_of_the_configuration
        # Its reports go through the broker, as all that it says to the database.
        # Source only: nova/conductor/rpcapi.py: object_action
        now, there = self.kernel.now, host.compute and host.reachable
        there = there and host.name not in self.waiting
        now = self.broker_gone if self.broker_away else now
        return now - now % REPORT_INTERVAL if there else host.last_seen

    def __setattr__(self, name: str, value: Any) -> None:
        # Source only: nova/conductor/rpcapi.py: object_action
        if name == "broker_away" and value and not getattr(self, name, False):
            super().__setattr__("broker_gone", self.kernel.now)
        super().__setattr__(name, value)

    def reported(self, binary: str) -> float:
        """Return when its conductor or scheduler last reported, be the broker away or not."""
        # Source only: nova/servicegroup/drivers/db.py: _report_state
        now = self.kernel.now
        if binary == "nova-scheduler" and self.scheduler_gone:
            now = self.scheduler_gone
        return now - now % REPORT_INTERVAL

    def is_up(self, name: str) -> bool:
        """`servicegroup/drivers/db.py: is_up`, which looks at `forced_down` first."""
        # Lab: test_a_service_counts_as_up_for_its_time
        # Lab: test_forced_down_counts_as_down_at_once
        service, host = self.services[name], self._host(name)
        if service.forced_down:
            return False
        return self.kernel.now - self.seen(host) <= SERVICE_DOWN_TIME

    def _host(self, name: str) -> Hypervisor:
        return next(h for h in self.world.hosts.values() if h.nova_name == name)

    def set_forced_down(self, service: Service, value: bool) -> None:
        """`api/openstack/compute/services.py: _check_for_evacuations` refuses the way back."""
        # Lab: test_forced_down_is_not_cleared_before_evacuations_are_cleaned_up
        # Lab: test_what_was_evacuated_is_cleaned_up_when_nova_compute_starts
        if not value and any(
            m.source_compute == service.host and m.status in ("done",) for m in self.migrations
        ):
            text = f"Unable to clear forced_down of {service.host}: evacuations are not cleaned up"
            raise exceptions.BadRequest(400, text)
        if service.forced_down != value:
            service.forced_down, service.since = value, self.kernel.now
            self.kernel.trace("nova", f"{service.host} forced_down={value}")
            self.kernel.changed("nova")

    def set_enabled(self, service: Service, value: bool) -> None:
        """Disabling waits for the nova-compute (`_update_compute_provider_status`)."""
        # Lab: test_a_service_counts_as_up_for_its_time
        if service.enabled != value:
            service.enabled, service.since = value, self.kernel.now
            self.kernel.trace("nova", f"{service.host} enabled={value}")
            self.kernel.changed("nova")
        if self.is_up(service.host) and not self._host(service.host).compute:
            self.kernel.sleep(RPC_TIMEOUT)

    def hypervisors(self, url: str) -> tuple[int, Any]:
        """`api/openstack/compute/hypervisors.py`: all of them, or what one says of its uptime."""
        # Source only: nova/virt/libvirt/driver.py: get_host_uptime
        name = url.rstrip("/").split("/")[2]
        if name.startswith("detail"):
            known = [] if "marker" in url else list(self.world.hosts.values())
            items = [
                {"id": h.name, "hypervisor_hostname": h.name, "service": {"host": h.nova_name}}
                for h in known
            ]
            return 200, {"hypervisors": items}
        host = self.world.hosts[name]
        if not (self.is_up(host.nova_name) and host.compute and host.reachable):
            return 400, {"badRequest": {"message": "Compute service is unavailable"}}
        minutes = (self.kernel.now - host.booted) // 60
        return 200, {"hypervisor": {"uptime": f" 10:00:00 up {minutes:.0f} min,  0 users"}}

    # -- guests -----------------------------------------------------------------------------
    def show(self, url: str) -> tuple[int, Any]:
        """`api/openstack/compute/servers.py` and `instance_actions.py`, as far as asked for."""
        # Lab: test_what_does_not_exist_is_not_found
        # Lab: test_what_died_is_stopped_by_nova_in_nobodys_name
        guest = self.world.guests.get(url.split("/")[2])
        if guest is None:
            return 404, {"itemNotFound": {"message": "Instance could not be found."}}
        if url.endswith("/os-instance-actions"):
            return 200, {"instanceActions": [vars(action) for action in guest.actions]}
        shown = {
            "OS-EXT-STS:vm_state": guest.vm_state,
            "OS-EXT-STS:task_state": guest.task_state,
        }
        return 200, {"server": shown}

    def records(self, url: str) -> tuple[int, Any]:
        """`api/openstack/compute/migrations.py: index`, of a host and a status."""
        # Lab: test_a_start_ends_the_last_of_several_evacuations
        asked = parse_qs(urlsplit(url).query)
        found = [
            {"instance_uuid": m.instance_uuid}
            for m in self.migrations
            if [m.source_compute, m.migration_type, m.status]
            == [asked[name][0] for name in ("source_compute", "migration_type", "status")]
        ]
        return 200, {"migrations": found}

    def listed(self, url: str) -> tuple[int, Any]:
        """`api/openstack/compute/servers.py: index`, of one host."""
        # Source only: nova/api/openstack/compute/servers.py: _get_servers
        host = parse_qs(urlsplit(url).query)["host"][0]
        found = [{"id": g.uuid} for g in self.world.guests.values() if g.host == host]
        return 200, {"servers": found[:1]}

    def guest(self, uuid: Any) -> Guest:
        """Look a guest up, by its identifier or novaclient's object."""
        # Lab: test_what_does_not_exist_is_not_found
        found = self.world.guests.get(str(getattr(uuid, "id", uuid)))
        if found is None:
            raise exceptions.NotFound(404, f"Instance {uuid} could not be found.")
        return found

    def _require(
        self, guest: Guest, states: tuple[str, ...], what: str, *, idle: bool = True
    ) -> None:
        """`compute/api.py: check_instance_state`; `idle`: nothing may be done to it."""
        # Lab: test_which_states_are_not_evacuated
        # Lab: test_which_states_are_evacuated_and_how_they_arrive
        # Lab: test_which_states_are_not_stopped
        # Lab: test_which_states_are_not_started
        # Lab: test_what_was_never_started_is_not_evacuated
        # Lab: test_what_was_never_started_is_not_stopped_nor_rebooted
        refused = guest.vm_state not in states or not guest.launched
        if refused or (idle and guest.task_state is not None):
            text = f"Cannot '{what}' instance while it is in {guest.vm_state}/{guest.task_state}"
            raise exceptions.Conflict(409, text)

    def evacuate(self, uuid: Any, target: str | None) -> None:
        """`compute/api.py: evacuate`."""
        # Lab: test_what_is_in_service_is_not_evacuated
        # Lab: test_an_evacuation_to_a_named_host
        # Lab: test_what_is_asked_for_is_lost_with_the_broker
        guest = self.guest(uuid)
        if other := self.world.commands.owner_instead(guest.host):  # type: ignore[attr-defined]
            self.world.violate(
                "evacuated by a superseded engine", f"{other} recovers {guest.host}"
            )
        # Whatever is being done to it, another evacuation included.
        # Lab: test_what_is_being_done_does_not_keep_it_from_being_evacuated
        self._require(guest, ("active", "stopped", "error"), "evacuate", idle=False)
        if self.is_up(guest.host):
            text = f"Compute service of {guest.host} is still in use."
            raise exceptions.BadRequest(400, text)
        self._judge(guest)
        if guest.deleting:
            self.world.violate("brought back although deleted", guest.uuid[:8])
        if any(m.live and m.instance_uuid == guest.uuid for m in self.migrations):
            self.world.violate("evacuated twice at once", f"{guest.uuid[:8]} from {guest.host}")
        now = self.kernel.now
        guest.task_state = "rebuilding"
        self._act(guest, "evacuate")
        migration = Migration(guest.uuid, guest.host, target, "accepted", now, now)
        migration.number = len(self.migrations) + 1
        migration.orig_state = guest.vm_state
        self.migrations.append(migration)
        self.kernel.trace("nova", f"evacuate {guest.uuid[:8]} from {guest.host}")
        self.kernel.changed("guests")
        if not self.broker_away:
            migration.live = True
            low, high = self.schedule_time
            wait = low + (high - low) * self.kernel.rng.random()
            self.kernel.after(wait, lambda: self._find_host(guest, migration, target, now))
        elif self.kernel.rng.random() < self.held:
            self._hold(lambda: self._find_host(guest, migration, target, self.kernel.now))

    def _find_host(self, guest: Guest, asked: Migration, target: str | None, since: float) -> None:
        """`scheduler/rpcapi.py: select_destinations`: a host is asked for.

        The scheduler may take half an hour (`long_rpc_timeout`) if it says in each minute that it
        works. If none has taken the request by then, it is lost, and nobody writes that down.
        """
        # Lab: test_an_evacuation_waits_for_the_scheduler_for_a_minute
        # Lab: test_an_evacuation_that_the_scheduler_works_on_waits_for_longer
        # Lab: test_an_evacuation_is_lost_that_no_scheduler_takes_in_a_minute
        if not self.scheduler_gone:
            self._schedule(guest, asked, target)
        elif self.kernel.now - since < RPC_TIMEOUT:
            self.kernel.after(1.0, lambda: self._find_host(guest, asked, target, since))
        else:
            asked.live = False

    def _hold(self, send: Any) -> None:
        """A process of Nova's API waits for the broker with a message, whoever waits for it.

        It tries for ever (`retry` of oslo_messaging's clients, which Nova does not set).
        """
        # Source only: nova/rpc.py: get_client
        if self.broker_away:
            self.kernel.after(0.5 + self.kernel.rng.random(), lambda: self._hold(send))
        else:
            send()

    def _judge(self, guest: Guest) -> None:
        host = self._host(guest.host)
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
        latest = self.groups_since + guest.turn * self.group_timeout
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
        own = [m for m in self.migrations if m.instance_uuid == guest.uuid]
        migration = next((m for m in own if m.status == "accepted"), asked)
        if migration is not asked:
            migration.live, asked.live, migration.orig_state = True, False, asked.orig_state
        if self.away or self.broker_away or guest.uuid not in self.world.guests:
            migration.live = False
            return
        if self.database_away:
            # Its own record of the failure is lost, too (a restarted MariaDB in the lab).
            migration.live = False
            return
        able = [
            s.host
            for s in self.services.values()
            if s.enabled and self.is_up(s.host) and s.host != asked.source_compute
            and target in (None, s.host)
        ]  # fmt: skip
        if guest.unplaceable or not able:
            self._give_up(guest, migration, NO_VALID_HOST)
            return
        host = self._host(self.kernel.rng.choice(able))
        if host.compute:
            self._claim(guest, migration, host)
        else:
            # It counts as up, and is not: the request waits for it, and is of use to nobody.
            migration.live = False
            waits = self.queues.setdefault(host.name, [])
            waits.append(lambda: self._claim(guest, migration, host))

    def _claim(self, guest: Guest, migration: Migration, host: Hypervisor) -> None:
        """`resource_tracker.py: _claim_existing_migration`: the new host takes the request.

        It asks not whether the record is another's by now.
        """
        # Lab: test_a_rebuild_that_waits_for_its_host_ends_in_an_error_when_that_is_back
        if guest.uuid not in self.world.guests:
            return
        if guest.host != migration.source_compute and not migration.live:
            # Where it runs elsewhere by now, that leaves it in an error: nobody can undo that.
            guest.disturbed = True
        migration.dest_compute = host.nova_name
        self._set(migration, "pre-migrating")
        low, high = self.rebuild_time
        wait, boot = low + (high - low) * self.kernel.rng.random(), host.boots
        self.kernel.after(wait / 2, lambda: self._spawn(guest, migration, boot, wait / 2))

    def _give_up(self, guest: Guest, migration: Migration, text: str) -> None:
        # Lab: test_no_valid_host_ends_in_an_error
        self._set(migration, "error")
        guest.vm_state, guest.task_state = "error", None
        guest.fault = {"message": text, "created": iso(self.kernel.now)}
        self.kernel.changed("guests")

    def _set(self, migration: Migration, status: str) -> None:
        migration.status, migration.updated = status, self.kernel.now
        migration.live = status == "pre-migrating"
        self.kernel.changed("guests")

    def _spawn(self, guest: Guest, migration: Migration, boot: int, rest: float) -> None:
        """`compute/manager.py: _do_rebuild_instance`: the process is started before the end."""
        # Lab: test_a_task_that_is_reset_before_the_rebuild_has_begun
        host = self._host(migration.dest_compute or "")
        if host.boots != boot or not host.compute or guest.uuid not in self.world.guests:
            migration.live = False
            return
        if self.database_away:
            migration.live = False
            return
        if guest.uuid in host.qemu:
            # `_check_instance_exists`; `reverts_task_state`.
            # Lab: test_a_process_that_is_there_already_ends_a_rebuild
            self._failed(guest, migration, f"Instance {guest.uuid} already exists.")
            guest.task_state = None
            return
        if guest.task_state != "rebuilding":
            # instance.save(expected_task_state=[REBUILDING]) fails.
            self._failed(guest, migration, _conflict(guest, "rebuilding"))
            guest.task_state, guest.power_state = "rebuilding", NOSTATE
            return
        # Lab: test_what_the_database_is_not_told_of_a_rebuild
        guest.task_state, guest.power_state = SPAWNING, NOSTATE
        self.kernel.changed("guests")
        self.kernel.after(rest * 0.8, lambda: self._started(guest, migration, boot, rest * 0.2))

    def _started(self, guest: Guest, migration: Migration, boot: int, rest: float) -> None:
        # Lab: test_a_task_that_is_reset_while_the_process_starts
        host = self._host(migration.dest_compute or "")
        if host.boots != boot or not host.compute:
            migration.live = False
            return
        self.world.run_guest(host, guest.uuid)
        self.kernel.after(rest, lambda: self._rebuilt(guest, migration, boot))

    def _rebuilt(self, guest: Guest, migration: Migration, boot: int) -> None:
        # Lab: test_which_states_are_evacuated_and_how_they_arrive
        # Lab: test_what_is_deleted_while_its_process_starts
        host = self._host(migration.dest_compute or "")
        if host.boots != boot or not host.compute:
            migration.live = False
            return
        if guest.uuid not in self.world.guests:
            # "Instance was deleted while rebuilding": the process stays until it is looked for.
            self.kernel.after(
                REAP * self.kernel.rng.random(), lambda: self._reap(guest, host, boot)
            )
            self._set(migration, "failed")
            return
        if self.broker_away and self.kernel.rng.random() < self.held:
            # The call is lost with the broker, and fails when its time is over.
            self.kernel.after(RPC_TIMEOUT, lambda: self._unanswered(guest, migration, boot))
            return
        if self.database_away:
            # The process stays, and nothing is written.
            # Lab: test_what_the_database_is_not_told_of_a_rebuild
            migration.live = False
            return
        if guest.task_state != SPAWNING:
            # instance.save(expected_task_state=[REBUILD_SPAWNING]) fails; the process stays.
            guest.power_state = RUNNING
            self._failed(guest, migration, _conflict(guest, SPAWNING))
            return
        guest.host = host.nova_name
        guest.vm_state, guest.power_state, guest.task_state = "active", RUNNING, None
        if migration.orig_state == "stopped":
            # "bring VM back to stopped" (`_do_rebuild_instance`).
            guest.vm_state, guest.power_state = "stopped", SHUTDOWN
            host.qemu.discard(guest.uuid)
        self._set(migration, "done")
        self.kernel.trace("nova", f"{guest.uuid[:8]} is rebuilt on {host.name}")

    def _unanswered(self, guest: Guest, migration: Migration, boot: int) -> None:
        """Nobody has answered that a rebuild has ended: it has failed, and its process runs."""
        # Source only: nova/compute/manager.py: rebuild_instance
        host = self._host(migration.dest_compute or "")
        migration.live = False
        away = self.broker_away or self.database_away
        if host.boots == boot and host.compute and not away and guest.uuid in self.world.guests:
            self._failed(guest, migration, "MessagingTimeout")
            guest.task_state, guest.power_state = None, RUNNING

    def _reap(self, guest: Guest, host: Hypervisor, boot: int) -> None:
        """`_cleanup_running_deleted_instances`."""
        # Lab: test_what_is_deleted_while_its_process_starts
        if host.boots == boot and host.compute:
            self.world.stop_guest(host, guest.uuid)

    def _failed(self, guest: Guest, migration: Migration, why: str) -> None:
        """`_error_out_instance_on_exception`."""
        # Lab: test_a_task_that_is_reset_before_the_rebuild_has_begun
        # Lab: test_a_task_that_is_reset_while_the_process_starts
        self._set(migration, "failed")
        guest.vm_state = "error"
        guest.fault = {"message": why, "created": iso(self.kernel.now)}
        self.kernel.changed("guests")

    def reset_state(self, uuid: Any, state: str) -> None:
        """`os-resetState`, of an administrator: the record only."""
        # Lab: test_a_task_that_is_reset_while_the_process_starts
        guest = self.guest(uuid)
        guest.vm_state, guest.task_state = state, None
        self.kernel.trace("nova", f"reset_state {guest.uuid[:8]} {state}")
        self.kernel.changed("guests")

    def delete(self, guest: Guest) -> None:
        """`compute/api.py: _delete`: by the nova-compute, or without it where that is down."""
        # Source only: nova/compute/api.py: _delete
        if guest.locked:
            return
        guest.deleting = guest.disturbed = True
        if self.is_up(guest.host):
            guest.task_state = "deleting"
            self._on_host(guest, lambda host: self._deleted(guest))
        else:
            self._deleted(guest)
        self.kernel.changed("guests")

    def _deleted(self, guest: Guest) -> None:
        # Source only: nova/compute/api.py: _delete
        self.world.guests.pop(guest.uuid, None)
        for host in self.world.hosts.values():
            if host.nova_name == guest.host:
                host.qemu.discard(guest.uuid)

    def stop(self, uuid: Any, by: str = ADMIN) -> None:
        """`compute/api.py: stop`; from a dead host nobody answers, and the task stays."""
        # Lab: test_a_stop_and_a_start
        # Lab: test_what_is_stopped_on_a_dead_host_stays_being_stopped
        guest = self.guest(uuid)
        self._require(guest, ("active", "error"), "stop")
        self._force_stop(guest, by)

    def _force_stop(self, guest: Guest, by: str) -> None:
        # Lab: test_a_stop_and_a_start
        guest.task_state = "powering-off"
        self._act(guest, "stop", by)
        self.kernel.changed("guests")
        # Its own nova-compute asks itself, and has it at once.
        soon = 0.1 if by == "nova" else 1.0
        self._on_host(guest, lambda host: self._stopped(guest, host), soon)

    def _stopped(self, guest: Guest, host: Hypervisor) -> None:
        """`stop_instance`, which asks not whose the instance is by now.

        Where there is no process, it is content with an instance to which nothing is done.
        """
        # Lab: test_a_stop_and_a_start
        # Lab: test_what_was_to_be_stopped_is_recorded_as_stopped
        # One that had waited for the host stops what runs elsewhere by now: nobody can undo that.
        guest.disturbed = guest.disturbed or guest.host != host.nova_name
        tasks = ("powering-off",) if guest.uuid in host.qemu else ("powering-off", None)
        self.world.stop_guest(host, guest.uuid)
        if guest.task_state in tasks:
            guest.vm_state, guest.task_state = "stopped", None
            # Where it was evacuated from, libvirt knows it no more.
            guest.power_state = SHUTDOWN if guest.host == host.nova_name else NOSTATE

    def start(self, uuid: Any) -> None:
        """`compute/api.py: start`."""
        # Lab: test_a_stop_and_a_start
        guest = self.guest(uuid)
        self._require(guest, ("stopped",), "start")
        guest.task_state = "powering-on"
        self._act(guest, "start")
        self.kernel.changed("guests")
        self._on_host(guest, lambda host: self._run(guest, host, gated=False))

    def reboot(self, uuid: Any) -> None:
        """`compute/api.py: _hard_reboot_instance`."""
        # Lab: test_a_hard_reboot
        guest = self.guest(uuid)
        self._require(guest, ("active", "stopped", "paused", "suspended", "error"), "reboot")
        host = self._host(guest.host)
        if guest.uuid in host.qemu and not host.boots:
            self.world.violate("rebooted while it runs", f"{guest.uuid[:8]} on {guest.host}")
        guest.task_state = "rebooting_hard"
        self._act(guest, "reboot")
        self.kernel.changed()
        self._on_host(guest, lambda host: self._run(guest, host))

    def _run(self, guest: Guest, host: Hypervisor, *, gated: bool = True) -> None:
        """`start_instance`, or `reboot_instance`, which alone looks at the task before (`gated`).

        Neither asks whose the instance is by now.
        """
        # Lab: test_a_stop_and_a_start
        # Lab: test_a_hard_reboot
        # Lab: test_what_was_to_be_started_runs_twice_once_the_host_is_back
        # Lab: test_what_was_to_be_rebooted_is_left_alone
        asked = guest.task_state in ("powering-on", "rebooting_hard")
        if asked or not gated:
            self.world.run_guest(host, guest.uuid)
        if asked:
            guest.vm_state, guest.power_state, guest.task_state = "active", RUNNING, None
            self.kernel.changed("guests")

    def _on_host(self, guest: Guest, what: Any, soon: float = 1.0) -> None:
        """Send a message to a guest's nova-compute, which may come to it much later.

        RabbitMQ keeps what nobody has taken, be the host dead for days; what nova-compute had
        taken is lost with it.
        """
        # Lab: test_what_is_stopped_on_a_dead_host_stays_being_stopped
        # Lab: test_what_is_asked_of_a_dead_host_does_not_follow_an_instance
        host = self._host(guest.host)
        if self.broker_away:
            if self.kernel.rng.random() < self.held:
                self._hold(lambda: self._on_host(guest, what, soon))
            return
        wait, boot = soon * (0.3 + 2 * self.kernel.rng.random()), host.boots
        taken = self.kernel.rng.random() < 0.5 and host.compute and host.reachable

        def arrive() -> None:
            if guest.uuid not in self.world.guests:
                return
            if host.compute and host.reachable:
                if not taken or host.boots == boot:
                    what(host)
            elif host.compute:
                self.kernel.after(5.0, arrive)
            else:
                self.queues.setdefault(host.name, []).append(arrive)

        self.kernel.after(wait, arrive)

    def leave_message(self, guest: Guest) -> None:
        """Have a message wait for nova-compute that it takes when it is started next."""
        # Lab: test_what_was_to_be_started_runs_twice_once_the_host_is_back
        # Lab: test_what_was_to_be_stopped_is_recorded_as_stopped
        starts, host = guest.task_state == "powering-on", self._host(guest.host)

        def arrive() -> None:
            if guest.uuid in self.world.guests:
                self._run(guest, host, gated=False) if starts else self._stopped(guest, host)

        self.queues.setdefault(host.name, []).append(arrive)

    def _act(self, guest: Guest, action: str, by: str = ADMIN) -> None:
        # Lab: test_what_died_is_stopped_by_nova_in_nobodys_name
        # Lab: test_a_stop_and_a_start
        guest.actions.append(Action(action, None if by == "nova" else by, iso(self.kernel.now)))

    def crash_guest(self, guest: Guest) -> None:
        """QEMU dies; nova-compute hears of it, and stops the guest (`handle_lifecycle_event`)."""
        # Lab: test_what_died_is_stopped_by_nova_in_nobodys_name
        self.world.stop_guest(self._host(guest.host), guest.uuid)
        self.lifecycle(guest)

    def lifecycle(self, guest: Guest) -> None:
        """Tell nova-compute, as libvirt does, that a process has begun or ended."""
        # Lab: test_what_was_stopped_and_runs_is_stopped_again
        host = self._host(guest.host)
        self.kernel.after(0.5 + self.kernel.rng.random(), lambda: self._sync(guest, host))

    # -- nova-compute starts ----------------------------------------------------------------
    def compute_started(self, host: Hypervisor) -> None:
        """`init_host`, and the first run of the periodic tasks."""
        # Lab: test_what_was_evacuated_is_cleaned_up_when_nova_compute_starts
        # Lab: test_a_rebuild_that_was_lost_stays
        # Lab: test_a_start_ends_the_last_of_several_evacuations
        # Lab: test_the_next_start_ends_what_runs_there_of_which_one_is_left
        name, boot = host.nova_name, host.boots
        if self.broker_away:
            # It waits for the conductor before it does anything.
            self.waiting.add(host.name)
            self.kernel.after(2.0, lambda: self._started_late(host, boot))
            return
        # `_destroy_evacuated_instances`, which asks not whether anybody works on them, nor where
        # an instance is; and of several records of one it ends the last alone.
        evacuated = {
            migration.instance_uuid: migration
            for migration in self.migrations
            if migration.source_compute == name and migration.migration_type == "evacuation"
            and migration.status in ("accepted", "pre-migrating", "done")
        }  # fmt: skip
        for migration in evacuated.values():
            host.qemu.discard(migration.instance_uuid)
            migration.status, migration.updated = "completed", self.kernel.now
        for guest in list(self.world.guests.values()):
            here = guest.host == name and guest.uuid not in evacuated
            if here and guest.vm_state != "error":
                self._init_instance(guest, host)
        # nova/service.py: start: it listens once that is done.
        for arrive in self.queues.pop(host.name, []):
            self.kernel.after(0.2 + 0.3 * self.kernel.rng.random(), arrive)
        wait = 1 + 4 * self.kernel.rng.random()
        self.kernel.after(wait, lambda: self._sync_all(host, boot))

    def _started_late(self, host: Hypervisor, boot: int) -> None:
        # Source only: nova/conductor/api.py: wait_until_ready
        self.waiting.discard(host.name)
        if host.compute and host.boots == boot:
            self.compute_started(host)

    def _init_instance(self, guest: Guest, host: Hypervisor) -> None:
        """`_init_instance`: what was asked for is done, what is to run is started."""
        # Lab: test_what_was_being_stopped_is_stopped_when_nova_compute_starts
        # Lab: test_what_is_being_started_is_started_when_nova_compute_starts
        # Lab: test_what_ran_is_started_where_that_is_configured
        # Lab: test_a_rebuild_that_was_lost_is_an_error_once_its_host_starts_again
        task = guest.task_state or ""
        if task.startswith("rebuild") and guest.vm_state in ("active", "stopped"):
            # "Instance failed to rebuild correctly, setting to ERROR state".
            guest.vm_state, guest.task_state = "error", None
            return
        if task.startswith("image_"):
            # "transitional state at start-up clearing task state".
            guest.task_state = None
        if task == "deleting":
            self._deleted(guest)
        elif task == "powering-off":
            self._stopped(guest, host)
        elif task == "powering-on":
            self._run(guest, host)
        elif (
            self.world.resume_guests and guest.power_state == RUNNING
            and guest.uuid not in host.qemu
        ):  # fmt: skip
            self.world.run_guest(host, guest.uuid)

    def _sync_all(self, host: Hypervisor, boot: int) -> None:
        """`_sync_power_states`, which runs at once and each 600 s."""
        # Lab: test_what_was_left_behind_after_the_boot
        if host.boots != boot or not host.compute:
            return
        for guest in list(self.world.guests.values()):
            if guest.host == host.nova_name:
                self._sync(guest, host)

    def _sync(self, guest: Guest, host: Hypervisor) -> None:
        """`_sync_instance_power_state`."""
        # Lab: test_what_was_left_behind_after_the_boot
        # Lab: test_what_was_stopped_and_runs_is_stopped_again
        if not host.compute or guest.host != host.nova_name or guest.task_state is not None:
            return
        if self.broker_away:
            return
        runs = guest.uuid in host.qemu
        up = PAUSED if guest.vm_state == "paused" else RUNNING
        guest.power_state = up if runs else SHUTDOWN
        self.kernel.changed("guests")
        if (guest.vm_state in ("active", "paused") and not runs) or (
            guest.vm_state == "stopped" and runs
        ):
            self._force_stop(guest, "nova")


def _conflict(guest: Guest, expected: str) -> str:
    """`exception.py: InstanceUpdateConflict`."""
    # Lab: test_a_task_that_is_reset_before_the_rebuild_has_begun
    # Lab: test_a_task_that_is_reset_while_the_process_starts
    actual = {"task_state": guest.task_state}
    text = f"Conflict updating instance {guest.uuid}. Expected: {{'task_state': ['{expected}']}}."
    return f"{text} Actual: {actual}"
