"""The stand-in charms of the base cloud: what they read from their neighbours and answer."""

import base64
import hashlib
import json
import re
import stat
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import ThreadingHTTPServer

import pytest
from fake_juju import CHARMS, Charm, FakeJuju
from fake_keystone import FakeKeystone

DATABASE = {"db_host": "10.77.3.100", "password": "dbsecret", "allowed_units": "APP/0"}
IDENTITY = {
    "service_host": "10.77.1.105", "service_port": "5000", "service_protocol": "http",
    "auth_host": "10.77.2.105", "auth_port": "35357", "auth_protocol": "http",
    "service_username": "nova", "service_password": "kssecret",
    "service_tenant": "services", "service_domain": "service_domain", "api_version": "3",
}  # fmt: skip


def config(text: str) -> dict[str, dict[str, str]]:
    """Sections and options of a configuration file."""
    sections: dict[str, dict[str, str]] = {}
    for line in text.splitlines():
        if line.startswith("["):
            options = sections.setdefault(line.strip("[]"), {})
        elif " = " in line:
            key, _, value = line.partition(" = ")
            options[key] = value
    return sections


def argv(juju: FakeJuju, tool: str) -> list[str]:
    return [" ".join(call["argv"]) for call in juju.calls(tool)]


@pytest.mark.parametrize("folder", sorted(CHARMS.glob("[a-z]*")), ids=lambda path: path.name)
def test_each_stand_in_is_named_like_its_charm_and_can_be_run(folder: "Charm") -> None:
    text = (folder / "charmcraft.yaml").read_text()
    assert re.search(rf"^name: {folder.name}$", text, re.MULTILINE)
    assert stat.S_IMODE((folder / "dispatch").stat().st_mode) & 0o111 == 0o111


class TestMysql:
    @pytest.fixture
    def mysql(self, juju: FakeJuju) -> Charm:
        charm = Charm(juju, "mysql-innodb-cluster", "mysql/0")
        charm.relate("cluster:0", "mysql")
        return charm

    REQUEST = {"database": "masakari", "username": "masakari", "hostname": "10.77.3.31"}

    def test_the_answer_to_masakari_is_exactly_the_protocol(
        self, juju: FakeJuju, mysql: Charm
    ) -> None:
        mysql.relate("shared-db:1", "masakari", {2: self.REQUEST})
        mysql.change("shared-db:1", "masakari/10", {**self.REQUEST, "hostname": "10.77.3.32"})
        answer = juju.published("shared-db:1")
        password = answer.pop("password")
        assert answer == {
            "db_host": "10.77.3.105",
            "wait_timeout": "3600",
            "allowed_units": "masakari/2 masakari/10",
        }
        assert re.fullmatch(r"[A-Za-z0-9]{32}", password)

    def test_the_database_lets_in_who_asked_from_where(self, juju: FakeJuju, mysql: Charm) -> None:
        mysql.relate("shared-db:1", "masakari", {0: self.REQUEST})
        password = juju.published("shared-db:1")["password"]
        (call,) = juju.calls("mysql")
        assert (
            f"USER IF NOT EXISTS 'masakari'@'10.77.3.31' IDENTIFIED BY '{password}'"
            in call["stdin"]
        )
        assert "GRANT ALL PRIVILEGES ON `masakari`.* TO 'masakari'@'10.77.3.31'" in call["stdin"]
        assert password not in str([call["argv"] for call in juju.calls()])
        mysql.change("shared-db:1", "masakari/0", self.REQUEST)
        assert len(juju.calls("mysql")) == 1

    def test_a_failed_grant_answers_nothing_and_is_tried_again(
        self, juju: FakeJuju, mysql: Charm
    ) -> None:
        juju.set(failing=["mysql"])
        with pytest.raises(RuntimeError, match="mysql ended with 1"):
            mysql.relate("shared-db:1", "masakari", {0: self.REQUEST})
        assert juju.published("shared-db:1") == {}
        juju.set(failing=[])
        mysql.change("shared-db:1", "masakari/0", self.REQUEST)
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
        with pytest.raises(ValueError, match="unknown key 'extra'"):
            mysql.relate("shared-db:1", "masakari", {0: {**self.REQUEST, "extra": "1"}})

    def test_a_name_cannot_smuggle_sql(self, juju: FakeJuju, mysql: Charm) -> None:
        with pytest.raises(ValueError, match="is not a name"):
            mysql.relate("shared-db:1", "x", {0: {**self.REQUEST, "hostname": "a'; DROP"}})
        assert juju.calls("mysql") == []

    def test_the_answer_follows_units_that_leave(self, juju: FakeJuju, mysql: Charm) -> None:
        mysql.relate("shared-db:1", "masakari", {0: self.REQUEST, 1: self.REQUEST})
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
        mysql.relate("shared-db:1", "masakari", {0: self.REQUEST})
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


class TestRabbitmq:
    REQUEST = {"username": "masakari", "vhost": "masakari"}

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
        rabbit.relate("amqp:1", "masakari", {0: self.REQUEST, 1: self.REQUEST})
        answer = juju.published("amqp:1")
        assert re.fullmatch(r"[A-Za-z0-9]{32}", answer.pop("password"))
        assert answer == {"hostname": "10.77.3.105", "private-address": "10.77.3.105"}

    def test_user_and_vhost_are_made_with_a_hashed_password(
        self, juju: FakeJuju, rabbit: Charm
    ) -> None:
        rabbit.relate("amqp:1", "masakari", {0: self.REQUEST})
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
        rabbit.relate("amqp:1", "masakari", {0: self.REQUEST})
        juju.forget()
        rabbit.change("amqp:1", "masakari/1", self.REQUEST)
        assert (
            juju.calls("rabbitmqctl") == []
            and juju.calls("systemctl")[0]["argv"][0] == "is-active"
        )
        assert juju.calls("relation-set") == []

    def test_any_text_in_admin_makes_an_administrator(self, juju: FakeJuju, rabbit: Charm) -> None:
        rabbit.relate("amqp:1", "x", {0: {**self.REQUEST, "admin": "False"}})
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
        rabbit.relate("amqp:1", "masakari", {0: self.REQUEST})
        assert juju.published("amqp:1") == {}
        rabbit.change("cluster:0", "rabbitmq-server", {**shared, "masakari.passwd": "secret"})
        assert juju.published("amqp:1") == {
            "hostname": "10.77.3.105",
            "private-address": "10.77.3.105",
            "password": "secret",
        }


class TestKeystone:
    MASAKARI = {
        "service": "masakari",
        "region": "RegionOne",
        "public_url": "http://10.77.1.250:15868/v1/%(tenant_id)s",
        "admin_url": "http://10.77.2.250:15868/v1/%(tenant_id)s",
        "internal_url": "http://10.77.3.250:15868/v1/%(tenant_id)s",
    }

    @pytest.fixture
    def api(self) -> Iterator[FakeKeystone]:
        fake = FakeKeystone()
        yield fake
        fake.close()

    @pytest.fixture
    def keystone(self, juju: FakeJuju, api: FakeKeystone) -> Charm:
        charm = Charm(juju, "keystone")
        juju.set(config={**juju.state["config"], "service-port": api.port})
        answer = {key: text.replace("APP", "keystone") for key, text in DATABASE.items()}
        charm.relate("shared-db:1", "mysql", {0: answer})
        return charm

    def test_the_answer_to_identity_service_is_exactly_the_protocol(
        self, juju: FakeJuju, api: FakeKeystone, keystone: Charm
    ) -> None:
        keystone.relate("identity-service:2", "masakari", {0: self.MASAKARI})
        answer = juju.published("identity-service:2")
        assert re.fullmatch(r"[A-Za-z0-9]{64}", answer.pop("service_password"))
        ids = {
            thing["name"]: thing["id"]
            for kind in api.things.values()
            for thing in kind.values()
            if "name" in thing
        }
        admin = next(u for u in api.things["users"].values() if u["name"] == "admin")
        assert admin["domain_id"] == ids["admin_domain"]
        assert answer == {
            "service_host": "10.77.1.105",
            "service_port": str(api.port),
            "service_protocol": "http",
            "internal_host": "10.77.3.105",
            "internal_port": str(api.port),
            "internal_protocol": "http",
            "auth_host": "10.77.2.105",
            "auth_port": "35357",
            "auth_protocol": "http",
            "service_username": "masakari",
            "service_user_id": next(
                u["id"] for u in api.things["users"].values() if u["name"] == "masakari"
            ),
            "service_tenant": "services",
            "service_tenant_id": ids["services"],
            "service_domain": "service_domain",
            "service_domain_id": ids["service_domain"],
            "service_type": "instance-ha",
            "api_version": "3",
            "admin_domain_id": ids["admin_domain"],
            "admin_project_id": ids["admin"]
            if ids["admin"] in api.things["projects"]
            else next(p["id"] for p in api.things["projects"].values() if p["name"] == "admin"),
            "admin_user_id": admin["id"],
            "admin_role": "Admin",
        }

    def test_the_service_user_is_admin_of_the_service_project(
        self, api: FakeKeystone, keystone: Charm
    ) -> None:
        keystone.relate("identity-service:2", "masakari", {0: self.MASAKARI})
        assert ("masakari", "Admin", "services") in api.grants
        user = next(u for u in api.things["users"].values() if u["name"] == "masakari")
        assert api.things["domains"][user["domain_id"]]["name"] == "service_domain"

    def test_endpoints_follow_the_urls_in_place(
        self, juju: FakeJuju, api: FakeKeystone, keystone: Charm
    ) -> None:
        keystone.relate("identity-service:2", "masakari", {0: self.MASAKARI})
        assert api.urls("masakari")["internal"] == self.MASAKARI["internal_url"]
        before = juju.published("identity-service:2")
        tls = {key: value.replace("http:", "https:") for key, value in self.MASAKARI.items()}
        keystone.change("identity-service:2", "masakari/0", tls)
        assert set(api.urls("masakari").values()) == {
            tls["public_url"], tls["admin_url"], tls["internal_url"]
        }  # fmt: skip
        assert juju.published("identity-service:2") == before

    def test_an_unchanged_request_touches_nothing(
        self, juju: FakeJuju, api: FakeKeystone, keystone: Charm
    ) -> None:
        keystone.relate("identity-service:2", "masakari", {0: self.MASAKARI})
        juju.forget()
        api.writes.clear()
        keystone.change("identity-service:2", "masakari/0", self.MASAKARI)
        keystone.hook("update-status")
        assert api.writes == []
        assert {call["tool"] for call in juju.calls()} == {
            "relation-get",
            "is-leader",
            "systemctl",
        }

    def test_requested_roles_are_made_and_granted(
        self, juju: FakeJuju, api: FakeKeystone, keystone: Charm
    ) -> None:
        request = {**self.MASAKARI, "requested_roles": "creator", "add_role_to_admin": "auditor"}
        keystone.relate("identity-service:2", "masakari", {0: request})
        assert ("masakari", "creator", "services") in api.grants
        assert ("admin", "auditor", "admin") in api.grants
        assert juju.published("identity-service:2")["created_roles"] == "creator"

    def test_several_services_share_a_user(
        self, juju: FakeJuju, api: FakeKeystone, keystone: Charm
    ) -> None:
        request = {f"{name}_{key}": value for name in ("nova", "placement")
                   for key, value in {**self.MASAKARI, "service": name}.items()}  # fmt: skip
        keystone.relate("identity-service:2", "nova-cloud-controller", {0: request})
        assert juju.published("identity-service:2")["service_username"] == "nova_placement"
        assert api.names("services") == {"nova", "placement"}

    def test_a_value_none_gets_hosts_and_no_credentials(
        self, juju: FakeJuju, keystone: Charm
    ) -> None:
        request = {**self.MASAKARI, "requested_roles": "None"}
        keystone.relate("identity-service:2", "masakari", {0: request})
        answer = juju.published("identity-service:2")
        assert answer["auth_host"] == "10.77.2.105"
        assert "service_password" not in answer

    def test_an_unknown_service_fails_the_hook(self, keystone: Charm) -> None:
        request = {**self.MASAKARI, "service": "masakary"}
        with pytest.raises(KeyError, match="masakary"):
            keystone.relate("identity-service:2", "masakari", {0: request})

    def test_the_answer_to_identity_credentials_is_exactly_the_protocol(
        self, juju: FakeJuju, api: FakeKeystone, keystone: Charm
    ) -> None:
        request = {"username": "masakari-monitors", "project": "services"}
        keystone.relate("identity-credentials:3", "masakari-monitors", {0: request, 1: request})
        answer = juju.published("identity-credentials:3")
        assert re.fullmatch(r"[A-Za-z0-9]{64}", answer.pop("credentials_password"))
        (domain,) = [
            d["id"] for d in api.things["domains"].values() if d["name"] == "service_domain"
        ]
        (project,) = [p["id"] for p in api.things["projects"].values() if p["name"] == "services"]
        assert answer == {
            "credentials_host": "10.77.1.105",
            "credentials_port": str(api.port),
            "credentials_protocol": "http",
            "auth_host": "10.77.2.105",
            "auth_port": "35357",
            "auth_protocol": "http",
            "credentials_username": "masakari-monitors",
            "credentials_project": "services",
            "credentials_project_id": project,
            "credentials_user_domain_name": "service_domain",
            "credentials_user_domain_id": domain,
            "credentials_project_domain_name": "service_domain",
            "credentials_project_domain_id": domain,
            "domain": "service_domain",
            "api_version": "3",
            "region": "RegionOne",
        }
        assert ("masakari-monitors", "Admin", "services") in api.grants

    def test_units_that_do_not_lead_publish_nothing(self, juju: FakeJuju) -> None:
        juju.set(leader=False)
        keystone = Charm(juju, "keystone", "keystone/1")
        keystone.relate("shared-db:1", "mysql", {0: DATABASE})
        keystone.relate("identity-service:2", "masakari", {0: self.MASAKARI})
        assert juju.published("identity-service:2") == {}
        assert juju.calls("setpriv") == []

    def test_passwords_stay_out_of_command_lines(self, juju: FakeJuju, keystone: Charm) -> None:
        (call,) = juju.calls("setpriv")
        assert call["argv"][:4] == ["--reuid=keystone", "--regid=keystone", "--clear-groups", "--"]
        assert "bootstrap --bootstrap-username" in " ".join(call["argv"])
        kept = json.loads((juju.root / "var/lib/juju-standin/keystone-0.kept.json").read_text())
        secrets = [
            entry["value"] for name, entry in kept.items() if name.startswith("password of")
        ]
        assert len(secrets) == 2
        assert not any(secret in json.dumps(juju.calls()) for secret in secrets)

    def test_the_admin_password_is_shown_on_request(self, juju: FakeJuju, keystone: Charm) -> None:
        keystone.hook("", JUJU_ACTION_NAME="get-admin-password")
        (said,) = argv(juju, "action-set")
        assert re.fullmatch(r"admin-password=[A-Za-z0-9]{32}", said)

    def test_it_waits_for_its_database(self, juju: FakeJuju) -> None:
        keystone = Charm(juju, "keystone")
        keystone.hook("install")
        assert juju.status() == ("blocked", "Missing relations: database")
        keystone.relate("shared-db:1", "mysql", {0: {**DATABASE, "allowed_units": "keystone/10"}})
        assert juju.status() == ("waiting", "Incomplete relations: database")


def allowed(app: str, **prefixes: str) -> dict[str, str]:
    """The database's answer to the unit 0 of an application."""
    answer = {"db_host": "10.77.3.100"}
    for prefix in prefixes.values():
        answer[f"{prefix}password"] = "dbsecret"
        answer[f"{prefix}allowed_units"] = f"{app}/0"
    return answer


class TestGlance:
    def test_it_serves_when_its_peers_have_answered(self, juju: FakeJuju) -> None:
        glance = Charm(juju, "glance")
        glance.relate("identity-service:1", "keystone")
        assert juju.published("identity-service:1") == {
            "service": "glance",
            "region": "RegionOne",
            "public_url": "http://10.77.1.105:9292",
            "internal_url": "http://10.77.3.105:9292",
            "admin_url": "http://10.77.2.105:9292",
        }
        glance.relate("shared-db:2", "mysql", {0: allowed("glance", p="")})
        assert juju.published("shared-db:2") == {
            "database": "glance", "username": "glance", "hostname": "10.77.3.105"
        }  # fmt: skip
        assert juju.status() == ("waiting", "Incomplete relations: identity")
        assert [call["argv"][-2:] for call in juju.calls("setpriv")] == [
            ["glance-manage", "db_sync"]
        ]
        glance.relate("image-service:3", "nova-compute")
        assert juju.published("image-service:3") == {}
        glance.change("identity-service:1", "keystone/0", IDENTITY)
        assert juju.status() == ("active", "Unit is ready")
        assert juju.published("image-service:3") == {
            "glance-api-server": "http://10.77.3.105:9292", "glance-api-ready": "yes"
        }  # fmt: skip
        path = juju.root / "etc/glance/glance-api.conf"
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        written = config(path.read_text())
        assert written["database"]["connection"] == (
            "mysql+pymysql://glance:dbsecret@10.77.3.100:3306/glance?charset=utf8"
        )
        assert written["keystone_authtoken"]["password"] == "kssecret"
        assert written["keystone_authtoken"]["auth_url"] == "http://10.77.2.105:35357"


class TestPlacement:
    def test_it_waits_until_nova_has_none_of_its_own(self, juju: FakeJuju) -> None:
        placement = Charm(juju, "placement")
        placement.relate("identity-service:1", "keystone", {0: IDENTITY})
        placement.relate("shared-db:2", "mysql", {0: allowed("placement", p="placement_")})
        placement.relate("placement:3", "nova-cloud-controller")
        assert juju.status() == ("waiting", "Incomplete relations: placement")
        request = {"nova_placement_disabled": "True"}
        placement.change("placement:3", "nova-cloud-controller/0", request)
        assert juju.status() == ("active", "Unit is ready")
        assert juju.published("placement:3") == {"placement_enabled": "True"}
        assert len(juju.calls("setpriv")) == 1


class TestNeutron:
    def test_it_tells_nova_where_it_is(self, juju: FakeJuju) -> None:
        neutron = Charm(juju, "neutron-api")
        neutron.relate("shared-db:1", "mysql")
        neutron.relate("amqp:2", "rabbitmq-server")
        neutron.relate("identity-service:3", "keystone", {0: IDENTITY})
        neutron.relate("neutron-api:4", "nova-cloud-controller")
        assert juju.published("neutron-api:4")["neutron-url"] == "http://10.77.3.105:9696"
        assert argv(juju, "systemctl")[0] == "daemon-reload"

    def test_the_stub_has_empty_collections_and_refuses_changes(self, juju: FakeJuju) -> None:
        Charm(juju, "neutron-api")
        import stub  # type: ignore[import-not-found]  # on the path since the line above

        server = ThreadingHTTPServer(("127.0.0.1", 0), stub.Stub)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        root = f"http://127.0.0.1:{server.server_port}"
        try:
            for path, answer in {
                "/v2.0/ports?device_id=x": {"ports": []},
                "/v2.0/security-groups": {"security_groups": []},
                "/v2.0/extensions": {"extensions": []},
            }.items():
                with urllib.request.urlopen(root + path, timeout=5) as said:
                    assert json.load(said) == answer
            for method, path, code in (
                ("GET", "/v2.0/ports/1", 404),
                ("POST", "/v2.0/ports", 501),
            ):
                request = urllib.request.Request(root + path, data=b"{}", method=method)
                with pytest.raises(urllib.error.HTTPError) as refused:
                    urllib.request.urlopen(request, timeout=5)
                assert refused.value.code == code
                refused.value.close()
        finally:
            server.shutdown()
            server.server_close()


class TestNovaCloudController:
    @pytest.fixture
    def ncc(self, juju: FakeJuju) -> Charm:
        charm = Charm(juju, "nova-cloud-controller")
        charm.relate("cloud-compute:1", "nova-compute")
        charm.relate("neutron-api:2", "neutron-api", {0: {"neutron-url": "http://n:9696"}})
        charm.relate("image-service:3", "glance", {0: {"glance-api-server": "http://g:9292"}})
        charm.relate("placement:4", "placement", {0: {"placement_enabled": "True"}})
        return charm

    def test_the_schemas_need_database_and_broker_only(self, juju: FakeJuju, ncc: Charm) -> None:
        prefixes = {"a": "nova_", "b": "novaapi_", "c": "novacell0_"}
        ncc.relate("shared-db:5", "mysql", {0: allowed("nova-cloud-controller", **prefixes)})
        assert juju.published("shared-db:5")["novacell0_database"] == "nova_cell0"
        assert juju.calls("setpriv") == []
        broker = {"password": "mqsecret", "private-address": "10.77.3.101"}
        ncc.relate("amqp:6", "rabbitmq-server", {0: broker})
        assert juju.published("amqp:6") == {"username": "nova", "vhost": "openstack"}
        (call,) = juju.calls("setpriv")
        assert call["argv"] == [
            "--reuid=nova", "--regid=nova", "--clear-groups", "--", "python3", "-"
        ]  # fmt: skip
        assert "CellV2Commands" in call["stdin"]
        url = config(ncc.file("etc/nova/nova.conf"))["DEFAULT"]["transport_url"]
        assert url == "rabbit://nova:mqsecret@10.77.3.101:5672/openstack"
        assert juju.published("cloud-compute:1") == {}

        ncc.relate("identity-service:7", "keystone", {0: IDENTITY})
        assert juju.published("identity-service:7")["nova_public_url"] == (
            "http://10.77.1.105:8774/v2.1"
        )
        assert juju.status() == ("active", "Unit is ready")
        told = juju.published("cloud-compute:1")
        assert told["service_password"] == "kssecret"
        assert (told["quantum_url"], told["network_manager"]) == ("http://n:9696", "neutron")

    def test_brokers_are_sorted(self, juju: FakeJuju, ncc: Charm) -> None:
        second = {"password": "b", "private-address": "10.77.3.9"}
        first = {"password": "a", "private-address": "10.77.3.101"}
        silent = {"private-address": "10.77.3.5"}
        ncc.relate("amqp:6", "rabbitmq-server", {0: second, 1: first, 2: silent})
        url = config(ncc.file("etc/nova/nova.conf"))["DEFAULT"]["transport_url"]
        assert url == "rabbit://nova:a@10.77.3.101:5672,nova:b@10.77.3.9:5672/openstack"

    def test_it_says_what_is_missing(self, juju: FakeJuju, ncc: Charm) -> None:
        state, message = juju.status()
        assert state == "blocked"
        assert message == "Missing relations: database, messaging, identity"


class TestNovaCompute:
    CONTROLLER = {
        "service_password": "kssecret", "service_username": "nova", "auth_host": "10.77.2.105",
        "auth_port": "35357", "auth_protocol": "http", "service_tenant_name": "services",
        "admin_domain_name": "service_domain", "region": "RegionOne",
        "quantum_url": "http://n:9696",
    }  # fmt: skip

    def ready(self, juju: FakeJuju, monkeypatch: pytest.MonkeyPatch, **options: object) -> Charm:
        charm = Charm(juju, "nova-compute")
        monkeypatch.setattr(charm.module, "fqdn", lambda: "node1.maas")
        juju.set(config={**juju.state["config"], **options})
        broker = {"password": "mqsecret", "private-address": "10.77.3.101"}
        charm.relate("amqp:1", "rabbitmq-server", {0: broker})
        charm.relate("image-service:2", "glance", {0: {"glance-api-server": "http://g:9292"}})
        charm.relate("cloud-compute:3", "nova-cloud-controller", {0: self.CONTROLLER})
        return charm

    def test_the_service_host_is_the_full_name_for_good(
        self, juju: FakeJuju, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        charm = self.ready(juju, monkeypatch)
        assert juju.status() == ("active", "Unit is ready")
        assert juju.published("cloud-compute:3")["hostname"] == "node1.maas"
        monkeypatch.setattr(charm.module, "fqdn", lambda: "other.maas")
        charm.hook("config-changed")
        assert config(charm.file("etc/nova/nova.conf"))["DEFAULT"]["host"] == "node1.maas"
        assert stat.S_IMODE((juju.root / "etc/nova/nova.conf").stat().st_mode) == 0o640

    def test_timings_of_nova_are_its_defaults(
        self, juju: FakeJuju, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        text = self.ready(juju, monkeypatch).file("etc/nova/nova.conf")
        assert "service_down_time" not in text and "report_interval" not in text

    @pytest.mark.parametrize(
        ("wish", "works", "expected"),
        [("kvm", True, "kvm"), ("kvm", False, "qemu"), ("qemu", True, "qemu")],
    )
    def test_kvm_is_used_where_it_works(
        self,
        juju: FakeJuju,
        monkeypatch: pytest.MonkeyPatch,
        wish: str,
        works: bool,
        expected: str,
    ) -> None:
        Charm(juju, "nova-compute")
        import kvm  # type: ignore[import-not-found]  # on the path since the line above

        monkeypatch.setattr(kvm, "works", lambda: works)
        charm = self.ready(juju, monkeypatch, **{"virt-type": wish, "config-flags": "debug=True"})
        libvirt = config(charm.file("etc/nova/nova-compute.conf"))["libvirt"]
        assert libvirt["virt_type"] == expected
        assert config(charm.file("etc/nova/nova.conf"))["DEFAULT"]["debug"] == "True"

    def test_options_for_the_disks_reach_nova(
        self, juju: FakeJuju, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        options = {"libvirt-image-backend": "flat", "disk-cachemodes": "file=none"}
        charm = self.ready(juju, monkeypatch, **options)
        libvirt = config(charm.file("etc/nova/nova-compute.conf"))["libvirt"]
        assert (libvirt["images_type"], libvirt["disk_cachemodes"]) == ("flat", "file=none")

    def test_the_probe_boots_a_guest_within_a_second_of_processor_time(
        self, juju: FakeJuju, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Charm(juju, "nova-compute")
        import kvm

        assert len(kvm.SECTOR) == 512 and kvm.SECTOR.endswith(b"\x55\xaa")
        monkeypatch.setattr(kvm.Path, "exists", lambda _: True)
        assert kvm.works() is False  # the fake prlimit ends with 0, which no guest makes QEMU do
        (call,) = juju.calls("prlimit")
        assert call["argv"][:2] == ["--cpu=1", "qemu-system-x86_64"]
        monkeypatch.setattr(kvm, "PROVED", 0)
        assert kvm.works() is True
