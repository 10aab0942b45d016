"""Keystone's databag."""

from __future__ import annotations

import pytest

import model
from relations import keystone
from relations.keystone import Identity


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

    def test_further_roles_are_asked_for(self) -> None:
        urls = dict.fromkeys(("public", "admin", "internal"), "http://x")
        asked = keystone.request("RegionOne", urls, ("one", "two"))
        assert asked["requested_roles"] == "one,two"
        assert set(asked) == set(keystone.KEYS)

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
