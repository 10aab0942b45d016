"""The operator's word, through Juju."""

from __future__ import annotations

import pytest
from masakari_fencing.cluster import confirmation
from masakari_fencing.pacemaker.tools import PacemakerError
from ops import testing

from action_calls import fail, run
from fakecloud import FakeCloud

ONE = "node1.maas"


@pytest.fixture
def lost(
    ctx: testing.Context,
    state: testing.State,
    cloud: FakeCloud,
    monkeypatch: pytest.MonkeyPatch,
) -> list[str]:
    """node1 is lost; what the cluster is told."""
    told: list[str] = []
    run(ctx, state, "create-segment", name="rack1", hosts=ONE)
    cloud.reports.discard(ONE)

    def confirm(runner: object, host: str) -> float:
        told.append(host)
        return 1_795_233_223.0

    monkeypatch.setattr(confirmation, "confirm", confirm)
    return told


def test_a_word_that_is_given(ctx: testing.Context, state: testing.State, lost: list[str]) -> None:
    found = run(ctx, state, "confirm-host-dead", host=ONE, i_have_seen_it_is_off=True)
    assert found["outcome"] == "confirmed"
    assert found["counts-as-fenced-at"] == "2026-11-21T03:53:43Z"
    assert "return-host" in found["next"]
    assert lost == [ONE]


def test_what_it_means_is_said_first(
    ctx: testing.Context, state: testing.State, lost: list[str]
) -> None:
    text = fail(ctx, state, "confirm-host-dead", host=ONE)
    assert f"if {ONE} is on, they run twice" in text
    assert "add i-have-seen-it-is-off=true" in text
    assert lost == []


def test_a_host_that_reports(
    ctx: testing.Context, state: testing.State, cloud: FakeCloud, lost: list[str]
) -> None:
    cloud.reports.add(ONE)
    text = fail(ctx, state, "confirm-host-dead", host=ONE, i_have_seen_it_is_off=True)
    assert "its nova-compute has reported to Nova" in text
    assert lost == []


def test_a_host_of_no_segment(ctx: testing.Context, state: testing.State, lost: list[str]) -> None:
    text = fail(ctx, state, "confirm-host-dead", host="node9", i_have_seen_it_is_off=True)
    assert text == f"host node9 is in no segment; hosts in segments: {ONE}"


def test_a_host_that_nova_does_not_know(
    ctx: testing.Context, state: testing.State, cloud: FakeCloud, lost: list[str]
) -> None:
    del cloud.services[ONE]
    text = fail(ctx, state, "confirm-host-dead", host=ONE, i_have_seen_it_is_off=True)
    assert f"Nova has no nova-compute on {ONE}" in text


def test_without_nova_nobody_knows(
    ctx: testing.Context, state: testing.State, cloud: FakeCloud, lost: list[str]
) -> None:
    cloud.broken = (503, "{}")
    fail(ctx, state, "confirm-host-dead", host=ONE, i_have_seen_it_is_off=True)
    assert lost == []


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (confirmation.Refused("it is on"), f"{ONE} is not confirmed: it is on"),
        (PacemakerError("gone"), "Pacemaker does not answer: gone"),
        (ValueError("cannot be"), "cannot be"),
    ],
)
def test_what_the_cluster_does_not_take(
    ctx: testing.Context,
    state: testing.State,
    lost: list[str],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    text: str,
) -> None:
    def confirm(runner: object, host: str) -> float:
        raise error

    monkeypatch.setattr(confirmation, "confirm", confirm)
    assert fail(ctx, state, "confirm-host-dead", host=ONE, i_have_seen_it_is_off=True) == text
