"""The fence agent, against a power API over real HTTP."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import masakari_fencing
import pytest
from fencing_fakes import FakeRunner, patient
from masakari_fencing.fence_agent import agent, limit
from masakari_fencing.fence_agent.agent import Agent, AgentError
from masakari_fencing.maas.client import MaasError
from masakari_fencing.pacemaker.fencing_limit import FencingLimit
from masakari_fencing.pacemaker.tools import PacemakerError
from masakari_fencing.records.stopped_fencing import StoppedFencing

HOST = "node1.maas"


class FakePower:
    """A MAAS whose machine takes some looks to go off."""

    def __init__(self) -> None:
        self.power = "on"
        self.looks = 2
        self.journal: list[str] = []
        self.fails: set[str] = set()
        self.names = ["node1"]
        self.keys: set[str] = set()
        power = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args: object) -> None:
                pass

            def _answer(self) -> None:
                url = urlsplit(self.path)
                operation = parse_qs(url.query).get("op", ["list"])[0]
                power.keys.add(_key(self.headers["Authorization"]))
                code, data = power.handle(self.command, operation)
                self.send_response(code)
                self.end_headers()
                self.wfile.write(json.dumps(data).encode())

            do_GET = do_POST = _answer  # noqa: N815

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/MAAS/"
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def handle(self, method: str, operation: str) -> tuple[int, object]:
        self.journal.append(f"{method} {operation}")
        if operation in self.fails:
            return 503, {}
        if operation == "list":
            machine = {"system_id": "abc", "power_state": self.power}
            return 200, [{**machine, "hostname": name} for name in self.names]
        if operation == "query_power_state":
            self.looks -= self.power == "going"
            self.power = "off" if self.power == "going" and self.looks <= 0 else self.power
            return 200, {"state": "on" if self.power == "going" else self.power}
        self.power = {"power_off": "going", "power_on": "on"}[operation]
        return 200, {}


def _key(authorization: str) -> str:
    """Read the key from what a request is signed with."""
    names = ("oauth_consumer_key", "oauth_token", "oauth_signature")
    found = (re.search(f'{name}="([^"]*)"', authorization) for name in names)
    return ":".join(match[1] if match else "" for match in found).replace("%26", "")


@pytest.fixture
def power() -> Iterator[FakePower]:
    fake = FakePower()
    yield fake
    fake.server.shutdown()
    fake.server.server_close()


class Call:
    """One call of the agent by the fencer."""

    def __init__(self, power: FakePower, **values: str) -> None:
        self.runner = FakeRunner().on(
            "cibadmin --query --xpath //primitive[@id='st-maas']",
            '<primitive id="st-maas"><instance_attributes>'
            f'<nvpair name="url" value="{power.url}"/><nvpair name="apikey" value="a:b:c"/>'
            "</instance_attributes></primitive>",
        )
        self.values = {"plug": HOST, "max_hosts": "2", "device": "st-maas", **values}
        self.reason: str | None = None
        self.asked: list[tuple[str, FencingLimit]] = []
        self.refusals: list[StoppedFencing | None] = []

    def _check(
        self, runner: object, node: str, guard: FencingLimit, *, begun: float, lock: object
    ) -> str | None:
        self.asked.append((node, guard))
        return self.reason

    def run(self, action: str) -> int:
        agent = Agent(
            self.runner,
            self.values,
            check=self._check,
            maas=patient,
            remember=self.refusals.append,
            forget=lambda node: self.refusals.append(None),
        )
        return agent.run(action)


def test_a_reboot_is_confirmed_only_when_the_power_is_off(power: FakePower) -> None:
    call = Call(power)
    assert call.run("reboot") == 0
    assert power.journal == [
        "GET list",
        "POST power_off",
        "GET query_power_state",
        "GET query_power_state",
        "POST power_on",
    ]
    assert call.asked == [(HOST, FencingLimit(max_hosts=2))]
    assert call.refusals == [None]


def test_a_key_in_a_file_goes_before_that_of_the_device(power: FakePower, tmp_path: Path) -> None:
    file = tmp_path / "maas.json"
    file.write_text(json.dumps({"url": power.url, "key": "consumer:token:s3cret"}))
    call = Call(power, access_file=str(file))
    call.runner.on("cibadmin --query --xpath //primitive[@id='st-maas']", 107)
    assert call.run("off") == 0, "the cluster need not even answer"
    assert power.keys == {"consumer:token:s3cret"}


def test_a_member_without_the_file_fences_with_the_key_of_the_device(
    power: FakePower, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = Call(power, access_file=str(tmp_path / "maas.json"))
    assert call.run("off") == 0
    assert power.keys == {"a:b:c"}
    assert "maas.json cannot be used: taking the device's key" in capsys.readouterr().err


def test_off_stays_off(power: FakePower) -> None:
    assert Call(power).run("off") == 0
    assert power.power == "off"


def test_nothing_is_switched_when_the_guard_refuses(power: FakePower) -> None:
    call = Call(power)
    call.reason = "10 of 10"
    for action in ("off", "reboot"):
        with pytest.raises(AgentError, match="10 of 10"):
            call.run(action)
    assert power.journal == []
    assert [refusal.node for refusal in call.refusals if refusal] == [HOST, HOST]


def _spare(*_: object, **__: object) -> str | None:
    raise limit.Spared("it is being readmitted")


def test_the_guard_is_asked_again_when_maas_has_taken_its_time(
    power: FakePower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent, "FRESH", 0.0)
    call = Call(power)
    listed = power.handle

    def handle(method: str, operation: str) -> tuple[int, object]:
        if operation == "list":
            call._check = _spare  # type: ignore[method-assign]
        return listed(method, operation)

    monkeypatch.setattr(power, "handle", handle)
    check = lambda *args, **options: call._check(*args, **options)  # noqa: E731
    with pytest.raises(AgentError, match="it is being readmitted"):
        Agent(call.runner, call.values, check=check, maas=patient, remember=print).run("reboot")
    assert power.journal == ["GET list"]


def test_a_host_that_is_spared_does_not_stop_all_fencing(power: FakePower) -> None:
    call = Call(power)

    call._check = _spare  # type: ignore[method-assign]
    with pytest.raises(AgentError, match=r"not fencing node1\.maas: it is being readmitted"):
        call.run("reboot")
    assert power.journal == []
    assert call.refusals == [], "others are fenced, so the status does not say that none is"


def test_a_machine_that_does_not_go_off_is_not_confirmed(power: FakePower) -> None:
    power.looks = 10_000
    client = patient(power.url, "a:b:c", patience=5)
    with pytest.raises(MaasError, match="not known to be off after 5 s: its power is on"):
        client.power_off(client.machine(HOST))


@pytest.mark.parametrize("failing", ["list", "power_off", "query_power_state"])
def test_a_power_api_that_fails_is_not_confirmed(power: FakePower, failing: str) -> None:
    power.fails = {failing}
    with pytest.raises(MaasError, match="503"):
        Call(power).run("reboot")


def test_a_machine_that_cannot_be_switched_on_again_is_fenced_all_the_same(
    power: FakePower, capsys: pytest.CaptureFixture[str]
) -> None:
    power.fails = {"power_on"}
    assert Call(power).run("reboot") == 0
    assert "is off" in capsys.readouterr().err


@pytest.mark.parametrize("names", [[], ["node1", "node1"], ["node10"]])
def test_another_machine_is_never_switched(power: FakePower, names: list[str]) -> None:
    power.names = names
    with pytest.raises(MaasError, match="by the name"):
        Call(power).run("off")
    assert power.journal == ["GET list"]


def test_status_and_on(power: FakePower) -> None:
    call = Call(power)
    assert call.run("status") == 0
    power.power = "off"
    assert call.run("status") == 2
    assert call.run("on") == 0
    assert power.power == "on"
    assert call.asked == [], "switching on needs no leave"


def test_before_another_device_it_only_guards(power: FakePower) -> None:
    call = Call(power, device="")
    assert [call.run(action) for action in ("off", "on", "status", "monitor")] == [0, 0, 0, 0]
    assert len(call.asked) == 1
    assert power.journal == []


def test_a_device_that_is_gone_is_an_error(power: FakePower) -> None:
    call = Call(power)
    call.runner.on("cibadmin", 105)
    with pytest.raises(PacemakerError, match="105"):
        call.run("off")


@pytest.mark.parametrize("values", [{"plug": ""}, {"max_hosts": "many"}, {"window": "0"}])
def test_options_that_make_no_sense(power: FakePower, values: dict[str, str]) -> None:
    with pytest.raises(AgentError):
        Call(power, **values).run("off")
    assert power.journal == []


def test_options_as_the_fencer_and_as_a_person_gives_them() -> None:
    wanted = {"action": "off", "plug": HOST, "max_hosts": "2"}
    text = f"action=off\nplug={HOST}\n\nmax-hosts=2\n"
    assert agent.options([], io.StringIO(text)) == wanted
    words = ["--action=off", f"--plug={HOST}", "--max-hosts=2"]
    assert agent.options(words, io.StringIO()) == wanted


def test_metadata_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert agent.main([], io.StringIO("action=metadata\n")) == 0
    root = ET.fromstring(capsys.readouterr().out)  # noqa: S314
    names = {parameter.get("name") for parameter in root.iter("parameter")}
    assert names == {
        "action",
        "plug",
        "max_hosts",
        "max_share",
        "window",
        "matrix",
        "device",
        "access_file",
        "kdump",
        "storage",
    }
    assert {"off", "reboot", "on", "monitor"} <= {a.get("name") for a in root.iter("action")}


def test_metadata_has_what_the_schema_of_fence_agents_demands() -> None:
    root = ET.fromstring(agent.metadata())  # noqa: S314
    assert [child.tag for child in root] == ["longdesc", "vendor-url", "parameters", "actions"]
    for parameter in root.iter("parameter"):
        assert (parameter.get("unique"), parameter.get("required")) == ("0", "0")
        assert [child.tag for child in parameter] == ["getopt", "content", "shortdesc"]
        kind = parameter.find("content")
        assert kind is not None
        assert kind.get("type") in ("boolean", "string", "second", "integer")


def test_the_installed_program(tmp_path: Path) -> None:
    source = Path(masakari_fencing.__file__).parent
    text = (source / "data" / "fence_masakari_guard").read_text(encoding="utf-8")
    program = tmp_path / "fence_masakari_guard"
    program.write_text(text.replace("/usr/share/masakari-fencing", str(source.parent)))
    result = subprocess.run(
        [sys.executable, "-I", str(program)],
        input=f"action=off\nplug={HOST}\nmax_hosts=1\n",
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert result.returncode == 1, "without a cluster nothing is fenced"
    assert "crm_mon" in result.stderr
