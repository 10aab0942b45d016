"""The networks that Consul watches: options, relations, files, service and status."""

from __future__ import annotations

import importlib.util
import json

import charm
import networks
import pytest
import yaml
from hypervisor import HOST, NAME, READY, cluster, conf, files, keystone, state
from instance_ha_common.machine import packed
from instance_ha_common.testing import FakeService
from network_matrix import matrix
from network_matrix.consul import Agent
from ops import testing
from relations import consul_cluster
from workload import witness
from workload.files import CONF
from workload.witness import MATRIX, SERVICE, SETTINGS, UNIT, Network

ALL = {
    "consul_management_agents": "10.0.3.10",
    "consul_tenant_agents": "10.0.5.10:8600",
    "consul_storage_agents": "10.0.4.10 10.0.4.11",
}
HOSTS = (NAME, "node2.maas")
FINE = {network: Network(HOSTS, (), (), HOSTS) for network in ("manage", "tenant", "storage")}
BAG = {
    "datacenter": "dc1",
    "internal_http_endpoint": '"consul.openstack.svc:8500"',
    "external_http_endpoint": '"10.0.4.10:8500"',
}


@pytest.fixture(autouse=True)
def seen(host, monkeypatch):
    """What the witness says; tests put other things in."""
    seen = dict(FINE)
    host.systemd.services[SERVICE] = FakeService()
    ask = staticmethod(lambda: seen)
    monkeypatch.setattr(charm.MasakariMonitorsCharm, "ask_witness", ask)
    return seen


def consul(network: str, **bag: str) -> testing.Relation:
    return testing.Relation(
        f"consul-{network}", remote_app_name=f"consul-{network}", remote_app_data=bag
    )


def run(ctx, host, *relations, **config) -> testing.State:
    """A unit in service that is told of Consul."""
    ctx.run(ctx.on.install(), state())
    cluster(host)
    return ctx.run(ctx.on.config_changed(), state(keystone(), *relations, **config))


def settings(host) -> dict:
    return json.loads(host.read(SETTINGS))


# Options


def test_the_driver_is_masakaris_own_with_the_witness_for_agents(ctx, host):
    out = run(ctx, host, **ALL)
    parser = conf(host)
    assert parser["host"]["monitoring_driver"] == "consul"
    assert dict(parser["consul"]) == {
        "agent_manage": "127.0.0.1:8510",
        "agent_tenant": "127.0.0.1:8511",
        "agent_storage": "127.0.0.1:8512",
        "matrix_config_file": MATRIX,
    }
    assert host.systemd.running(SERVICE) and host.systemd.running(HOST)
    assert out.unit_status == READY


def test_the_witness_asks_the_operators_agents(ctx, host):
    run(ctx, host, **ALL)
    assert settings(host)["agents"] == {
        "manage": "10.0.3.10:8500",
        "tenant": "10.0.5.10:8600",
        "storage": "10.0.4.10:8500 10.0.4.11:8500",
    }
    assert f"-m network_matrix.witness {SETTINGS}" in (host.read(UNIT) or "")
    assert "DynamicUser=yes\n" in (host.read(UNIT) or "")
    assert host.mode(SETTINGS) == 0o644, "that user must read it"
    assert host.path(witness.HOME, "network_matrix/witness.py").exists()


def test_the_default_matrix_is_the_one_for_the_networks(ctx, host):
    run(ctx, host, consul_storage_agents="a", consul_management_agents="b")
    expected = matrix.default(["manage", "storage"]).data()
    assert yaml.safe_load(host.read(MATRIX)) == expected
    assert settings(host)["matrix"] == expected


def test_an_operators_matrix_reaches_the_driver(ctx, host):
    data = matrix.default(["storage"]).data()
    data["matrix"].reverse()
    run(ctx, host, consul_storage_agents="a", network_matrix=yaml.safe_dump(data))
    assert yaml.safe_load(host.read(MATRIX)) == data


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"consul_tenant_agents": "http://a"}, "consul-tenant-agents: 'http://a'"),
        ({"network_matrix": "{}"}, "network-matrix: no network is watched"),
        ({**ALL, "network_matrix": "a: ["}, "network-matrix: is not YAML"),
        ({**ALL, "network_matrix": "2024-13-45"}, "network-matrix: is not YAML"),
        ({**ALL, "network_matrix": "a: b"}, "network-matrix: must be a mapping"),
        (
            {
                "consul_storage_agents": "a",
                "network_matrix": "{sequence: [storage], matrix: [{health: [up], action: []}]}",
            },
            "network-matrix: the row for storage down is missing",
        ),
    ],
)
def test_what_is_wrong_is_said_and_changes_nothing(ctx, host, config, text):
    run(ctx, host, **ALL)
    before = files(host)
    out = ctx.run(ctx.on.config_changed(), state(keystone(), **config))
    assert isinstance(out.unit_status, testing.BlockedStatus)
    assert out.unit_status.message.startswith(text)
    assert files(host) == before


def test_without_consul_pacemaker_is_polled(ctx, host):
    run(ctx, host)
    parser = conf(host)
    assert "monitoring_driver" not in parser["host"]
    assert "consul" not in parser
    assert not host.systemd.running(SERVICE)
    assert not host.path(UNIT).exists()


def test_consul_goes_as_it_came(ctx, host):
    run(ctx, host, **ALL)
    out = run(ctx, host)
    assert "consul" not in conf(host)
    assert not any(host.path(path).exists() for path in (UNIT, SETTINGS, MATRIX))
    assert not list(host.path(witness.HOME).rglob("*.py"))
    assert not host.systemd.running(SERVICE) and not host.systemd.enabled(SERVICE)
    assert out.unit_status == READY


def test_with_consul_the_host_monitor_does_not_wait_for_pacemaker(ctx, host):
    run(ctx, host, **ALL)
    host.systemd.services["pacemaker_remote"].active = False
    out = ctx.run(ctx.on.update_status(), state(keystone(), **ALL))
    assert out.unit_status == READY


def test_without_a_host_monitor_nothing_watches(ctx, host):
    out = run(ctx, host, enable_host_monitor=False, **ALL)
    assert not host.systemd.running(SERVICE)
    assert out.unit_status == READY


# What is restarted


def restarted(host) -> set[str]:
    return {name for verb, name in host.systemd.log if verb == "restart"}


def test_nothing_is_restarted_without_a_change(ctx, host):
    run(ctx, host, **ALL)
    host.systemd.log.clear()
    ctx.run(ctx.on.config_changed(), state(keystone(), **ALL))
    assert restarted(host) == set()


def test_other_agents_concern_the_witness_alone(ctx, host):
    run(ctx, host, **ALL)
    host.systemd.log.clear()
    ctx.run(
        ctx.on.config_changed(), state(keystone(), **{**ALL, "consul_storage_agents": "10.0.4.9"})
    )
    assert restarted(host) == {SERVICE}


def test_another_matrix_concerns_both(ctx, host):
    run(ctx, host, consul_storage_agents="a")
    host.systemd.log.clear()
    data = matrix.default(["storage"]).data()
    data["matrix"][1]["action"] = []
    config = {"consul_storage_agents": "a", "network_matrix": yaml.safe_dump(data)}
    ctx.run(ctx.on.config_changed(), state(keystone(), **config))
    assert restarted(host) == {SERVICE, HOST}


def test_a_pause_stops_the_witness_and_resume_starts_it(ctx, host):
    run(ctx, host, **ALL)
    current = state(keystone(), **ALL)
    ctx.run(ctx.on.action("pause"), current)
    assert not host.systemd.running(SERVICE)
    ctx.run(ctx.on.config_changed(), current)
    assert not host.systemd.running(SERVICE)
    ctx.run(ctx.on.action("resume"), current)
    assert host.systemd.running(SERVICE)


def test_leaving_takes_the_witness_away(ctx, host):
    run(ctx, host, **ALL)
    ctx.run(ctx.on.remove(), state(**ALL))
    assert not host.systemd.running(SERVICE)
    assert not any(host.path(path).exists() for path in (UNIT, SETTINGS, MATRIX, CONF))


# Relations


def test_a_relation_brings_an_agent(ctx, host):
    out = run(ctx, host, consul("storage", **BAG))
    assert settings(host)["agents"] == {"storage": "10.0.4.10:8500"}
    assert list(conf(host)["consul"]) == ["agent_storage", "matrix_config_file"]
    assert out.unit_status == READY


def test_an_option_wins_over_the_relation(ctx, host):
    run(ctx, host, consul("storage", **BAG), consul_storage_agents="10.0.4.99")
    assert settings(host)["agents"] == {"storage": "10.0.4.99:8500"}


def test_a_provider_that_has_not_answered_is_waited_for(ctx, host):
    run(ctx, host, consul("management", **BAG))
    before = files(host)
    out = ctx.run(
        ctx.on.update_status(), state(keystone(), consul("management", **BAG), consul("storage"))
    )
    assert out.unit_status == testing.WaitingStatus("Incomplete relations: consul-storage")
    assert files(host) == before, "the matrix of one network is not put into service meanwhile"


def test_a_relation_without_an_answer_is_waited_for_in_every_hook(ctx, host):
    """The first of them come before there can be an answer."""
    run(ctx, host)
    relation = consul("storage")
    for event in (
        ctx.on.relation_created(relation),
        ctx.on.config_changed(),
        ctx.on.action("restart-services"),
    ):
        out = ctx.run(event, state(keystone(), relation))
        assert out.unit_status == testing.WaitingStatus("Incomplete relations: consul-storage")


def test_a_provider_inside_kubernetes_is_blocked_with_the_cure(ctx, host):
    out = run(ctx, host, consul("storage", **{**BAG, "external_http_endpoint": "null"}))
    assert isinstance(out.unit_status, testing.BlockedStatus)
    assert out.unit_status.message.startswith("consul-storage: ")
    assert "set consul-storage-agents" in out.unit_status.message


def test_a_relation_that_ends_ends_the_watching(ctx, host):
    relation = consul("storage", **BAG)
    run(ctx, host, relation)
    ctx.run(ctx.on.relation_broken(relation), state(keystone(), relation))
    assert "consul" not in conf(host)


@pytest.mark.parametrize(
    ("bag", "agents"),
    [
        ({}, ()),
        ({"datacenter": "dc1"}, ()),
        (BAG, (Agent("10.0.4.10"),)),
        ({"internal_http_endpoint": '"10.0.4.10:8600"'}, (Agent("10.0.4.10", 8600),)),
        ({"external_http_endpoint": "10.0.4.10:8500"}, (Agent("10.0.4.10"),)),
    ],
)
def test_what_providers_publish(bag, agents):
    assert consul_cluster.read(bag) == agents


@pytest.mark.parametrize("value", ["null", "5", '"a b:c"', '"a.b.svc.cluster.local:8500"'])
def test_what_cannot_be_reached(value):
    with pytest.raises(consul_cluster.UnreachableError):
        consul_cluster.read({"external_http_endpoint": "null", "internal_http_endpoint": value})


# Status


def test_a_witness_that_does_not_start_is_named(ctx, host):
    host.systemd.broken.add(SERVICE)
    out = run(ctx, host, **ALL)
    assert isinstance(out.unit_status, testing.BlockedStatus)
    assert SERVICE in out.unit_status.message


@pytest.mark.parametrize(
    ("network", "text"),
    [
        (Network((), (), ("a:8500 does not answer",)), "storage network: a:8500 does not answer"),
        (Network((NAME,), (NAME,), ()), f"storage network: the agent of {NAME} is gone: start it"),
        (
            Network(("node1", "b"), (), ()),
            f"calls this host node1: set node_name to {NAME} on its agent",
        ),
        (
            Network(("b",), (), ()),
            f"does not know this host: set node_name to {NAME} on its agent",
        ),
    ],
)
def test_what_keeps_consul_from_judging_this_host_is_said(ctx, host, seen, network, text):
    seen["storage"] = network
    out = run(ctx, host, **ALL)
    assert isinstance(out.unit_status, testing.BlockedStatus)
    assert out.unit_status.message.endswith(text)
    assert out.unit_status.message.count("Consul") == 1


def test_the_agents_of_other_hosts_are_their_own_units_concern(ctx, host, seen):
    seen["storage"] = Network(HOSTS, ("node2.maas",), (), HOSTS)
    assert run(ctx, host, **ALL).unit_status == READY


def test_a_witness_that_finds_no_other_says_so(ctx, host, seen):
    """It would judge nobody, and that would show nowhere."""
    seen.update({name: Network((NAME, "b"), (), (), (NAME,)) for name in seen})
    out = run(ctx, host, **ALL)
    assert isinstance(out.unit_status, testing.WaitingStatus)
    assert "8509" in out.unit_status.message


def test_a_witness_that_does_not_answer_is_waited_for(ctx, host, seen):
    seen.clear()
    assert isinstance(run(ctx, host, **ALL).unit_status, testing.WaitingStatus)


class Connection:
    """A connection to the witness."""

    answer: bytes | None = b""

    def __init__(self, host: str, port: int, timeout: float) -> None:
        assert (host, port) == ("127.0.0.1", 8509)

    def request(self, method: str, path: str) -> None:
        assert (method, path) == ("GET", "/v1/networks")
        if self.answer is None:
            raise ConnectionRefusedError

    def getresponse(self) -> Connection:
        return self

    def read(self) -> bytes:
        return self.answer or b""

    def close(self) -> None: ...


def test_the_witness_is_asked(monkeypatch):
    monkeypatch.setattr("http.client.HTTPConnection", Connection)
    pauses = []
    monkeypatch.setattr(witness.time, "sleep", pauses.append)
    entry = {"members": ["a"], "silent": ["b"], "problems": ["c"], "witnesses": ["d"]}
    monkeypatch.setattr(Connection, "answer", json.dumps({"storage": entry}).encode())
    assert witness.ask() == {"storage": Network(("a",), ("b",), ("c",), ("d",))}
    others = (b"[]", b"3", b'{"error": "not found"}', b"[" * 5000)
    for nothing in (None, b"", b'{"storage": {}}', *others):
        monkeypatch.setattr(Connection, "answer", nothing)
        pauses.clear()
        assert witness.ask() == {}
        assert sum(pauses) < 10, "a hook must not hang"


def test_a_charm_packed_without_the_package(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match="network_matrix"):
        packed.directory("network_matrix")


def test_the_options_are_named_like_the_endpoints():
    assert networks.OPTIONS["manage"] == "consul-management-agents"
