"""The wire protocols, one class for each: what is published, read and believed."""

from __future__ import annotations

import hashlib
import ipaddress
import json

import pytest

import model
from relations import certificates, database, hacluster, keystone, messaging, peers
from relations.database import Database
from relations.hacluster import DnsName, Vip
from relations.keystone import Identity
from relations.messaging import Messaging
from relations.peers import Migration


class TestKeystone:
    def test_golden_request(self) -> None:
        urls = {kind: f"https://{kind}:15868/v1/%(tenant_id)s" for kind in ("public", "admin")}
        urls["internal"] = "https://internal:15868/v1/%(tenant_id)s"
        assert keystone.request("RegionOne", urls) == {
            "service": "masakari",
            "region": "RegionOne",
            "public_url": "https://public:15868/v1/%(tenant_id)s",
            "admin_url": "https://admin:15868/v1/%(tenant_id)s",
            "internal_url": "https://internal:15868/v1/%(tenant_id)s",
        }
        assert not [key for key in keystone.KEYS if key.endswith("_service")]

    def test_answer(self) -> None:
        identity = Identity.from_bag(model.KEYSTONE)
        assert identity is not None
        assert identity.auth_url(internal=False) == "https://10.5.100.0:5000/v3"
        assert identity.auth_url(internal=True) == "https://10.6.100.0:5000/v3"
        assert identity.project == "services"
        assert "Wx4secret" not in repr(identity)

    def test_older_keystone_has_no_internal_url(self) -> None:
        bag = {k: v for k, v in model.KEYSTONE.items() if not k.startswith("internal")}
        identity = Identity.from_bag(bag)
        assert identity is not None
        assert identity.auth_url(internal=True) == "https://10.5.100.0:5000/v3"

    def test_ipv6_is_bracketed_and_the_port_is_keystones(self) -> None:
        bag = {**model.KEYSTONE, "service_host": "fd00::5", "service_port": "5443"}
        identity = Identity.from_bag(bag)
        assert identity is not None
        assert identity.auth_url(internal=False) == "https://[fd00::5]:5443/v3"

    def test_version_2_has_no_domains(self) -> None:
        bag = {**model.KEYSTONE, "api_version": "2"}
        del bag["service_domain"]
        identity = Identity.from_bag(bag)
        assert identity is not None
        assert identity.domain == "default"

    @pytest.mark.parametrize(
        "key",
        [
            "service_host",
            "service_protocol",
            "service_port",
            "auth_host",
            "auth_protocol",
            "auth_port",
            "service_tenant",
            "service_username",
            "service_password",
            "service_tenant_id",
            "service_domain",
        ],
    )
    def test_incomplete_without(self, key: str) -> None:
        bag = {k: v for k, v in model.KEYSTONE.items() if k != key}
        assert Identity.from_bag(bag) is None

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("service_password", "a\n[DEFAULT]\ndebug=True"),
            ("service_password", "a b"),
            ("service_username", "x\ny"),
            ("service_tenant", "x\u2028y"),
            ("service_host", "host/path"),
            ("service_host", "fe80::1%x\n[DEFAULT]\ndebug=True"),
            ("service_host", "[fe80::1%eth0]"),
            ("service_port", "5000x"),
            ("service_port", "70000"),
            ("service_port", "\u0665"),
            ("service_protocol", "ftp"),
        ],
    )
    def test_hostile_value_is_no_answer(self, key: str, value: str) -> None:
        assert Identity.from_bag({**model.KEYSTONE, key: value}) is None


class TestDatabase:
    def test_golden_request(self) -> None:
        assert database.request("10.6.0.31") == {
            "database": "masakari",
            "username": "masakari",
            "hostname": "10.6.0.31",
        }
        assert set(database.KEYS) == set(database.request("x"))

    def test_answer(self) -> None:
        found = Database.from_bag({**model.MYSQL_ROUTER, "db_port": "3307"}, "masakari/0")
        assert found is not None
        assert found.url("/ca.pem") == (
            "mysql+pymysql://masakari:8Yksecret@127.0.0.1:3307/masakari?charset=utf8"
        )
        assert found.recycle_time < 3600

    def test_tls_ipv6_and_strange_password(self) -> None:
        bag = {
            **model.MYSQL_ROUTER,
            "db_host": "fd00::7",
            "password": "a@b/c%$",
            "ssl_ca": model.b64(model.PEM),
        }
        found = Database.from_bag(bag, "masakari/0")
        assert found is not None
        assert found.authority == model.PEM
        assert found.url("/ca.pem") == (
            "mysql+pymysql://masakari:a%40b%2Fc%25%24@[fd00::7]:3306/masakari?charset=utf8"
            "&ssl_ca=/ca.pem"
        )

    def test_another_unit_with_the_same_beginning_is_not_this_one(self) -> None:
        """Whoever looks for its name as a part of the text takes another's permission."""
        bag = {**model.MYSQL_ROUTER, "allowed_units": "masakari/10 masakari/11"}
        assert Database.from_bag(bag, "masakari/1") is None
        assert Database.from_bag(bag, "masakari/11") is not None

    @pytest.mark.parametrize(
        "change",
        [
            {"db_host": ""},
            {"password": ""},
            {"allowed_units": ""},
            {"cluster-series-upgrading": "True"},
            {"db_host": "a b"},
            {"db_host": "fe80::1%x\n[DEFAULT]\ndebug=True"},
            {"password": "x\ny"},
        ],
    )
    def test_incomplete(self, change: dict[str, str]) -> None:
        assert Database.from_bag({**model.MYSQL_ROUTER, **change}, "masakari/0") is None

    @pytest.mark.parametrize("timeout", ["", "0", "-1", "x", "1"])
    def test_recycle_time_is_positive(self, timeout: str) -> None:
        found = Database.from_bag({**model.MYSQL_ROUTER, "wait_timeout": timeout}, "masakari/0")
        assert found is not None
        assert found.recycle_time >= 1

    def test_access_network(self) -> None:
        wanted = ipaddress.ip_network("10.0.3.0/24")
        assert database.access_network({"access-network": "10.0.3.0/24"}) == wanted
        assert database.access_network({}) is None
        assert database.access_network({"access-network": "x"}) is None
        assert database.access_network({"access-network": "fe80::%x/64"}) is None

    def test_fingerprint_tells_databases_apart_and_no_secret(self) -> None:
        found = Database.from_bag(model.MYSQL_ROUTER, "masakari/0")
        other = Database.from_bag({**model.MYSQL_ROUTER, "password": "x"}, "masakari/0")
        moved = Database.from_bag({**model.MYSQL_ROUTER, "db_port": "3309"}, "masakari/0")
        assert found is not None
        assert other is not None
        assert moved is not None
        assert found.fingerprint(1) == moved.fingerprint(1)  # each machine has its own router
        assert len({found.fingerprint(1), found.fingerprint(2), other.fingerprint(1)}) == 3
        assert found.password not in found.fingerprint(1)


class TestMessaging:
    def test_golden_request(self) -> None:
        assert messaging.request() == {"username": "masakari", "vhost": "masakari"}

    def test_hosts_are_sorted_and_units_without_password_left_out(self) -> None:
        found = Messaging.from_bags(
            {
                "rabbitmq-server/2": {**model.RABBITMQ, "private-address": "10.6.0.40"},
                "rabbitmq-server/0": model.RABBITMQ,
                "rabbitmq-server/1": {"private-address": "10.6.0.39"},
            }
        )
        assert found is not None
        assert found.transport_url == (
            "rabbit://masakari:Zqsecret@10.6.0.40:5672,masakari:Zqsecret@10.6.0.41:5672/masakari"
        )
        assert not found.tls

    def test_each_unit_has_its_own_password(self) -> None:
        found = Messaging.from_bags(
            {
                "r/0": {"private-address": "10.0.0.1", "password": "old"},
                "r/1": {"private-address": "10.0.0.2", "password": "new"},
            }
        )
        assert found is not None
        assert found.transport_url == (
            "rabbit://masakari:old@10.0.0.1:5672,masakari:new@10.0.0.2:5672/masakari"
        )

    def test_tls_with_authority(self) -> None:
        bag = {**model.RABBITMQ, "ssl_port": "5671", "ssl_ca": model.b64(model.PEM)}
        found = Messaging.from_bags({"r/0": bag})
        assert found is not None
        assert found.tls
        assert found.authority == model.PEM
        assert ":5671/" in found.transport_url

    def test_tls_without_authority_is_tls(self) -> None:
        """Clear text to the TLS port is never understood."""
        found = Messaging.from_bags({"r/0": {**model.RABBITMQ, "ssl_port": "5671"}})
        assert found is not None
        assert found.tls
        assert found.authority is None

    def test_blanked_port_is_plain(self) -> None:
        found = Messaging.from_bags({"r/0": {**model.RABBITMQ, "ssl_port": ""}})
        assert found is not None
        assert not found.tls
        assert ":5672/" in found.transport_url

    def test_only_tls_servers_while_it_is_rolled_out(self) -> None:
        found = Messaging.from_bags(
            {
                "r/0": model.RABBITMQ,
                "r/1": {**model.RABBITMQ, "private-address": "10.0.0.9", "ssl_port": "5671"},
            }
        )
        assert found is not None
        assert [server.host for server in found.servers] == ["10.0.0.9"]

    def test_ipv6_and_strange_password(self) -> None:
        bag = {"private-address": "fd00::9", "password": "p@:/"}
        found = Messaging.from_bags({"r/0": bag})
        assert found is not None
        assert found.transport_url == "rabbit://masakari:p%40%3A%2F@[fd00::9]:5672/masakari"

    def test_vip_of_an_active_passive_cluster(self) -> None:
        bag = {**model.RABBITMQ, "clustered": "true", "vip": "10.6.100.9"}
        found = Messaging.from_bags({"r/0": bag, "r/1": {**bag, "private-address": "10.6.0.42"}})
        assert found is not None
        assert [server.host for server in found.servers] == ["10.6.100.9"]
        found = Messaging.from_bags({"r/0": {**bag, "ha-vip-only": "true"}})
        assert found is not None
        assert [server.host for server in found.servers] == ["10.6.0.41"]

    def test_none(self) -> None:
        assert Messaging.from_bags({}) is None
        assert Messaging.from_bags({"r/0": {"private-address": "x y", "password": "p"}}) is None

    @pytest.mark.parametrize("key", ["private-address", "hostname", "ingress-address"])
    def test_where_a_server_is_reached(self, key: str) -> None:
        """Juju 4 has no private-address of its own."""
        found = Messaging.from_bags({"r/0": {key: "10.6.0.41", "password": "p"}})
        assert found is not None
        assert [server.host for server in found.servers] == ["10.6.0.41"]


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
            ' "res_masakari_haproxy": "lsb:haproxy"}',
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
            "res_masakari_haproxy": "lsb:haproxy",
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


def offer(**extra: str) -> dict[str, str]:
    """Vault's answer for node1.maas."""
    answer = {"node1.maas": {"cert": model.PEM, "key": model.KEY}}
    return {"ca": model.OTHER_PEM, "masakari_0.processed_requests": json.dumps(answer), **extra}


class TestCertificates:
    def test_golden_request(self) -> None:
        request = certificates.request(
            "masakari/0", {"juju-a-0.maas": ["10.6.0.31", "10.5.0.31", "10.5.100.1", "10.5.0.31"]}
        )
        assert request == {
            "unit_name": "masakari_0",
            "cert_requests": '{"juju-a-0.maas": {"sans": ["10.5.0.31", "10.5.100.1",'
            ' "10.6.0.31"]}}',
        }

    def test_answer_with_chain(self) -> None:
        issued = certificates.read(offer(chain=model.CHAIN_PEM), "masakari/0", ["node1.maas"])
        assert issued is not None
        assert issued.authorities == model.OTHER_PEM + model.CHAIN_PEM
        [certificate] = issued.certificates
        assert certificate.pem == model.PEM + model.CHAIN_PEM + model.KEY
        assert "S0VZ" not in repr(certificate)

    def test_chain_is_not_repeated(self) -> None:
        answer = {"node1.maas": {"cert": model.PEM + model.CHAIN_PEM, "key": model.KEY}}
        bag = offer(chain=model.CHAIN_PEM)
        bag["masakari_0.processed_requests"] = json.dumps(answer)
        issued = certificates.read(bag, "masakari/0", ["node1.maas"])
        assert issued is not None
        assert issued.certificates[0].certificate.count("BEGIN") == 2

    def test_answer_in_the_old_form(self) -> None:
        bag = {
            "ca": model.OTHER_PEM,
            "masakari_0.server.cert": model.PEM,
            "masakari_0.server.key": model.KEY,
        }
        issued = certificates.read(bag, "masakari/0", ["node1.maas"])
        assert issued is not None
        assert issued.certificates[0].certificate == model.PEM
        partly = certificates.read(bag, "masakari/0", ["a", "b"])
        assert partly is not None
        assert ([c.name for c in partly.certificates], partly.missing) == (["a"], ("b",))

    @pytest.mark.parametrize(
        "bag",
        [
            {},
            {"ca": model.OTHER_PEM},
            {k: v for k, v in offer().items() if k != "ca"},
            {"ca": "x", **{k: v for k, v in offer().items() if k != "ca"}},
            offer(**{"masakari_0.processed_requests": "{"}),
            offer(**{"masakari_0.processed_requests": "[]"}),
            offer(**{"masakari_0.processed_requests": '{"node1.maas": 1}'}),
            offer(**{"masakari_0.processed_requests": '{"node1.maas": {"cert": null}}'}),
            {key.replace("masakari_0", "masakari_1"): value for key, value in offer().items()},
        ],
    )
    def test_incomplete(self, bag: dict[str, str]) -> None:
        assert certificates.read(bag, "masakari/0", ["node1.maas"]) is None

    def test_authorities_of_all_units_are_trusted(self) -> None:
        bags = {"vault/0": {"ca": model.PEM}, "vault/1": {}, "vault/2": offer()}
        assert certificates.authorities(bags) == model.PEM + model.OTHER_PEM
        assert certificates.authorities({"vault/0": {}}) is None

    def test_nothing_asked_for(self) -> None:
        assert certificates.read(offer(), "masakari/0", []) is None


class TestPeers:
    def test_golden(self) -> None:
        addresses = {"public": "10.1.0.1", "admin": "10.2.0.1", "internal": "10.3.0.1"}
        bag = {
            "public-address": "10.1.0.1",
            "admin-address": "10.2.0.1",
            "internal-address": "10.3.0.1",
            "cluster-address": "10.3.0.1",
        }
        assert peers.publish("10.3.0.1", addresses, fencing=False) == bag
        assert peers.publish("10.3.0.1", addresses, fencing=True) == {
            **bag,
            "fencing-programs": "installed",
        }

    def test_who_has_what_the_cluster_runs(self) -> None:
        bags = {f"masakari/{n}": {"private-address": f"10.0.0.{n}"} for n in (1, 2)}
        bags["masakari/2"]["fencing-programs"] = "installed"
        assert [peer.fencing for peer in peers.read(bags)] == [False, True]

    @pytest.mark.parametrize(
        ("bag", "address"),
        [
            ({"ingress-address": "10.0.0.1"}, "10.0.0.1"),  # Juju 4
            ({"ingress-address": "10.0.0.1", "private-address": "10.0.0.2"}, "10.0.0.2"),
            ({"ingress-address": "10.0.0.1", "cluster-address": "10.0.0.3"}, "10.0.0.3"),
        ],
    )
    def test_where_a_unit_is_reached(self, bag: dict[str, str], address: str) -> None:
        [peer] = peers.read({"masakari/1": bag})
        assert peer.address == address

    def test_order_is_by_number(self) -> None:
        bags = {f"masakari/{n}": {"private-address": f"10.0.0.{n}"} for n in (10, 9, 1)}
        assert [peer.name for peer in peers.read(bags)] == [
            "masakari/1",
            "masakari/9",
            "masakari/10",
        ]

    @pytest.mark.parametrize("bag", [{}, {"private-address": "fe80::1%x\n  server y"}])
    def test_unit_without_address_is_left_out(self, bag: dict[str, str]) -> None:
        assert peers.read({"masakari/1": bag}) == ()

    @pytest.mark.parametrize(
        ("left", "own", "serves"),
        [
            ("14.0.2", "14.0.2", True),
            ("17.0.0", "14.0.2", True),
            ("14.0.9", "17.0.0", False),
            ("x", "17.0.0", False),
        ],
    )
    def test_migration(self, left: str, own: str, serves: bool) -> None:
        assert Migration("db", left).serves("db", own) is serves
        assert not Migration("db", left).serves("other", own)
