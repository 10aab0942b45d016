"""The daemon: its answers to the driver, to the cluster and to the charm."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from network_matrix import consul, matrix, ports, witness
from network_matrix.consul import Agent, Answer, Member, Status
from network_matrix.peers import Peers
from network_matrix.sight import Blind, View
from network_matrix.witness import Settings, SettingsError, Witness

HOST = "node1.maas"
MEMBER = Member(HOST, "10.0.0.1", 8301, Status.FAILED)


class FakeSight:
    def __init__(self, state: str = "up", view: View | Blind | None = None) -> None:
        self._state, self._view = state, view or View({HOST: MEMBER}, frozenset({HOST}))

    def look(self) -> View:
        if isinstance(self._view, Blind):
            raise self._view
        return self._view

    def state(self, host: str) -> str:
        assert host == HOST
        return self._state


def make(answer: Answer = Answer.ACCEPTED, **sights: FakeSight) -> Witness:
    """A witness that has looked once; all members answer alike where a witness would."""
    peers = Peers(8509, knock=lambda member: answer)
    found = Witness(sights, matrix.default(list(sights)), peers)  # type: ignore[arg-type]
    found.networks()
    return found


def test_for_the_driver_it_is_a_consul_agent() -> None:
    status, body = witness.agent_route(make(storage=FakeSight()), "storage")("/v1/agent/members")
    assert status == 200
    (entry,) = body
    assert entry == {"Name": HOST, "Addr": "10.0.0.1", "Port": 8301, "Tags": {}, "Status": 4}
    assert consul._member(entry) == MEMBER, "Consul's own form"


def test_members_that_are_no_hypervisors_are_not_for_the_driver() -> None:
    """It would report them to Masakari, which does not know them, again and again."""
    others = make(Answer.REFUSED, storage=FakeSight())
    assert witness.agent_route(others, "storage")("/v1/agent/members") == (200, [])


def test_what_it_cannot_see_is_an_error_for_the_driver() -> None:
    route = witness.agent_route(make(storage=FakeSight(view=Blind("all away"))), "storage")
    assert route("/v1/agent/members?wan=1") == (500, "all away")
    assert route("/v1/agent/self")[0] == 404


def test_testimony_about_a_host() -> None:
    three = make(manage=FakeSight("down"), tenant=FakeSight("unknown"), storage=FakeSight("up"))
    assert witness.testimony_route(three)(f"/v1/hosts/{HOST}") == (
        200,
        {
            "health": {"manage": "down", "tenant": "unknown", "storage": "up"},
            "recovery": False,
            "running": {
                "health": {"manage": "down", "tenant": "unknown", "storage": "up"},
                "recovery": False,
            },
        },
    )


def test_a_machine_that_runs_is_in_the_network_in_which_it_accepts_connections() -> None:
    """Consul takes up to half a minute to notice that a network is back."""
    found = make(manage=FakeSight("up"), storage=FakeSight("hung")).host(HOST)
    assert found == {
        "health": {"manage": "up", "storage": "down"},
        "recovery": True,
        "running": {"health": {"manage": "up", "storage": "up"}, "recovery": False},
    }


def test_the_networks_for_the_charm(caplog: pytest.LogCaptureFixture) -> None:
    route = witness.testimony_route(
        make(
            manage=FakeSight(view=View({HOST: MEMBER}, frozenset({HOST}), ("agent2 is away",))),
            storage=FakeSight(view=Blind("all away")),
        )
    )
    for _ in range(2):
        assert route("/v1/networks") == (
            200,
            {
                "manage": {
                    "members": [HOST],
                    "witnesses": [HOST],
                    "silent": [HOST],
                    "problems": ["agent2 is away"],
                },
                "storage": {
                    "members": [],
                    "witnesses": [],
                    "silent": [],
                    "problems": ["all away"],
                },
            },
        )
    assert caplog.text.count("all away") == 1, "what is known is not logged again"


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/hosts", "/v2/hosts/a", "/v1/hosts/a/b"])
def test_nothing_else_is_answered(path: str) -> None:
    assert witness.testimony_route(make(storage=FakeSight()))(path)[0] == 404


@pytest.fixture
def serve() -> Iterator[Callable[[witness.Route], int]]:
    servers = []

    def start(route: witness.Route) -> int:
        server = witness._Server(("127.0.0.1", 0), witness.handler(route))
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        servers.append((server, thread))
        return int(server.server_address[1])

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def get(port: int, path: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path)
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def test_over_http(serve: Callable[[witness.Route], int]) -> None:
    port = serve(witness.agent_route(make(storage=FakeSight()), "storage"))
    assert consul.members(Agent("127.0.0.1", port)) == {HOST: MEMBER}
    assert get(port, "/v1/agent/self") == (404, "not found")


SETTINGS = {
    "agents": {"manage": "10.0.0.1", "storage": "10.0.1.1:8501 10.0.1.2"},
    "matrix": matrix.default(["manage", "storage"]).data(),
}


def test_settings(tmp_path: Path) -> None:
    path = tmp_path / "witness.json"
    path.write_text(json.dumps(SETTINGS))
    settings = Settings.read(path)
    assert settings.agents["storage"] == (Agent("10.0.1.1", 8501), Agent("10.0.1.2", 8500))
    assert settings.matrix == matrix.default(["manage", "storage"])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"agents": {"storage": "a"}, "matrix": 1}'])
def test_settings_that_are_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "witness.json"
    path.write_text(text)
    with pytest.raises(SettingsError, match=r"witness\.json"):
        Settings.read(path)
    assert witness.main([str(path)]) == 1


def test_it_serves_each_network_and_testifies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serve: Callable[[witness.Route], int]
) -> None:
    """The whole program, with a Consul that this test serves, until its first pause."""
    entry = {"Name": HOST, "Addr": "127.0.0.1", "Port": 1, "Tags": {}, "Status": 1}
    agent = serve(lambda path: (200, [entry]))
    network = {"agents": {"storage": f"127.0.0.1:{agent}"}}
    path = tmp_path / "witness.json"
    path.write_text(json.dumps({**network, "matrix": matrix.default(["storage"]).data()}))
    bound: list[int] = []
    found: dict[str, Any] = {}

    class Server(witness._Server):
        def __init__(self, address: tuple[str, int], handler: Any) -> None:
            super().__init__((address[0], 0), handler)
            bound.append(int(self.server_address[1]))

    class NoIpv6(Server):
        def __init__(self, address: tuple[str, int], handler: Any) -> None:
            raise OSError("Address family not supported by protocol")

    def pause(seconds: float) -> None:
        testimony, driver = bound
        found["host"] = get(testimony, f"/v1/hosts/{HOST}")
        found["driver"] = get(driver, "/v1/agent/members")
        raise KeyboardInterrupt

    monkeypatch.setattr(ports, "TESTIMONY", agent)  # where something answers on that member
    monkeypatch.setattr(witness, "_Server", Server)
    monkeypatch.setattr(witness, "_AllAddresses", NoIpv6)
    monkeypatch.setattr(witness.time, "sleep", pause)
    with pytest.raises(KeyboardInterrupt):
        witness.main([str(path)])
    said = {"health": {"storage": "up"}, "recovery": False}
    assert found["host"] == (200, {**said, "running": said})
    assert found["driver"] == (200, [entry])


def test_ipv4_and_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "TESTIMONY", 0)
    server = witness._all_addresses(lambda path: (200, path))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        assert get(int(server.server_address[1]), "/x") == (200, "/x")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
