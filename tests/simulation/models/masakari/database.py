"""Masakari's database: tables in memory, and to check them its own queries on SQLite."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import masakari_fencing

from simulation.core import kernel
from simulation.models.masakari import tables

VERSIONS = {"hosts": 0, "notifications": 0, "vmoves": 0}
"""Of each table, segments being among hosts; they grow with each change: answers can be kept."""

TABLES: list[tables.Tables] = []
"""The one, once it is made."""

CHECKED: list[Any] = []
"""Masakari's own functions, where each answer is held against theirs; see `check`."""

CHECKS = [0]
"""How many answers were."""

OPTIONS = {
    # What the masakari charm writes.
    "duplicate_notification_detection_interval": 30,
    "wait_period_after_service_update": 0,
    "host_failure_recovery_threads": 3,
    "process_unfinished_notifications_interval": masakari_fencing.UNFINISHED_INTERVAL,
    "retry_notification_new_status_interval": masakari_fencing.NEW_INTERVAL,
}


def configure() -> None:
    """Set what Masakari reads when it is imported."""
    import masakari.conf
    from oslo_db import options as db_options

    conf = masakari.conf.CONF
    conf([], project="masakari", default_config_files=[])
    for name, value in OPTIONS.items():
        conf.set_override(name, value)
    if "database" not in conf:
        db_options.set_defaults(conf)
    conf.set_override("connection", "sqlite://", group="database")
    conf.set_override("connection_recycle_time", -1, group="database")
    if "taskflow" in conf:
        conf.set_override("connection", "memory://", group="taskflow")


def options() -> None:
    """Set the flows, and make the tables; each call of the database is one of the outside."""
    import masakari.conf
    from masakari import db, exception, objects
    from masakari.db.sqlalchemy import models

    conf = masakari.conf.CONF
    group = "taskflow_driver_recovery_flows"
    for name, value in (
        ("host_auto_failure_recovery_tasks", masakari_fencing.AUTO_RECOVERY_TASKS),
        ("host_rh_failure_recovery_tasks", masakari_fencing.RESERVED_HOST_RECOVERY_TASKS),
        ("instance_failure_recovery_tasks", masakari_fencing.INSTANCE_RECOVERY_TASKS),
        ("process_failure_recovery_tasks", masakari_fencing.PROCESS_RECOVERY_TASKS),
    ):
        conf.set_override(name, _flow(value), group=group)
    conf.set_override("evacuate_all_instances", True, group="host_failure")
    conf.set_override("process_all_instances", True, group="instance_failure")
    objects.register_all()
    TABLES.append(tables.Tables(models, exception))
    for name in dir(db):
        call = getattr(db, name)
        if callable(call) and name.startswith(
            ("failover_segment", "host_", "notification", "vmove", "is_")
        ):
            setattr(db, name, _outside(name, getattr(TABLES[0], name, _missing(name))))


def check() -> None:
    """From now on, ask SQLite by Masakari's own functions, too, and compare the answers."""
    import sqlalchemy
    from masakari import db
    from masakari.db.sqlalchemy import api, models
    from oslo_db.sqlalchemy import engines

    engine = api.get_engine()
    models.BASE.metadata.create_all(engine)
    # Or another process would go on in the middle of what is compared, and in its transaction.
    sqlalchemy.event.remove(engine, "checkin", engines._thread_yield)
    for name in dir(TABLES[0]):
        real = getattr(api, name, None)
        if real is not None and not name.startswith("_"):
            setattr(db, name, _outside(name, _compared(name, getattr(TABLES[0], name), real)))
    CHECKED.append(api)


def _missing(name: str) -> Callable[..., Any]:
    def missing(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"the tables have no {name}")

    return missing


def _compared(name: str, fast: Callable[..., Any], real: Callable[..., Any]) -> Callable[..., Any]:
    def compared(*args: Any, **kwargs: Any) -> Any:
        ids = kernel.ACTIVE.ids.getstate() if kernel.ACTIVE is not None else None
        try:
            expected = real(*args, **kwargs)
        except Exception as error:
            expected = error
        if kernel.ACTIVE is not None:
            kernel.ACTIVE.ids.setstate(ids)
        try:
            answer = fast(*args, **kwargs)
        except Exception as error:
            answer = error
        if _comparable(answer, answer) != _comparable(expected, answer):
            raise Different(f"{name}{args[1:]}{kwargs}: {answer!r}, SQLite has {expected!r}")
        CHECKS[0] += 1
        if isinstance(answer, Exception):
            raise answer
        return answer

    return compared


class Different(BaseException):
    """The tables in memory do not answer as Masakari's own functions do."""


def _comparable(value: Any, like: Any) -> Any:
    """Return rows of both kinds in the same form, with the columns that the second has."""
    if isinstance(value, Exception):
        return type(value), str(value)
    if isinstance(value, (bool, int)) or value is None:
        return value
    if isinstance(value, list):
        if not isinstance(like, list) or len(like) != len(value):
            return len(value)
        return [_comparable(one, other) for one, other in zip(value, like, strict=True)]
    if not isinstance(like, dict):
        return type(value)
    return {
        key: _comparable(value[key], like[key]) if isinstance(like[key], dict) else value[key]
        for key in like
    }


def _flow(text: str) -> dict[str, list[str]]:
    """Read a flow as oslo.config does: phases with lists of names."""
    found = {}
    for part in text.replace("'", "").split("],"):
        phase, _, names = part.partition(":")
        found[phase.strip()] = [n.strip() for n in names.strip("[] ").split(",") if n.strip()]
    return found


def _outside(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    writes = name.endswith(("_create", "_update", "_delete"))
    table = {"n": "notifications", "v": "vmoves"}.get(name[0], "hosts")

    def write(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        result = call(*args, **kwargs)
        VERSIONS[table] += 1
        if kernel.ACTIVE is not None:
            if kernel.ACTIVE.tracing:
                kernel.ACTIVE.trace("db", f"{name} {_brief(args)}")
            kernel.ACTIVE.changed("db" if table != "vmoves" else table)
        return result

    def outside(*args: Any, **kwargs: Any) -> Any:
        running = kernel.ACTIVE
        if running is None or kernel.current() is None:
            return write(args, kwargs) if writes else call(*args, **kwargs)
        if writes:
            return running.call("db", name, lambda: write(args, kwargs))
        return running.call("db", name, lambda: call(*args, **kwargs))

    return outside


def _brief(args: tuple[Any, ...]) -> str:
    words = []
    for value in args[1:]:
        if isinstance(value, dict):
            words.append(",".join(f"{k}={v}" for k, v in value.items() if k in _SHOWN))
        else:
            words.append(str(value)[:8])
    return " ".join(words)


_SHOWN = ("status", "on_maintenance", "reserved", "type", "message", "instance_uuid")


def change_segments(column: str, value: object) -> None:
    """Change all segments as an operator would, past every check of the API."""
    for segment in TABLES[0].segments.rows:
        segment[column] = value
    written = int(value) if isinstance(value, bool) else f"'{value}'"
    _execute(f"UPDATE failover_segments SET {column} = {written}")  # noqa: S608 - constants
    VERSIONS["hosts"] += 1


def _execute(*statements: str) -> None:
    for api in CHECKED:
        connection = api.get_engine().raw_connection()
        for statement in statements:
            connection.cursor().execute(statement)
        connection.commit()
        connection.close()


def empty() -> None:
    """Remove everything."""
    TABLES[0].empty()
    if CHECKED:
        from masakari.db.sqlalchemy import models

        sorted_tables = reversed(models.BASE.metadata.sorted_tables)
        _execute(*[f"DELETE FROM {table.name}" for table in sorted_tables])  # noqa: S608
    for table in VERSIONS:
        VERSIONS[table] += 1
