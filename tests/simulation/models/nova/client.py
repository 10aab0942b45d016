"""novaclient's objects over the model: what Masakari and this project use of them."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from simulation.core import kernel
from simulation.models.nova.nova import Nova
from simulation.models.nova.records import ADMIN, Service, iso
from simulation.world import Guest


class Client:
    """A `novaclient.client.Client` of microversion 2.53."""

    def __init__(self, nova: Nova) -> None:
        self.servers = Servers(nova)
        self.services = Services(nova)
        self.migrations = Migrations(nova)
        self.instance_action = Actions(nova)
        self.aggregates = SimpleNamespace(list=lambda: ask("aggregates.list", lambda: []))
        self.client = SimpleNamespace(session=SimpleNamespace(get_user_id=lambda: ADMIN))


def ask(name: str, effect: Callable[[], Any]) -> Any:
    """Send a request."""
    if kernel.ACTIVE is None:
        raise RuntimeError("no simulation runs")
    return kernel.ACTIVE.call("nova", name, effect)


class Servers:
    """The manager of guests."""

    def __init__(self, nova: Nova) -> None:
        self._nova = nova

    def _view(self, guest: Guest) -> Any:
        # Lab: test_a_task_that_is_reset_before_the_rebuild_has_begun
        # With a task of a rebuild it counts as one, of which no fault is shown.
        tells = guest.vm_state == "error" and not (guest.task_state or "").startswith("rebuild")
        server = SimpleNamespace(
            id=guest.uuid,
            name=guest.uuid[:8],
            locked=guest.locked,
            metadata=dict(guest.metadata),
            fault=dict(guest.fault) if tells else {},
            status=guest.vm_state.upper(),
            updated=iso(guest.updated)[:19] + "Z",
        )
        values = {
            "OS-EXT-STS:vm_state": guest.vm_state,
            "OS-EXT-STS:task_state": guest.task_state,
            "OS-EXT-STS:power_state": guest.power_state,
            "OS-EXT-SRV-ATTR:host": guest.host,
            "OS-EXT-SRV-ATTR:hypervisor_hostname": guest.host + self._nova.suffix,
        }
        server.__dict__.update(values)
        return server

    def get(self, server: Any) -> Any:
        return ask("servers.get", lambda: self._view(self._nova.instances.find(server)))

    def list(self, detailed: bool = True, search_opts: Any = None, **_: Any) -> Any:
        host = (search_opts or {}).get("host")
        guests = self._nova.world.guests
        return ask(
            "servers.list",
            lambda: [self._view(g) for g in guests.values() if host in (None, g.host)],
        )

    def lock(self, server: Any, reason: Any = None) -> None:
        ask("servers.lock", lambda: self._lock(server, True))

    def unlock(self, server: Any) -> None:
        ask("servers.unlock", lambda: self._lock(server, False))

    def _lock(self, server: Any, value: bool) -> None:
        """`compute/api.py: lock`, `unlock`: an action each, by one who does not own it."""
        # Lab: test_who_locks_and_unlocks_it_is_on_record
        guest = self._nova.instances.find(server)
        guest.locked = value
        self._nova.instances.note(guest, "lock" if value else "unlock")
        self._nova.kernel.trace("nova", f"{guest.uuid[:8]} locked={value}")
        self._nova.kernel.changed("guests")

    def evacuate(self, server: Any, host: str | None = None, **_: Any) -> None:
        ask("servers.evacuate", lambda: self._nova.evacuations.evacuate(server, host))

    def reset_state(self, server: Any, state: str = "error") -> None:
        ask("servers.reset_state", lambda: self._nova.instances.reset_state(server, state))

    def stop(self, server: Any) -> None:
        ask("servers.stop", lambda: self._nova.requests.stop(server))

    def start(self, server: Any) -> None:
        ask("servers.start", lambda: self._nova.requests.start(server))

    def reboot(self, server: Any, reboot_type: str = "HARD") -> None:
        ask("servers.reboot", lambda: self._nova.requests.reboot(server))


class Services:
    """The manager of nova-compute's records."""

    def __init__(self, nova: Nova) -> None:
        self._nova = nova

    def _view(self, service: Service) -> Any:
        host = self._nova.host(service.host)
        return SimpleNamespace(
            id=service.uuid,
            host=service.host,
            binary="nova-compute",
            status="enabled" if service.enabled else "disabled",
            state="up" if self._nova.is_up(service.host) else "down",
            forced_down=service.forced_down,
            updated_at=iso(max(self._nova.seen(host), service.since)),
        )

    def list(self, host: str | None = None, binary: str | None = None) -> Any:
        found = self._nova.services

        def effect() -> Any:
            if binary in ("nova-conductor", "nova-scheduler"):
                moment = iso(self._nova.reported(binary))
                return [SimpleNamespace(host="controller", binary=binary, updated_at=moment)]
            return [self._view(s) for s in found.values() if host in (None, s.host)]

        return ask("services.list", effect)

    def _service(self, uuid: str) -> Service:
        return next(s for s in self._nova.services.values() if s.uuid == uuid)

    def force_down(self, uuid: str, forced: bool) -> Any:
        def effect() -> Any:
            self._nova.set_forced_down(self._service(uuid), forced)
            return self._view(self._service(uuid))

        return ask("services.force_down", effect)

    def enable(self, uuid: str) -> None:
        ask("services.enable", lambda: self._nova.set_enabled(self._service(uuid), True))

    def disable(self, uuid: str) -> None:
        ask("services.disable", lambda: self._nova.set_enabled(self._service(uuid), False))

    def disable_log_reason(self, uuid: str, reason: str) -> None:
        self.disable(uuid)


class Migrations:
    """The manager of migrations."""

    def __init__(self, nova: Nova) -> None:
        self._nova = nova

    def list(self, host: str | None = None, **options: Any) -> Any:
        uuid, status = options.get("instance_uuid"), options.get("status")

        def effect() -> Any:
            return [
                _copy(m)
                for m in self._nova.migrations
                # `instance_destroy` deletes them, too.
                # Lab: test_what_is_deleted_while_its_process_starts
                if m.instance_uuid in self._nova.world.guests
                and host in (None, m.source_compute, m.dest_compute)
                and uuid in (None, m.instance_uuid)
                and status in (None, m.status)
            ]

        return ask("migrations.list", effect)


def _copy(migration: Any) -> Any:
    return SimpleNamespace(
        id=migration.id,
        uuid=migration.uuid,
        instance_uuid=migration.instance_uuid,
        source_compute=migration.source_compute,
        dest_compute=migration.dest_compute,
        status=migration.status,
        created_at=migration.created_at,
        updated_at=migration.updated_at,
        migration_type=migration.migration_type,
    )


class Actions:
    """The manager of guests' actions."""

    def __init__(self, nova: Nova) -> None:
        self._nova = nova

    def list(self, server: Any, **_: Any) -> Any:
        return ask("instance_action.list", lambda: list(self._nova.instances.find(server).actions))

    def get(self, server: Any, request: str) -> Any:
        # Lab: test_what_is_being_started_is_started_when_nova_compute_starts
        def effect() -> Any:
            found = self._nova.instances.find(server).actions
            return next(one for one in found if one.request_id == request)

        return ask("instance_action.get", effect)
