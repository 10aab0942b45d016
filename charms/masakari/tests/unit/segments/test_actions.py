"""Actions on segments, through Juju."""

from __future__ import annotations

import dataclasses
import json

import ops
import pytest
from masakari_fencing.records import out_of_service
from masakari_fencing.records.spool import EXPIRED
from ops import testing

import charm
import model
from action_calls import ACTIONS, STRANGER, fail, run
from fakecloud import FakeCloud
from fakecluster import with_remote, written
from machine import CRM_MON, Machine
from model import complete, with_config
from recoveries import actions as recoveries
from segments import actions
from workload import cluster


def test_metadata() -> None:
    assert set(charm._SEGMENT_ACTIONS) == set(actions.SEGMENT_ACTIONS)
    assert set(charm._RECOVERY_ACTIONS) == set(recoveries.RECOVERY_ACTIONS)
    ours = {*charm._SEGMENT_ACTIONS, *charm._RECOVERY_ACTIONS}
    assert {name.replace("-", "_") for name in ACTIONS} >= ours
    for name, action in ACTIONS.items():
        assert action["additionalProperties"] is False, name
        for param in action.get("params", {}).values():
            assert {"type", "description"} <= set(param), name


def test_life_of_a_segment(ctx: testing.Context, state: testing.State, cloud: FakeCloud) -> None:
    result = run(
        ctx,
        state,
        "create-segment",
        name="rack1",
        recovery_method="reserved_host",
        hosts="node1.maas, node2.maas",
        reserved_hosts="node3.maas",
    )
    assert result["outcome"] == "created"
    assert result["segment"]["reserved-hosts"] == "node3.maas"
    assert run(ctx, state, "list-segments")["count"] == 1
    assert run(ctx, state, "show-segment", name="rack1")["segment"]["name"] == "rack1"
    result = run(ctx, state, "update-segment", name="rack1", recovery_method="auto")
    assert result["segment"]["recovery-method"] == "auto"
    result = run(ctx, state, "update-host", host="node3.maas", reserved=False)
    assert result["host"]["reserved"] == "false"
    result = run(ctx, state, "remove-hosts", segment="rack1", hosts="node3.maas")
    assert result["removed"] == "node3.maas"
    result = run(ctx, state, "add-hosts", segment="rack1", reserved_hosts="node3.maas")
    assert result["added"] == "node3.maas"
    assert "rack1 has hosts" in fail(ctx, state, "delete-segment", name="rack1")
    result = run(ctx, state, "delete-segment", name="rack1", with_hosts=True)
    assert result["outcome"] == "deleted"
    assert cloud.segments == {}


def test_the_cluster_is_told_at_once(
    ctx: testing.Context, state: testing.State, machine: Machine, cloud: FakeCloud
) -> None:
    """Not only when the notifiers look next: until then such a host would not be fenced."""
    with_remote(machine)
    cloud.add_hypervisor("hv1.maas")
    run(ctx, state, "create-segment", name="rack1", recovery_method="auto")
    assert 'name="masakari-fencing-no-segment" value="hv1.maas"' in written(machine)
    machine.host.runner.inputs.clear()
    machine.host.runner.calls.clear()
    run(ctx, state, "add-hosts", segment="rack1", hosts="hv1.maas")
    assert 'name="masakari-fencing-no-segment" value=""' in written(machine)
    run(ctx, state, "update-segment", name="rack1", enabled=False)
    assert 'name="masakari-fencing-disabled" value="hv1.maas"' in written(machine)
    machine.host.runner.answer(["cibadmin", "--query"], (1, "not connected"))
    assert run(ctx, state, "update-segment", name="rack1", enabled=True)["outcome"] == "updated"


@pytest.mark.parametrize("action", ["create-segment", "add-hosts"])
def test_a_host_that_the_cluster_could_not_fence_is_refused(
    ctx: testing.Context,
    state: testing.State,
    machine: Machine,
    cloud: FakeCloud,
    action: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster.Cluster, "stranger", STRANGER)
    nodes = "".join(
        f'<node name="{name}" type="remote" online="true"/>' for name in cloud.services
    )
    machine.host.runner.answer(["crm_mon"], CRM_MON.replace("</nodes>", f"{nodes}</nodes>"))
    cloud.add_hypervisor("node9")
    names = {"name": "rack1", "recovery_method": "auto"}
    if action == "add-hosts":
        run(ctx, state, "create-segment", **names)
        names = {"segment": "rack1"}
    text = fail(ctx, state, action, **names, hosts="node1.maas,node9")
    assert text.startswith("node9: no node of the cluster has this name")
    assert text.endswith("the cluster has: node1.maas, node2.maas, node3.maas")
    assert cloud.hosts == {}
    unfenced = with_config(state, allow_recovery_without_fencing=True)
    result = run(ctx, unfenced, action, **names, hosts="node1.maas,node9")
    assert result["added"] == "node1.maas,node9"
    machine.host.runner.answer(["crm_mon"], (102, "error: not connected"))
    if action == "add-hosts":
        text = fail(ctx, state, action, **names, hosts="node2.maas")
        assert text.startswith("Pacemaker does not answer: ")


def test_the_cluster_is_asked_once_however_many_hosts_are_put_into_a_segment(
    ctx: testing.Context,
    state: testing.State,
    machine: Machine,
    cloud: FakeCloud,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster.Cluster, "stranger", STRANGER)
    for number in range(4, 9):
        cloud.add_hypervisor(f"node{number}.maas")
    nodes = "".join(
        f'<node name="{name}" type="remote" online="true"/>' for name in cloud.services
    )
    machine.host.runner.answer(["crm_mon"], CRM_MON.replace("</nodes>", f"{nodes}</nodes>"))
    run(ctx, state, "create-segment", name="rack1", recovery_method="auto", hosts="node1.maas")
    machine.forget()
    hosts = ",".join(f"node{number}.maas" for number in range(2, 9))
    run(ctx, state, "add-hosts", segment="rack1", hosts=hosts)
    assert len(machine.has_run("crm_mon")) == 1


def test_return_host_clears_the_status(
    ctx: testing.Context, state: testing.State, machine: Machine
) -> None:
    run(ctx, state, "create-segment", name="rack1", hosts="node1.maas")
    path = "/var/lib/masakari-fencing/refusals/node1.maas.json"
    machine.host.write(path, '{"host": "node1.maas", "reason": "not fenced", "time": 1}')
    event = "/var/lib/masakari-fencing/spool/ref-1.json"
    machine.host.write(event, json.dumps({"node": "Node1.maas", "time": 1, "reason": EXPIRED}))
    found = out_of_service.OutOfService(("node1.maas",), (), ("node2.maas",))
    record = machine.host.path(str(out_of_service.RECORD))
    record.parent.mkdir(parents=True)
    out_of_service.write(record, found, machine.now)
    out = ctx.run(ctx.on.update_status(), state)
    assert "Recovery of node1.maas refused: not fenced" in out.unit_status.message
    assert "in maintenance: node1.maas, forced down: node2.maas;" in out.unit_status.message
    params = {"host": "node1.maas", "reserved": False, "timeout": 10}
    out = ctx.run(ctx.on.action("return-host", params=params), state)
    assert ctx.action_results is not None
    assert ctx.action_results["outcome"] == "returned"
    assert not machine.host.path(path).exists()
    assert not machine.host.path(event).exists()
    assert out.unit_status == ops.ActiveStatus(
        "Unit is ready (forced down: node2.maas; when it works again, run return-host)"
    )


def test_a_host_that_pacemaker_does_not_reach_is_not_returned(
    ctx: testing.Context,
    state: testing.State,
    machine: Machine,
    cloud: FakeCloud,
) -> None:
    run(ctx, state, "create-segment", name="rack1", hosts="node1.maas")
    cloud.services["node1.maas"].update(status="disabled", forced_down=True)
    machine.host.runner.answer(["crm_mon"], (102, "error: not connected"))
    text = fail(ctx, state, "return-host", host="node1.maas", timeout=0)
    assert text.startswith("node1.maas is not back: Pacemaker does not answer: ")
    assert cloud.services["node1.maas"]["forced_down"] is True


def test_without_a_cluster_nova_alone_says_whether_a_host_is_back(
    ctx: testing.Context, state: testing.State, machine: Machine
) -> None:
    run(ctx, state, "create-segment", name="rack1", hosts="node1.maas")
    machine.host.runner.answer(["crm_mon"], (102, "error: not connected"))
    relations = [found for found in state.relations if found.endpoint != "ha"]
    alone = dataclasses.replace(state, relations=relations)
    assert run(ctx, alone, "return-host", host="node1.maas")["outcome"] == "returned"


def test_segment_action_leaves_the_status_alone(
    ctx: testing.Context, state: testing.State
) -> None:
    out = ctx.run(ctx.on.action("list-segments"), state)
    assert out.unit_status == state.unit_status


def test_failure_names_the_api(
    ctx: testing.Context, state: testing.State, cloud: FakeCloud
) -> None:
    cloud.broken = (503, "")
    assert fail(ctx, state, "list-segments").startswith("Masakari: ")


@pytest.mark.parametrize(
    ("relation", "text"),
    [
        (model.identity(u0={}), "Incomplete relations: identity-service"),
        (None, "Missing relations: identity-service"),
    ],
)
def test_segment_action_without_keystone(
    ctx: testing.Context, machine: Machine, relation: testing.Relation | None, text: str
) -> None:
    state = complete()
    rest = [r for r in state.relations if r.endpoint != "identity-service"]
    relations = [*rest, relation] if relation else rest
    state = testing.State(relations=relations, config=state.config, networks=model.NETWORKS)
    assert fail(ctx, state, "list-segments") == text


def test_segment_action_without_api(
    ctx: testing.Context, state: testing.State, machine: Machine
) -> None:
    machine.host.systemd.services["masakari-api"].active = False
    assert fail(ctx, state, "list-segments").startswith("masakari-api does not run on this unit")


def test_segment_action_with_bad_options(ctx: testing.Context, state: testing.State) -> None:
    text = fail(ctx, with_config(state, vip="x"), "list-segments")
    assert text == "vip: 'x' is not an IP address"
