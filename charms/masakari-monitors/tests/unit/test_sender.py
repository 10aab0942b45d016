"""The sender of reports: what is refused as a duplicate, and what has come back meanwhile."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from workload import sender

GUEST = "9f1c1a3e-0000-4000-8000-000000000001"
UNTIL = 10  # seconds, only against hanging


class HttpError(Exception):
    """As openstacksdk raises it."""

    def __init__(self, status_code, text):
        super().__init__(f"ConflictException: {status_code}: Client Error for url: /, {text}")
        self.status_code = status_code


DUPLICATE = HttpError(409, "Notification received from host n of type VM is duplicate.")
MAINTENANCE = HttpError(409, "ignored as the host is already under maintenance.")


class Api:
    """Answers each request with the next of `answers`, and accepts those after them."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.taken = []
        self.asked = 0

    def create_notification(self, **report):
        self.asked += 1
        if self.answers and (answer := self.answers.pop(0)) is not None:
            raise answer
        self.taken.append(report)
        return report


def report(kind="VM", **payload):
    payload = {"instance_uuid": GUEST, "event": "LIFECYCLE", **payload}
    return {"type": kind, "hostname": "node1", "generated_time": "then", "payload": payload}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(sender, "INTERVAL", 0.001)


def make_client(api, dead, kept=None):
    return sender.Client(lambda: api, dead, kept or sender.Kept(None))


def send(client, what):
    """Send what is not taken, and give it up, as the monitors do."""
    with pytest.raises(Exception) as caught:
        client.create_notification(**what)
    if what["type"] == "VM":
        client.keep_trying(what)
    return caught.value


def ended(client):
    return lambda: not client._kept.tried


def wait_for(condition):
    end = time.monotonic() + UNTIL
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_what_is_accepted_is_sent_once():
    api = Api()
    assert make_client(api, lambda uuid: True).create_notification(**report()) == report()
    assert len(api.taken) == 1


def test_a_guest_that_dies_twice_is_reported_again_until_it_is_taken():
    api = Api(DUPLICATE, DUPLICATE, ConnectionError("away"), DUPLICATE)
    client = make_client(api, lambda uuid: uuid == GUEST)
    assert send(client, report()) is DUPLICATE
    wait_for(lambda: api.taken)
    (taken,) = api.taken
    assert {**taken, "generated_time": "then"} == report()
    assert taken["generated_time"].tzinfo is None, "in UTC without saying so, as the monitors do"
    wait_for(ended(client))
    assert api.asked == 5


def test_a_guest_that_runs_again_is_left_alone():
    """Its report would stop it."""
    api = Api(DUPLICATE)
    answers = [None, None, False]
    client = make_client(api, lambda uuid: answers.pop(0))
    send(client, report())
    wait_for(ended(client))
    assert (api.taken, api.asked, answers) == ([], 1, [])


def test_it_does_not_try_for_ever(monkeypatch):
    monkeypatch.setattr(sender, "PATIENCE", 0.01)
    client = make_client(Api(DUPLICATE), lambda uuid: None)
    send(client, report())
    wait_for(ended(client))


def test_one_guest_is_waited_for_once():
    api, gate = Api(DUPLICATE, DUPLICATE), threading.Event()
    client = make_client(api, lambda uuid: gate.wait(UNTIL))
    send(client, report())
    send(client, report())
    gate.set()
    wait_for(ended(client))
    assert len(api.taken) == 1


@pytest.mark.parametrize(
    ("what", "error"),
    [
        (report(), MAINTENANCE),
        (report("COMPUTE_HOST"), DUPLICATE),
        (report("COMPUTE_HOST"), ConnectionError("away")),
    ],
)
def test_what_else_is_refused_is_the_monitors_own_affair(what, error):
    api = Api(error)
    client = make_client(api, lambda uuid: True)
    assert send(client, what) is error
    assert (client._kept.tried, api.asked) == (set(), 1)


class Libvirt(ModuleType):
    """libvirt's Python binding, with what is asked of it."""

    VIR_ERR_NO_DOMAIN = 42

    class libvirtError(Exception):  # noqa: N801 - its name
        def get_error_code(self):
            return self.args[0]

    def __init__(self, *, guest=None, trouble=None):
        super().__init__("libvirt")
        self.guest, self.trouble, self.closed = guest, trouble, False

    def openReadOnly(self, uri):  # noqa: N802 - its name
        assert uri == "qemu:///system"
        if self.trouble == "away":
            raise self.libvirtError(38)
        return self

    def lookupByUUIDString(self, uuid):  # noqa: N802 - its name
        assert uuid == GUEST
        if self.trouble:
            raise self.libvirtError(self.trouble)
        return SimpleNamespace(isActive=lambda: self.guest)

    def close(self):
        self.closed = True


@pytest.mark.parametrize(
    ("libvirt", "dead"),
    [
        (Libvirt(guest=0), True),
        (Libvirt(guest=1), False),
        (Libvirt(trouble=42), False),
        (Libvirt(trouble=1), None),
        (Libvirt(trouble="away"), None),
    ],
)
def test_libvirt_is_asked_whether_a_instance_is_dead(monkeypatch, libvirt, dead):
    monkeypatch.setitem(sys.modules, "libvirt", libvirt)
    assert sender.instance_is_dead("qemu:///system", GUEST) is dead
    assert libvirt.closed or libvirt.trouble == "away"


class SendNotification:
    """The monitors' own sender, as far as ours builds on it: it tries so often, and gives up."""

    api = Api()

    def __init__(self):
        self.sent = []
        self._masakari_client = None

    @property
    def masakari_client(self):
        self._masakari_client = self._masakari_client or self._make_client()
        return self._masakari_client

    def _make_client(self):
        return self.api

    def send_notification(self, retries, interval, event):
        self.sent.append((retries, interval, event))
        for _ in range(retries):
            try:
                self.masakari_client.create_notification(**event["notification"])
                return
            except Exception as error:
                if getattr(error, "status_code", 0) == 409:
                    return
        self._masakari_client = None


@pytest.fixture
def conf(tmp_path):
    path = tmp_path / "process_list.yaml"
    path.write_text("- process_name: /usr/bin/nova-compute\n- process_name: sshd\n")
    return SimpleNamespace(
        process=SimpleNamespace(process_list_path=str(path)),
        libvirt=SimpleNamespace(connection_uri="qemu:///system"),
        host=SimpleNamespace(monitoring_driver="default"),
    )


@pytest.mark.parametrize(
    ("table", "reported"),
    [
        ("nova 1 /usr/bin/python3 /usr/bin/nova-compute --config-file x", False),
        ("root 1 tail -f /var/log/nova/nova-compute.log", True),
    ],
)
def test_a_process_that_was_restarted_is_not_reported(monkeypatch, conf, table, reported):
    """The monitor reports it where that took the last attempt, or the only one."""
    monkeypatch.setattr(
        subprocess, "run", lambda *a, **k: subprocess.CompletedProcess(a, 0, table, "")
    )
    made = sender.make(SendNotification, conf)()
    event = {"notification": {"type": "PROCESS", "payload": {"process_name": "nova-compute"}}}
    made.send_notification(12, 10, event)
    assert made.sent == ([(12, 10, event)] if reported else [])


@pytest.mark.parametrize(
    ("driver", "what", "sent"),
    [
        ("default", "STOPPED", True),
        ("default", "STARTED", True),
        ("consul", "STOPPED", True),
        ("consul", "STARTED", False),
    ],
)
def test_reports_of_hosts(conf, driver, what, sent):
    """Consul's driver says of a host that begins to fail that it is up, and waits for Masakari."""
    conf.host.monitoring_driver = driver
    made = sender.make(SendNotification, conf)()
    event = {"notification": report("COMPUTE_HOST", event=what)}
    made.send_notification(12, 10, event)
    assert made.sent == ([(12, 10, event)] if sent else [])


class Machine:
    """A hypervisor whose monitor is started, and started again; one of its instances is dead."""

    def __init__(self, conf, directory, monkeypatch):
        self.conf, self.directory = conf, directory
        self.api = Api()
        monkeypatch.setenv(sender.DIRECTORY, str(directory))
        self.libvirt = Libvirt(guest=0)
        monkeypatch.setitem(sys.modules, "libvirt", self.libvirt)

    def start(self, *answers):
        """Start the monitor; Masakari answers so from now on."""
        self.api = Api(*answers)
        base = type("Base", (SendNotification,), {"api": self.api})
        return sender.make(base, self.conf)()

    @property
    def kept(self):
        return sorted(path.name for path in self.directory.iterdir())


@pytest.fixture
def machine(conf, tmp_path, monkeypatch):
    directory = tmp_path / "run"
    directory.mkdir()
    return Machine(conf, directory, monkeypatch)


AWAY = [ConnectionError("away")] * 3
EVENT = {"notification": report()}


def test_what_the_monitor_gives_up_is_tried_on(machine):
    made = machine.start(*AWAY, DUPLICATE)
    made.send_notification(3, 10, EVENT)
    wait_for(lambda: machine.api.taken)
    wait_for(lambda: machine.kept == [])
    assert machine.api.asked == 5


def test_what_is_not_taken_yet_outlasts_a_restart(machine, monkeypatch):
    monkeypatch.setattr(sender, "INTERVAL", 1000)
    machine.start(*AWAY).send_notification(3, 10, EVENT)
    assert machine.kept == [f"{GUEST}.json"]
    monkeypatch.setattr(sender, "INTERVAL", 0.001)
    machine.start(*AWAY)
    wait_for(lambda: machine.api.taken)
    wait_for(lambda: machine.kept == [])
    (taken,) = machine.api.taken
    assert {**taken, "generated_time": "then"} == report()


def test_a_report_is_kept_before_it_is_sent(machine):
    """The monitor may be killed while it waits for an answer."""
    seen = []
    made = machine.start()
    machine.api.create_notification = lambda **report: seen.append(machine.kept)
    made.send_notification(3, 10, EVENT)
    assert (seen, machine.kept) == ([[f"{GUEST}.json"]], [])


def leave(machine, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(sender, "INTERVAL", 1000)
        machine.start(*AWAY).send_notification(3, 10, EVENT)


def test_after_a_restart_one_that_runs_again_is_left_alone(machine, monkeypatch):
    leave(machine, monkeypatch)
    machine.libvirt.guest = 1
    machine.start()
    wait_for(lambda: machine.kept == [])
    assert machine.api.taken == []


def test_after_a_restart_what_is_too_old_is_forgotten(machine, monkeypatch):
    leave(machine, monkeypatch)
    monkeypatch.setattr(sender, "PATIENCE", 0.0)
    machine.start()
    assert (machine.kept, machine.api.asked) == ([], 0)


def test_a_file_that_is_no_report_keeps_no_other_from_being_sent(machine, monkeypatch):
    leave(machine, monkeypatch)
    for name, text in (("0", "{"), ("1", "[]"), ("2", '{"since": 0, "report": {"payload": {}}}')):
        (machine.directory / f"{name}.json").write_text(text)
    machine.start()
    wait_for(lambda: machine.api.taken)


def test_a_monitor_starts_while_keystone_is_away(machine, monkeypatch):
    leave(machine, monkeypatch)
    answers = [ConnectionError("no Keystone"), ConnectionError("no Keystone")]

    def make(self):
        if answers:
            raise answers.pop()
        return machine.api

    monkeypatch.setattr(SendNotification, "_make_client", make)
    machine.start()
    wait_for(lambda: machine.api.taken)


def test_a_refusal_is_final(machine):
    machine.start(MAINTENANCE).send_notification(3, 10, EVENT)
    assert (machine.kept, machine.api.asked) == ([], 1)


def test_a_directory_that_cannot_be_written_keeps_nothing_from_being_sent(machine):
    machine.directory.rmdir()
    machine.start().send_notification(3, 10, EVENT)
    assert len(machine.api.taken) == 1


def test_the_program_runs_with_this_sender(tmp_path, monkeypatch):
    package, conf, ha = (
        ModuleType(name)
        for name in ("masakarimonitors", "masakarimonitors.conf", "masakarimonitors.ha")
    )
    inner = ModuleType("masakarimonitors.ha.masakari")
    inner.SendNotification = SendNotification
    package.conf, conf.CONF, ha.masakari = conf, object(), inner
    for module in (package, conf, ha, inner):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    program = tmp_path / "monitor"
    program.write_text(
        "import sys\nfrom pathlib import Path\nfrom masakarimonitors.ha import masakari\n"
        "Path(__file__).with_name('out').write_text("
        "f'{masakari.SendNotification.__name__} {__name__} {sys.argv[1:]}')\n"
    )
    monkeypatch.setattr(sys, "argv", ["sender", str(program), "--config-file", "x"])
    sender.main()
    assert Path(tmp_path / "out").read_text() == "Sender __main__ ['--config-file', 'x']"
