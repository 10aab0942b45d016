"""HA: virtual addresses, DNS records and what is told to Keystone meanwhile."""

from __future__ import annotations

import json

import ops
import pytest
from instance_ha_common.testing import make_context
from ops import testing

import charm
import model
from machine import Machine
from model import complete, published, replace, with_config

THREE = "10.77.1.250 10.77.2.250 10.77.3.250"


def urls(state: testing.State) -> dict[str, str]:
    data = published(state, "identity-service")
    return {key: value for key, value in data.items() if key.endswith("_url")}


def test_endpoints_at_the_vip_of_each_space(ctx: testing.Context, machine: Machine) -> None:
    out = ctx.run(ctx.on.config_changed(), complete(config={"vip": THREE}))
    assert published(out, "identity-service") == {
        "service": "masakari",
        "region": "RegionOne",
        "public_url": "http://10.77.1.250:15868/v1/%(tenant_id)s",
        "admin_url": "http://10.77.2.250:15868/v1/%(tenant_id)s",
        "internal_url": "http://10.77.3.250:15868/v1/%(tenant_id)s",
    }
    assert json.loads(published(out, "ha")["json_delete_resources"]) == [
        "res_masakari_admin_vip",
        "res_masakari_internal_vip",
        "res_masakari_public_vip",
    ]


def test_nothing_is_registered_before_the_cluster_is_there(
    ctx: testing.Context, machine: Machine
) -> None:
    """An endpoint at an address that nobody has yet makes every client wait."""
    out = ctx.run(ctx.on.config_changed(), complete(model.ha({})))
    assert published(out, "identity-service") == {}
    assert published(out, "ha")["json_groups"] == (
        '{"grp_masakari_vips": "res_masakari_a99900c_vip"}'
    )
    out = ctx.run(ctx.on.update_status(), replace(out, model.ha()))
    assert urls(out)["public_url"] == "http://10.77.1.250:15868/v1/%(tenant_id)s"


def test_all_units_publish_the_same(machine: Machine) -> None:
    """The last of several different answers would win, another one each time."""
    found = []
    for number, address in ((0, "10.77.1.11/24"), (1, "10.77.1.12/24")):
        networks = {n for n in model.NETWORKS if n.binding_name != "public"}
        networks.add(model.network("public", address, "public"))
        other = make_context(charm.MasakariCharm, unit_id=number)
        database = {**model.MYSQL_ROUTER, "allowed_units": f"masakari/{number}"}
        state = complete(model.shared_db(database), networks=networks)
        out = other.run(other.on.config_changed(), state)
        found.append([published(out, endpoint) for endpoint in ("identity-service", "ha")])
    assert found[0] == found[1]
    assert all(found[0])


def test_vip_without_cluster_is_blocked_and_registers_nothing(
    ctx: testing.Context, machine: Machine
) -> None:
    state = complete(config={"allow-recovery-without-fencing": True})
    rest = [relation for relation in state.relations if relation.endpoint != "ha"]
    out = ctx.run(
        ctx.on.config_changed(), testing.State(relations=rest, config=state.config, leader=True)
    )
    assert out.unit_status == ops.BlockedStatus("Missing relations: ha")
    assert published(out, "identity-service") == {}


def test_cluster_without_vip_or_dns_ha_is_blocked(ctx: testing.Context, machine: Machine) -> None:
    """Related to hacluster, but with nothing for it to make highly available."""
    out = ctx.run(ctx.on.config_changed(), complete(model.ha({}), config={"vip": ""}))
    assert out.unit_status == ops.BlockedStatus("HA: set vip, or dns-ha and an os-*-hostname")
    assert published(out, "ha") == {}
    assert published(out, "identity-service") == {}


def test_vip_and_dns_ha_together_are_blocked(ctx: testing.Context, machine: Machine) -> None:
    options = {"dns-ha": True, "os-public-hostname": "a.example.com"}
    out = ctx.run(ctx.on.config_changed(), complete(config=options))
    assert out.unit_status == ops.BlockedStatus("vip and dns-ha exclude each other: unset one")


def test_multicast_goes_over_the_clusters_own_interface(
    ctx: testing.Context, machine: Machine
) -> None:
    """`vip_iface` is a fallback for virtual addresses; it tells nothing of Corosync's network."""
    out = ctx.run(ctx.on.config_changed(), complete())
    assert published(out, "ha")["corosync_bindiface"] == "internal"


def test_haproxy_is_configured_before_pacemaker_hears_of_it(
    ctx: testing.Context, machine: Machine
) -> None:
    machine.host.runner.answer(["haproxy"], (1, "[ALERT] no"))
    out = ctx.run(ctx.on.config_changed(), complete())
    assert published(out, "ha") == {}
    assert published(out, "identity-service") == {}
    assert isinstance(out.unit_status, ops.BlockedStatus)
    assert "HAProxy refuses its configuration" in out.unit_status.message


def test_dns_ha(ctx: testing.Context, machine: Machine) -> None:
    options = {"vip": "", "dns-ha": True, "os-internal-hostname": "m.example.com"}
    out = ctx.run(ctx.on.config_changed(), complete(config=options))
    params = json.loads(published(out, "ha")["json_resource_params"])
    assert params["res_masakari_int_hostname"] == (
        '  params  fqdn="m.example.com" ip_address="10.77.3.11"'
    )
    assert urls(out)["internal_url"] == "http://m.example.com:15868/v1/%(tenant_id)s"
    assert out.unit_status == ops.ActiveStatus("Unit is ready")


def test_vip_is_added_and_removed(ctx: testing.Context, machine: Machine) -> None:
    out = ctx.run(ctx.on.config_changed(), complete())
    out = ctx.run(ctx.on.config_changed(), with_config(out, vip="10.77.1.250 10.77.2.250"))
    out = ctx.run(ctx.on.config_changed(), with_config(out, vip="10.77.2.250"))
    data = {key: json.loads(v) for key, v in published(out, "ha").items() if "json" in key}
    assert "res_masakari_a99900c_vip" in data["json_delete_resources"]
    assert set(data["json_resources"]) == {"res_masakari_haproxy", "res_masakari_b02377e_vip"}


def test_own_vip_is_not_an_address_of_the_unit(ctx: testing.Context, machine: Machine) -> None:
    address = testing.Address("10.77.1.250", hostname="", cidr="10.77.1.0/24")
    own = testing.Address("10.77.1.11", hostname="", cidr="10.77.1.0/24")
    networks = {
        *(n for n in model.NETWORKS if n.binding_name != "public"),
        testing.Network("public", [testing.BindAddress([address, own], interface_name="p")]),
    }
    out = ctx.run(ctx.on.config_changed(), complete(networks=networks))
    assert published(out, "cluster")["public-address"] == "10.77.1.11"


def test_vip_in_a_network_that_no_endpoint_is_bound_to(
    ctx: testing.Context, machine: Machine
) -> None:
    entries = [
        {
            "ifname": "eth7",
            "addr_info": [{"local": "10.9.0.4", "prefixlen": 24, "scope": "global"}],
        }
    ]
    machine.host.runner.answer(["ip", "-json", "address"], json.dumps(entries))
    out = ctx.run(ctx.on.config_changed(), complete(config={"vip": "10.9.0.250"}))
    resources = json.loads(published(out, "ha")["json_resources"])
    assert "res_masakari_eth0_vip" not in resources
    assert json.loads(published(out, "ha")["json_delete_resources"]) == ["res_masakari_eth7_vip"]


def test_unreadable_addresses_are_no_hook_error(ctx: testing.Context, machine: Machine) -> None:
    machine.host.runner.answer(["ip", "-json", "address"], "x")
    out = ctx.run(ctx.on.config_changed(), complete(config={"vip": "10.9.0.250"}))
    assert "res_masakari_eth0_vip" in published(out, "ha")["json_resources"]


def test_backends_are_the_units_that_stay(ctx: testing.Context, machine: Machine) -> None:
    cluster = model.cluster(
        {1: {"private-address": "10.77.3.12"}, 2: {"private-address": "10.77.3.13"}}
    )
    out = ctx.run(ctx.on.config_changed(), complete(cluster))
    text = machine.read("/etc/haproxy/haproxy.cfg")
    assert "server masakari-0 10.77.3.11:15858" in text
    assert "server masakari-2 10.77.3.13:15858" in text
    machine.forget()
    leaving = model.only(out, "cluster")
    ctx.run(ctx.on.relation_departed(leaving, remote_unit=2, departing_unit=2), out)
    text = machine.read("/etc/haproxy/haproxy.cfg")
    assert "masakari-1" in text
    assert "masakari-2" not in text
    assert machine.restarts() == [("reload", "haproxy")]


def test_ipv6_only_where_the_machine_has_it(ctx: testing.Context, machine: Machine) -> None:
    ctx.run(ctx.on.config_changed(), complete())
    assert "v6only" not in machine.read("/etc/haproxy/haproxy.cfg")
    machine.host.write("/proc/net/if_inet6", "")
    ctx.run(ctx.on.config_changed(), complete())
    assert machine.read("/etc/haproxy/haproxy.cfg").count("v6only") == 2


@pytest.mark.parametrize(
    ("network", "hostname"), [("10.77.3.0/24", "10.77.3.11"), ("10.9.0.0/24", "10.9.0.4")]
)
def test_database_that_demands_a_network(
    ctx: testing.Context, machine: Machine, network: str, hostname: str
) -> None:
    entries = [
        {
            "ifname": "eth7",
            "addr_info": [{"local": "10.9.0.4", "prefixlen": 24, "scope": "global"}],
        }
    ]
    machine.host.runner.answer(["ip", "-json", "address"], json.dumps(entries))
    database = model.shared_db({**model.MYSQL_ROUTER, "access-network": network})
    out = ctx.run(ctx.on.config_changed(), complete(database))
    assert published(out, "shared-db") == {
        "database": "masakari",
        "username": "masakari",
        "hostname": hostname,
    }
