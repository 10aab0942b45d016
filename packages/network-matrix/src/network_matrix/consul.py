"""Asking Consul's agents who is a member of their network.

`GET /v1/agent/members` is an agent's own view of its gossip pool, by Serf; it needs no leader.
See https://developer.hashicorp.com/consul/api-docs/agent#list-members.
"""

from __future__ import annotations

import enum
import json
import re
import socket
from dataclasses import dataclass

PORT = 8500
"""Consul's port for HTTP, where an address names none."""

PATH = "/v1/agent/members"

_LIMIT = 16 * 1024 * 1024
_ADDRESS = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::(?P<port>\d+))?"
)


class AgentError(Exception):
    """An agent did not answer, or not as Consul does."""


class Status(enum.IntEnum):
    """Serf's states of a member, with the numbers that Consul gives them."""

    NONE = 0
    ALIVE = 1
    LEAVING = 2
    LEFT = 3
    FAILED = 4


class Answer(enum.Enum):
    """What came of an attempt to connect to a member's gossip port."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    """Its machine answers in that network, but no agent listens there."""
    SILENT = "silent"


@dataclass(frozen=True)
class Agent:
    """Where an agent answers HTTP requests."""

    host: str
    port: int = PORT

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True)
class Member:
    """A member of a gossip pool.

    Attributes:
        name: its name, which should be Masakari's name of the host.
        address: where it gossips, in that network.
        port: the port, UDP and TCP.
        status: what the agent that was asked thinks of it.
    """

    name: str
    address: str
    port: int
    status: Status


def parse_agents(text: str) -> tuple[Agent, ...]:
    """Read addresses, `host` or `host:port`, separated by commas or spaces.

    Raises:
        ValueError: one of them is not an address.
    """
    return tuple(dict.fromkeys(_parse_agent(word) for word in re.split(r"[,\s]+", text) if word))


def _parse_agent(word: str) -> Agent:
    match = _ADDRESS.fullmatch(word)
    port = int(match["port"] or PORT) if match else 0
    if match is None or not 0 < port < 65536:
        raise ValueError(f"{word!r} is not an address: host or host:port, IPv6 in brackets")
    return Agent(match["six"] or match["name"], port)


def members(agent: Agent, timeout: float = 2) -> dict[str, Member]:
    """Ask an agent for the members of its network, by name.

    Raises:
        AgentError: it did not answer within the timeout, in seconds, or not as Consul does.
    """
    import http.client  # those who only name agents do without

    connection = http.client.HTTPConnection(agent.host, agent.port, timeout=timeout)
    try:
        connection.request("GET", PATH)
        response = connection.getresponse()
        body = response.read(_LIMIT)
        if response.status != 200:
            raise AgentError(f"{agent} answers with status {response.status}")
        found = [_member(entry) for entry in json.loads(body)]
    except (OSError, http.client.HTTPException) as error:
        raise AgentError(f"{agent} does not answer: {error}") from None
    except (ValueError, KeyError, TypeError):
        raise AgentError(f"{agent} does not answer as Consul does") from None
    finally:
        connection.close()
    return {member.name: member for member in found}


def _member(entry: dict[str, object]) -> Member:
    status = Status(int(str(entry["Status"])))
    return Member(str(entry["Name"]), str(entry["Addr"]), int(str(entry["Port"])), status)


def knock(member: Member, timeout: float = 1) -> Answer:
    """Try to connect to a member's gossip port, for so many seconds."""
    try:
        with socket.create_connection((member.address, member.port), timeout=timeout):
            return Answer.ACCEPTED
    except ConnectionRefusedError:
        return Answer.REFUSED
    except (OSError, ValueError, OverflowError):
        return Answer.SILENT
