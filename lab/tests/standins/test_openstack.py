"""The stand-ins for glance, placement, neutron-api, nova-cloud-controller and nova-compute."""

import json
import re
import stat
import threading
import urllib.error
import urllib.request
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from fake_juju import CHARMS, Charm, FakeJuju
from jujulab.juju.store import copy_charm

IDENTITY = {
    "service_host": "10.77.1.105", "service_port": "5000", "service_protocol": "http",
    "auth_host": "10.77.2.105", "auth_port": "35357", "auth_protocol": "http",
    "service_username": "nova", "service_password": "kssecret",
    "service_tenant": "services", "service_domain": "service_domain", "api_version": "3",
}  # fmt: skip

CONTROLLER = {
    "service_password": "kssecret", "service_username": "nova", "auth_host": "10.77.2.105",
    "auth_port": "35357", "auth_protocol": "http", "service_tenant_name": "services",
    "admin_domain_name": "service_domain", "region": "RegionOne",
    "quantum_url": "http://n:9696",
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
def test_each_stand_in_is_named_like_its_charm_and_can_be_run(
    folder: Path, tmp_path: Path
) -> None:
    text = (folder / "charmcraft.yaml").read_text()
    assert re.search(rf"^name: {folder.name}$", text, re.MULTILINE)
    copy_charm(folder, tmp_path / "charm")
    assert stat.S_IMODE((tmp_path / "charm" / "dispatch").stat().st_mode) & 0o111 == 0o111


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
                with urllib.request.urlopen(root + path, timeout=5) as said:  # noqa: S310
                    assert json.load(said) == answer
            for method, path, code in (
                ("GET", "/v2.0/ports/1", 404),
                ("POST", "/v2.0/ports", 501),
            ):
                request = urllib.request.Request(  # noqa: S310
                    root + path, data=b"{}", method=method
                )
                with pytest.raises(urllib.error.HTTPError) as refused:
                    urllib.request.urlopen(request, timeout=5)  # noqa: S310
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

    def test_it_serves_with_a_certificate_as_long_as_it_has_one(
        self, juju: FakeJuju, ncc: Charm, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("socket.getfqdn", lambda: "nova.maas")
        ncc.relate("identity-service:7", "keystone", {0: IDENTITY})
        ncc.relate("certificates:8", "vault", {0: {"ca": "CA"}})
        request = juju.published("certificates:8")
        assert request["unit_name"] == "nova-cloud-controller_0"
        assert json.loads(request["cert_requests"]) == {
            "nova.maas": {"sans": ["10.77.1.105", "10.77.2.105", "10.77.3.105"]}
        }
        url = "nova_internal_url"
        assert juju.published("identity-service:7")[url] == "http://10.77.3.105:8774/v2.1"
        issued = json.dumps({"nova.maas": {"cert": "CERT", "key": "KEY"}})
        answer = {"ca": "CA", "nova-cloud-controller_0.processed_requests": issued}
        ncc.change("certificates:8", "vault/0", answer)
        assert juju.published("identity-service:7")[url] == "https://10.77.3.105:8774/v2.1"
        assert ncc.file("etc/nova/ssl/public/charm.crt") == "CERT"
        key = juju.root / "etc/nova/ssl/private/charm.pem"
        assert key.read_text() == "KEY" and stat.S_IMODE(key.stat().st_mode) == 0o640
        ncc.leave("certificates:8", "vault")
        assert juju.published("identity-service:7")[url] == "http://10.77.3.105:8774/v2.1"
        assert not key.exists()

    def test_it_says_what_is_missing(self, juju: FakeJuju, ncc: Charm) -> None:
        state, message = juju.status()
        assert state == "blocked"
        assert message == "Missing relations: database, messaging, identity"


class TestNovaCompute:
    def ready(self, juju: FakeJuju, monkeypatch: pytest.MonkeyPatch, **options: object) -> Charm:
        charm = Charm(juju, "nova-compute")
        monkeypatch.setattr(charm.module, "fqdn", lambda: "node1.maas")
        juju.set(config={**juju.state["config"], **options})
        broker = {"password": "mqsecret", "private-address": "10.77.3.101"}
        charm.relate("amqp:1", "rabbitmq-server", {0: broker})
        charm.relate("image-service:2", "glance", {0: {"glance-api-server": "http://g:9292"}})
        charm.relate("cloud-compute:3", "nova-cloud-controller", {0: CONTROLLER})
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

    def test_it_is_started_again_however_it_ended(
        self, juju: FakeJuju, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nova's own status is 0 when it could not begin; seen with 26.2.2 (Debian 12)."""
        charm = self.ready(juju, monkeypatch)
        folder = "etc/systemd/system/nova-compute.service.d"
        options = config(charm.file(f"{folder}/lab-restarts.conf").replace("=", " = "))
        assert options["Service"]["Restart"] == "always"
        calls = argv(juju, "systemctl")
        assert calls.index("daemon-reload") < calls.index("restart nova-compute")

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
