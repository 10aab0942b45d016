"""What the other hypervisors say about one that Pacemaker has lost."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from masakari_fencing import witnesses
from masakari_fencing.witnesses import confirmed, objection, withdrawal

HOST = "node1.maas"
HEALTH = {"manage": "down", "tenant": "up", "storage": "up"}


def answers(**said: bool | None) -> Callable[[str, str], witnesses.Testimony | None]:
    def ask(address: str, host: str) -> witnesses.Testimony | None:
        assert host == HOST
        return witnesses.Testimony(HEALTH, said[address]) if address in said else None

    return ask


@pytest.mark.parametrize(
    "said",
    [{}, {"a": True}, {"a": None}, {"a": True, "b": None}],
    ids=["nobody answers", "recover", "cannot tell", "both"],
)
def test_who_does_not_know_better_leaves_it_to_pacemaker(said: dict[str, bool | None]) -> None:
    assert objection(["a", "b"], HOST, ask=answers(**said)) is None


def test_one_that_reached_the_host_is_enough() -> None:
    text = objection(["a", "b", "c"], HOST, ask=answers(a=True, b=False))
    assert text is not None
    assert HOST in text and "storage up" in text and "no recovery" in text


@pytest.mark.parametrize("recovery", [True, False, None])
def test_who_reaches_it_says_so_whatever_follows(recovery: bool | None) -> None:
    assert witnesses.reached(["a", "b"], HOST, ask=answers(b=recovery)) == ["storage", "tenant"]


def test_nobody_reaches_one_about_which_nobody_answers() -> None:
    assert witnesses.reached(["a", "b"], HOST, ask=answers()) == []


@pytest.mark.parametrize(
    ("said", "holds"),
    [
        ({}, True),
        ({"a": None, "b": None}, True),
        ({"a": True, "b": True, "c": True}, True),
        ({"a": True, "b": True, "c": False}, True),
        ({"a": True, "b": False}, True),
        ({"a": False, "b": None, "c": None}, False),
        ({"a": True, "b": False, "c": False}, False),
    ],
)
def test_a_report_holds_until_most_see_the_host_work(
    said: dict[str, bool | None], holds: bool
) -> None:
    text = withdrawal(["a", "b", "c"], HOST, ask=answers(**said))
    assert (text is None) is holds
    assert holds or "still answers" in str(text)


@pytest.mark.parametrize(
    ("said", "expected"),
    [({}, False), ({"a": None}, False), ({"a": False}, False), ({"a": False, "b": True}, True)],
)
def test_one_that_still_sees_it_confirms_a_report(
    said: dict[str, bool | None], expected: bool
) -> None:
    assert confirmed(["a", "b"], HOST, ask=answers(**said)) is expected


def test_without_other_hypervisors_there_is_nobody_to_ask() -> None:
    assert objection([], HOST, ask=answers()) is None


def test_not_all_of_a_large_cloud_are_asked() -> None:
    asked: list[str] = []

    def ask(address: str, host: str) -> None:
        asked.append(address)

    objection([str(number) for number in range(100)], HOST, ask=ask)
    assert len(asked) == len(set(asked)) == witnesses.ASKED


def test_some_that_are_dead_hold_up_no_answer() -> None:
    """The first eight may stand in the rack of the lost host."""
    gate = threading.Event()

    def ask(address: str, host: str) -> witnesses.Testimony | None:
        if int(address) < 8:
            assert gate.wait(20)
            return None
        return witnesses.Testimony(HEALTH, False)

    text = objection([str(number) for number in range(16)], HOST, ask=ask)
    assert not gate.is_set()
    gate.set()
    assert text is not None


def test_a_witness_that_cannot_be_asked_holds_up_nothing() -> None:
    def ask(address: str, host: str) -> witnesses.Testimony | None:
        raise RuntimeError("something new")

    assert objection(["a", "b"], HOST, ask=ask) is None


@pytest.fixture
def witness(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    """A real server: `body` is what it answers, `path` what it was asked."""
    said: dict[str, bytes] = {"body": b"{}"}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            said["path"] = self.path.encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(said["body"])

        def log_message(self, *args: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    monkeypatch.setattr(witnesses, "PORT", server.server_port)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield said
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_witness_is_asked_over_http(witness: dict[str, bytes]) -> None:
    witness["body"] = json.dumps({"health": HEALTH, "recovery": False}).encode()
    assert witnesses.ask("127.0.0.1", HOST) == witnesses.Testimony(HEALTH, False)
    assert witness["path"] == b"/v1/hosts/node1.maas"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"health": 1, "recovery": false}', b'"not found"']
)
def test_what_makes_no_sense_is_no_testimony(witness: dict[str, bytes], body: bytes) -> None:
    witness["body"] = body
    assert witnesses.ask("127.0.0.1", HOST) is None


@pytest.mark.parametrize("told", [True, False], ids=["told", "an older witness"])
def test_whether_its_machine_runs_makes_a_difference(
    witness: dict[str, bytes], told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = {"health": {"storage": "up"}, "recovery": False}
    said = {"health": {"storage": "down"}, "recovery": True} | ({"running": back} if told else {})
    witness["body"] = json.dumps(said).encode()
    text = withdrawal(["127.0.0.1"], HOST)
    assert (text is not None and "storage up" in text) is told
    assert objection(["127.0.0.1"], HOST) is None, "of one that was lost it may be hung"


def test_an_unknown_decision_is_none(witness: dict[str, bytes]) -> None:
    witness["body"] = b'{"health": {}, "recovery": "false"}'
    assert witnesses.ask("127.0.0.1", HOST) == witnesses.Testimony({}, None)


def test_where_no_witness_is_there_is_no_testimony(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witnesses, "PORT", 1)
    assert witnesses.ask("127.0.0.1", HOST) is None
