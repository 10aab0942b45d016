"""Where the hypervisors' pacemaker_remote listens, and whether it answers."""

from __future__ import annotations

import socket
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Collection, Mapping

from masakari_fencing.commands import Runner
from masakari_fencing.pacemaker import cibadmin

PROBES = 32
"""How many hypervisors are tried at a time."""

PORT = 3121
"""Where pacemaker_remote listens unless it is told otherwise."""

MARK = "instance-ha-guard"
"""Meta attribute of a connection whose daemon was stopped in an orderly way."""

STARTS = 3.0
"""Seconds in which a daemon that was killed is there again, on a busy machine, too: systemd waits
for 0.1 s by default (`RestartSec`)."""

PAUSE = 0.1
"""Seconds between two looks whether it is."""

Reachable = Callable[[str, int], bool]
"""Whether a daemon answers at an address and port."""

_NONSENSE = b"no handshake\r\n"


def answers(address: str, port: int, timeout: float = 1.0) -> bool:
    """Whether a daemon there reacts to what it is told, within so many seconds each time.

    That a connection is accepted is no sign of life: the kernel does that, for a daemon that
    stands still, too. pacemaker_remote ends one that does not begin with a handshake.
    """
    return _reacts(address, port, timeout) is True


def answers_soon(address: str, port: int, timeout: float = 0.3) -> bool:
    """Whether one does, or will in a moment: it was killed, and its machine starts it again.

    A machine that is off refuses nothing: it is not waited for.
    """
    end = time.monotonic() + STARTS
    while (found := _reacts(address, port, timeout)) is None and time.monotonic() < end:
        time.sleep(PAUSE)
    return found is True


def _reacts(address: str, port: int, timeout: float) -> bool | None:
    """Whether a daemon reacts; None where its machine says that there is none."""
    try:
        with socket.create_connection((address, port), timeout=timeout) as connection:
            connection.sendall(_NONSENSE)
            connection.recv(1)
            return True
    except ConnectionResetError:
        return True
    except ConnectionRefusedError:
        return None
    except (OSError, ValueError):
        return False


def answering(
    known: Mapping[str, tuple[str, int]], names: Collection[str], reachable: Reachable = answers
) -> list[str]:
    """Return those hypervisors that can be reached; they are tried side by side.

    Args:
        known: where each listens; see `addresses`.
        names: the hypervisors to try.
        reachable: whether something accepts connections at an address and port.
    """
    if not names:
        return []
    from concurrent.futures import ThreadPoolExecutor  # rarely needed, and slow to load

    with ThreadPoolExecutor(min(PROBES, len(names))) as pool:
        found = pool.map(lambda name: reachable(*known.get(name, (name, PORT))), names)
        return [name for name, answered in zip(names, found, strict=True) if answered]


def others(runner: Runner, host: str) -> list[str]:
    """Return the addresses of the other hypervisors, whatever the case of the host's name.

    Raises:
        PacemakerError: the cluster does not answer.
    """
    cib = cibadmin.cib(runner)
    return others_of(addresses(cib), host)


def others_of(known: Mapping[str, tuple[str, int]], host: str) -> list[str]:
    """Return the addresses of those that are not this host."""
    return [address for name, (address, _) in known.items() if name.lower() != host.lower()]


def addresses(configuration: ET.Element) -> dict[str, tuple[str, int]]:
    """Return where each hypervisor's pacemaker_remote listens: address and port."""
    found = {}
    for primitive in configuration.iterfind(".//resources//primitive[@type='remote']"):
        name = primitive.get("id", "")
        values = {
            pair.get("name", ""): pair.get("value", "")
            for pair in primitive.iterfind("instance_attributes/nvpair")
        }
        port = values.get("port", "")
        found[name] = (values.get("server") or name, int(port) if port.isdigit() else PORT)
    return found
