"""Relations that arrive, change and leave in any order, with any values.

Whatever the neighbours do: no hook fails, nothing but the agreed keys is published, never half of
an answer, and no service is restarted for nothing.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from ops import testing

import charm
import databags
import machine as machine_module
import model
from machine import Machine
from model import offer
from relations import peers

HOSTILE = st.sampled_from(
    [
        "None",
        "__null__",
        "x\n[DEFAULT]\nhostile = 1",
        "fe80::1%x\n[DEFAULT]\nhostile = 1",
        "[]",
        "{",
        "'",
        "\u2028hostile",
        "$hostile",
    ]
)


def bags(complete: dict[str, str]) -> st.SearchStrategy[dict[str, str]]:
    """A databag as it should be, or empty, or with values missing or hostile."""
    missing = st.sets(st.sampled_from(sorted(complete)), min_size=1).map(
        lambda keys: {k: v for k, v in complete.items() if k not in keys}
    )
    hostile = st.dictionaries(st.sampled_from(sorted(complete)), HOSTILE, min_size=1).map(
        lambda changes: {**complete, **changes}
    )
    strange = st.dictionaries(st.sampled_from(["x", "masakari_service", "vip"]), HOSTILE)
    return st.one_of(st.just(complete), st.just({}), missing, hostile, strange)


ANSWERS: dict[str, list[dict[str, str]]] = {
    "identity-service": [
        model.KEYSTONE,
        {**model.KEYSTONE, "service_password": "rotated", "service_host": "fd00::5"},
    ],
    "shared-db": [
        model.MYSQL_ROUTER,
        {**model.MYSQL_ROUTER, "password": "other", "ssl_ca": model.b64(model.PEM)},
        {**model.MYSQL_ROUTER, "allowed_units": "masakari/10"},
    ],
    "amqp": [
        model.RABBITMQ,
        {**model.RABBITMQ, "private-address": "10.6.0.42", "ssl_port": "5671"},
    ],
    "ha": [model.HACLUSTER],
    "certificates": [offer(), {"ca": model.PEM}],
    "cluster": [
        {"private-address": "10.77.3.12", "public-address": "10.77.1.12"},
        {"private-address": "10.77.3.13"},
    ],
}


def units(endpoint: str) -> st.SearchStrategy[dict[int, dict[str, str]]]:
    answers = st.one_of(*(bags(answer) for answer in ANSWERS[endpoint]))
    numbers = st.just(0) if endpoint == "ha" else st.integers(0 if endpoint != "cluster" else 1, 2)
    smallest = 1 if endpoint == "ha" else 0
    return st.dictionaries(numbers, answers, min_size=smallest, max_size=2)


STEP = st.one_of(
    st.sampled_from(sorted(ANSWERS)).flatmap(
        lambda endpoint: st.tuples(st.just("change"), st.just(endpoint), units(endpoint))
    ),
    st.tuples(st.just("remove"), st.sampled_from(sorted(set(ANSWERS) - {"cluster"}))),
    st.tuples(
        st.just("event"),
        st.sampled_from(["config_changed", "update_status", "upgrade_charm", "start"]),
    ),
    st.tuples(st.just("leader"), st.booleans()),
    st.tuples(
        st.just("option"),
        st.sampled_from(
            [
                {"vip": "10.77.1.250"},
                {"vip": "10.77.1.250 fd00::10"},
                {"vip": None},
                {"vip": "hostile"},
                {"vip": "fe80::1%hostile"},
                {"dns-ha": True, "os-public-hostname": "a.example.com"},
                {"dns-ha": None},
                {"debug": True},
                {"debug": None},
                {"evacuation-delay": 5},
                {"ssl_ca": model.b64(model.OTHER_PEM)},
                {"use-internal-endpoints": True},
            ]
        ),
    ),
    st.tuples(st.just("action"), st.sampled_from(["pause", "resume", "restart-services"])),
)


class World:
    """A unit and its model, taken from one step to the next."""

    def __init__(self, root: Path, ctx: testing.Context) -> None:
        self.machine = machine_module.make(root)
        self.ctx = ctx
        self.state = testing.State(relations=[model.cluster()], networks=model.NETWORKS)

    def relation(self, endpoint: str, data: dict[int, dict[str, str]]) -> Any:
        """The relation of an endpoint with what its units say now."""
        [present] = [r for r in self.state.relations if r.endpoint == endpoint] or [None]
        if endpoint == "ha":
            kind, fields = testing.SubordinateRelation, {"remote_unit_data": data[0]}
        elif endpoint == "cluster":
            kind, fields = testing.PeerRelation, {"peers_data": data}
        else:
            kind, fields = testing.Relation, {"remote_units_data": data}
        return dataclasses.replace(present, **fields) if present else kind(endpoint, **fields)

    def take(self, step: tuple[Any, ...]) -> None:
        kind, *rest = step
        getattr(self, kind)(*rest)
        self.check()

    def change(self, endpoint: str, data: dict[int, dict[str, str]]) -> None:
        relation = self.relation(endpoint, data)
        self.state = model.replace(self.state, relation)
        options = {} if endpoint == "ha" or not data else {"remote_unit": min(data)}
        if data:
            self.run(self.ctx.on.relation_changed(relation, **options))
        else:
            self.run(self.ctx.on.relation_created(relation))

    def remove(self, endpoint: str) -> None:
        for relation in self.state.relations:
            if relation.endpoint == endpoint:
                self.run(self.ctx.on.relation_broken(relation))
                rest = [r for r in self.state.relations if r.endpoint != endpoint]
                self.state = dataclasses.replace(self.state, relations=rest)

    def event(self, name: str) -> None:
        self.run(getattr(self.ctx.on, name)())

    def leader(self, leader: bool) -> None:
        self.state = dataclasses.replace(self.state, leader=leader)
        if leader:
            self.run(self.ctx.on.leader_elected())

    def option(self, change: dict[str, Any]) -> None:
        config = {k: v for k, v in {**self.state.config, **change}.items() if v is not None}
        self.state = dataclasses.replace(self.state, config=config)
        self.run(self.ctx.on.config_changed())

    def action(self, name: str) -> None:
        try:
            self.run(self.ctx.on.action(name))
        except testing.ActionFailed as failed:
            self.state = failed.state

    def run(self, event: Any) -> None:
        self.state = self.ctx.run(event, self.state)

    def check(self) -> None:
        for relation in self.state.relations:
            own = set(relation.local_unit_data) - model.JUJU_KEYS
            assert own <= set(databags.OWNED[relation.endpoint]), relation.endpoint
            for key, value in relation.local_unit_data.items():
                assert value not in ("", "None", "null"), key
                assert "hostile" not in value, key
            if relation.endpoint == "identity-service":
                assert len(own) in (0, 5)
            if relation.endpoint == "ha" and own:
                assert own == set(databags.OWNED["ha"])
                resources = json.loads(relation.local_unit_data["json_resources"])
                delete = json.loads(relation.local_unit_data["json_delete_resources"])
                assert not set(resources) & set(delete)
        app = model.only(self.state, "cluster").local_app_data
        assert set(app) <= {peers.MIGRATED}
        etc = self.machine.host.path("/etc")
        for path in (*etc.glob("masakari/*"), *etc.glob("haproxy/*.cfg")):
            assert "hostile = 1" not in path.read_text(), path

    def settle(self) -> None:
        """A hook with nothing new restarts nothing and publishes nothing."""
        self.event("update_status")
        self.machine.forget()
        before = {r.id: dict(r.local_unit_data) for r in self.state.relations}
        self.event("config_changed")
        assert self.machine.restarts() == []
        assert {r.id: dict(r.local_unit_data) for r in self.state.relations} == before


@pytest.mark.timeout(500)  # a hundred sequences; only against hanging
@hypothesis.settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
@hypothesis.given(st.lists(STEP, min_size=1, max_size=8))
def test_any_sequence(ctx: testing.Context, steps: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as root, pytest.MonkeyPatch.context() as patch:
        world = World(Path(root), ctx)
        patch.setattr(charm, "make_workload", world.machine.workload)
        patch.setattr("instance_ha_common.machine.hostname.canonical_name", lambda: "node1.maas")
        for step in steps:
            world.take(step)
        world.settle()


@pytest.mark.timeout(500)
def test_each_endpoint_alone_with_each_answer(
    ctx: testing.Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same checks along one ordinary life, from nothing to ready and back."""
    world = World(tmp_path, ctx)
    monkeypatch.setattr(charm, "make_workload", world.machine.workload)
    monkeypatch.setattr("instance_ha_common.machine.hostname.canonical_name", lambda: "node1.maas")
    world.take(("option", {"vip": "10.77.1.250"}))
    world.take(("leader", True))
    for endpoint, [answer, *others] in ANSWERS.items():
        for data in ({}, answer, *others, answer):
            numbers = {1 if endpoint == "cluster" else 0: data}
            world.take(("change", endpoint, numbers))
    world.settle()
    assert world.state.unit_status.name == "active"
    for endpoint in sorted(set(ANSWERS) - {"cluster"}):
        world.take(("remove", endpoint))
    assert_stopped(world.machine)


def assert_stopped(machine: Machine) -> None:
    for name in ("masakari-api", "masakari-engine", "masakari-fencing-notifier"):
        assert not machine.host.systemd.running(name), name
