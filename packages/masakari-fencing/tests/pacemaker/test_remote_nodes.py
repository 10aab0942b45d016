"""Whether a hypervisor's pacemaker_remote answers, at real sockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
from masakari_fencing.pacemaker import remote_nodes


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as found:
        yield found


def test_a_daemon_that_ends_the_connection_answers(server: socket.socket) -> None:
    """As pacemaker_remote does with what is no handshake."""

    def end() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(100)

    thread = threading.Thread(target=end)
    thread.start()
    assert remote_nodes.answers(*server.getsockname(), timeout=30)
    thread.join()


def test_a_daemon_that_stands_still_does_not(server: socket.socket) -> None:
    """The kernel accepts connections for it."""
    assert not remote_nodes.answers(*server.getsockname(), timeout=0.2)


def test_nobody_does_not(server: socket.socket) -> None:
    address = server.getsockname()
    server.close()
    assert not remote_nodes.answers(*address)
    assert not remote_nodes.answers("", -1)


def test_one_that_was_killed_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its machine refuses its port, which no machine does that is off."""
    looks = iter([None, None, True])
    monkeypatch.setattr(remote_nodes, "_reacts", lambda *_: next(looks))
    monkeypatch.setattr(remote_nodes, "PAUSE", 0)
    assert remote_nodes.answers_soon("10.0.0.1", 3121)
    assert list(looks) == []


def test_but_not_for_long(server: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    address = server.getsockname()
    server.close()
    monkeypatch.setattr(remote_nodes, "STARTS", 0.2)
    assert not remote_nodes.answers_soon(*address)


def test_one_whose_machine_says_nothing_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([False, True])
    monkeypatch.setattr(remote_nodes, "_reacts", lambda *_: next(looks))
    assert not remote_nodes.answers_soon("10.0.0.1", 3121)
