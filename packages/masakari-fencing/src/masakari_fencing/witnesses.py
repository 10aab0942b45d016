"""What the other hypervisors say about one that Pacemaker has lost.

Pacemaker sees a hypervisor in one network only. Where a network matrix is in use, a witness runs
on every hypervisor (the package `network_matrix`, by the masakari-monitors charm): asked for a
host, it tries to reach that in every network, and says whether the matrix calls for a recovery.
"""

from __future__ import annotations

import json
import logging
import queue
import random
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import quote

LOG = logging.getLogger(__name__)

PORT = 8509
"""Where witnesses answer; `network_matrix.ports.TESTIMONY`."""

TIMEOUT = 4.0
"""Seconds for an answer. A witness needs one to find out that a host is silent."""

WITNESSES = 8
"""How many have to answer; those that answer first count."""

ASKED = 32
"""How many are asked at the same time: some may be as dead as the host."""


@dataclass(frozen=True)
class Testimony:
    """What one witness says.

    Attributes:
        health: `up`, `down` or `unknown` for each network.
        recovery: whether the matrix calls for a recovery; None where that cannot be said.
    """

    health: dict[str, str]
    recovery: bool | None


def ask(address: str, host: str, *, running: bool = False) -> Testimony | None:
    """Ask one witness about a host; None where there is none, or it makes no sense.

    Args:
        address: of the witness.
        host: the host.
        running: its machine is known to run; an older witness does not know that difference.
    """
    import http.client  # hooks load this module, and ask nobody

    connection = http.client.HTTPConnection(address, PORT, timeout=TIMEOUT)
    try:
        connection.request("GET", f"/v1/hosts/{quote(host)}")
        response = connection.getresponse()
        data = json.loads(response.read(65536))
        if running:
            data = data.get("running", data)
        health = {str(name): str(state) for name, state in data["health"].items()}
        recovery = data["recovery"]
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, AttributeError):
        return None
    finally:
        connection.close()
    return Testimony(health, recovery if isinstance(recovery, bool) else None)


def objection(
    addresses: Iterable[str],
    host: str,
    *,
    ask: Callable[[str, str], Testimony | None] = ask,
) -> str | None:
    """Return why a host must not be fenced although Pacemaker has lost it; None: nobody objects.

    One witness that has reached the host is enough: the dead do not answer. Where nobody can say
    anything, Pacemaker's own judgement stands.

    Args:
        addresses: of the other hypervisors.
        host: the host.
        ask: asks one witness.
    """
    objecting = [said for said in _testimonies(addresses, host, ask) if said.recovery is False]
    return _objection(host, objecting[0]) if objecting else None


def ask_of_running(address: str, host: str) -> Testimony | None:
    """Ask one witness about a host whose machine runs; see `ask`."""
    return ask(address, host, running=True)


def withdrawal(
    addresses: Iterable[str],
    host: str,
    *,
    ask: Callable[[str, str], Testimony | None] = ask_of_running,
) -> str | None:
    """Return why a report that a host has failed no longer holds; None: it does.

    Only asked about one that Pacemaker is in touch with, so that its machine is not hung. What the
    witnesses saw when it was reported may be over: a network that was away for a moment, whatever
    Consul still says. The majority of those that can say something counts. Where nobody can, the
    report stands.

    Args:
        addresses: of the other hypervisors.
        host: the host.
        ask: asks one witness.
    """
    said = [said for said in _testimonies(addresses, host, ask) if said.recovery is not None]
    objecting = [testimony for testimony in said if not testimony.recovery]
    return _objection(host, objecting[0]) if len(objecting) * 2 > len(said) else None


def confirmed(
    addresses: Iterable[str],
    host: str,
    *,
    ask: Callable[[str, str], Testimony | None] = ask,
) -> bool:
    """Whether any witness sees now that the matrix calls for the recovery of a host.

    Args:
        addresses: of the other hypervisors.
        host: the host.
        ask: asks one witness.
    """
    return any(said.recovery for said in _testimonies(addresses, host, ask))


def reached(
    addresses: Iterable[str],
    host: str,
    *,
    ask: Callable[[str, str], Testimony | None] = ask,
) -> list[str]:
    """Return the networks in which a witness reaches a host now, whatever the matrix says.

    Args:
        addresses: of the other hypervisors.
        host: the host.
        ask: asks one witness.
    """
    said = _testimonies(addresses, host, ask)
    return sorted({name for one in said for name, state in one.health.items() if state == "up"})


def missed(
    addresses: Iterable[str],
    host: str,
    *,
    ask: Callable[[str, str], Testimony | None] = ask,
) -> list[str]:
    """Return the networks in which a witness does not reach a host, and none other does.

    Args:
        addresses: of the other hypervisors.
        host: the host.
        ask: asks one witness.
    """
    said = _testimonies(addresses, host, ask)
    states = {(name, state) for one in said for name, state in one.health.items()}
    return sorted(name for name, state in states if state == "down" and (name, "up") not in states)


def _testimonies(
    addresses: Iterable[str], host: str, ask: Callable[[str, str], Testimony | None]
) -> list[Testimony]:
    asked = list(addresses)
    asked = random.sample(asked, min(ASKED, len(asked)))
    answers: queue.SimpleQueue[Testimony | None] = queue.SimpleQueue()
    for address in asked:
        # As daemons: who is silent holds up neither the answer nor the end of this process.
        threading.Thread(
            target=lambda address=address: answers.put(_attempt(address, host, ask)), daemon=True
        ).start()
    found: list[Testimony] = []
    for _ in asked:
        said = answers.get()
        if said is not None:
            found.append(said)
        if len(found) >= WITNESSES:
            break
    return found


def _attempt(
    address: str, host: str, ask: Callable[[str, str], Testimony | None]
) -> Testimony | None:
    """Ask, and answer in any case: somebody waits for it."""
    try:
        return ask(address, host)
    except Exception:
        LOG.exception("Cannot ask the witness at %s", address)
        return None


def _objection(host: str, testimony: Testimony) -> str:
    states = ", ".join(f"{name} {state}" for name, state in testimony.health.items())
    return f"{host} still answers ({states}), and the matrix asks for no recovery"
