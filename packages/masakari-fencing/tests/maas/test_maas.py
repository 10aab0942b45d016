"""Asking MAAS, and switching machines off for certain, when it is slow, moody or elsewhere."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from fencing_fakes import patient
from masakari_fencing.maas import api
from masakari_fencing.maas.client import PAGE, Maas, MaasError, Machine, SettingsError

KEY = "consumer:token:s3cret"
NODE = Machine("abc", "node1", "on", "node1.rack1")


class Moody:
    """A MAAS that does, one request after the other, what a test says.

    Attributes:
        power: of its one machine.
        moods: what happens to the next requests of an operation: an HTTP status, raw bytes
            instead of an answer, `hang` for no answer, or the URL of a redirect with its status.
        requests: method, operation and whether the key came along.
        longest: characters of the longest path.
    """

    def __init__(self) -> None:
        self.power = "on"
        self.moods: dict[str, list[object]] = {}
        self.names = ["node1.rack1"]
        self.requests: list[tuple[str, str, bool]] = []
        self.longest = 0
        self.over = threading.Event()
        maas = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args: object) -> None:
                pass

            def do(self) -> None:
                maas.handle(self)

            do_GET = do_POST = do  # noqa: N815

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/MAAS"
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        query = parse_qs(urlsplit(handler.path).query)
        operation = query.get("op", ["list"])[0]
        self.longest = max(self.longest, len(handler.path))
        self.requests.append((handler.command, operation, "Authorization" in handler.headers))
        mood = self.moods.get(operation, [])
        now = mood.pop(0) if mood else 200
        if now == "hang":
            self.over.wait(30)
            return
        if isinstance(now, bytes):
            handler.wfile.write(now)
            return
        code, location = now if isinstance(now, tuple) else (now, "")
        handler.send_response(code)
        if location:
            handler.send_header("Location", location)
        handler.end_headers()
        if code == 200:
            handler.wfile.write(json.dumps(self._carry_out(operation, query)).encode())

    def _carry_out(self, operation: str, query: dict[str, list[str]]) -> object:
        if operation == "list":
            return [
                {"system_id": "abc", "hostname": label, "fqdn": name, "power_state": self.power}
                for name in self.names
                for label in [name.split(".")[0]]
                if label in query["hostname"]
            ]
        if operation == "query_power_state":
            return {"state": self.power}
        self.power = operation.removeprefix("power_")
        return {}

    def asked(self, operation: str) -> int:
        return len([request for request in self.requests if request[1] == operation])


@pytest.fixture
def maas() -> Iterator[Moody]:
    server = Moody()
    yield server
    server.over.set()
    server.server.shutdown()
    server.server.server_close()


@pytest.mark.parametrize("operation", ["power_off", "query_power_state"])
@pytest.mark.parametrize(
    "mood",
    [503, 500, 409, 429, b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\n\r\n<html>"],
    ids=["503", "500", "409", "429", "closed", "no HTTP", "no JSON"],
)
def test_what_may_pass_is_tried_again(maas: Moody, operation: str, mood: object) -> None:
    maas.moods[operation] = [mood, mood]
    patient(maas.url, KEY, patience=75).power_off(NODE)
    assert maas.power == "off"
    assert maas.asked(operation) == 3


def test_the_list_of_machines_is_asked_for_again(maas: Moody) -> None:
    maas.moods["list"] = [503, 503]
    assert patient(maas.url, KEY, patience=75).machine("node1.rack1") == NODE


def test_a_request_that_is_never_answered_does_not_use_up_the_time(
    maas: Moody, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "FIRST_TIMEOUT", 0.2)
    maas.moods["query_power_state"] = ["hang"]
    Maas(maas.url, KEY, patience=60).power_off(NODE)
    assert maas.asked("query_power_state") == 2


def test_an_answer_may_take_longer_each_time(maas: Moody, monkeypatch: pytest.MonkeyPatch) -> None:
    given = []

    def exchange(asked: api.Api, method: str, url: str, timeout: float) -> object:
        given.append(timeout)
        if len(given) < 3:
            raise api.PassingError("timed out")
        return {"state": "off"}

    monkeypatch.setattr(api.Api, "_exchange", exchange)
    assert patient(maas.url, KEY, patience=75).power_state(NODE) == "off"
    assert given == [15, 30, 60]


def test_a_machine_that_stays_on_is_switched_off_once_more(maas: Moody) -> None:
    carry_out = maas._carry_out

    def deaf(operation: str, query: dict[str, list[str]]) -> object:
        if operation == "power_off" and maas.asked("power_off") < 2:
            return {}
        return carry_out(operation, query)

    maas._carry_out = deaf  # type: ignore[method-assign]
    patient(maas.url, KEY, patience=75).power_off(NODE)
    assert maas.asked("power_off") == 2


def test_a_machine_is_on_record_as_fenced_soon_after_it_was_asked_to_boot(maas: Moody) -> None:
    """Though MAAS, which has done so, does not answer: it is up again within a minute."""
    maas.moods["power_on"] = [503] * 1000
    client = patient(maas.url, KEY, patience=75)
    with pytest.raises(MaasError):
        client.power_on(NODE, within=8)
    assert client._api.clock() < 8


def test_what_lasts_is_said(maas: Moody) -> None:
    maas.moods["query_power_state"] = [503] * 1000
    with pytest.raises(MaasError, match=r"not known to be off after 75 s: .*HTTP 503"):
        patient(maas.url, KEY, patience=75).power_off(NODE)
    assert maas.asked("query_power_state") > 10


@pytest.mark.parametrize("code", [400, 401, 403, 404, 414])
def test_a_refusal_is_final(maas: Moody, code: int) -> None:
    maas.moods["power_off"] = [code] * 100
    with pytest.raises(MaasError) as error:
        patient(maas.url, KEY, patience=75).power_off(NODE)
    assert maas.asked("power_off") == 1
    assert isinstance(error.value, SettingsError) == (code in (401, 403))


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("operation", ["power_off", "query_power_state"])
def test_the_key_goes_nowhere_else(maas: Moody, code: int, operation: str) -> None:
    other = Moody()
    maas.moods[operation] = [(code, f"{other.url}/api/2.0/machines/abc/?op={operation}")] * 9
    with pytest.raises(SettingsError, match=r"redirects to http://127\.0\.0\.1"):
        patient(maas.url, KEY, patience=75).power_off(NODE)
    assert other.requests == []
    other.server.shutdown()
    other.server.server_close()


@pytest.mark.parametrize("code", [301, 302, 303])
def test_an_order_does_not_become_a_question(maas: Moody, code: int) -> None:
    maas.moods["power_off"] = [(code, "/MAAS/api/2.0/machines/abc/?op=power_off")]
    with pytest.raises(SettingsError, match="redirects"):
        patient(maas.url, KEY, patience=75).power_off(NODE)
    assert [method for method, *_ in maas.requests] == ["POST"]
    assert maas.power == "on"


def test_redirects_on_the_same_server_are_followed(maas: Moody) -> None:
    maas.moods["power_off"] = [(307, "/MAAS/api/2.0/machines/abc/?op=power_off")]
    maas.moods["query_power_state"] = [(301, "/MAAS/api/2.0/machines/abc/?op=query_power_state")]
    patient(maas.url, KEY, patience=75).power_off(NODE)
    assert [method for method, *_ in maas.requests] == ["POST", "POST", "GET", "GET"]


@pytest.mark.parametrize("location", ["http://[", "ftp://x/", "//elsewhere.example/", ""])
def test_redirects_to_nowhere(maas: Moody, location: str) -> None:
    maas.moods["list"] = [(302, location)]
    with pytest.raises(SettingsError, match="redirects"):
        patient(maas.url, KEY, patience=75).machines(["node1"])


def test_a_circle_of_redirects_ends(maas: Moody) -> None:
    maas.moods["list"] = [(302, "/MAAS/api/2.0/machines/?hostname=node1")] * 1000
    with pytest.raises(SettingsError, match="circle"):
        patient(maas.url, KEY, patience=75).machines(["node1"])


@pytest.mark.parametrize(
    "url",
    (
        *("", "maas", "ftp://maas", "http://", "http://[::1", "http://h:port", "http://h:99999"),
        *("http://h h/", "http://h\n/", "http://u:p@h/", "http://h/?q=1", f"http://{'a' * 70}/"),
    ),
)
def test_odd_urls_are_one_clear_error(url: str) -> None:
    with pytest.raises(SettingsError, match="URL"):
        Maas(url, KEY)


@pytest.mark.parametrize(
    "answer", [b"[" * 100_000, b'{"a": "\xff"}', b"[1]", b"[[]]", b"null"], ids=range(5)
)
def test_odd_answers_are_one_clear_error(maas: Moody, answer: bytes) -> None:
    maas.moods["list"] = [b"HTTP/1.1 200 OK\r\n\r\n" + answer] * 1000
    with pytest.raises(MaasError, match="MAAS"):
        patient(maas.url, KEY, patience=10).machines(["node1"])


@pytest.mark.parametrize(
    ("names", "host", "found"),
    [
        (["node1.rack1"], "node1.rack1", True),
        (["node1.rack1"], "NODE1.rack1.", True),
        (["node1.rack1"], "node1", True),
        (["node1.rack1"], "node1.rack2", False),
        (["node1.rack1", "node1.rack2"], "node1.rack2", True),
        (["node1.rack1", "node1.rack2"], "node1.rack3", False),
        (["node1.rack1", "node1.rack2"], "node1", False),
    ],
)
def test_the_whole_name_counts(maas: Moody, names: list[str], host: str, found: bool) -> None:
    maas.names = names
    client = patient(maas.url, KEY, patience=75)
    if found:
        assert client.machine(host).is_named(host)
        return
    with pytest.raises(SettingsError, match=f"machines by the name {host}"):
        client.machine(host)


def test_many_machines_may_take_longer_than_the_time_for_one(maas: Moody) -> None:
    """MAAS takes its time for each: 1,000 of them took longer than what a single one may."""
    maas.names = [f"node{number}.maas" for number in range(4 * PAGE)]

    def clock() -> float:
        return 6.0 * maas.asked("list")

    assert len(Maas(maas.url, KEY, patience=10, clock=clock).machines(maas.names)) == 4 * PAGE


def test_many_machines_are_asked_for_in_pages(maas: Moody) -> None:
    maas.names = [f"{'n' * 59}{number:04}.maas" for number in range(1000)]
    assert len(patient(maas.url, KEY, patience=75).machines(maas.names)) == 1000
    assert maas.asked("list") == 1000 / PAGE
    assert maas.longest < 8000, "what Apache and nginx accept by default"
