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
