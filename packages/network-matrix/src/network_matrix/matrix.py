"""The matrix: which networks of a hypervisor must be down for its instances to be recovered.

The form is that of Masakari's own Consul driver, `masakarimonitors/hostmonitor/consul_check`: a
sequence of networks, and one row for each combination of their states.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NETWORKS = ("manage", "tenant", "storage")
"""Masakari's names of the networks, in the order of its documentation."""

UP = "up"
DOWN = "down"
UNKNOWN = "unknown"
"""A state that nobody could find out; never in a matrix."""

RECOVERY = "recovery"
"""The only action there is."""

_DECISIVE = ("storage", "manage", "tenant")
"""The network whose loss the instances do not survive is the first of these that is watched."""


class MatrixError(ValueError):
    """Not a matrix that decides every case once; the text names the row."""


@dataclass(frozen=True)
class Matrix:
    """What to do about each combination of states.

    Attributes:
        sequence: the networks, in the order in which the rows give their states.
        rows: every combination of states, and whether it calls for a recovery.
    """

    sequence: tuple[str, ...]
    rows: Mapping[tuple[str, ...], bool]

    def recovers(self, health: Mapping[str, str]) -> bool | None:
        """Return whether states call for a recovery; None where that hangs on an unknown one.

        Args:
            health: `up`, `down` or `unknown` for each network; a missing one is unknown.
        """
        states = [health.get(network, UNKNOWN) for network in self.sequence]
        choices = [(UP, DOWN) if state == UNKNOWN else (state,) for state in states]
        found = {self.rows[row] for row in itertools.product(*choices)}
        return found.pop() if len(found) == 1 else None

    def data(self) -> dict[str, Any]:
        """Return it in the form of Masakari's file."""
        rows = [
            {"health": list(health), "action": [RECOVERY] if recover else []}
            for health, recover in self.rows.items()
        ]
        return {"sequence": list(self.sequence), "matrix": rows}


def default(networks: Sequence[str]) -> Matrix:
    """Return the matrix for these networks: recover when the one that instances need most is down.

    That is the storage network; where it is not watched the management network, by which alone
    Pacemaker judges too; and the tenant network where nothing else is watched.
    """
    sequence = tuple(network for network in NETWORKS if network in networks)
    decisive = sequence.index(next(network for network in _DECISIVE if network in sequence))
    return Matrix(
        sequence,
        {
            row: row[decisive] == DOWN
            for row in itertools.product((UP, DOWN), repeat=len(sequence))
        },
    )


def parse(data: object, networks: Sequence[str]) -> Matrix:
    """Check an operator's matrix.

    Args:
        data: the decoded file: a mapping with the keys `sequence` and `matrix`.
        networks: the networks that are watched.

    Raises:
        MatrixError: it does not decide every case of these networks exactly once.
    """
    if not isinstance(data, dict) or set(data) != {"sequence", "matrix"}:
        raise MatrixError("must be a mapping with the keys sequence and matrix")
    sequence = _sequence(data["sequence"], networks)
    if not isinstance(data["matrix"], list):
        raise MatrixError("matrix must be a list of rows")
    rows: dict[tuple[str, ...], bool] = {}
    numbers: dict[tuple[str, ...], int] = {}
    for number, row in enumerate(data["matrix"], 1):
        health, recover = _row(number, row, sequence)
        if health in numbers:
            raise MatrixError(f"row {number} ({_words(health)}) repeats row {numbers[health]}")
        rows[health], numbers[health] = recover, number
    for health in itertools.product((UP, DOWN), repeat=len(sequence)):
        if health not in rows:
            named = ", ".join(f"{n} {s}" for n, s in zip(sequence, health, strict=True))
            raise MatrixError(f"the row for {named} is missing")
    return Matrix(sequence, rows)


def _sequence(value: object, networks: Sequence[str]) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise MatrixError("sequence must be a list of networks")
    for network in value:
        if network not in NETWORKS:
            raise MatrixError(f"sequence: {network!r} is none of {', '.join(NETWORKS)}")
        if value.count(network) > 1:
            raise MatrixError(f"sequence: {network} is there twice")
    if set(value) != set(networks):
        watched = ", ".join(network for network in NETWORKS if network in networks)
        raise MatrixError(f"sequence: must name the networks that have agents: {watched}")
    return tuple(value)


def _row(number: int, row: object, sequence: tuple[str, ...]) -> tuple[tuple[str, ...], bool]:
    where = f"row {number}"
    if not isinstance(row, dict) or set(row) != {"health", "action"}:
        raise MatrixError(f"{where}: must be a mapping with the keys health and action")
    health, action = row["health"], row["action"]
    if not isinstance(health, list) or len(health) != len(sequence):
        raise MatrixError(f"{where}: health must be {len(sequence)} states: up or down")
    for state in health:
        if state not in (UP, DOWN):
            raise MatrixError(f"{where}: state {state!r} is neither up nor down")
    if action not in ([], [RECOVERY]):
        raise MatrixError(f"{where} ({_words(health)}): action must be [] or [{RECOVERY}]")
    if action and DOWN not in health:
        raise MatrixError(f"{where} ({_words(health)}): a host with all networks up is healthy")
    return tuple(health), bool(action)


def _words(health: Sequence[str]) -> str:
    return ", ".join(health)
