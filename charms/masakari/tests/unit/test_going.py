"""A unit that goes away: whatever Juju answers, its services end, and no hook fails."""

from __future__ import annotations

import ops
import pytest
from instance_ha_common import testing as common
from instance_ha_common.juju.charm import run
from ops import testing

import charm
import model
from machine import Machine
from model import complete

SERVICES = ("masakari-api", "masakari-engine", "masakari-fencing-notifier")
WORDS = [
    "permission denied",
    "relation 2 not found (not found)",
    "connection is shutdown before send",
]


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCENARIO_BARE_CHARM_ERRORS", "true")


@pytest.mark.parametrize("words", WORDS)
def test_stop_and_remove_need_no_hook_tool(
    ctx: testing.Context, machine: Machine, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    state = ctx.run(ctx.on.config_changed(), complete())
    common.refuse_hook_tools(monkeypatch, words)
    for event in (ctx.on.stop(), ctx.on.remove()):
        monkeypatch.setenv("JUJU_DISPATCH_PATH", f"hooks/{event.name}")
        run(charm.MasakariCharm, lambda _, event=event: ctx.run(event, state))
    for name in SERVICES:
        assert not machine.host.systemd.running(name), name
    assert machine.host.systemd.running("haproxy")  # Pacemaker's
    for path in machine.host.root.rglob("*"):
        assert not path.is_file() or b"secret" not in path.read_bytes(), path


@pytest.mark.parametrize("endpoint", model.ENDPOINTS)
def test_its_relations_may_go_in_any_order(
    ctx: testing.Context, machine: Machine, monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    """All that it would write, read and ask would fail: it does nothing of it any more."""
    state = ctx.run(ctx.on.config_changed(), complete(model.certificates()))
    relation = model.only(state, endpoint)
    common.depart_itself(monkeypatch)
    machine.forget()
    options = {} if endpoint == "ha" else {"remote_unit": 0 if endpoint != "cluster" else 1}
    if endpoint == "cluster":
        relation = testing.PeerRelation("cluster", peers_data={1: {}}, id=relation.id)
        state = model.replace(state, relation)
    if endpoint != "ha":
        out = ctx.run(ctx.on.relation_departed(relation, **options), state)
        assert model.published(out, "amqp") == model.published(state, "amqp")
        assert out.unit_status == state.unit_status
        for name in SERVICES:
            assert not machine.host.systemd.running(name), name
        machine.forget()
        for other in state.relations:
            if not isinstance(other, testing.PeerRelation):
                ctx.run(ctx.on.relation_broken(other), state)
        assert machine.host.runner.calls == []
        assert machine.restarts() == []


@pytest.mark.parametrize("words", WORDS[:2])
def test_a_neighbour_that_is_gone_is_not_written_to(
    ctx: testing.Context, machine: Machine, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    """Several neighbours are removed at once: in one's hook, another's relation is gone."""
    from scenario.mocking import _MockModelBackend

    state = ctx.run(ctx.on.config_changed(), complete())
    database = model.only(state, "shared-db").id
    write, read = _MockModelBackend.relation_set, _MockModelBackend.relation_get

    def relation_set(backend: object, **options: object) -> None:
        if options["relation_id"] == database:
            raise ops.ModelError(f"ERROR {words}")
        write(backend, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(_MockModelBackend, "relation_set", relation_set)
    state = model.with_config(model.replace(state, model.shared_db()), region="Two")
    database = model.only(state, "shared-db").id
    out = ctx.run(ctx.on.relation_broken(model.only(state, "amqp")), state)
    assert model.published(out, "identity-service")["region"] == "Two"
    assert out.unit_status == ops.BlockedStatus("Missing relations: amqp")

    def relation_get(
        backend: object, relation_id: int, *args: object, **options: object
    ) -> object:
        if relation_id == database:
            raise ops.ModelError(f"ERROR {words}")
        return read(backend, relation_id, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(_MockModelBackend, "relation_get", relation_get)
    out = ctx.run(ctx.on.relation_broken(model.only(state, "amqp")), state)
    assert out.unit_status == ops.WaitingStatus("A relation is going away")
