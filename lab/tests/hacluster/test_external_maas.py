"""The stand-in's STONITH plugin against an API of MAAS that checks the key as the lab's does."""

import json
import subprocess
import sys
import threading
import time
import types
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from jujulab.maas.oauth import ApiKey

PLUGIN = Path(__file__).resolve().parents[2] / "charms/hacluster/files/external_maas.py"


class Maas(ThreadingHTTPServer):
    """A MAAS with one machine, whose power goes off some polls after it was asked to."""

    daemon_threads = True

    def __init__(self) -> None:
        self.key = ApiKey.generate()
        self.requests: list[str] = []
        self.queries: list[dict[str, list[str]]] = []
        self.outage = False
        self.power = "on"
        self.polls_until_off = 0
        super().__init__(("127.0.0.1", 0), Handler)

    def answer(
        self, path: str, query: dict[str, list[str]], header: str | None
    ) -> tuple[int, Any]:
        if self.outage:
            return 503, {}
        if path == "describe/":
            return (200, {}) if header is None else (400, "no key is needed")
        if path == "version/":
            return 200, {"version": "3.5.0"}
        if not self.key.accepts(header):
            return 401, {}
        if path == "machines/":
            if self.power == "going":
                self.polls_until_off -= 1
                self.power = "going" if self.polls_until_off > 0 else "off"
            state = "off" if self.power == "off" else "on"
            record = {"system_id": "abc", "hostname": "node1", "power_state": state}
            return 200, [record] if query.get("hostname") == ["node1"] else []
        self.power = {"power_off": "going", "power_on": "on"}[query["op"][0]]
        return 200, {}


class Handler(BaseHTTPRequestHandler):
    server: Maas

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        path = parts.path.removeprefix("/MAAS/api/2.0/")
        query = parse_qs(parts.query)
        self.server.queries.append(query)
        self.server.requests.append(f"{self.command} {path} {query.get('op', [''])[0]}".strip())
        status, body = self.server.answer(path, query, self.headers.get("Authorization"))
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_POST = do_GET  # noqa: N815  # the name is the protocol's

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def maas() -> Iterator[Maas]:
    with Maas() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def plugin(maas: Maas, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> types.ModuleType:
    """The plugin with the parameters in its environment, as cluster-glue hands them over."""
    for name, value in parameters(maas).items():
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(str(PLUGIN.parent))
    module = __import__(PLUGIN.stem)
    monkeypatch.setattr(module, "LOG", tmp_path / "maas.log")
    return module


def parameters(maas: Maas) -> dict[str, str]:
    """The parameters of the cluster's resource, and a proxy that leads nowhere."""
    return {
        "url": f"http://127.0.0.1:{maas.server_address[1]}/MAAS",
        "apikey": maas.key.text,
        "hostnames": "node1 node1.maas",
        "http_proxy": "http://127.0.0.1:9",
    }


CONNECT = "GET describe/"
POLL, OFF, ON = "GET machines/", "POST machines/abc/ power_off", "POST machines/abc/ power_on"


def test_reset_waits_until_the_power_is_off(maas: Maas, plugin: types.ModuleType) -> None:
    maas.polls_until_off = 2
    assert plugin.main(["reset", "node1.maas"]) == 0
    assert maas.requests == [CONNECT, POLL, POLL, OFF, POLL, POLL, ON]


def test_reset_switches_a_dead_machine_on(maas: Maas, plugin: types.ModuleType) -> None:
    maas.power = "off"
    assert plugin.main(["reset", "node1.maas"]) == 0
    assert maas.requests == [CONNECT, POLL, POLL, ON]


def test_reset_gives_up_on_power_that_stays_on(
    maas: Maas, plugin: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugin, "POLL_INTERVAL", 0)
    maas.polls_until_off = 1000
    assert plugin.main(["reset", "node1"]) == 1
    assert ON not in maas.requests


def test_off_does_not_wait(maas: Maas, plugin: types.ModuleType) -> None:
    maas.polls_until_off = 1000
    assert plugin.main(["off", "node1.maas"]) == 0
    assert maas.requests == [CONNECT, POLL, OFF]


def test_on(maas: Maas, plugin: types.ModuleType) -> None:
    assert plugin.main(["on", "node1"]) == 0
    assert maas.requests[-1] == ON


@pytest.mark.parametrize("action", ["reset", "off", "on"])
@pytest.mark.parametrize("key", ["wrong:key:here", "nonsense"])
def test_wrong_key_switches_nothing(
    maas: Maas, plugin: types.ModuleType, monkeypatch: pytest.MonkeyPatch, action: str, key: str
) -> None:
    monkeypatch.setenv("apikey", key)
    assert plugin.main([action, "node1.maas"]) == 1
    assert maas.power == "on"
    assert OFF not in maas.requests


def test_status_cannot_tell_a_wrong_key(
    maas: Maas, plugin: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("apikey", "wrong:key:here")
    assert plugin.main(["status"]) == 0


def test_unknown_host_is_an_error(maas: Maas, plugin: types.ModuleType) -> None:
    assert plugin.main(["reset", "node2.maas"]) == 1
    assert maas.requests == [CONNECT, POLL]


@pytest.mark.parametrize("action", ["status", "reset", "off", "on"])
def test_outage_is_an_error(maas: Maas, plugin: types.ModuleType, action: str) -> None:
    maas.outage = True
    assert plugin.main([action, "node1.maas"]) == 1


def test_what_cluster_glue_asks_first(
    maas: Maas, plugin: types.ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    def ask(action: str) -> str:
        assert plugin.main([action]) == 0
        return capsys.readouterr().out

    assert ask("gethosts").split() == ["node1", "node1.maas"]
    described = ET.fromstring(ask("getinfo-xml")).iter("parameter")  # noqa: S314
    names = sorted(node.attrib["name"] for node in described)
    assert sorted(ask("getconfignames").split()) == names
    assert all(
        ask(f"getinfo-{info}").strip() for info in ("devid", "devname", "devdescr", "devurl")
    )
    assert maas.requests == []


def test_program_runs_by_itself(maas: Maas) -> None:
    def run(action: str, key: str) -> int:
        environment = parameters(maas) | {"apikey": key}
        argv = [sys.executable, "-IS", str(PLUGIN), action, "node1.maas"]
        return subprocess.run(argv, env=environment, timeout=30, check=False).returncode

    assert run("reset", maas.key.text) == 0
    assert run("reset", "wrong:key:here") == 1
    assert maas.requests == [CONNECT, POLL, POLL, OFF, POLL, ON, CONNECT, POLL]


def test_unknown_action_is_an_error(maas: Maas, plugin: types.ModuleType) -> None:
    assert plugin.main(["explode", "node1"]) == 1


def test_the_power_goes_off_hard(maas: Maas, plugin: types.ModuleType) -> None:
    assert plugin.main(["off", "node1"]) == 0
    assert maas.queries[-1] == {"op": ["power_off"], "stop_mode": ["hard"]}


def test_an_action_costs_what_the_real_plugin_costs(
    plugin: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Relative: the test itself has used processor time before.
    monkeypatch.setattr(plugin, "COSTS", {"default": time.process_time() + 0.2})
    before = time.process_time()
    assert plugin.main(["gethosts"]) == 0
    assert time.process_time() - before >= 0.2
