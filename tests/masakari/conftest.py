"""The real Masakari of the environment: manager, driver, flows, tasks, objects on SQLite.

Nova and the cluster are stand-ins (`fencing_nova`, `fencing_cib`), so that a whole recovery takes
a fraction of a second.
"""

from __future__ import annotations

import datetime
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

warnings.filterwarnings("ignore", message="(?s).*Eventlet is deprecated")

import eventlet  # noqa: E402
import masakari_fencing  # noqa: E402

eventlet.monkey_patch()


def entry_points() -> tempfile.TemporaryDirectory[str]:
    """Have the package's entry points found, as if it were installed where it is."""
    project = Path(masakari_fencing.__file__).parents[2] / "pyproject.toml"
    held = tempfile.TemporaryDirectory(prefix="entry-points-")
    metadata = Path(held.name) / "masakari_fencing-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: masakari-fencing\nVersion: 1\n"
    )
    groups = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["entry-points"]
    lines = [
        line
        for group, points in groups.items()
        for line in (f"[{group}]", *(f"{name} = {where}" for name, where in points.items()))
    ]
    (metadata / "entry_points.txt").write_text("\n".join(lines))
    sys.path.append(held.name)
    return held


POINTS = entry_points()
"""Before Masakari looks."""

import masakari.conf  # noqa: E402
import pytest  # noqa: E402
from fencing_cib import Cib  # noqa: E402
from fencing_fakes import Cluster, Remote  # noqa: E402
from fencing_nova import FakeNova, Server  # noqa: E402

CONF = masakari.conf.CONF
CONF([], project="masakari")
CONF.set_override("connection", "sqlite://", group="database")
# From Masakari 22 on it is wanted; what it keeps nobody reads here.
CONF.set_override("connection", "memory://", group="taskflow")

from masakari import context, objects  # noqa: E402
from masakari.db.sqlalchemy import api as database  # noqa: E402
from masakari.db.sqlalchemy import models  # noqa: E402
from masakari.engine import manager  # noqa: E402
from masakari.notifications.objects import base as notifications  # noqa: E402
from masakari_fencing import (  # noqa: E402
    AUTO_RECOVERY_TASKS,
    INSTANCE_RECOVERY_TASKS,
    PROCESS_RECOVERY_TASKS,
    RESERVED_HOST_RECOVERY_TASKS,
)
from masakari_fencing.workflow import (  # noqa: E402
    attempt,
    driver,
    host_tasks,
    lost_hosts,
    recovery_lock,
)
from masakari_fencing.workflow.instances import recovery  # noqa: E402
from oslo_config import types  # noqa: E402

objects.register_all()
FLOW = types.Dict(
    bounds=False, value_type=types.List(bounds=True, item_type=types.String(quotes=True))
)

HOST = "node1.maas"


class World:
    """One segment of three hypervisors, the first of which has failed; one engine, or more.

    Attributes:
        cib: the cluster's configuration and status.
        cluster: the rest of the cluster, with one `Remote` for the first hypervisor.
        nova: Nova.
        engine: the process that this greenthread stands for.
        alive: which engines live; None for one that nobody here can tell.
    """

    def __init__(self, directory: Path) -> None:
        self.context = context.get_admin_context()
        self.remote = Remote(HOST, online=False, role="Stopped")
        self.cluster = Cluster([self.remote])
        self.cib = Cib()
        self.cib.others = lambda argv: self._other(argv)
        self.nova = FakeNova()
        self.refusals = directory
        self._engines: dict[object, str] = {}
        self.alive: dict[str, bool | None] = {}
        self.progress: list[str] = []
        self.segment = objects.FailoverSegment(
            context=self.context, name="rack1", recovery_method="auto", service_type="COMPUTE"
        )
        self.segment.create()
        for name in (HOST, "node2.maas", "node3.maas"):
            self.add_host(name)

    def _other(self, argv: list[str]) -> str | int:
        answer = self.cluster.runner.run(argv)
        return answer.stdout if answer.returncode == 0 else answer.returncode

    def add_host(self, name: str, *, reserved: bool = False) -> None:
        host = objects.Host(
            context=self.context,
            name=name,
            reserved=reserved,
            on_maintenance=False,
            type="COMPUTE",
            control_attributes="SSH",
            failover_segment=self.segment,
        )
        host.create()
        if reserved:
            self.service(name).status = "disabled"

    def reserve(self, *names: str) -> None:
        """Have the segment recover to reserved hosts, which are these, be they new or not."""
        self.segment.recovery_method = "reserved_host"
        self.segment.save()
        known = {host.name for host in objects.HostList.get_all(self.context)}
        for name in names:
            if name not in known:
                self.add_host(name, reserved=True)
                continue
            host = self.host(name)
            host.reserved = True
            host.save()
            self.service(name).status = "disabled"

    def add(self, *servers: Server) -> None:
        self.nova.instances.update({server.id: server for server in servers})

    def service(self, name: str) -> Any:
        return next(s for s in self.nova.services_known.values() if s.host == name)

    def host(self, name: str = HOST) -> Any:
        return objects.Host.get_by_name(self.context, name)

    def power_cut(self, moment: float | None = None) -> float:
        """The host is off, and the cluster has fenced it."""
        moment = float(int(self.nova.clock() if moment is None else moment))
        self.service(HOST).state = "down"
        self.remote.online, self.remote.role, self.remote.fenced = False, "Stopped", moment
        self.cib.fenced(HOST, moment)
        return moment

    def notify(
        self, generated: float | None = None, kind: str = "COMPUTE_HOST", **payload: str
    ) -> Any:
        """Have a notification; of a failed host, unless another kind and its payload are given."""
        moment = self.nova.clock() if generated is None else generated
        notification = objects.Notification(context=self.context)
        notification.type = kind
        notification.source_host_uuid = self.host().uuid
        notification.generated_time = datetime.datetime.fromtimestamp(
            moment, datetime.timezone.utc
        )
        notification.payload = payload or {
            "event": "STOPPED",
            "cluster_status": "OFFLINE",
            "host_status": "NORMAL",
        }
        notification.status = "new"
        if "failover_segment_uuid" in objects.Notification.fields:  # since Masakari 20
            notification.failover_segment_uuid = self.segment.uuid
        notification.create()
        return notification

    def manager(self) -> Any:
        made = manager.MasakariManager.__new__(manager.MasakariManager)
        made.driver = driver.FencingDriver()
        return made

    def process(self, notification: Any) -> str:
        """Have Masakari's manager work on it, and return what became of it."""
        self.manager()._process_notification(self.context, self.again(notification))
        return self.status(notification)

    def again(self, notification: Any) -> Any:
        """The notification as somebody else has just read it."""
        uuid = notification.notification_uuid
        return objects.Notification.get_by_uuid(self.context, uuid)

    def status(self, notification: Any) -> str:
        return str(self.again(notification).status)

    def record(self) -> Any:
        return attempt.Records(self.cib).read(HOST)

    @property
    def engine(self) -> str:
        return self._engines.get(eventlet.getcurrent(), "unit-0.boot.1.1")

    @engine.setter
    def engine(self, name: str) -> None:
        self._engines[eventlet.getcurrent()] = name

    def refused(self) -> str:
        return "".join(path.read_text() for path in self.refusals.glob("*.json"))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    engine = database.get_engine()
    models.BASE.metadata.drop_all(engine)
    models.BASE.metadata.create_all(engine)
    for option, value in (
        ("host_auto_failure_recovery_tasks", AUTO_RECOVERY_TASKS),
        ("host_rh_failure_recovery_tasks", RESERVED_HOST_RECOVERY_TASKS),
        ("instance_failure_recovery_tasks", INSTANCE_RECOVERY_TASKS),
        ("process_failure_recovery_tasks", PROCESS_RECOVERY_TASKS),
    ):
        CONF.set_override(option, FLOW(value), group="taskflow_driver_recovery_flows")
    for option, value in (
        ("verify_interval", 0.02),
        ("wait_period_after_service_update", 0),
        ("wait_period_after_evacuation", 1),
    ):
        CONF.set_override(option, value)
    for option, value in (
        ("fencing_timeout", 1),
        ("nova_timeout", 1),
        ("poll_interval", 0.1),
        ("recovery_timeout", 1),
        ("report_settle", 0),
        ("refusals_directory", str(tmp_path)),
    ):
        CONF.set_override(option, value, group="fencing")
    CONF.set_override("report_limit_window", 120, group="fencing")
    monkeypatch.setattr(notifications.NotificationBase, "emit", _quiet)
    (tmp_path / "tally").mkdir()
    monkeypatch.setattr(attempt.tally, "FILE", tmp_path / "tally" / "recoveries.json")
    made = World(tmp_path)
    monkeypatch.setattr(attempt, "Subprocess", lambda: made.cib)
    monkeypatch.setattr(driver, "Subprocess", lambda: made.cib)
    monkeypatch.setattr(lost_hosts, "Subprocess", lambda: made.cib)
    monkeypatch.setattr(host_tasks, "Subprocess", lambda: made.cib)
    monkeypatch.setattr(recovery, "IN_FLIGHT", 0.05)
    monkeypatch.setattr(recovery_lock, "INTERVAL", 0.05)
    monkeypatch.setattr(recovery_lock, "HELD_TIMEOUT", 0.5)
    monkeypatch.setattr(attempt.processes, "identity", lambda: made.engine)
    real = recovery_lock.RecoveryLock.__init__

    def make(self: Any, *args: Any, **options: Any) -> None:
        real(self, *args, lives=lambda process: made.alive.get(process), **options)

    monkeypatch.setattr(recovery_lock.RecoveryLock, "__init__", make)
    monkeypatch.setattr(attempt.nova, "novaclient", lambda context, timeout=None: made.nova)
    monkeypatch.setattr(manager.engine_utils, "notify_about_notification_update", _quiet)
    yield made
    CONF.clear_override("host_auto_failure_recovery_tasks", group="taskflow_driver_recovery_flows")


def _quiet(*args: Any, **options: Any) -> None:
    """Versioned notifications are Masakari's, and need a broker."""


def use_threads(world: World, *work: Callable[[], Any]) -> list[Any]:
    """Do several things at once, as several engines do."""
    threads = [eventlet.spawn(do) for do in work]
    return [thread.wait() for thread in threads]


__all__ = ["HOST", "World", "use_threads"]
