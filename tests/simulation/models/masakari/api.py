"""Masakari's API, which is the real `masakari.ha.api`.

Only the WSGI layer in front of it, which maps exceptions to HTTP codes, is written here after
masakari/api/openstack/ha (17.0.0).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from masakari import context as contexts
from masakari import exception, objects
from masakari.ha import api as ha
from oslo_utils import timeutils

from simulation.core import kernel
from simulation.models.masakari import database
from simulation.world import Unit

if TYPE_CHECKING:
    from simulation.models.masakari.masakari import Masakari


class Api:
    """The API of each unit.

    Args:
        masakari: whose processes serve it.
    """

    def __init__(self, masakari: Masakari) -> None:
        self.kernel = masakari.kernel
        self._answers: dict[Any, tuple[int, Any]] = {}

    def serve(self, unit: Unit, method: str, path: str, body: Any) -> tuple[int, Any]:
        """Answer one request in a process of the unit's API, whatever becomes of the caller."""
        if unit.api is None or not unit.api.alive:
            raise ConnectionRefusedError(111, "Connection refused")
        if method == "GET":
            table = "hosts" if path.startswith("/segments") else "notifications"
            version = database.VERSIONS[table]
            known = self._answers.get(path)
            away = self.kernel.faults.away.get("db", 0.0) > self.kernel.now
            if known is not None and known[0] == version and not away:
                return known[1]  # type: ignore[no-any-return]
        answers: list[tuple[int, Any]] = []
        caller = kernel.current()

        def work() -> None:
            answers.append(self._route(method, path, body))
            if caller is not None and caller.asleep is not None:
                self.kernel.wake(caller)

        self.kernel.spawn(unit.api, work)
        self.kernel.park(10.0)
        if not answers:
            raise TimeoutError("no answer within 10 s")
        if method == "GET" and answers[0][0] == 200:
            self._answers[path] = (version, answers[0])
        return answers[0]

    def _route(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        try:
            return self._answer(method, path, body)
        except exception.HostNotFoundByName as error:
            return 400, error.format_message()
        except exception.NotFound as error:
            return 404, error.format_message()
        except (
            exception.DuplicateNotification, exception.HostOnMaintenanceError, exception.Conflict,
        ) as error:  # fmt: skip
            return 409, error.format_message()
        except Exception as error:
            return 500, f"Unexpected API Error: {type(error).__name__}"

    def _answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        url = urlsplit(path)
        parts = [part for part in url.path.split("/") if part]
        admin = contexts.get_admin_context()
        if parts[0] == "notifications":
            return self._notifications(admin, method, parts[1:], parse_qs(url.query), body)
        query = parse_qs(url.query)
        marker = query.get("marker", [None])[0]
        if len(parts) == 1:
            found = ha.FailoverSegmentAPI().get_all(admin, None, None, None, None, marker)
            return 200, {"segments": [_plain(s, ("id", "uuid", "name", "enabled")) for s in found]}
        if method == "GET":
            segment = ha.FailoverSegmentAPI().get_segment(admin, parts[1])
            filters = {"failover_segment_id": segment.uuid}
            hosts = ha.HostAPI().get_all(admin, filters, None, None, None, marker)
            names = ("id", "uuid", "name", "on_maintenance", "reserved")
            return 200, {"hosts": [_plain(h, names) for h in hosts]}
        found = ha.HostAPI().update_host(admin, parts[1], parts[3], body["host"])
        return 200, {"host": _plain(found, ("uuid", "name"))}

    def _notifications(
        self, admin: Any, method: str, rest: list[str], query: Any, body: Any
    ) -> tuple[int, Any]:
        if method == "POST":
            data = dict(body["notification"])
            data["generated_time"] = timeutils.parse_isotime(data["generated_time"])
            found = ha.NotificationAPI().create_notification(admin, data)
            return 202, {"notification": _view(found)}
        if rest:
            return 200, {"notification": _view(objects.Notification.get_by_uuid(admin, rest[0]))}
        filters = {name: values[0] for name, values in query.items()}
        limit = int(filters.pop("limit", 0)) or None
        known = {k: v for k, v in filters.items() if k in ("status", "source_host_uuid", "type")}
        if "generated-since" in filters:
            known["generated-since"] = timeutils.parse_isotime(filters["generated-since"])
        found = ha.NotificationAPI().get_all(
            admin, known, None, None, limit, filters.get("marker")
        )
        return 200, {"notifications": [_view(n) for n in found]}


def _plain(found: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(found, name) for name in names}


def _view(found: Any) -> dict[str, Any]:
    updated = getattr(found, "updated_at", None)
    return {
        "id": found.id,
        "notification_uuid": found.notification_uuid,
        "type": found.type,
        "status": found.status,
        "payload": found.payload,
        "source_host_uuid": found.source_host_uuid,
        "generated_time": found.generated_time.replace(tzinfo=None).isoformat(),
        "updated_at": updated.replace(tzinfo=None).isoformat() if updated else None,
        "created_at": found.created_at.replace(tzinfo=None).isoformat(),
    }
