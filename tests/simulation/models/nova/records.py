"""What the model of Nova keeps: services, migrations, and its constants."""

from __future__ import annotations

import datetime
import functools
from dataclasses import dataclass, field

SERVICE_DOWN_TIME = 60.0
"""`service_down_time`."""


REPORT_INTERVAL = 10.0
"""`report_interval`: how often nova-compute reports."""


RPC_TIMEOUT = 60.0
"""`rpc_response_timeout`: what a call of a dead nova-compute takes."""


REAP = 1800.0
"""`running_deleted_instance_poll_interval`: how often it looks for what was deleted, and runs."""


NOSTATE, RUNNING, PAUSED, SHUTDOWN = 0, 1, 3, 4


NO_VALID_HOST = "No valid host was found."
"""How the fault of a guest begins for which there is no host."""


SPAWNING = "rebuild_spawning"
"""The task while a rebuilt guest's process is started."""


ADMIN = "masakari"
"""The user of what Masakari and this project do."""


@functools.lru_cache(1000)
def iso(moment: float) -> str:
    """Return a time as Nova's API gives it."""
    return datetime.datetime.fromtimestamp(moment, datetime.timezone.utc).strftime(
        "%Y-%m-%dT%H:%M:%S.%f"
    )


STARTED, REBUILDS = "compute_start_instance", "compute_rebuild_instance"
"""The events of actions that a nova-compute carries out."""


@dataclass
class Action:
    """What was done with a guest; what Nova does by itself has no user."""

    action: str
    user_id: str | None
    start_time: str
    request_id: str = ""
    events: list[dict[str, str]] = field(default_factory=list)


@dataclass
class Service:
    """The record of a nova-compute; `since`: when it was changed last."""

    uuid: str
    host: str
    enabled: bool = True
    forced_down: bool = False
    since: float = 0.0


@dataclass
class Migration:
    """The record of an evacuation; `live`: somebody works on it, or will.

    `boot`: of the new host that has taken it; `action`: that was asked for, and `event`: what the
    new host has written down with that.
    """

    instance_uuid: str
    source_compute: str
    dest_compute: str | None
    status: str
    created: float
    updated: float
    number: int = 0
    orig_state: str = ""
    migration_type: str = "evacuation"
    live: bool = False
    boot: int = 0
    action: Action | None = None
    event: dict[str, str] = field(default_factory=dict)

    @property
    def created_at(self) -> str:
        return iso(self.created)

    @property
    def updated_at(self) -> str:
        return iso(self.updated)

    @property
    def id(self) -> int:
        return self.number

    @property
    def uuid(self) -> str:
        return f"00000000-0000-4000-8000-{self.number:012d}"
