"""The matrix: what it decides, and what is wrong with an operator's."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from network_matrix import matrix
from network_matrix.matrix import MatrixError, default, parse

THREE = ("manage", "tenant", "storage")


def rows(count: int = 3) -> list[dict[str, Any]]:
    """A complete matrix: recovery when the last network is down."""
    return [
        {"health": list(health), "action": ["recovery"] if health[-1] == "down" else []}
        for health in itertools.product(("up", "down"), repeat=count)
    ]


def document(**changes: Any) -> dict[str, Any]:
    return {"sequence": list(THREE), "matrix": rows(), **changes}


def test_the_default_for_three_networks_is_masakaris_own() -> None:
    # etc/masakarimonitors/matrix.yaml.sample
    assert default(THREE).data() == document()


@pytest.mark.parametrize(
    ("networks", "decisive"),
    [
        (("storage",), "storage"),
        (("manage",), "manage"),
        (("tenant",), "tenant"),
        (("storage", "manage"), "storage"),
        (("tenant", "storage"), "storage"),
        (("manage", "tenant"), "manage"),
    ],
)
def test_the_default_for_fewer_networks(networks: tuple[str, ...], decisive: str) -> None:
    found = default(networks)
    assert found.sequence == tuple(n for n in THREE if n in networks)
    for health in itertools.product(("up", "down"), repeat=len(networks)):
        states = dict(zip(found.sequence, health, strict=True))
        assert found.recovers(states) is (states[decisive] == "down")


def test_an_operators_matrix_survives_the_way_there_and_back() -> None:
    assert parse(document(), THREE).data() == document()


def test_the_operator_may_give_the_networks_in_another_order() -> None:
    data = {"sequence": ["storage", "manage"], "matrix": rows(2)}
    found = parse(data, ["manage", "storage"])
    assert found.recovers({"manage": "down", "storage": "up"}) is True


@pytest.mark.parametrize(
    ("health", "recovers"),
    [
        ({"manage": "down", "tenant": "up", "storage": "up"}, False),
        ({"manage": "up", "tenant": "up", "storage": "down"}, True),
        ({"manage": "unknown", "storage": "up"}, False),
        ({"manage": "down", "tenant": "down"}, None),
        ({}, None),
    ],
)
def test_what_is_unknown_decides_nothing(health: dict[str, str], recovers: bool | None) -> None:
    assert default(THREE).recovers(health) is recovers


def wrong_row(number: int, **changes: Any) -> dict[str, Any]:
    found = rows()
    found[number] = {**found[number], **changes}
    return document(matrix=found)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (None, "mapping with the keys sequence and matrix"),
        ({"sequence": []}, "mapping with the keys sequence and matrix"),
        (document(more=1), "mapping with the keys sequence and matrix"),
        (document(sequence=[]), "sequence must be a list"),
        (document(sequence="manage"), "sequence must be a list"),
        (document(sequence=["manage", "tenant", "disk"]), "'disk' is none of manage, tenant"),
        (document(sequence=["manage", "manage", "storage"]), "manage is there twice"),
        (document(sequence=["manage", "tenant"]), "that have agents: manage, tenant, storage"),
        (document(matrix={}), "matrix must be a list of rows"),
        (document(matrix=[*rows(), 5]), "row 9: must be a mapping"),
        (document(matrix=[{"health": ["up"] * 3}]), "row 1: must be a mapping"),
        (document(matrix=rows(2)), "row 1: health must be 3 states"),
        (wrong_row(2, health=["up", "sideways", "up"]), "row 3: state 'sideways'"),
        (wrong_row(2, health="up"), "row 3: health must be 3 states"),
        (wrong_row(1, action=["reboot"]), r"row 2 \(up, up, down\): action"),
        (wrong_row(1, action=None), r"row 2 \(up, up, down\): action"),
        (wrong_row(0, action=["recovery"]), r"row 1 \(up, up, up\): .* healthy"),
        (document(matrix=[*rows(), rows()[4]]), r"row 9 \(down, up, up\) repeats row 5"),
        (
            document(matrix=[row for row in rows() if row["health"] != ["down", "up", "down"]]),
            "the row for manage down, tenant up, storage down is missing",
        ),
    ],
)
def test_what_is_wrong_names_the_row(data: object, text: str) -> None:
    with pytest.raises(MatrixError, match=text):
        parse(data, THREE)


def test_actions_and_states_are_masakaris_words() -> None:
    assert (matrix.UP, matrix.DOWN, matrix.RECOVERY) == ("up", "down", "recovery")
    assert matrix.NETWORKS == THREE
