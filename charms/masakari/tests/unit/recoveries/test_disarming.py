"""No fencing and no recovery for planned work, through Juju; on a cluster that remembers."""

from __future__ import annotations

from collections.abc import Iterator

import ops
import pytest
from masakari_fencing.records import disarmed
from masakari_fencing.records.disarmed import Left
from masakari_fencing.records.recoveries import Records
from masakari_fencing.records.recovery import REFUSED, End, Record
from ops import testing

from action_calls import fail, run
from fakecloud import FakeCloud
from fakecluster import REMOTE, with_remote
from machine import Machine

HOST = "hv1.maas"


class Properties:
    """What the cluster's properties say."""

    def __init__(self, machine: Machine) -> None:
        self._cib = machine.cib

    def leave(self, host: str = HOST, lost: float = 999_000.0, back: float = 0.0) -> None:
        disarmed.leave(self._cib, disarmed.read(self._cib), Left(host, lost, back))

    def refuse(self, end: float) -> None:
        """Have a recovery of the host that was refused at a time."""
        record = Record(HOST, "n1", "unit-0.b.1.1", end=End(REFUSED, "disarmed", end))
        Records(self._cib).create(record)

    @property
    def record(self) -> Record:
        found = Records(self._cib).read(HOST)
        assert found is not None
        return found

    @property
    def left(self) -> list[Left]:
        return disarmed.left(disarmed.read(self._cib))


@pytest.fixture
def properties(machine: Machine, state: testing.State) -> Iterator[Properties]:
    with_remote(machine)
    machine.host.runner.answer(
        ["stonith_admin"],
        '<pacemaker-result api-version="2.25"><list><item name="device">x</item></list>'
        '<status code="0"/></pacemaker-result>',
    )
    yield Properties(machine)


def message(ctx: testing.Context, state: testing.State) -> str:
    return ctx.run(ctx.on.update_status(), state).unit_status.message


def test_a_whole_cloud(
    ctx: testing.Context, state: testing.State, machine: Machine, properties: Properties
) -> None:
    result = run(ctx, state, "disarm", duration="2h", reason="new  switch\n in rack 1")
    assert result["outcome"] == "disarmed"
    assert result["where"] == "the whole cloud"
    assert result["until"] == "1970-01-12T15:46:40Z"
    text = message(ctx, state)
    assert "disarmed until 1970-01-12 15:46:40Z (new switch in rack 1), 2 h 0 min left" in text
    machine.now += 3600 + 1800
    assert "30 min left" in message(ctx, state)
    machine.now += 1800
    assert "disarmed" not in message(ctx, state), "it ends by itself"
    assert run(ctx, state, "arm")["outcome"] == "unchanged"


def test_only_the_leader_says_so(
    ctx: testing.Context, state: testing.State, properties: Properties
) -> None:
    run(ctx, state, "disarm", duration="5m", reason="x")
    other = testing.State(relations=state.relations, config=state.config)
    assert "disarmed" not in message(ctx, other)


def test_a_segment(
    ctx: testing.Context, state: testing.State, cloud: FakeCloud, properties: Properties
) -> None:
    run(ctx, state, "create-segment", name="rack1", hosts="node1.maas,node2.maas")
    result = run(ctx, state, "disarm", duration="90m", reason="x", segment="rack1")
    assert result["where"] == "segment rack1"
    assert result["hosts"] == "node1.maas,node2.maas"
    assert "segment rack1 disarmed until" in message(ctx, state)
    assert "no segment rack9; there are: rack1" in fail(ctx, state, "arm", segment="rack9")
    assert run(ctx, state, "arm", segment="rack1")["outcome"] == "armed"
    assert "disarmed" not in message(ctx, state)


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"reason": "x"}, "needs a duration: a number with s, m or h, at most 24h"),
        ({"reason": "x", "duration": "3600"}, "not '3600'"),
        ({"reason": "x", "duration": "-1m"}, "not '-1m'"),
        ({"reason": "x", "duration": "0m"}, "not '0m'"),
        ({"reason": "x", "duration": "25h"}, "25h is too long: at most 24h"),
        ({"reason": "x", "duration": "86401s"}, "too long"),
        ({"duration": "1h"}, "needs a reason"),
        ({"duration": "1h", "reason": " \n"}, "needs a reason"),
        ({"duration": "1h", "reason": "x" * 201}, "at most 200 characters"),
        ({"duration": "1h", "reason": "x", "segment": "rack9"}, "no segment rack9"),
    ],
)
def test_bad_input(
    ctx: testing.Context,
    state: testing.State,
    machine: Machine,
    properties: Properties,
    params: dict[str, str],
    text: str,
) -> None:
    before = machine.cib.text
    assert text in fail(ctx, state, "disarm", **params)
    assert machine.cib.text == before


def test_a_segment_without_hosts(
    ctx: testing.Context, state: testing.State, properties: Properties
) -> None:
    run(ctx, state, "create-segment", name="rack1")
    text = fail(ctx, state, "disarm", duration="1h", reason="x", segment="rack1")
    assert "has no hosts" in text


def test_without_quorum(
    ctx: testing.Context, state: testing.State, machine: Machine, properties: Properties
) -> None:
    with_remote(machine, quorum=False)
    before = machine.cib.text
    text = fail(ctx, state, "disarm", duration="1h", reason="x")
    assert machine.cib.text == before
    assert text == "Pacemaker does not answer: this unit's part of the cluster has no quorum"


def test_what_failed_meanwhile_is_listed_and_recovered_only_on_request(
    ctx: testing.Context, state: testing.State, machine: Machine, properties: Properties
) -> None:
    text = REMOTE.format(stonith="true", quorum="true")
    text = text.replace('type="remote" online="true"', 'type="remote" unclean="true"')
    lost = text.replace('role="Started"', 'role="Stopped"')
    result = run(ctx, state, "disarm", duration="1h", reason="x")
    assert "lost-already" not in result
    machine.host.runner.answer(["crm_mon"], lost)
    assert run(ctx, state, "disarm", duration="1h", reason="x")["lost-already"] == HOST
    properties.leave()
    out = ctx.run(ctx.on.update_status(), state)
    assert isinstance(out.unit_status, ops.BlockedStatus)
    said = f"{HOST}: lost at 1970-01-12 13:30:00Z while disarmed, and left alone (nothing is done"
    assert said in out.unit_status.message
    text = fail(ctx, state, "recover-host", host=HOST)
    assert "disarmed until" in text and text.endswith("run arm first")
    assert properties.left, "nothing is lost"
    result = run(ctx, state, "arm")
    failed = {"host": HOST, "lost": "1970-01-12T13:30:00Z"}
    assert result["failed-meanwhile"] == {"hv1-maas": failed}, "a key with a dot is a level more"
    assert "recover-host" in result["next"]
    assert f"to have it recovered, run recover-host host={HOST}" in message(ctx, state)
    properties.refuse(999_010.0)
    assert run(ctx, state, "recover-host", host=HOST.upper())["outcome"] == "requested"
    assert properties.left == []
    assert properties.record.end is None, "its recovery is begun again"
    assert "left alone" not in message(ctx, state)
    text = fail(ctx, state, "recover-host", host=HOST)
    assert text.endswith("did not fail while disarmed; hosts that did: none")


def test_guests_that_failed_by_themselves_are_listed(
    ctx: testing.Context, state: testing.State, cloud: FakeCloud, properties: Properties
) -> None:
    """When it is over by itself, too; but not those of other segments, nor those before it."""
    run(ctx, state, "create-segment", name="rack1", hosts="node1.maas")
    run(ctx, state, "create-segment", name="rack2", hosts="node2.maas")
    run(ctx, state, "disarm", duration="1h", reason="x", segment="rack1")
    hosts = {host["name"]: host["uuid"] for host in cloud.hosts.values()}
    for uuid, host, moment, event in (
        ("before", "node1.maas", "1970-01-12T13:46:00.000000", "STOPPED_FAILED"),
        ("g1", "node1.maas", "1970-01-12T14:00:00.000000", "STOPPED_FAILED"),
        ("moved", "node1.maas", "1970-01-12T14:00:00.000000", "STOPPED_DESTROYED"),
        ("other", "node2.maas", "1970-01-12T14:00:00.000000", "STOPPED_FAILED"),
        ("after", "node1.maas", "1970-01-12T15:00:00.000000", "STOPPED_FAILED"),
    ):
        cloud.notifications.append(
            {
                "type": "VM",
                "status": "ignored",
                "source_host_uuid": hosts[host],
                "generated_time": moment,
                "payload": {"instance_uuid": uuid, "vir_domain_event": event},
            }
        )
    cloud.broken = (503, "{}")
    assert "not known" in run(ctx, state, "arm")["instances-not-restarted"]
    cloud.broken = None
    run(ctx, state, "disarm", duration="1h", reason="x", segment="rack1")
    assert run(ctx, state, "arm")["instances-not-restarted"] == "g1"


def test_one_that_works_again_needs_no_recovery(
    ctx: testing.Context, state: testing.State, properties: Properties
) -> None:
    properties.leave(back=999_500.0)
    assert f"{HOST} was lost while disarmed and is back" in message(ctx, state)
    properties.refuse(900_000.0)
    result = run(ctx, state, "recover-host", host=HOST)
    assert result["outcome"] == "works"
    assert properties.record.end is not None, "that one was about an earlier failure"
    assert "while disarmed" not in message(ctx, state)


def test_a_host_that_is_returned_has_not_failed_any_more(
    ctx: testing.Context, state: testing.State, cloud: FakeCloud, properties: Properties
) -> None:
    run(ctx, state, "create-segment", name="rack1", hosts="node1.maas")
    properties.leave("node1.maas")
    params = {"host": "node1.maas", "reserved": False, "timeout": 10}
    ctx.run(ctx.on.action("return-host", params=params), state)
    assert properties.left == []


def test_nobodys_word_is_taken_about_what_is_disarmed(
    ctx: testing.Context, state: testing.State, properties: Properties
) -> None:
    run(ctx, state, "disarm", duration="1h", reason="x")
    text = fail(ctx, state, "confirm-host-dead", host=HOST, i_have_seen_it_is_off=True)
    assert text.startswith(f"{HOST} is not confirmed: disarmed until")


@pytest.mark.parametrize("action", ["disarm", "arm", "recover-host"])
def test_without_a_cluster(
    ctx: testing.Context, state: testing.State, machine: Machine, action: str
) -> None:
    for command in ("cibadmin", "crm_mon"):
        machine.host.runner.answer([command], (102, "no cluster"))
    params = {"disarm": {"duration": "1h", "reason": "x"}, "recover-host": {"host": HOST}}
    assert "Pacemaker does not answer" in fail(ctx, state, action, **params.get(action, {}))
