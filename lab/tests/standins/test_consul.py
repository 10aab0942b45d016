"""The stand-in for consul: a member of Serf for each network, and Consul's own form of answers."""

from __future__ import annotations

import importlib.util
import json
import socket
import sys
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_juju import CHARMS, Charm, FakeJuju

ENDPOINTS = {
    "datacenter": "dc1",
    "internal_gossip_endpoints": '["10.77.3.105:8301"]',
    "external_gossip_endpoints": '["10.77.3.105:8301"]',
    "internal_http_endpoint": '"10.77.3.105:8500"',
    "external_http_endpoint": '"10.77.3.105:8500"',
}


@pytest.fixture
def consul(juju: FakeJuju, monkeypatch: pytest.MonkeyPatch) -> Charm:
    charm = Charm(juju, "consul", "consul-storage/0")
    monkeypatch.setattr(charm.module, "install", lambda: True)
    monkeypatch.setattr(socket, "gethostname", lambda: "node1")
    canonical = [(0, 0, 0, "node1.maas", None)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: canonical)
    charm.relate("cluster:0", "consul-storage", {1: {"ingress-address": "10.77.3.106"}})
    return charm


def serf(charm: Charm) -> dict[str, Any]:
    return dict(json.loads(charm.file("etc/consul-standin/consul-storage.json")))


def test_a_member_gossips_in_the_network_that_it_is_bound_to(consul: Charm) -> None:
    settings = serf(consul)
    assert settings["bind"] == "10.77.3.105:8301"
    assert settings["retry_join"] == ["10.77.3.106:8301"]
    assert settings["node_name"] == "node1.maas"
    unit = consul.file("etc/systemd/system/consul-storage-agent.service")
    assert "agent.py 10.77.3.105 8500 8400" in unit


def test_without_a_name_consul_takes_the_short_one(juju: FakeJuju, consul: Charm) -> None:
    juju.set(config={**juju.state["config"], "node-names": "short"})
    consul.hook("config-changed")
    assert serf(consul)["node_name"] == "node1"


def test_several_networks_share_a_machine(juju: FakeJuju, consul: Charm) -> None:
    started = [call["argv"] for call in juju.calls("systemctl") if "restart" in call["argv"]]
    assert ["restart", "consul-storage-serf"] in started
    assert ["restart", "consul-storage-agent"] in started


def test_the_leader_publishes_where_it_answers(juju: FakeJuju, consul: Charm) -> None:
    consul.relate("consul-cluster:1", "masakari-monitors")
    assert juju.published("consul-cluster:1", app=True) == ENDPOINTS
    assert juju.published("consul-cluster:1") == {}


def test_nobody_but_the_leader_publishes(juju: FakeJuju, consul: Charm) -> None:
    juju.set(leader=False)
    consul.relate("consul-cluster:1", "masakari-monitors")
    assert juju.published("consul-cluster:1", app=True) == {}


class Unpacker:
    """msgpack's, for texts that are lines of JSON."""

    def __init__(self, **options: Any) -> None:
        self._text = ""

    def feed(self, data: bytes) -> None:
        self._text += data.decode()

    def unpack(self) -> Any:
        line, newline, rest = self._text.partition("\n")
        if not newline:
            raise LookupError
        self._text = rest
        return json.loads(line)


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """The adapter, with JSON in place of MessagePack, which only the machines have."""
    msgpack = types.SimpleNamespace(
        Unpacker=Unpacker,
        OutOfData=LookupError,
        packb=lambda part, use_bin_type: json.dumps(part).encode() + b"\n",
    )
    monkeypatch.setitem(sys.modules, "msgpack", msgpack)
    path = Path(CHARMS / "consul/src/agent.py")
    spec = importlib.util.spec_from_file_location("consul_agent", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def entry(name: str, address: str, status: str) -> dict[str, Any]:
    numbers = dict.fromkeys(
        [f"{kind}{end}" for kind in ("Protocol", "Delegate") for end in ("Min", "Max", "Cur")], 2
    )
    return {"Name": name, "Addr": address, "Port": 8301, "Tags": None, "Status": status, **numbers}


def with_serf(lines: list[Any], use: Callable[[int], None]) -> list[Any]:
    """Serve one connection as Serf does; return what was asked."""
    asked = []
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = server.accept()
        with connection, connection.makefile("r") as stream:
            for line in lines:
                asked.append(json.loads(stream.readline()))
                if len(asked) == 1:  # the handshake has a body
                    asked.append(json.loads(stream.readline()))
                connection.sendall(line.encode())
            # Whoever closes with something unread resets the connection instead of ending it.
            stream.readline()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        use(server.getsockname()[1])
    finally:
        thread.join(5)
        server.close()
    return asked


def test_serfs_members_in_consuls_form(agent: types.ModuleType) -> None:
    found: list[Any] = []
    mapped = "\0" * 10 + "\udcff\udcff" + "\x0aM\x04\x0b"
    members = [
        entry("node1.maas", "\x0aM\x04\x0a", "alive"),
        entry("node2.maas", mapped, "failed"),
    ]
    lines = ['{"Seq": 0}\n', '{"Seq": 1}\n' + json.dumps({"Members": members}) + "\n"]
    asked = with_serf(lines, lambda port: found.extend(agent.members("127.0.0.1", port)))
    assert asked == [
        {"Command": "handshake", "Seq": 0},
        {"Version": 1},
        {"Command": "members", "Seq": 1},
    ]
    assert [(m["Name"], m["Addr"], m["Port"], m["Status"]) for m in found] == [
        ("node1.maas", "10.77.4.10", 8301, 1),
        ("node2.maas", "10.77.4.11", 8301, 4),
    ]
    assert found[0]["Tags"] == {}


def test_a_serf_that_hangs_up_is_an_error(agent: types.ModuleType) -> None:
    def use(port: int) -> None:
        with pytest.raises(OSError, match="closed the connection"):
            agent.members("127.0.0.1", port)

    with_serf(['{"Seq": 0}\n'], use)
