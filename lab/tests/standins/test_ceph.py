"""The stand-ins for ceph-mon and ceph-osd, and nova-compute with its disks on Ceph."""

from __future__ import annotations

import json
import stat
from typing import Any

import pytest
from fake_juju import Charm, FakeJuju

POOL = {
    "op": "create-pool", "name": "nova", "replicas": 1, "group": "vms", "app-name": "rbd",
}  # fmt: skip
CAPS = {
    "op": "set-key-permissions",
    "client": "masakari",
    "permissions": ["mon", 'allow r, allow command "osd blocklist"'],
}


def request(*operations: dict[str, Any], identifier: str = "r1", version: int = 1) -> str:
    return json.dumps({"api-version": version, "ops": operations, "request-id": identifier})


def ceph(juju: FakeJuju) -> list[str]:
    """The commands of `ceph` so far."""
    return [" ".join(call["argv"]) for call in juju.calls("ceph")]


class TestMonitor:
    @pytest.fixture
    def mon(self, juju: FakeJuju) -> Charm:
        charm = Charm(juju, "ceph-mon")
        config = {**juju.state["config"], "monitor-count": 1, "expected-osd-count": 1}
        addresses = {**juju.state["addresses"], "public": "10.77.4.105"}
        juju.set(config=config, addresses=addresses)
        charm.hook("config-changed")
        return charm

    @pytest.fixture
    def serving(self, mon: Charm) -> Charm:
        mon.relate("osd:1", "ceph-osd", {0: {"bootstrapped-osds": "1"}})
        return mon

    def test_it_serves_clients_when_there_are_osds(self, juju: FakeJuju, mon: Charm) -> None:
        assert juju.status() == ("waiting", "Monitor bootstrapped but waiting for 1 OSDs")
        mon.relate("client:2", "nova-compute", {0: {"broker_req": request(POOL)}})
        assert juju.published("client:2") == {}
        mon.relate("osd:1", "ceph-osd")
        offered = juju.published("osd:1")
        assert offered["osd_bootstrap_key"] == "key of client.bootstrap-osd"
        assert offered["ceph-public-address"] == "10.77.4.105"
        assert offered["fsid"] in mon.file("etc/ceph/ceph.conf")
        mon.change("osd:1", "ceph-osd/0", {"bootstrapped-osds": "1"})
        assert juju.status() == ("active", "Unit is ready")
        answer = json.dumps({"request-id": "r1", "exit-code": 0})
        assert juju.published("client:2") == {
            "auth": "cephx",
            "ceph-public-address": "10.77.4.105",
            "key": "key of client.nova-compute",
            "broker-rsp-nova-compute-0": answer,
            "broker_rsp": answer,
        }

    def test_a_request_of_several_units_is_carried_out_once(
        self, juju: FakeJuju, serving: Charm
    ) -> None:
        bag = {"broker_req": request(POOL), "application-name": "nova-auth"}
        serving.relate("client:2", "nova-compute", {0: bag, 1: bag})
        serving.hook("update-status")
        assert [line for line in ceph(juju) if "pool create" in line] == ["osd pool create nova 8"]
        said = juju.published("client:2")
        assert said["key"] == "key of client.nova-auth"
        assert said["broker-rsp-nova-compute-1"] == said["broker-rsp-nova-compute-0"]
        assert "osd pool set nova size 1 --yes-i-really-mean-it" in ceph(juju)
        assert "osd pool application enable nova rbd" in ceph(juju)

    def test_a_unit_that_has_said_nothing_yet_changes_nobodys_key(
        self, juju: FakeJuju, serving: Charm
    ) -> None:
        serving.relate("client:2", "nova-compute", {0: {}})
        assert juju.published("client:2") == {}
        serving.change("client:2", "nova-compute/0", {"application-name": "nova-auth"})
        before = juju.published("client:2")
        assert before["key"] == "key of client.nova-auth"
        serving.change("client:2", "nova-compute/1", {})
        assert juju.published("client:2") == before

    def test_masakari_gets_the_permissions_that_it_asks_for(
        self, juju: FakeJuju, serving: Charm
    ) -> None:
        serving.relate("client:3", "masakari", {0: {"broker_req": request(CAPS)}})
        caps = 'auth caps client.masakari mon allow r, allow command "osd blocklist"'
        assert caps in ceph(juju)

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            (request({"op": "fly"}), "Unknown operation 'fly'"),
            (request(version=2), "no API version 2"),
            (request({"op": "create-pool"}), "'name'"),
            (json.dumps({"request-id": "r1"}), "'api-version'"),
        ],
    )
    def test_what_it_cannot_do_is_answered_with_the_reason(
        self, juju: FakeJuju, serving: Charm, text: str, reason: str
    ) -> None:
        serving.relate("client:3", "other", {0: {"broker_req": text}})
        answer = json.loads(juju.published("client:3")["broker-rsp-other-0"])
        assert answer == {"request-id": "r1", "exit-code": 1, "stderr": reason}

    def test_it_is_one_unit(self, juju: FakeJuju) -> None:
        Charm(juju, "ceph-mon").hook("config-changed")
        assert juju.status() == ("blocked", "The lab's ceph-mon is one unit: set monitor-count=1")

    def test_the_keys_are_for_root_and_ceph_alone(self, mon: Charm) -> None:
        for path in ("etc/ceph/ceph.client.admin.keyring", "var/lib/ceph/tmp/bootstrap.keyring"):
            assert stat.S_IMODE((mon.juju.root / path).stat().st_mode) == 0o600


def test_an_osd_joins_with_the_key_that_it_is_given(juju: FakeJuju) -> None:
    osd = Charm(juju, "ceph-osd")
    osd.hook("config-changed")
    assert juju.status() == ("blocked", "Missing relations: monitor")
    osd.relate("mon:1", "ceph-mon", {0: {}})
    assert juju.status() == ("waiting", "Incomplete relations: monitor")
    offer = {"fsid": "f1", "osd_bootstrap_key": "bootkey", "ceph-public-address": "10.77.4.105"}
    osd.change("mon:1", "ceph-mon/0", offer)
    assert juju.status() == ("active", "Unit is ready")
    assert juju.published("mon:1")["bootstrapped-osds"] == "1"
    assert "mon host = 10.77.4.105" in osd.file("etc/ceph/ceph.conf")
    assert "key = osdsecret" in osd.file("var/lib/ceph/osd/ceph-0/keyring")
    joined = [call for call in juju.calls("ceph") if "new" in call["argv"]]
    assert [json.loads(call["stdin"]) for call in joined] == [{"cephx_secret": "osdsecret"}]
    assert "osdsecret" not in " ".join(ceph(juju))
    osd.hook("update-status")
    assert len([call for call in juju.calls("ceph-osd") if "--mkfs" in call["argv"]]) == 1


class TestComputeOnCeph:
    @pytest.fixture
    def compute(self, juju: FakeJuju) -> Charm:
        charm = Charm(juju, "nova-compute")
        change = {"libvirt-image-backend": "rbd", "ceph-osd-replication-count": 1}
        juju.set(config={**juju.state["config"], **change, "virt-type": "qemu"})
        charm.relate("ceph:9", "ceph-mon", {0: {}})
        return charm

    def answer(self, juju: FakeJuju, **more: object) -> dict[str, str]:
        asked = json.loads(juju.published("ceph:9")["broker_req"])
        said = {"request-id": asked["request-id"], "exit-code": 0, **more}
        return {
            "key": "cephkey",
            "ceph-public-address": "10.77.4.105",
            "broker-rsp-nova-compute-0": json.dumps(said),
        }

    def test_it_asks_for_a_pool_and_waits_for_it(self, juju: FakeJuju, compute: Charm) -> None:
        asked = juju.published("ceph:9")
        assert asked["application-name"] == "nova-compute-ceph-auth-c91ce26f"
        assert json.loads(asked["broker_req"])["ops"] == [POOL]
        assert "storage-backend" in juju.status()[1]
        for wrong in ({"request-id": "another"}, {"exit-code": 1}):
            compute.change("ceph:9", "ceph-mon/0", self.answer(juju, **wrong))
            assert "storage-backend" in juju.status()[1]
            assert not (juju.root / "etc/ceph").exists()
        compute.change("ceph:9", "ceph-mon/0", self.answer(juju))
        assert "storage-backend" not in juju.status()[1]

    def test_the_key_is_where_libvirt_and_nova_look(self, juju: FakeJuju, compute: Charm) -> None:
        compute.change("ceph:9", "ceph-mon/0", self.answer(juju))
        module = compute.module.ceph
        for path, mode in ((module.KEYRING, 0o640), (module.SECRETS[1], 0o600)):
            assert "cephkey" in compute.file(path)
            assert stat.S_IMODE((juju.root / path).stat().st_mode) == mode
        assert module.SECRET in compute.file(module.SECRETS[0])
        assert "mon host = 10.77.4.105" in compute.file("etc/ceph/ceph.conf")

    def test_nova_is_told_the_pool_and_the_key(self, juju: FakeJuju, compute: Charm) -> None:
        unit = compute.module.Unit(
            {"JUJU_UNIT_NAME": "nova-compute/0", "JUJU_DISPATCH_PATH": "hooks/update-status"},
            juju.root,
        )
        libvirt = compute.module.driver_settings(unit, "qemu")["libvirt"]
        assert libvirt["images_type"] == "rbd"
        assert libvirt["images_rbd_pool"] == "nova"
        assert libvirt["images_rbd_ceph_conf"] == "/etc/ceph/ceph.conf"
        assert libvirt["rbd_user"] == "nova-compute-ceph-auth-c91ce26f"
        assert libvirt["rbd_secret_uuid"] == compute.module.ceph.SECRET
