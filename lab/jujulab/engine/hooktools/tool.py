#!/usr/bin/python3 -IS
"""The one program behind every hook tool and juju-exec; it runs inside machines.

It passes its name, arguments and input to the controller and prints the answer. A hook calls
dozens of tools, so this starts in a few milliseconds: no site packages, no modules beyond the
interpreter's built-in ones.
"""

import _socket
import posix
import sys


def main() -> int:
    """Ask the controller, print its answer and return the exit code."""
    directory, _, name = sys.argv[0].rpartition("/")
    arguments = sys.argv[1:]
    context = posix.environ.get(b"JUJU_CONTEXT_ID", b"")
    address = posix.environ.get(b"JUJU_AGENT_SOCKET_ADDRESS", b"")
    if name == "juju-exec":
        if context:
            sys.stderr.write("ERROR juju-exec cannot be called from within a hook\n")
            return 2
        if len(arguments) != 2:
            sys.stderr.write("ERROR usage: juju-exec <unit-name> <commands>\n")
            return 2
        address = f"{directory}/../agent.socket".encode()
    elif not context or not address:
        sys.stderr.write(f"ERROR {name}: not in a hook: JUJU_CONTEXT_ID is not set\n")
        return 1
    words = [name, *arguments]
    request = b"\0".join([context, *(w.encode("utf-8", "surrogateescape") for w in words)])
    try:
        payload = read_file(arguments)
    except OSError as error:
        sys.stderr.write(f"ERROR {error}\n")
        return 1
    try:
        connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        connection.connect(address)
        connection.sendall(b"%d %d\n%s%s" % (len(request), len(payload), request, payload))
        answer = receive(connection)
    except OSError as error:
        sys.stderr.write(f"ERROR {name}: no answer from the controller: {error}\n")
        return 1
    head, _, body = answer.partition(b"\n")
    code, length = (int(number) for number in head.split())
    sys.stdout.buffer.write(body[:length])
    sys.stderr.buffer.write(body[length:])
    return code


def read_file(arguments: list[str]) -> bytes:
    """Return what the file of ``--file`` holds; the controller cannot see this machine's files."""
    path = None
    for number, word in enumerate(arguments):
        if word == "--file" and number + 1 < len(arguments):
            path = arguments[number + 1]
        elif word.startswith("--file="):
            path = word[7:]
    if path is None:
        return b""
    if path == "-":
        return sys.stdin.buffer.read()
    with open(path, "rb") as stream:  # noqa: PTH123 - pathlib is slow to import
        return stream.read()


def receive(connection: _socket.socket) -> bytes:
    """Return everything that arrives until the other side closes."""
    parts = []
    while True:
        part = connection.recv(65536)
        if not part:
            break
        parts.append(part)
    answer = b"".join(parts)
    if b"\n" not in answer:
        raise OSError("connection closed")
    return answer


sys.exit(main())
