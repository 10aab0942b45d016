"""RabbitMQ's databag."""

from __future__ import annotations

import pytest

import model
from relations import messaging
from relations.messaging import Messaging


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
