"""One recovery of a host at a time, over all engines."""

from __future__ import annotations

import re
import threading
import time
import xml.etree.ElementTree as ET

import pytest
from fencing_fakes import FakeRunner
from masakari_fencing.pacemaker import PacemakerError
from masakari_fencing.turn import EXISTS, Busy, Turn

HOST = "node1.maas"


class Cib:
    """The one configuration of all members: each change is atomic."""

    def __init__(self) -> None:
        self.turns: dict[str, str] = {}
        self.engines: dict[str, str] = {}
        self.lock = threading.Lock()
        self.active: set[str] = set()
        self.away = False
        self.pause = 0.0

    def runner(self) -> FakeRunner:
        runner = FakeRunner()
        runner.on("cibadmin --create --scope crm_config --xml-text", self._create)
        runner.on("cibadmin --query --xpath //cluster_property_set", self._query)
        runner.on("cibadmin --delete --xpath //cluster_property_set", self._delete)
        return runner

    def turn(self, owner: str, host: str = HOST, engine: str = "e1") -> Turn:
        return Turn(self.runner(), host, owner, lambda uuid: uuid in self.active, engine)

    def _create(self, argv: list[str]) -> str | int:
        element = ET.fromstring(argv[-1])  # noqa: S314
        pair, engine = element.findall("nvpair")
        with self.lock:
            if self.away:
                return 102
            if element.get("id") in self.turns:
                return EXISTS
            self.turns[str(element.get("id"))] = str(pair.get("value"))
            self.engines[str(element.get("id"))] = str(engine.get("value"))
            return ""

    def _query(self, argv: list[str]) -> str | int:
        match = re.search(r"@id='([^']+)'\]$", argv[-1])
        assert match is not None
        name = match.group(1)
        with self.lock:
            if self.away:
                return 102
            answer: str | int = 105
            if name in self.turns:
                pairs = {name: self.turns[name], f"{name}-engine": self.engines.get(name, "e1")}
                answer = "".join(
                    f'<nvpair name="{key}" value="{value}"/>'
                    for key, value in pairs.items()
                    if value
                )
                answer = f'<cluster_property_set id="{name}">{answer}</cluster_property_set>'
        # What was answered may be old when it arrives.
        time.sleep(self.pause)
        return answer

    def _delete(self, argv: list[str]) -> str | int:
        match = re.search(r"@id='([^']+)'\]\[(?:nvpair.*@value='([^']+)'|not\(.*\))\]", argv[-1])
        assert match is not None
        with self.lock:
            if self.turns.get(match.group(1)) == (match.group(2) or ""):
                self.turns.pop(match.group(1), None)
        return ""


@pytest.fixture
def cib() -> Cib:
    return Cib()


def test_the_first_gets_the_turn_and_a_retry_still_has_it(cib: Cib) -> None:
    for _ in range(2):
        cib.turn("uuid-1").take(0)
    assert cib.turn("uuid-1").held()
    assert not cib.turn("uuid-2").held()


def test_a_retry_in_another_engine_says_so(cib: Cib) -> None:
    cib.active = {"uuid-1"}
    for engine in ("e1", "e2"):
        cib.turn("uuid-1", engine=engine).take(0)
        assert list(cib.engines.values()) == [engine]


def test_who_has_lost_the_turn_to_another_engine_sees_it(cib: Cib) -> None:
    """Masakari's engines may both take up one notification, the second from an old list."""
    first, second = (cib.turn("uuid-1", engine=engine) for engine in ("e1", "e2"))
    first.take(0)
    assert first.held()
    second.take(0)
    assert second.held()
    assert not first.held()


def test_a_turn_that_was_taken_meanwhile_is_not_removed(cib: Cib) -> None:
    """Seen to be taken, seen to be free, and taken by another one before it could be."""
    cib.active = {"uuid-2"}
    cib.turns["masakari-fencing-recovery-node1.maas"] = "uuid-old"
    turn = cib.turn("uuid-1")
    runner = turn._runner

    def query(argv: list[str]) -> int:
        cib.turns["masakari-fencing-recovery-node1.maas"] = "uuid-2"
        return 105

    assert isinstance(runner, FakeRunner)
    runner.on("cibadmin --query", query)
    with pytest.raises(Busy):
        turn.take(0)
    assert list(cib.turns.values()) == ["uuid-2"]


def test_a_turn_without_a_holder_is_removed(cib: Cib) -> None:
    cib.turns["masakari-fencing-recovery-node1.maas"] = ""
    cib.turn("uuid-1").take(0)
    assert cib.turn("uuid-1").held()


def test_another_host_is_another_turn(cib: Cib) -> None:
    cib.active = {"uuid-1"}
    cib.turn("uuid-1").take(0)
    cib.turn("uuid-2", "node2.maas").take(0)


def test_the_second_waits_until_the_first_is_no_longer_worked_on(cib: Cib) -> None:
    cib.active = {"uuid-1"}
    cib.turn("uuid-1").take(0)
    slept: list[float] = []
    told: list[str] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 5:
            cib.active.clear()

    cib.turn("uuid-2").take(60, waiting=told.append, sleep=sleep, clock=lambda: sum(slept))
    assert len(slept) == 5
    assert told == ["uuid-1"]
    assert cib.turn("uuid-2").held()
    assert not cib.turn("uuid-1").held(), "who comes back late sees that it has lost the turn"


def test_the_second_does_not_wait_for_ever(cib: Cib) -> None:
    cib.active = {"uuid-1"}
    cib.turn("uuid-1").take(0)
    now = [0.0]
    with pytest.raises(Busy, match="uuid-1"):
        cib.turn("uuid-2").take(
            30,
            sleep=lambda seconds: now.__setitem__(0, now[0] + seconds),
            clock=lambda: now[0],
        )
    assert cib.turn("uuid-1").held()


def test_of_many_that_find_a_free_turn_only_one_gets_it(cib: Cib) -> None:
    owners = [f"uuid-{number}" for number in range(8)]
    for _ in range(20):
        cib.turns = {"masakari-fencing-recovery-node1.maas": "uuid-old"}
        cib.active = set(owners)
        cib.pause = 0.002
        got: list[str] = []

        def attempt(owner: str, got: list[str] = got) -> None:
            try:
                cib.turn(owner).take(0)
                got.append(owner)
            except Busy:
                pass

        threads = [threading.Thread(target=attempt, args=(owner,)) for owner in owners]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(got) == 1
        assert cib.turn(got[0]).held()


def test_a_cluster_that_is_away_for_a_moment_is_awaited(cib: Cib) -> None:
    cib.away = True
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        cib.away = len(slept) < 3

    cib.turn("uuid-1").take(60, sleep=sleep, clock=lambda: sum(slept))
    assert cib.turn("uuid-1").held()


def test_without_a_cluster_there_is_no_turn(cib: Cib) -> None:
    cib.away = True
    with pytest.raises(PacemakerError, match="102"):
        cib.turn("uuid-1").take(0)
    with pytest.raises(PacemakerError):
        cib.turn("uuid-1").held()


def test_an_unreadable_turn_is_nobodys(cib: Cib) -> None:
    cib.turns = {"masakari-fencing-recovery-node1.maas": "a b"}
    with pytest.raises(PacemakerError, match="unreadable"):
        cib.turn("uuid-1").take(0)


@pytest.mark.parametrize(("host", "owner"), [("a'b", "u"), ("a", "u'"), ("", "u"), ("a", "")])
def test_what_cannot_be_put_into_the_configuration(host: str, owner: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name"):
        Turn(FakeRunner(), host, owner, lambda uuid: False, "e1")
