"""The stand-ins for mysql-innodb-cluster and rabbitmq-server: who is let in, what is answered."""

import base64
import hashlib
import json
import re
import stat

import pytest
from fake_juju import Charm, FakeJuju

DATABASE = {"database": "masakari", "username": "masakari", "hostname": "10.77.3.31"}
ACCOUNT = {"username": "masakari", "vhost": "masakari"}
ROUTER = {
    "mysqlrouter_username": "mysqlrouteruser",
    "mysqlrouter_hostname": "10.77.3.31",
    "private-address": "10.77.3.31",
}
PASSED_ON = {f"MRUP_{key}": value for key, value in DATABASE.items()}


def argv(juju: FakeJuju, tool: str) -> list[str]:
    return [" ".join(call["argv"]) for call in juju.calls(tool)]


class TestMysql:
    @pytest.fixture
    def mysql(self, juju: FakeJuju) -> Charm:
        charm = Charm(juju, "mysql-innodb-cluster", "mysql/0")
        charm.relate("cluster:0", "mysql")
        return charm

    def test_the_answer_to_masakari_is_exactly_the_protocol(
        self, juju: FakeJuju, mysql: Charm
    ) -> None:
        mysql.relate("shared-db:1", "masakari", {2: DATABASE})
        mysql.change("shared-db:1", "masakari/10", {**DATABASE, "hostname": "10.77.3.32"})
        answer = juju.published("shared-db:1")
        password = answer.pop("password")
        assert answer == {
            "db_host": "10.77.3.105",
            "wait_timeout": "3600",
            "allowed_units": "masakari/2 masakari/10",
        }
        assert re.fullmatch(r"[A-Za-z0-9]{32}", password)

    def test_the_database_lets_in_who_asked_from_where(self, juju: FakeJuju, mysql: Charm) -> None:
        mysql.relate("shared-db:1", "masakari", {0: DATABASE})
        password = juju.published("shared-db:1")["password"]
        (call,) = juju.calls("mysql")
        assert (
            f"USER IF NOT EXISTS 'masakari'@'10.77.3.31' IDENTIFIED BY '{password}'"
            in call["stdin"]
        )
        assert "GRANT ALL PRIVILEGES ON `masakari`.* TO 'masakari'@'10.77.3.31'" in call["stdin"]
        assert password not in str([call["argv"] for call in juju.calls()])
        mysql.change("shared-db:1", "masakari/0", DATABASE)
        assert len(juju.calls("mysql")) == 1

    def test_a_failed_grant_answers_nothing_and_is_tried_again(
        self, juju: FakeJuju, mysql: Charm
    ) -> None:
        juju.set(failing=["mysql"])
        with pytest.raises(RuntimeError, match="mysql ended with 1"):
            mysql.relate("shared-db:1", "masakari", {0: DATABASE})
        assert juju.published("shared-db:1") == {}
        juju.set(failing=[])
        mysql.change("shared-db:1", "masakari/0", DATABASE)
        assert juju.published("shared-db:1")["allowed_units"] == "masakari/0"

    def test_prefixed_requests_get_prefixed_answers(self, juju: FakeJuju, mysql: Charm) -> None:
        names = {"nova": "nova", "novaapi": "nova_api", "novacell0": "nova_cell0"}
        request = {}
        for prefix, database in names.items():
            request[f"{prefix}_database"] = database
            request[f"{prefix}_username"] = "nova"
            request[f"{prefix}_hostname"] = "10.77.3.40"
        mysql.relate("shared-db:1", "nova-cloud-controller", {0: request})
        answer = juju.published("shared-db:1")
        assert {key for key in answer if key.endswith("_allowed_units")} == {
            f"{prefix}_allowed_units" for prefix in names
        }
        assert len({answer[f"{prefix}_password"] for prefix in names}) == 1
        assert "password" not in answer

    def test_a_key_that_the_protocol_does_not_know_fails_the_hook(self, mysql: Charm) -> None:
        with pytest.raises(ValueError, match="'extra' is not a key of the protocol"):
            mysql.relate("shared-db:1", "masakari", {0: {**DATABASE, "extra": "1"}})

    def test_a_name_cannot_smuggle_sql(self, juju: FakeJuju, mysql: Charm) -> None:
        with pytest.raises(ValueError, match="is not a name"):
            mysql.relate("shared-db:1", "x", {0: {**DATABASE, "hostname": "a'; DROP"}})
        assert juju.calls("mysql") == []

    def test_the_answer_follows_units_that_leave(self, juju: FakeJuju, mysql: Charm) -> None:
        mysql.relate("shared-db:1", "masakari", {0: DATABASE, 1: DATABASE})
        mysql.depart("shared-db:1", "masakari/0")
        assert juju.published("shared-db:1")["allowed_units"] == "masakari/1"
        mysql.depart("shared-db:1", "masakari/1")
        assert juju.published("shared-db:1") == {}

    def test_other_units_wait_for_the_leader_then_are_idle(self, juju: FakeJuju) -> None:
        juju.set(leader=False)
        mysql = Charm(juju, "mysql-innodb-cluster", "mysql/1")
        mysql.relate("cluster:0", "mysql")
        assert juju.status() == ("waiting", "Waiting for the leader")
        mysql.change("cluster:0", "mysql", {"primary": "mysql/0"})
        mysql.relate("shared-db:1", "masakari", {0: DATABASE})
        assert juju.published("shared-db:1") == {}
        assert juju.calls("mysql") == [] and juju.calls("systemctl") == []
        assert juju.status() == ("active", "Unit is ready")

    def test_a_new_leader_does_not_start_an_empty_database(self, juju: FakeJuju) -> None:
        mysql = Charm(juju, "mysql-innodb-cluster", "mysql/1")
        juju.set(leader=False)
        mysql.relate("cluster:0", "mysql")
        juju.set(leader=True)
        mysql.change("cluster:0", "mysql", {"primary": "mysql/0"})
        assert juju.published("cluster:0", app=True) == {}
        assert juju.calls("systemctl") == []


class TestRouters:
    @pytest.fixture
    def mysql(self, juju: FakeJuju) -> Charm:
        charm = Charm(juju, "mysql-innodb-cluster", "mysql/0")
        charm.relate("cluster:0", "mysql")
        return charm

    def test_a_router_gets_its_own_account_first(self, juju: FakeJuju, mysql: Charm) -> None:
        mysql.relate("db-router:1", "masakari-mysql-router", {0: ROUTER})
        answer = {k: json.loads(v) for k, v in juju.published("db-router:1").items()}
        assert re.fullmatch(r"[A-Za-z0-9]{32}", answer.pop("mysqlrouter_password"))
        assert answer == {
            "db_host": "10.77.3.105",
            "wait_timeout": 3600,
            "mysqlrouter_allowed_units": "masakari-mysql-router/0",
        }
        (call,) = juju.calls("mysql")
        assert "CREATE USER IF NOT EXISTS 'mysqlrouteruser'@'10.77.3.31'" in call["stdin"]
        assert "GRANT" not in call["stdin"] and "DATABASE" not in call["stdin"]

    def test_what_routers_pass_on_is_answered_in_both_databags(
        self, juju: FakeJuju, mysql: Charm
    ) -> None:
        request = {**ROUTER, **PASSED_ON}
        mysql.relate("db-router:1", "masakari-mysql-router", {0: request, 1: request})
        answer = juju.published("db-router:1")
        assert juju.published("db-router:1", app=True) == answer
        units = "masakari-mysql-router/0 masakari-mysql-router/1"
        assert json.loads(answer["MRUP_allowed_units"]) == units
        assert answer["MRUP_password"].startswith('"')
        said = "".join(call["stdin"] for call in juju.calls("mysql"))
        assert "GRANT ALL PRIVILEGES ON `masakari`.* TO 'masakari'@'10.77.3.31'" in said

    def test_a_unit_that_does_not_lead_leaves_the_application_databag_alone(
        self, juju: FakeJuju, mysql: Charm
    ) -> None:
        juju.set(leader=False)
        mysql.relate("db-router:1", "masakari-mysql-router", {0: ROUTER})
        assert "db_host" in juju.published("db-router:1")
        assert juju.published("db-router:1", app=True) == {}


class TestRabbitmq:
    @pytest.fixture
    def rabbit(self, juju: FakeJuju) -> Charm:
        charm = Charm(juju, "rabbitmq-server")
        charm.relate("cluster:0", "rabbitmq-server")
        return charm

    def definitions(self, juju: FakeJuju) -> dict[str, list[dict[str, object]]]:
        calls = [
            call for call in juju.calls("rabbitmqctl") if "import_definitions" in call["argv"]
        ]
        return dict(json.loads(calls[-1]["stdin"]))

    def test_the_answer_to_masakari_is_exactly_the_protocol(
        self, juju: FakeJuju, rabbit: Charm
    ) -> None:
        rabbit.relate("amqp:1", "masakari", {0: ACCOUNT, 1: ACCOUNT})
        answer = juju.published("amqp:1")
        assert re.fullmatch(r"[A-Za-z0-9]{32}", answer.pop("password"))
        assert answer == {"hostname": "10.77.3.105", "private-address": "10.77.3.105"}

    def test_user_and_vhost_are_made_with_a_hashed_password(
        self, juju: FakeJuju, rabbit: Charm
    ) -> None:
        rabbit.relate("amqp:1", "masakari", {0: ACCOUNT})
        made = self.definitions(juju)
        password = juju.published("amqp:1")["password"]
        (user,) = made["users"]
        raw = base64.b64decode(str(user["password_hash"]))
        assert raw[4:] == hashlib.sha256(raw[:4] + password.encode()).digest()
        assert user["tags"] == []
        assert made["vhosts"] == [{"name": "masakari"}]
        (right,) = made["permissions"]
        assert (right["user"], right["vhost"], right["write"]) == ("masakari", "masakari", ".*")
        assert password not in json.dumps([c for c in juju.calls() if c["tool"] != "relation-set"])

    def test_nothing_is_made_twice(self, juju: FakeJuju, rabbit: Charm) -> None:
        rabbit.relate("amqp:1", "masakari", {0: ACCOUNT})
        juju.forget()
        rabbit.change("amqp:1", "masakari/1", ACCOUNT)
        assert (
            juju.calls("rabbitmqctl") == []
            and juju.calls("systemctl")[0]["argv"][0] == "is-active"
        )
        assert juju.calls("relation-set") == []

    def test_any_text_in_admin_makes_an_administrator(self, juju: FakeJuju, rabbit: Charm) -> None:
        rabbit.relate("amqp:1", "x", {0: {**ACCOUNT, "admin": "False"}})
        assert self.definitions(juju)["users"][0]["tags"] == ["administrator"]

    def test_an_incomplete_request_gets_no_answer(self, juju: FakeJuju, rabbit: Charm) -> None:
        rabbit.relate("amqp:1", "masakari", {0: {"username": "masakari"}})
        assert juju.published("amqp:1") == {}

    def test_another_unit_joins_the_cluster_and_answers_with_its_own_address(
        self, juju: FakeJuju
    ) -> None:
        juju.set(leader=False)
        rabbit = Charm(juju, "rabbitmq-server", "rabbitmq-server/1")
        rabbit.relate("cluster:0", "rabbitmq-server")
        assert juju.status() == ("waiting", "Waiting for the leader")
        shared = {"node": "rabbit@first", "cookie": "biscuit"}
        rabbit.change("cluster:0", "rabbitmq-server", shared)
        assert argv(juju, "rabbitmqctl") == ["stop_app", "join_cluster rabbit@first", "start_app"]
        cookie = juju.root / "var/lib/rabbitmq/.erlang.cookie"
        assert cookie.read_text() == "biscuit" and stat.S_IMODE(cookie.stat().st_mode) == 0o400
        rabbit.relate("amqp:1", "masakari", {0: ACCOUNT})
        assert juju.published("amqp:1") == {}
        rabbit.change("cluster:0", "rabbitmq-server", {**shared, "masakari.passwd": "secret"})
        assert juju.published("amqp:1") == {
            "hostname": "10.77.3.105",
            "private-address": "10.77.3.105",
            "password": "secret",
        }

    def test_a_rotated_password_reaches_the_broker_and_the_clients_of_that_user(
        self, juju: FakeJuju, rabbit: Charm
    ) -> None:
        rabbit.relate("amqp:1", "masakari", {0: ACCOUNT})
        rabbit.relate("amqp:2", "nova", {0: {"username": "nova", "vhost": "openstack"}})
        old = {rid: juju.published(rid)["password"] for rid in ("amqp:1", "amqp:2")}
        assert json.loads(rabbit.action("list-service-usernames")["usernames"]) == [
            "masakari",
            "nova",
        ]
        assert rabbit.action("rotate-service-user-password", service_user="masakari") == {}
        new = juju.published("amqp:1")["password"]
        assert new != old["amqp:1"] and re.fullmatch(r"[A-Za-z0-9]{64}", new)
        assert juju.published("amqp:2")["password"] == old["amqp:2"]
        assert juju.published("cluster:0", app=True)["masakari.passwd"] == new
        (user,) = self.definitions(juju)["users"]
        raw = base64.b64decode(str(user["password_hash"]))
        assert raw[4:] == hashlib.sha256(raw[:4] + new.encode()).digest()
        rabbit.hook("update-status")
        assert juju.published("amqp:1")["password"] == new

    @pytest.mark.parametrize(
        ("user", "leader", "reason"),
        [("glance", True, "not valid"), ("", True, "required"), ("masakari", False, "leader")],
    )
    def test_what_cannot_be_rotated(
        self, juju: FakeJuju, rabbit: Charm, user: str, leader: bool, reason: str
    ) -> None:
        rabbit.relate("amqp:1", "masakari", {0: ACCOUNT})
        before = juju.published("amqp:1")
        juju.set(leader=leader)
        result = rabbit.action("rotate-service-user-password", service_user=user)
        assert reason in result["failure"]
        assert juju.published("amqp:1") == before
