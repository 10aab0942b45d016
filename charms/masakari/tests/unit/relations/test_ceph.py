"""ceph-mon's databag, as its charm writes it (`CephClientProvides`), and what it is asked for."""

from __future__ import annotations

import json

import pytest
from ops import testing

import model
from machine import Machine
from relations import ceph

REQUEST = json.loads(ceph.request("masakari")["broker_req"])
DONE = json.dumps({"exit-code": 0, "request-id": REQUEST["request-id"]})
MON = {
    "auth": "cephx",
    "key": "AQAmIgtryNR7HRAAOxh/b7tI36Q+7s0EPJUbwA==",
    "ceph-public-address": "10.77.4.11",
    "rbd-features": "61",
    "broker-rsp-masakari-0": DONE,
    "broker_rsp": DONE,
}


def read(**bags: dict[str, str]) -> ceph.Ceph | None:
    return ceph.read(
        {f"ceph-mon/{name[1:]}": bag for name, bag in bags.items()}, "masakari/0", "masakari"
    )


def test_golden_request() -> None:
    assert {
        "api-version": 1,
        "request-id": REQUEST["request-id"],
        "ops": [
            {
                "op": "set-key-permissions",
                "client": "masakari",
                "permissions": ["mon", 'allow r, allow command "osd blocklist"'],
            }
        ],
    } == REQUEST
    assert ceph.request("masakari") == ceph.request("masakari"), "or it is carried out each time"
    assert ceph.request("other") != ceph.request("masakari")


def test_the_monitors_and_the_key() -> None:
    others = {key: value for key, value in MON.items() if "rsp" not in key}
    found = read(u2={**others, "ceph-public-address": "10.77.4.13"}, u0=MON, u1=others)
    assert found is not None
    assert found.monitors == ("10.77.4.11", "10.77.4.13")
    assert found.client == "client.masakari"
    assert found.limited, "the leader alone answers requests"
    assert "AQAm" not in repr(found)


def test_a_key_that_may_yet_do_anything_is_not_used() -> None:
    for response in ("", "nonsense", "[]", json.dumps({"exit-code": 0, "request-id": "another"})):
        found = read(u0={**MON, "broker-rsp-masakari-0": response})
        assert found is not None
        assert not found.limited
        assert not found.refusal


def test_a_refusal_is_told() -> None:
    response = {"exit-code": 1, "stderr": "Unknown operation", "request-id": REQUEST["request-id"]}
    found = read(u0={**MON, "broker-rsp-masakari-0": json.dumps(response)})
    assert found is not None
    assert found.refusal == "Unknown operation"


def test_without_a_key_or_an_address_there_is_nothing() -> None:
    assert read() is None
    assert read(u0={}) is None
    assert read(u0={**MON, "key": "two\nlines"}) is None
    assert read(u0={**MON, "ceph-public-address": "x y", "private-address": ""}) is None


def related(bag: dict[str, str] | None = None) -> testing.Relation:
    data = {0: MON if bag is None else bag}
    return testing.Relation("ceph", remote_app_name="ceph-mon", remote_units_data=data)


@pytest.fixture
def machine(machine: Machine) -> Machine:
    """One whose archive has Ceph's library, too."""
    machine.host.apt.archive["python3-rados"] = "16.2.15"
    return machine


class TestCharm:
    def test_the_key_is_for_root_alone(self, ctx: testing.Context, machine: Machine) -> None:
        relation = related()
        out = ctx.run(ctx.on.config_changed(), model.complete(relation))
        bag = out.get_relation(relation.id).local_unit_data
        assert json.loads(bag["broker_req"]) == REQUEST
        for name in ("ceph.conf", "keyring", "name"):
            assert machine.host.mode(f"/etc/masakari-fencing/ceph/{name}") == 0o600
        assert MON["key"] in (machine.host.read("/etc/masakari-fencing/ceph/keyring") or "")
        assert "mon host = 10.77.4.11" in (
            machine.host.read("/etc/masakari-fencing/ceph/ceph.conf") or ""
        )
        assert MON["key"] not in out.unit_status.message

    def test_nothing_is_left_without_the_relation(
        self, ctx: testing.Context, machine: Machine
    ) -> None:
        ctx.run(ctx.on.config_changed(), model.complete(related()))
        ctx.run(ctx.on.config_changed(), model.complete())
        assert machine.host.read("/etc/masakari-fencing/ceph/keyring") is None
        assert machine.host.read("/etc/masakari-fencing/ceph/ceph.conf") is None

    def test_an_answer_that_is_not_there_yet(self, ctx: testing.Context, machine: Machine) -> None:
        out = ctx.run(ctx.on.config_changed(), model.complete(related({})))
        assert "ceph" in out.unit_status.message
        assert isinstance(out.unit_status, testing.WaitingStatus)
        assert machine.host.read("/etc/masakari-fencing/ceph/keyring") is None

    def test_the_option_needs_the_relation(self, ctx: testing.Context, machine: Machine) -> None:
        state = model.complete(config={"storage-fencing": "parallel"})
        out = ctx.run(ctx.on.config_changed(), state)
        assert isinstance(out.unit_status, testing.BlockedStatus)
        assert "juju integrate masakari:ceph ceph-mon:client" in out.unit_status.message

    def test_a_refused_request(self, ctx: testing.Context, machine: Machine) -> None:
        response = {"exit-code": 1, "stderr": "no", "request-id": REQUEST["request-id"]}
        bag = {**MON, "broker-rsp-masakari-0": json.dumps(response)}
        out = ctx.run(ctx.on.config_changed(), model.complete(related(bag)))
        assert "ceph-mon does not limit the key" in out.unit_status.message
        assert machine.host.read("/etc/masakari-fencing/ceph/keyring") is None
