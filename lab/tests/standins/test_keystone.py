"""The stand-in for keystone: catalog, users and its two protocols."""

import json
import re
from collections.abc import Iterator

import pytest
from fake_juju import Charm, FakeJuju
from fake_keystone import FakeKeystone

DATABASE = {"db_host": "10.77.3.100", "password": "dbsecret", "allowed_units": "keystone/0"}
MASAKARI = {
    "service": "masakari",
    "region": "RegionOne",
    "public_url": "http://10.77.1.250:15868/v1/%(tenant_id)s",
    "admin_url": "http://10.77.2.250:15868/v1/%(tenant_id)s",
    "internal_url": "http://10.77.3.250:15868/v1/%(tenant_id)s",
}


class TestKeystone:
    @pytest.fixture
    def api(self) -> Iterator[FakeKeystone]:
        fake = FakeKeystone()
        yield fake
        fake.close()

    @pytest.fixture
    def keystone(self, juju: FakeJuju, api: FakeKeystone) -> Charm:
        charm = Charm(juju, "keystone")
        juju.set(config={**juju.state["config"], "service-port": api.port})
        charm.relate("shared-db:1", "mysql", {0: DATABASE})
        return charm

    def test_the_answer_to_identity_service_is_exactly_the_protocol(
        self, juju: FakeJuju, api: FakeKeystone, keystone: Charm
    ) -> None:
        keystone.relate("identity-service:2", "masakari", {0: MASAKARI})
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
            "https_keystone": "__null__",
            "ssl_cert": "__null__",
            "ssl_key": "__null__",
            "ca_cert": "__null__",
        }

    def test_the_service_user_is_admin_of_the_service_project(
        self, api: FakeKeystone, keystone: Charm
    ) -> None:
        keystone.relate("identity-service:2", "masakari", {0: MASAKARI})
        assert ("masakari", "Admin", "services") in api.grants
        user = next(u for u in api.things["users"].values() if u["name"] == "masakari")
        assert api.things["domains"][user["domain_id"]]["name"] == "service_domain"

    def test_endpoints_follow_the_urls_in_place(
        self, juju: FakeJuju, api: FakeKeystone, keystone: Charm
    ) -> None:
        keystone.relate("identity-service:2", "masakari", {0: MASAKARI})
        assert api.urls("masakari")["internal"] == MASAKARI["internal_url"]
        before = juju.published("identity-service:2")
        tls = {key: value.replace("http:", "https:") for key, value in MASAKARI.items()}
        keystone.change("identity-service:2", "masakari/0", tls)
        assert set(api.urls("masakari").values()) == {
            tls["public_url"], tls["admin_url"], tls["internal_url"]
        }  # fmt: skip
        assert juju.published("identity-service:2") == before

    def test_an_unchanged_request_touches_nothing(
        self, juju: FakeJuju, api: FakeKeystone, keystone: Charm
    ) -> None:
        keystone.relate("identity-service:2", "masakari", {0: MASAKARI})
        juju.forget()
        api.writes.clear()
        keystone.change("identity-service:2", "masakari/0", MASAKARI)
        keystone.hook("update-status")
        assert api.writes == []
        assert {call["tool"] for call in juju.calls()} == {
            "relation-get",
            "is-leader",
            "systemctl",
        }

    def test_a_rotated_password_reaches_keystone_and_its_service(
        self, juju: FakeJuju, api: FakeKeystone, keystone: Charm
    ) -> None:
        keystone.relate("identity-service:2", "masakari", {0: MASAKARI})
        old = juju.published("identity-service:2")
        assert keystone.action("list-service-usernames") == {"usernames": "masakari"}
        assert keystone.action("rotate-service-user-password", service_user="masakari") == {}
        new = juju.published("identity-service:2")
        assert {key for key in new if new[key] != old[key]} == {"service_password"}
        user = next(u for u in api.things["users"].values() if u["name"] == "masakari")
        assert user["password"] == new["service_password"]
        keystone.hook("update-status")
        assert juju.published("identity-service:2") == new

    def test_only_users_of_services_can_be_rotated(self, juju: FakeJuju, keystone: Charm) -> None:
        account = {"username": "masakari-monitors", "project": "services"}
        keystone.relate("identity-credentials:3", "masakari-monitors", {0: account})
        before = juju.published("identity-credentials:3")
        user = "masakari-monitors"
        result = keystone.action("rotate-service-user-password", service_user=user)
        assert "Invalid service requested: 'masakari-monitors'" in result["failure"]
        assert juju.published("identity-credentials:3") == before

    def test_requested_roles_are_made_and_granted(
        self, juju: FakeJuju, api: FakeKeystone, keystone: Charm
    ) -> None:
        request = {**MASAKARI, "requested_roles": "creator", "add_role_to_admin": "auditor"}
        keystone.relate("identity-service:2", "masakari", {0: request})
        assert ("masakari", "creator", "services") in api.grants
        assert ("admin", "auditor", "admin") in api.grants
        assert juju.published("identity-service:2")["created_roles"] == "creator"

    def test_several_services_share_a_user(
        self, juju: FakeJuju, api: FakeKeystone, keystone: Charm
    ) -> None:
        request = {f"{name}_{key}": value for name in ("nova", "placement")
                   for key, value in {**MASAKARI, "service": name}.items()}  # fmt: skip
        keystone.relate("identity-service:2", "nova-cloud-controller", {0: request})
        assert juju.published("identity-service:2")["service_username"] == "nova_placement"
        assert api.names("services") == {"nova", "placement"}

    def test_a_value_none_gets_hosts_and_no_credentials(
        self, juju: FakeJuju, keystone: Charm
    ) -> None:
        request = {**MASAKARI, "requested_roles": "None"}
        keystone.relate("identity-service:2", "masakari", {0: request})
        answer = juju.published("identity-service:2")
        assert answer["auth_host"] == "10.77.2.105"
        assert "service_password" not in answer

    def test_an_unknown_service_fails_the_hook(self, keystone: Charm) -> None:
        request = {**MASAKARI, "service": "masakary"}
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

    def test_credentials_in_an_unknown_domain_fail_the_hook(
        self, api: FakeKeystone, keystone: Charm
    ) -> None:
        with pytest.raises(LookupError, match="no domain 'elsewhere'"):
            request = {"username": "masakari-monitors", "domain": "elsewhere"}
            keystone.relate("identity-credentials:3", "masakari-monitors", {0: request})
        assert "elsewhere" not in api.names("domains")

    def test_units_that_do_not_lead_publish_nothing(self, juju: FakeJuju) -> None:
        juju.set(leader=False)
        keystone = Charm(juju, "keystone", "keystone/1")
        keystone.relate("shared-db:1", "mysql", {0: DATABASE})
        keystone.relate("identity-service:2", "masakari", {0: MASAKARI})
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
        (call,) = juju.calls("action-set")
        assert re.fullmatch(r"admin-password=[A-Za-z0-9]{32}", *call["argv"])

    def test_it_waits_for_its_database(self, juju: FakeJuju) -> None:
        keystone = Charm(juju, "keystone")
        keystone.hook("install")
        assert juju.status() == ("blocked", "Missing relations: database")
        keystone.relate("shared-db:1", "mysql", {0: {**DATABASE, "allowed_units": "keystone/10"}})
        assert juju.status() == ("waiting", "Incomplete relations: database")
