"""The names of the directed situations, for processes that simulate nothing themselves."""

from __future__ import annotations

DIRECTED = (
    "host dies",
    "two hosts die, lost messages",
    "resumed unit",
    "second report",
    "pacemaker away",
    "database restarts",
    "early boot",
    "early boot, guests resumed",
    "dies while locked",
    "every state",
    "every state, one failed attempt",
    "reserved host, one error",
    "reserved host, engine dies",
    "reserved host, guest deleted",
    "reserved host, unplaceable",
    "segment disabled",
    "disabled, reported",
    "other name of the hypervisor",
    "other name in the cluster",
    "forged report",
    "storage lost",
    "isolated",
    "guest dies twice",
    "new hypervisor",
    "cluster restarts",
    "power controller away",
    "member goes too",
    "taken back early",
)
