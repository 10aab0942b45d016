"""Masakari's tables in memory, quicker than SQLAlchemy by two orders of magnitude.

The functions of `masakari.db.sqlalchemy.api` that Masakari's objects and engine use, over the
columns and defaults of the release's own models. `database.checked` holds each answer against
that of the release's own functions on SQLite.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any

Row = dict[str, Any]
"""What stands for a model's instance; Masakari's objects use `row[key]` and `row.get(key)`."""

_ORDER = itemgetter("created_at", "id")


class Table:
    """One table.

    Args:
        model: the release's model.
        key: the column with the identifier that others know.
        missing: makes the exception for a row that is not there.
    """

    def __init__(self, model: Any, key: str, missing: Callable[[Any], Exception]) -> None:
        self._key = key
        self._missing = missing
        self._columns = tuple(column.name for column in model.__table__.columns)
        self._moments = frozenset(
            column.name
            for column in model.__table__.columns
            if isinstance(column.type, _datetime_type())
        )
        self._defaults = _defaults(model, "default")
        self._updates = _defaults(model, "onupdate")
        self.rows: list[Row] = []

    def empty(self) -> None:
        """Remove everything."""
        self.rows.clear()

    def create(self, values: Row) -> Row:
        """Insert a row; what is not given has the model's default."""
        row = dict.fromkeys(self._columns)
        row |= {name: make(None) for name, make in self._defaults.items()}
        row |= self._stored(values)
        row["id"] = len(self.rows) + 1
        self.rows.append(row)
        return row

    def update(self, key: str, values: Row) -> Row:
        """Change a row; as with SQLAlchemy, what is the same is no change."""
        row = self.get(key)
        changes = {n: v for n, v in self._stored(values).items() if v != row[n]}
        if changes:
            row |= changes
            row |= {name: make(None) for name, make in self._updates.items()}
        return row

    def _stored(self, values: Row) -> Row:
        """Return values as they come back from the database: moments have no zone there."""
        unknown = set(values) - set(self._columns)
        if unknown:
            raise NotImplementedError(f"the model has no columns {unknown}")
        return {
            name: value.replace(tzinfo=None)
            if name in self._moments and value is not None
            else value
            for name, value in values.items()
        }

    def get(self, value: Any, column: str = "", missing: Any = None) -> Row:
        """Return the row with this value in a column, by default the key.

        Raises:
            Exception: there is none: as the release's function has it.
        """
        column = column or self._key
        for row in self.rows:
            if row[column] == value and not row["deleted"]:
                return row
        raise (missing or self._missing)(value)

    def select(
        self,
        filters: dict[str, Any],
        limit: int | None,
        marker: Any,
        matches: Callable[[Row], bool] = lambda row: True,
    ) -> list[Row]:
        """Return the rows that match, the newest first, as by default; a page of them."""
        found = [
            row
            for row in self.rows
            if not row["deleted"]
            and all(_is(row[name], value) for name, value in filters.items())
            and matches(row)
        ]
        found.sort(key=_ORDER, reverse=True)
        if marker is not None:
            last = _ORDER(self.get(int(marker), "id"))
            found = [row for row in found if _ORDER(row) < last]
        return found[:limit] if limit is not None else found


def _is(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, (list, tuple, set, frozenset)):
        return value in wanted
    return bool(value == wanted)


def _datetime_type() -> Any:
    from sqlalchemy import DateTime

    return DateTime


def _defaults(model: Any, kind: str) -> dict[str, Callable[[Any], Any]]:
    """Return what makes the values of columns that are not given."""
    found: dict[str, Callable[[Any], Any]] = {}
    for column in model.__table__.columns:
        default = getattr(column, kind)
        if default is not None:
            made = default.arg
            found[column.name] = made if callable(made) else lambda context, value=made: value
    return found


class Tables:
    """All of them, with the functions of `masakari.db`.

    Args:
        models: the release's `masakari.db.sqlalchemy.models`.
        exception: its `masakari.exception`.
    """

    def __init__(self, models: Any, exception: Any) -> None:
        self.segments = Table(
            models.FailoverSegment, "uuid", lambda key: exception.FailoverSegmentNotFound(id=key)
        )
        self.hosts = Table(models.Host, "uuid", lambda key: exception.HostNotFound(id=key))
        self.notifications = Table(
            models.Notification,
            "notification_uuid",
            lambda key: exception.NotificationNotFound(id=key),
        )
        vmove = getattr(models, "VMove", None)
        # Releases before Antelope have none.
        self.vmoves = vmove and Table(vmove, "uuid", lambda key: exception.VMoveNotFound(id=key))
        self._exception = exception

    def empty(self) -> None:
        """Remove everything."""
        for table in (self.segments, self.hosts, self.notifications, self.vmoves):
            if table is not None:
                table.empty()

    # -- segments ---------------------------------------------------------------------------
    def failover_segment_create(self, context: Any, values: Row) -> Row:
        return self.segments.create(values)

    def failover_segment_get_by_uuid(self, context: Any, uuid: str) -> Row:
        return self.segments.get(uuid)

    def failover_segment_get_all_by_filters(
        self, context: Any, filters: Any = None, sort_keys: Any = None, sort_dirs: Any = None,
        limit: Any = None, marker: Any = None,
    ) -> list[Row]:  # fmt: skip
        _unsorted(sort_keys, sort_dirs)
        return self.segments.select(filters or {}, limit, marker)

    def is_failover_segment_under_recovery(
        self, context: Any, uuid: str, filters: Any = None
    ) -> bool:
        hosts = {r["uuid"] for r in self.hosts.rows if r["failover_segment_id"] == uuid}
        wanted = dict(filters or {}, source_host_uuid=hosts)
        return bool(self.notifications.select(wanted, None, None))

    # -- hosts ------------------------------------------------------------------------------
    def _whole(self, host: Row) -> Row:
        return {**host, "failover_segment": self.segments.get(host["failover_segment_id"])}

    def host_create(self, context: Any, values: Row) -> Row:
        return self._whole(self.hosts.create(values))

    def host_update(self, context: Any, uuid: str, values: Row) -> Row:
        return self._whole(self.hosts.update(uuid, values))

    def host_get_by_name(self, context: Any, name: str) -> Row:
        missing = lambda name: self._exception.HostNotFoundByName(host_name=name)  # noqa: E731
        return self._whole(self.hosts.get(name, "name", missing))

    def host_get_by_uuid(self, context: Any, uuid: str, segment_uuid: Any = None) -> Row:
        host = self.hosts.get(uuid)
        if segment_uuid not in (None, host["failover_segment_id"]):
            raise self._exception.HostNotFoundUnderFailoverSegment(
                host_uuid=uuid, segment_uuid=segment_uuid
            )
        return self._whole(host)

    def host_get_all_by_filters(
        self, context: Any, filters: Any = None, sort_keys: Any = None, sort_dirs: Any = None,
        limit: Any = None, marker: Any = None,
    ) -> list[Row]:  # fmt: skip
        _unsorted(sort_keys, sort_dirs)
        found = self.hosts.select(filters or {}, limit, marker)
        return [self._whole(host) for host in found]

    # -- notifications ----------------------------------------------------------------------
    def notification_create(self, context: Any, values: Row) -> Row:
        return self.notifications.create(values)

    def notification_update(self, context: Any, uuid: str, values: Row) -> Row:
        return self.notifications.update(uuid, values)

    def notification_get_by_uuid(self, context: Any, uuid: str) -> Row:
        return self.notifications.get(uuid)

    def notifications_get_all_by_filters(
        self, context: Any, filters: Any = None, sort_keys: Any = None, sort_dirs: Any = None,
        limit: Any = None, marker: Any = None,
    ) -> list[Row]:  # fmt: skip
        _unsorted(sort_keys, sort_dirs)
        wanted = dict(filters or {})
        since = wanted.pop("generated-since", None)
        if since is None:
            return self.notifications.select(wanted, limit, marker)
        moment = _naive(since)
        return self.notifications.select(
            wanted, limit, marker, lambda row: row["generated_time"] >= moment
        )

    # -- moves of instances -----------------------------------------------------------------
    def vmove_create(self, context: Any, values: Row) -> Row:
        return self.vmoves.create(values)  # type: ignore[no-any-return]

    def vmove_update(self, context: Any, uuid: str, values: Row) -> Row:
        return self.vmoves.update(uuid, values)  # type: ignore[no-any-return]

    def vmove_get_by_uuid(self, context: Any, uuid: str) -> Row:
        return self.vmoves.get(uuid)  # type: ignore[no-any-return]

    def vmoves_get_all_by_filters(
        self, context: Any, filters: Any = None, sort_keys: Any = None, sort_dirs: Any = None,
        limit: Any = None, marker: Any = None,
    ) -> list[Row]:  # fmt: skip
        _unsorted(sort_keys, sort_dirs)
        return self.vmoves.select(filters or {}, limit, marker)  # type: ignore[no-any-return]


def _unsorted(keys: Iterable[str] | None, directions: Iterable[str] | None) -> None:
    if keys or directions:
        raise NotImplementedError(f"the tables are sorted by default only, not by {keys}")


def _naive(moment: datetime.datetime) -> datetime.datetime:
    """`oslo_utils.timeutils.normalize_time`."""
    offset = moment.utcoffset()
    return moment if offset is None else moment.replace(tzinfo=None) - offset
