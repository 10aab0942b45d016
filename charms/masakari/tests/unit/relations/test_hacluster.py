"""What hacluster is asked for."""

from __future__ import annotations

import hashlib
import ipaddress
import json

import pytest

from relations import hacluster
from relations.hacluster import DnsName, Vip


def vip(text: str, interface: str = "eth0") -> Vip:
    return Vip(ipaddress.ip_address(text), interface, "eth0", 24)


def ha_request(*vips: Vip, published: dict[str, str] | None = None) -> dict[str, str]:
    return hacluster.request(vips, [], interface="eth0", published=published or {})


class TestHacluster:
    def test_golden_request(self) -> None:
        assert ha_request(vip("10.5.100.1")) == {
            "corosync_bindiface": "eth0",
            "corosync_mcastport": "4440",
            "json_resources": '{"res_masakari_242d562_vip": "ocf:heartbeat:IPaddr2",'
            ' "res_masakari_haproxy": "systemd:haproxy"}',
            "json_resource_params": '{"res_masakari_242d562_vip": "  params ip=\\"10.5.100.1\\"'
            '  meta migration-threshold=\\"INFINITY\\" failure-timeout=\\"5s\\"  op monitor'
            ' timeout=\\"20s\\" interval=\\"10s\\" depth=\\"0\\"", "res_masakari_haproxy": "'
            '  meta migration-threshold=\\"INFINITY\\" failure-timeout=\\"5s\\"  op monitor'
            ' interval=\\"5s\\""}',
            "json_groups": '{"grp_masakari_vips": "res_masakari_242d562_vip"}',
            "json_clones": '{"cl_res_masakari_haproxy": "res_masakari_haproxy"}',
            "json_init_services": '["haproxy"]',
            "json_delete_resources": '["res_masakari_eth0_vip"]',
            "json_colocations": "{}",
            "json_locations": "{}",
            "json_ms": "{}",
            "json_orders": "{}",
            "json_systemd_services": "[]",
        }
        assert set(hacluster.KEYS) == set(ha_request(vip("10.5.100.1")))

    def test_group_is_in_the_first_publication(self) -> None:
        """What hacluster is told first it creates; a group that comes later is never filled."""
        request = ha_request(vip("10.5.100.1"), vip("10.6.100.1", "eth1"))
        assert json.loads(request["json_groups"]) == {
            "grp_masakari_vips": "res_masakari_242d562_vip res_masakari_967eddd_vip"
        }
        assert json.loads(request["json_delete_resources"]) == [
            "res_masakari_eth0_vip",
            "res_masakari_eth1_vip",
        ]

    def test_two_ipv6_vips_are_two_resources(self) -> None:
        """Under one name, the second address would replace the first."""
        request = ha_request(vip("fd00::10"), vip("fd00::11"))
        resources = json.loads(request["json_resources"])
        assert resources["res_masakari_e78b211_vip"] == "ocf:heartbeat:IPv6addr"
        assert len(resources) == 3
        params = json.loads(request["json_resource_params"])["res_masakari_e78b211_vip"]
        assert params.startswith('  params ipv6addr="fd00::10"  meta')
        assert json.loads(request["json_delete_resources"]) == ["res_masakari_None_ipv6addr_vip"]

    def test_removed_vip_is_deleted_and_a_returning_one_is_not(self) -> None:
        """A resource both wanted and to be deleted is removed and created again in every hook."""
        first = ha_request(vip("10.5.100.1"), vip("10.6.100.1"))
        second = ha_request(vip("10.5.100.1"), published=first)
        assert "res_masakari_967eddd_vip" in json.loads(second["json_delete_resources"])
        third = ha_request(vip("10.5.100.1"), vip("10.6.100.1"), published=second)
        for request in (first, second, third):
            resources = json.loads(request["json_resources"])
            assert not set(resources) & set(json.loads(request["json_delete_resources"]))
        assert "res_masakari_967eddd_vip" in json.loads(third["json_resources"])
        assert ha_request(vip("10.5.100.1"), vip("10.6.100.1"), published=third) == third

    def test_vip_outside_all_networks(self) -> None:
        request = ha_request(vip("192.0.2.9", ""), vip("192.0.3.9", ""))
        resources = json.loads(request["json_resources"])
        other = hashlib.sha1(b"192.0.3.9", usedforsecurity=False).hexdigest()[:7]
        assert set(resources) == {
            "res_masakari_haproxy",
            "res_masakari_eth0_vip",
            f"res_masakari_{other}_vip",
        }
        params = json.loads(request["json_resource_params"])["res_masakari_eth0_vip"]
        assert params.startswith('  params ip="192.0.2.9" nic="eth0" cidr_netmask="24"  meta')
        assert json.loads(request["json_delete_resources"]) == []

    def test_dns_ha(self) -> None:
        names = [
            DnsName("public", "api.example.com", "10.5.0.31"),
            DnsName("internal", "int.example.com", "10.6.0.31"),
        ]
        request = hacluster.request([], names, interface="eth0", published={})
        assert json.loads(request["json_resources"]) == {
            "res_masakari_haproxy": "systemd:haproxy",
            "res_masakari_public_hostname": "ocf:maas:dns",
            "res_masakari_int_hostname": "ocf:maas:dns",
        }
        params = json.loads(request["json_resource_params"])["res_masakari_int_hostname"]
        assert params == '  params  fqdn="int.example.com" ip_address="10.6.0.31"'
        assert json.loads(request["json_groups"]) == {
            "grp_masakari_hostnames": "res_masakari_int_hostname res_masakari_public_hostname"
        }

    @pytest.mark.parametrize("garbage", ["{", "[]", '"x"', "[1, {}]", "null"])
    def test_garbage_in_the_own_databag(self, garbage: str) -> None:
        published = {"json_resources": garbage, "json_delete_resources": garbage}
        request = ha_request(vip("10.5.100.1"), published=published)
        assert json.loads(request["json_delete_resources"]) == ["res_masakari_eth0_vip"]

    @pytest.mark.parametrize(
        ("value", "clustered"), [("yes", True), ("True", True), ("no", False), ("", False)]
    )
    def test_clustered(self, value: str, clustered: bool) -> None:
        assert hacluster.is_clustered({"clustered": value}) is clustered
