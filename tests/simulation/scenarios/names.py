"""The names of the situations, for processes that simulate nothing themselves."""

from __future__ import annotations

DIRECTED = (
    "host dies",
    "two hosts die, lost messages",
    "resumed unit",
    "API away for hours",
    "second report",
    "pacemaker away",
    "database restarts",
    "early boot",
    "early boot, guests resumed",
    "dies while locked",
    "late request",
    "every state",
    "every state, one failed attempt",
    "reserved host, one error",
    "reserved host, engine dies",
    "reserved host, guest deleted",
    "reserved host, unplaceable",
    "frozen engine",
    "dies amid rebuilds",
    "nova-compute late",
    "no proof",
    "reported again",
    "listed late",
    "Nova away meanwhile",
    "Nova away for nothing",
    "dies without a record",
    "no quorum",
    "disabled, dies",
    "fails again and again",
    "back before its recovery",
    "reporter dies",
    "taken back in Nova",
    "lost for a moment",
    "deleted meanwhile",
    "dies at a migration's end",
    "started anew",
    "proxy",
    "inquorate member",
    "segment disabled",
    "disabled, reported",
    "other name of the hypervisor",
    "other name in the cluster",
    "forged report",
    "storage lost",
    "isolated",
    "guest dies twice",
    "guest's start is lost",
    "guest given up",
    "new hypervisor",
    "cluster restarts",
    "power controller away",
    "member goes too",
    "carriers of members",
    "carrier boots early",
    "carrier held",
    "taken back early",
    "dies as it is started",
    "dies once it is started",
    "all die",
    "gone again amid its recovery",
    "boots as it is evacuated",
    "nowhere to go",
    "no room, and returned",
    "returns unseen",
    "dies twice",
    "groups",
    "groups, some fail",
    "groups, engine dies",
    "groups, unplaceable",
    "groups, deleted",
    "ruled out",
    "groups, reserved host",
)

FAILS = ("early boot, guests resumed", "other name in the cluster")
"""Those that the protocol does not stand: the charm refuses such a cloud, or such a host."""

MIXED, CONVERGED = "mixed", "hyperconverged"
"""The scenario, and the same with units on the machines of hypervisors, with which they die."""


def scenario(seed: int) -> str:
    """Return which of them a seed is of, where nobody says: every third has such units."""
    return CONVERGED if seed % 3 == 0 else MIXED
