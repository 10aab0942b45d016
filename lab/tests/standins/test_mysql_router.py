"""The stand-in for mysql-router: what it passes on, and when it tells its principal."""

import json

import pytest
from fake_juju import Charm, FakeJuju

REQUEST = {"database": "masakari", "username": "masakari", "hostname": "10.77.3.105"}
UNIT = "masakari-mysql-router/1"
SERVICE = "etc/systemd/system/masakari-mysql-router.service"
ADMITTED = {"db_host": "10.77.3.9", "wait_timeout": 3600, "mysqlrouter_password": "own"}


def encoded(data: dict[str, object]) -> dict[str, str]:
    return {key: json.dumps(value) for key, value in data.items()}


@pytest.fixture
def router(juju: FakeJuju) -> Charm:
    charm = Charm(juju, "mysql-router", UNIT)
    charm.relate("shared-db:1", "masakari", {0: REQUEST})
    charm.relate("db-router:2", "mysql", {0: {}})
    return charm


def test_its_own_account_comes_first(juju: FakeJuju, router: Charm) -> None:
    assert juju.published("db-router:2") == {
        "mysqlrouter_username": "mysqlrouteruser",
        "mysqlrouter_hostname": "10.77.3.105",
        "private-address": "10.77.3.105",
    }
    assert juju.status() == ("waiting", "Incomplete relations: db-router")


def test_then_the_request_of_the_principal_is_passed_on(juju: FakeJuju, router: Charm) -> None:
    router.change("db-router:2", "mysql", encoded(ADMITTED))
    published = juju.published("db-router:2")
    assert {k: v for k, v in published.items() if k.startswith("MRUP_")} == {
        "MRUP_database": "masakari",
        "MRUP_username": "masakari",
        "MRUP_hostname": "10.77.3.105",
    }
    assert juju.published("shared-db:1") == {}
    proxy = router.file(SERVICE)
    assert "--listen=127.0.0.1:3306" in proxy and "10.77.3.9:3306" in proxy


@pytest.mark.parametrize("where", ["mysql", "mysql/0"])
def test_the_answer_goes_back_in_raw_text(juju: FakeJuju, router: Charm, where: str) -> None:
    answer = {**ADMITTED, "MRUP_password": "secret", "MRUP_allowed_units": UNIT}
    router.change("db-router:2", where, encoded(answer))
    assert juju.published("shared-db:1") == {
        "db_host": "127.0.0.1",
        "db_port": "3306",
        "wait_timeout": "3600",
        "password": "secret",
        "allowed_units": "masakari/0",
    }
    assert juju.status() == ("active", "Unit is ready")


def test_a_principal_that_is_not_let_in_yet_is_not_allowed(juju: FakeJuju, router: Charm) -> None:
    answer = {**ADMITTED, "MRUP_password": "secret", "MRUP_allowed_units": "x-router/2"}
    router.change("db-router:2", "mysql", encoded(answer))
    assert "allowed_units" not in juju.published("shared-db:1")


def test_it_is_fooled_by_a_name_that_begins_like_its_own(juju: FakeJuju, router: Charm) -> None:
    """As the real charm is."""
    answer = {**ADMITTED, "MRUP_password": "secret", "MRUP_allowed_units": f"{UNIT}0"}
    router.change("db-router:2", "mysql", encoded(answer))
    assert juju.published("shared-db:1")["allowed_units"] == "masakari/0"
