"""The database's databag."""

from __future__ import annotations

import ipaddress

import pytest

import model
from relations import database
from relations.database import Database


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
