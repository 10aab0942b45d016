"""The adapter between Masakari's workflow and the decisions, with stand-ins for Masakari.

The real base classes are exercised in the lab, by the masakari-engine of the distribution.
"""

from __future__ import annotations

import datetime
import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import masakari_fencing
import pytest
from fencing_fakes import Cluster, Remote
from masakari_fencing import compute, orphans, turn
from masakari_fencing.compute import ComputeError

HOST = "node1.maas"
NOW = 1795233223.0
SEGMENT = SimpleNamespace(uuid="s1", name="rack1")
HOSTS = [SimpleNamespace(uuid=f"u{n}", name=f"node{n}.maas") for n in (1, 2, 3)]


class MasakariTask:
    """What Masakari's base class of tasks does that ours rely on."""

    def __init__(self, context: Any, novaclient: Any, **kwargs: Any) -> None:
        self.context, self.novaclient = context, novaclient
        self.requires = kwargs.get("requires")
        self.details: list[tuple[str, float]] = []

    def update_details(self, progress_data: str, progress: float = 0.0) -> None:
        self.details.append((progress_data, progress))


class MasakariException(Exception):  # noqa: N818
    def __init__(self, message: str | None = None) -> None:
        self.message = message
        super().__init__(message)


class HostRecoveryFailureException(MasakariException):
    pass


class SkipHostRecoveryException(MasakariException):
    """In Masakari no kind of failure: whoever catches failures does not catch this."""


class NotFound(MasakariException):
    pass


class Masakari:
    """The modules that the tasks import, and the world behind them."""

    def __init__(self, directory: Path) -> None:
        self.fencing = SimpleNamespace(
            allow_unfenced_recovery=False,
            fence_reported_failed="confirmed",
            fencing_timeout=0.05,
            fence_max_age=600,
            poll_interval=0.02,
            command_timeout=15,
            nova_timeout=0.05,
            recovery_timeout=0.05,
            rebuild_timeout=1800,
            report_limit_hosts=2,
            report_limit_window=120,
            report_settle=0,
            refusals_directory=str(directory),
            setbacks_directory=str(directory),
        )
        self.notification = SimpleNamespace(
            generated_time=datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc),
            payload={"event": "STOPPED", "cluster_status": "OFFLINE"},
        )
        self.conf = SimpleNamespace(
            fencing=self.fencing,
            host_failure=SimpleNamespace(
                ha_enabled_instance_metadata_key="HA_Enabled",
                evacuate_all_instances=False,
                ignore_instances_in_error_state=True,
            ),
            register_group=lambda *a: None,
            register_opts=lambda *a, **k: 0,
        )
        self.others: dict[str, str] = {}
        self.reports: list[Any] = []
        self.host = SimpleNamespace(
            failover_segment=SEGMENT, on_maintenance=True, save=lambda: self.saved.append(True)
        )
        self.saved: list[bool] = []
        self.clients: list[tuple[Any, float]] = []
        self.registered: list[str] = []

    def modules(self) -> dict[str, ModuleType]:
        def module(name: str, **values: Any) -> ModuleType:
            made = ModuleType(name)
            made.__dict__.update(values)
            return made

        objects = module(
            "masakari.objects",
            Notification=SimpleNamespace(get_by_uuid=self.find),
            NotificationList=SimpleNamespace(get_all=self._reports),
            Host=SimpleNamespace(get_by_name=lambda context, name: self.host),
            HostList=SimpleNamespace(get_all=lambda context, filters: HOSTS),
        )
        exception = module(
            "masakari.exception",
            HostRecoveryFailureException=HostRecoveryFailureException,
            SkipHostRecoveryException=SkipHostRecoveryException,
            NotFound=NotFound,
        )
        conf = module("masakari.conf", CONF=self.conf)
        nova = module("masakari.compute.nova", novaclient=self.client)
        base = module("masakari.engine.drivers.taskflow.base", MasakariTask=MasakariTask)
        opts = dict.fromkeys(("BoolOpt", "StrOpt", "IntOpt", "FloatOpt"), self._option)
        cfg = module("oslo_config.cfg", OptGroup=self._option, ConfigOpts=object, **opts)
        logging = importlib.import_module("logging")
        taskflow = module("masakari.engine.drivers.taskflow", base=base)
        compute = module("masakari.compute", nova=nova)
        return {
            "masakari": module(
                "masakari", conf=conf, exception=exception, objects=objects, compute=compute
            ),
            "masakari.conf": conf,
            "masakari.exception": exception,
            "masakari.objects": objects,
            "masakari.compute": compute,
            "masakari.compute.nova": nova,
            "masakari.engine": module("masakari.engine"),
            "masakari.engine.drivers": module("masakari.engine.drivers"),
            "masakari.engine.drivers.taskflow": taskflow,
            "masakari.engine.drivers.taskflow.base": base,
            "oslo_config": module("oslo_config", cfg=cfg),
            "oslo_config.cfg": cfg,
            "oslo_log": module("oslo_log", log=logging),
            "oslo_log.log": logging,
        }

    def _reports(self, context: Any, filters: dict[str, Any]) -> list[Any]:
        # As the report that is worked on is much older than this test: a retry counts like it.
        assert filters["generated-since"].timestamp() == NOW - self.fencing.report_limit_window
        return self.reports

    def find(self, context: Any, uuid: str) -> Any:
        assert context == "context"
        if uuid == "uuid":
            return self.notification
        if uuid in self.others:
            return SimpleNamespace(status=self.others[uuid])
        raise NotFound(uuid)

    def client(self, context: Any, timeout: float) -> Any:
        self.clients.append((context, timeout))
        raise ConnectionError("no nova here")

    def _option(self, name: str, **values: Any) -> Any:
        self.registered.append(name)
        return SimpleNamespace(name=name, **values)


@pytest.fixture
def masakari(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Masakari:
    fake = Masakari(tmp_path)
    for name, module in fake.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    return fake


@pytest.fixture
def tasks(masakari: Masakari, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("tasks", "conf"):
        monkeypatch.delitem(sys.modules, f"masakari_fencing.{name}", raising=False)
        monkeypatch.delattr(masakari_fencing, name, raising=False)
    monkeypatch.setattr(turn, "INTERVAL", 0.02)
    monkeypatch.setattr(compute, "RETRY_INTERVAL", 0.02)
    yield importlib.import_module("masakari_fencing.tasks")
    for name in ("masakari_fencing.tasks", "masakari_fencing.conf"):
        sys.modules.pop(name, None)


def ensure(tasks: Any, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Any:
    cluster.runner.on("cibadmin --create", "")
    monkeypatch.setattr(tasks, "Subprocess", lambda: cluster.runner)
    return tasks.EnsureHostFencedTask("context", "nova", update_host_method=None)


def test_a_fenced_host_passes(
    tasks: Any, masakari: Masakari, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / f"{HOST}.json").write_text("{}")
    remote = Remote(HOST, online=False, role="Stopped", fenced=NOW)
    task = ensure(tasks, Cluster([remote]), monkeypatch)
    monkeypatch.setattr(tasks, "_last_seen", lambda service: None)
    task.execute(HOST, "uuid")
    assert task.requires == ["host_name", "notification_uuid"]
    assert task.details[-1][1] == 1.0
    assert "2026-11-21 03:53:43Z" in task.details[-1][0]
    assert list(tmp_path.iterdir()) == [], "an earlier refusal is over"


def test_a_refusal_is_seen_everywhere(
    tasks: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    task = ensure(tasks, Cluster([Remote(HOST, online=False, role="Stopped")]), monkeypatch)
    with pytest.raises(HostRecoveryFailureException, match=HOST) as caught:
        task.execute(HOST, "uuid")
    text, progress = task.details[-1]
    assert progress == 1.0
    for seen in (text, caplog.text, str(caught.value.message)):
        assert HOST in seen
        assert "has not fenced it" in seen
    assert "has not fenced it" in (tmp_path / f"{HOST}.json").read_text()


def test_a_refusal_does_not_depend_on_its_record(
    tasks: Any, masakari: Masakari, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    masakari.fencing.refusals_directory = str(tmp_path / "none")
    task = ensure(tasks, Cluster([Remote(HOST, online=False, role="Stopped")]), monkeypatch)
    with pytest.raises(HostRecoveryFailureException):
        task.execute(HOST, "uuid")


def test_the_reports_own_status_counts(
    tasks: Any, masakari: Masakari, monkeypatch: pytest.MonkeyPatch
) -> None:
    masakari.notification.payload = {"event": "STOPPED", "cluster_status": "online"}
    masakari.notification.generated_time = datetime.datetime(2026, 11, 21, 3, 53, 43)
    cluster = Cluster([Remote(HOST)])
    ensure(tasks, cluster, monkeypatch).execute(HOST, "uuid")
    assert cluster.runner.ran("stonith_admin --reboot")
    assert tasks._report("context", HOST, "uuid").generated == NOW, "a bare time is UTC"


@pytest.mark.parametrize("status", ["finished", "error"])
def test_a_late_report_of_a_host_that_is_back_counts_where_none_was_recovered(
    status: str, tasks: Any, masakari: Masakari, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who polls reported it, the API was away until the host had booted."""
    moment = datetime.datetime.fromtimestamp(NOW - 20, datetime.timezone.utc)
    report = {"source_host_uuid": "u1", "payload": {"event": "STOPPED"}}
    other = SimpleNamespace(notification_uuid="other", status=status, updated_at=moment, **report)
    monkeypatch.setattr(masakari.notification, "source_host_uuid", "u1", raising=False)
    filtered: list[float] = []

    def reports(context: Any, filters: dict[str, Any]) -> list[Any]:
        filtered.append(filters["generated-since"].timestamp())
        return [other]

    monkeypatch.setattr(tasks.objects.NotificationList, "get_all", reports)
    events: list[tuple[str, str, float | None]] = [("reboot", "success", NOW - 40)]
    cluster = Cluster([Remote(HOST, connected=NOW + 10, events=events)])
    masakari.fencing.report_limit_hosts = 0
    task = ensure(tasks, cluster, monkeypatch)
    if status == "finished":
        with pytest.raises(SkipHostRecoveryException, match="healthy member"):
            task.execute(HOST, "uuid")
    else:
        task.execute(HOST, "uuid")
    assert bool(cluster.runner.ran("stonith_admin --reboot")) is (status == "error")
    assert set(filtered) == {NOW - 2 * masakari.fencing.fence_max_age}


def test_a_host_that_works_again_is_neither_fenced_nor_kept_in_maintenance(
    tasks: Any, masakari: Masakari, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its network was away for as long as the samples take, and is back."""
    masakari.notification.payload = {"event": "STOPPED", "cluster_status": "ONLINE"}
    cluster = Cluster([Remote(HOST), Remote("node2.maas")])
    primitives = "".join(
        f'<primitive type="remote" id="{name}"><instance_attributes><nvpair name="server" '
        f'value="{address}"/></instance_attributes></primitive>'
        for name, address in ((HOST, "10.0.0.1"), ("node2.maas", "10.0.0.2"))
    )
    resources = f"<cib><configuration><resources>{primitives}</resources></configuration></cib>"
    cluster.runner.on("cibadmin --query", resources)
    cluster.runner.on("cibadmin --query --xpath //node_state", cluster.node_state)
    asked: list[tuple[list[str], str]] = []

    def withdrawal(addresses: list[str], host: str) -> str:
        asked.append((addresses, host))
        return f"{host} still answers"

    monkeypatch.setattr(tasks.testimony, "withdrawal", withdrawal)
    task = ensure(tasks, cluster, monkeypatch)
    with pytest.raises(SkipHostRecoveryException, match="still answers"):
        task.execute(HOST, "uuid")
    assert asked == [(["10.0.0.2"], HOST)]
    assert not cluster.runner.ran("stonith_admin")
    assert not masakari.host.on_maintenance and masakari.saved == [True]
    assert task.details[-1] == (f"Nothing to recover: {HOST} still answers", 1.0)
    assert list(tmp_path.iterdir()) == [], "nothing was refused"


def test_a_report_stands_where_nobody_can_be_asked_about_it(
    tasks: Any, masakari: Masakari, monkeypatch: pytest.MonkeyPatch
) -> None:
    masakari.notification.payload = {"event": "STOPPED", "cluster_status": "ONLINE"}
    cluster = Cluster([Remote(HOST)])
    cluster.runner.on("cibadmin --query", 102)
    cluster.runner.on("cibadmin --query --xpath //node_state", cluster.node_state)
    ensure(tasks, cluster, monkeypatch).execute(HOST, "uuid")
    assert cluster.runner.ran("stonith_admin --reboot")


def turn_of(
    tasks: Any, owner: str, monkeypatch: pytest.MonkeyPatch, cluster: Cluster | None = None
) -> Cluster:
    """A cluster whose turn to recover the host is somebody's."""
    found = cluster or Cluster([Remote(HOST, online=False, role="Stopped", fenced=NOW)])
    runner = found.runner
    runner.on("cibadmin --create", 108)
    name = f"{turn.PREFIX}{HOST}"
    runner.on(
        "cibadmin --query --xpath //cluster_property_set",
        f'<cluster_property_set id="{name}"><nvpair name="{name}" value="{owner}"/>'
        f'<nvpair name="{name}-engine" value="{orphans.engine()}"/></cluster_property_set>',
    )
    runner.on("cibadmin --delete", lambda argv: runner.on("cibadmin --create", "") and "")
    monkeypatch.setattr(tasks, "Subprocess", lambda: runner)
    return found


def test_two_recoveries_of_a_host_exclude_each_other(
    tasks: Any, masakari: Masakari, monkeypatch: pytest.MonkeyPatch
) -> None:
    masakari.others = {"elder": "running"}
    turn_of(tasks, "elder", monkeypatch)
    task = tasks.EnsureHostFencedTask("context", "nova")
    with pytest.raises(HostRecoveryFailureException, match="elder"):
        task.execute(HOST, "uuid")
    assert "Waiting for another recovery" in task.details[0][0]


@pytest.mark.parametrize("status", ["finished", "failed", "error", "ignored", None])
def test_a_recovery_that_has_ended_leaves_the_turn(
    tasks: Any, masakari: Masakari, monkeypatch: pytest.MonkeyPatch, status: str | None
) -> None:
    masakari.others = {"elder": status} if status else {}
    turn_of(tasks, "elder", monkeypatch)
    monkeypatch.setattr(tasks, "_last_seen", lambda service: None)
    task = tasks.EnsureHostFencedTask("context", "nova")
    task.execute(HOST, "uuid")
    assert "fenced at" in task.details[-1][0]


def test_a_recovery_that_has_lost_its_turn_changes_nothing(
    tasks: Any, masakari: Masakari, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn_of(tasks, "younger", monkeypatch)
    task = tasks.ForceComputeServiceDownTask("context", "nova")
    with pytest.raises(HostRecoveryFailureException, match="taken over"):
        task.execute(HOST, "uuid")
    assert masakari.clients == []


@pytest.mark.parametrize("allowed", [False, True])
def test_without_a_cluster_only_the_operators_word_lets_a_recovery_go_on(
    tasks: Any, masakari: Masakari, monkeypatch: pytest.MonkeyPatch, allowed: bool
) -> None:
    masakari.fencing.allow_unfenced_recovery = allowed
    cluster = Cluster()
    for command in ("cibadmin", "crm_mon"):
        cluster.runner.on(command, 102)
    monkeypatch.setattr(tasks, "Subprocess", lambda: cluster.runner)
    first = tasks.EnsureHostFencedTask("context", "nova")
    second = tasks.ForceComputeServiceDownTask("context", "nova")
    monkeypatch.setattr(
        tasks, "_service", lambda context, host: SimpleNamespace(force_down=lambda limit: True)
    )
    for task in (first, second):
        if allowed:
            task.execute(HOST, "uuid")
        else:
            with pytest.raises(HostRecoveryFailureException):
                task.execute(HOST, "uuid")


def test_an_unknown_compute_service_stops_the_recovery(
    tasks: Any,
    masakari: Masakari,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    turn_of(tasks, "uuid", monkeypatch)
    task = tasks.ForceComputeServiceDownTask("context", "nova")
    with pytest.raises(HostRecoveryFailureException, match="no nova here"):
        task.execute(HOST, "uuid")
    assert task.requires == ["host_name", "notification_uuid"]
    assert masakari.clients[0] == ("context", 20)
    assert "no nova here" in caplog.text


def test_forcing_down_is_told(tasks: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[float] = []
    service = SimpleNamespace(force_down=limits.append)
    monkeypatch.setattr(tasks, "_service", lambda context, host: service)
    turn_of(tasks, "uuid", monkeypatch)
    task = tasks.ForceComputeServiceDownTask("context", "nova")
    task.execute(HOST, "uuid")
    assert limits == [0.05]
    assert "forced down" in task.details[-1][0]


class Guests:
    """As much of novaclient as has to do with guests and their evacuations."""

    def __init__(self, *servers: SimpleNamespace) -> None:
        self.found = servers
        self.reset: list[tuple[str, str]] = []
        self.looks: list[list[SimpleNamespace]] = []
        self.dead: list[str] = []
        self.servers = SimpleNamespace(list=self._list, reset_state=self._reset)
        self.migrations = SimpleNamespace(list=self._migrations)
        self.services = SimpleNamespace(list=self._services)
        self.actions: list[SimpleNamespace] = []
        self.instance_action = SimpleNamespace(list=lambda server: self.actions)

    def _list(self, detailed: bool, search_opts: dict[str, object]) -> list[SimpleNamespace]:
        assert detailed
        assert search_opts == {"host": HOST, "all_tenants": True}
        return list(self.found)

    def _services(self, binary: str) -> list[SimpleNamespace]:
        assert binary == "nova-compute"
        return [SimpleNamespace(host=host, forced_down=True) for host in self.dead]

    def _migrations(self, host: str) -> list[SimpleNamespace]:
        if self.looks:
            return self.looks.pop(0)
        times = {"created_at": "2026-11-21T03:53:50", "updated_at": "2026-11-21T03:53:52"}
        kind = {"migration_type": "evacuation", "source_compute": host, "status": "error"}
        return [SimpleNamespace(instance_uuid=guest.id, **times, **kind) for guest in self.found]

    def _reset(self, server: str, state: str) -> None:
        self.reset.append((server, state))


def test_what_a_failed_evacuation_did_to_a_guest_is_undone(
    tasks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoiled = SimpleNamespace(id="guest", fault={"created": "2026-11-21T03:53:51Z"})
    vars(spoiled).update({"OS-EXT-STS:vm_state": "error", "OS-EXT-STS:power_state": 1})
    client = Guests(spoiled)
    monkeypatch.setattr(tasks.nova, "novaclient", lambda context, timeout: client)
    task = tasks.RestoreGuestStatesTask("context", "nova", update_host_method=None)
    task.execute(HOST, "uuid")
    assert task.requires == ["host_name", "notification_uuid"]
    assert client.reset == [("guest", "active")]
    assert task.details == [("Guests whose evacuation failed before: guest", 1.0)]


def test_a_guest_that_a_boot_of_its_host_stopped_is_to_run(
    tasks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = SimpleNamespace(id="guest", fault=None)
    vars(stopped).update({"OS-EXT-STS:vm_state": "stopped", "OS-EXT-STS:power_state": 4})
    client = Guests(stopped)
    client.looks = [[], []]
    monkeypatch.setattr(tasks.nova, "novaclient", lambda context, timeout: client)
    task = tasks.RestoreGuestStatesTask("context", "nova")
    task.execute(HOST, "uuid")
    assert client.reset == [], "its user has stopped it"
    boot = "2026-11-21T03:54:30.000000"
    client.actions = [SimpleNamespace(action="stop", start_time=boot, user_id=None)]
    client.looks = [[], []]
    task.execute(HOST, "uuid")
    assert client.reset == [("guest", "active")]
    assert "stopped since by a boot of the host: guest" in task.details[-1][0]


def test_where_nothing_has_failed_the_guests_are_not_asked_for(
    tasks: Any, masakari: Masakari, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.datetime.now(datetime.timezone.utc)
    masakari.notification.generated_time = now - datetime.timedelta(seconds=10)
    client = Guests()
    client.servers.list = lambda **options: pytest.fail("the list of guests was asked for")
    monkeypatch.setattr(tasks.nova, "novaclient", lambda context, timeout: client)
    task = tasks.RestoreGuestStatesTask("context", "nova")
    task.execute(HOST, "uuid")
    assert task.details == [("Guests whose evacuation failed before: none", 1.0)]


def test_states_that_cannot_be_restored_stop_no_recovery(
    tasks: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = Guests(SimpleNamespace(id="guest"))

    def refuse(**options: object) -> None:
        raise ConnectionError("no nova here")

    client.servers.list = refuse
    monkeypatch.setattr(tasks.nova, "novaclient", lambda context, timeout: client)
    task = tasks.RestoreGuestStatesTask("context", "nova")
    task.execute(HOST, "uuid")
    assert "no nova here" in caplog.text
    assert "no nova here" in task.details[0][0]


def test_without_knowing_what_is_under_way_nothing_is_evacuated(
    tasks: Any, masakari: Masakari, caplog: pytest.LogCaptureFixture
) -> None:
    task = tasks.RestoreGuestStatesTask("context", "nova")
    with pytest.raises(HostRecoveryFailureException, match="no nova here"):
        task.execute(HOST, "uuid")
    assert len(masakari.clients) > 1, "it was tried more than once"
    assert "no nova here" in caplog.text


def rebuild(status: str = "pre-migrating", **changes: object) -> SimpleNamespace:
    """Nova's record of an evacuation that has begun a moment ago."""
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")
    values = {
        "instance_uuid": "guest",
        "migration_type": "evacuation",
        "source_compute": HOST,
        "dest_compute": "node2.maas",
        "status": status,
        "created_at": now,
        "updated_at": now,
    }
    return SimpleNamespace(**{**values, **changes})


def test_a_guest_that_is_being_rebuilt_is_waited_for(
    tasks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Evacuated again, it would run on both hosts."""
    client = Guests()
    client.looks = [[rebuild()], [rebuild()], [rebuild("done")], [rebuild("completed")]]
    monkeypatch.setattr(tasks.nova, "novaclient", lambda context, timeout: client)
    task = tasks.RestoreGuestStatesTask("context", "nova")
    task.execute(HOST, "uuid")
    assert client.looks == []
    waiting = "Waiting for evacuations that have begun: guest to node2.maas"
    assert [text for text, _ in task.details][:-1] == [waiting], "which is told once"


def test_on_a_host_that_was_fenced_nothing_is_rebuilt(
    tasks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Guests()
    client.looks, client.dead = [[rebuild()]], ["node2.maas"]
    monkeypatch.setattr(tasks.nova, "novaclient", lambda context, timeout: client)
    tasks.RestoreGuestStatesTask("context", "nova").execute(HOST, "uuid")
    assert client.looks == []


def test_each_attempt_makes_its_own_moves(
    tasks: Any, masakari: Masakari, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Masakari 2023.1 and newer would take those of an earlier attempt for this one's."""
    states = ("pending", "ongoing", "succeeded", "failed")
    moves = [SimpleNamespace(status=state, saved=None) for state in states]
    for move in moves:
        move.save = lambda move=move: setattr(move, "saved", move.status)

    def find(context: str, uuid: str, status: str) -> list[SimpleNamespace]:
        assert (context, uuid) == ("context", "uuid")
        return [move for move in moves if move.status == status]

    monkeypatch.setattr(
        tasks.objects, "VMoveList", SimpleNamespace(get_all_vmoves=find), raising=False
    )
    monkeypatch.setattr(tasks.nova, "novaclient", lambda context, timeout: Guests())
    tasks.RestoreGuestStatesTask("context", "nova").execute(HOST, "uuid")
    assert [move.saved for move in moves] == ["ignored", "ignored", None, "ignored"]


def test_guests_left_behind_are_a_failure(
    tasks: Any, masakari: Masakari, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest = SimpleNamespace(id="guest", metadata={"HA_Enabled": "True"})
    vars(guest).update({"OS-EXT-STS:vm_state": "active"})
    client = Guests(guest)
    monkeypatch.setattr(tasks.nova, "novaclient", lambda context, timeout: client)
    task = tasks.ConfirmEvacuationTask("context", "nova", update_host_method=None)
    with pytest.raises(HostRecoveryFailureException, match=r"left behind on host .*: guest"):
        task.execute(HOST)
    assert "guest" in task.details[-1][0]
    client.found = ()
    task.execute(HOST)
    assert task.details[-1][1] == 1.0
    assert task.requires == ["host_name"]


def test_nova_that_does_not_answer_is_not_taken_for_a_dead_service(tasks: Any) -> None:
    def fail() -> float:
        raise ComputeError("503")

    with pytest.raises(tasks.ComputeUnknown, match="503"):
        tasks._last_seen(SimpleNamespace(last_seen=fail))


def test_every_option_is_registered_once(tasks: Any, masakari: Masakari) -> None:
    assert sorted(masakari.registered) == sorted(["fencing", *vars(masakari.fencing)])
    assert tasks.conf.list_opts()[0][0] == "fencing"


def test_the_flows_name_the_entry_points(tasks: Any) -> None:
    project = Path(__file__).parents[1] / "pyproject.toml"
    points = dict(re.findall(r'(\w+_task) = "masakari_fencing.tasks:(\w+)"', project.read_text()))
    assert all(hasattr(tasks, name) for name in points.values())
    own = {masakari_fencing.RESTORE_TASK, masakari_fencing.CONFIRM_TASK}
    assert set(points) == {*masakari_fencing.PRE_TASKS[:2], *own}
    for flow in (
        masakari_fencing.AUTO_RECOVERY_TASKS,
        masakari_fencing.RESERVED_HOST_RECOVERY_TASKS,
    ):
        pre = flow.split("],")[0]
        assert pre == "pre:['" + "','".join(masakari_fencing.PRE_TASKS) + "'"
        # Before the guests are listed: of those in ERROR, some may be told to stay where they are.
        assert "main:['restore_guest_states_task','prepare_HA_enabled_instances_task'" in flow
        assert "'evacuate_and_undo_task','confirm_evacuation_task']" in flow


@pytest.mark.parametrize("allowed", [False, True])
def test_when_every_host_is_reported_none_is_fenced_unless_the_operator_allows_it(
    tasks: Any, masakari: Masakari, monkeypatch: pytest.MonkeyPatch, allowed: bool
) -> None:
    masakari.notification.payload = {"event": "STOPPED", "cluster_status": "ONLINE"}
    masakari.reports = [
        SimpleNamespace(source_host_uuid=host.uuid, payload={"event": "STOPPED"}, status="new")
        for host in HOSTS
    ]
    cluster = Cluster([Remote(HOST)])
    task = ensure(tasks, cluster, monkeypatch)
    monkeypatch.setattr(tasks.guard, "lifted", lambda runner: allowed)
    if allowed:
        task.execute(HOST, "uuid")
    else:
        with pytest.raises(HostRecoveryFailureException, match="3 of the 3 hosts"):
            task.execute(HOST, "uuid")
    assert bool(cluster.runner.ran("stonith_admin")) is allowed
