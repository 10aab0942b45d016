"""Addresses and URLs of the API."""

from __future__ import annotations

import ipaddress

import pytest

import endpoints
import model
from config import Config
from endpoints import Binding, Interface
from relations.peers import Peer


def interface(name: str, address: str) -> Interface:
    parsed = ipaddress.ip_interface(address)
    return Interface(name, parsed.ip, parsed.network)


BINDINGS = {
    "public": Binding((interface("eth0", "10.1.0.11/24"),)),
    "admin": Binding((interface("eth1", "10.2.0.11/24"),)),
    "internal": Binding((interface("eth2", "10.3.0.11/24"),)),
}
OWN = {"public": "10.1.0.11", "admin": "10.2.0.11", "internal": "10.3.0.11"}


def hosts(config: Config, *others: Peer, unit: str = "masakari/1") -> dict[str, str]:
    return endpoints.hosts(config, "masakari", BINDINGS, OWN, others, unit)


def test_vip_of_each_network() -> None:
    config = model.config(vip="10.3.0.100 10.1.0.100 10.2.0.100")
    assert hosts(config) == {
        "public": "10.1.0.100",
        "admin": "10.2.0.100",
        "internal": "10.3.0.100",
    }


def test_one_vip_serves_networks_without_one() -> None:
    config = model.config(vip="10.1.0.100")
    assert set(hosts(config).values()) == {"10.1.0.100"}


def test_vip_in_the_network_of_the_option() -> None:
    config = model.config(vip="10.1.0.100 10.9.0.100", os_public_network="10.9.0.0/24")
    assert hosts(config)["public"] == "10.9.0.100"


def test_host_name_wins() -> None:
    config = model.config(vip="10.1.0.100", os_public_hostname="{service_name}.example.com")
    assert hosts(config)["public"] == "masakari.example.com"


def test_units_without_vip_all_name_the_first_one() -> None:
    """Units that register different addresses rewrite each other's endpoints."""
    first = Peer("masakari/0", "10.3.0.10", {"public": "10.1.0.10", "admin": "10.2.0.10"})
    last = Peer("masakari/10", "10.3.0.20", {"public": "10.1.0.20"})
    silent = Peer("masakari/00", "10.3.0.20", {})
    assert hosts(model.config(), last) == OWN
    assert hosts(model.config(), first, last, silent) == {
        "public": "10.1.0.10",
        "admin": "10.2.0.10",
        "internal": "10.3.0.11",  # the first one has not told this one yet
    }


def test_urls_have_ipv6_in_brackets() -> None:
    assert endpoints.service_urls("https", {"public": "fd00::1", "admin": "x"}) == {
        "public": "https://[fd00::1]:15868/v1/%(tenant_id)s",
        "admin": "https://x:15868/v1/%(tenant_id)s",
    }


def test_own_address_in_the_network_of_the_option() -> None:
    config = model.config(os_admin_network="10.8.0.0/16")
    local = [interface("eth0", "10.1.0.11/24"), interface("eth3", "10.8.3.4/24")]
    assert endpoints.unit_addresses(config, BINDINGS, local)["admin"] == "10.8.3.4"
    assert endpoints.unit_addresses(config, BINDINGS, local[:1])["admin"] == "10.2.0.11"


def test_certificate_names() -> None:
    config = model.config(vip="10.1.0.100 10.9.9.9", os_public_hostname="api.example.com")
    names = endpoints.certificate_names(config, "masakari", "node1.maas", BINDINGS, OWN)
    assert list(names) == ["node1.maas", "api.example.com"]
    assert set(names["node1.maas"]) == {*OWN.values(), "10.1.0.100", "10.9.9.9"}
    assert set(names["api.example.com"]) == {"10.1.0.11", "10.1.0.100"}


def test_host_name_that_is_the_units_own_is_one_certificate() -> None:
    config = model.config(os_public_hostname="node1.maas", os_admin_hostname="node1.maas")
    names = endpoints.certificate_names(config, "masakari", "node1.maas", BINDINGS, OWN)
    assert list(names) == ["node1.maas"]


def test_interface_for() -> None:
    known = [interface("eth0", "10.1.0.11/24"), interface("eth1", "fd00::1/64")]
    assert endpoints.interface_for(ipaddress.ip_address("10.1.0.9"), known) == "eth0"
    assert endpoints.interface_for(ipaddress.ip_address("fd00::9"), known) == "eth1"
    assert endpoints.interface_for(ipaddress.ip_address("10.9.0.9"), known) == ""


@pytest.mark.parametrize("entries", [None, {}, [], "x"])
def test_no_addresses(entries: object) -> None:
    assert endpoints.parse_ip_addresses(entries) == ()


def test_addresses_of_the_machine() -> None:
    entries = [
        {"ifname": "lo", "addr_info": [{"local": "127.0.0.1", "prefixlen": 8, "scope": "host"}]},
        {
            "ifname": "eth5",
            "addr_info": [
                {"local": "10.5.0.1", "prefixlen": 24, "scope": "global"},
                {"local": "fe80::1", "prefixlen": 64, "scope": "link"},
            ],
        },
        {"ifname": "eth6"},
    ]
    assert endpoints.parse_ip_addresses(entries) == (interface("eth5", "10.5.0.1/24"),)
