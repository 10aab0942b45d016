"""The stand-in for vault: a real authority, and both forms of its answers."""

import json
import stat
import subprocess
from pathlib import Path

import pytest
from fake_juju import Charm, FakeJuju

REQUEST = {
    "unit_name": "masakari_0",
    "cert_requests": json.dumps({"node1.maas": {"sans": ["10.77.1.250", "api.maas"]}}),
}
CA = "etc/vault/root-ca.pem"


@pytest.fixture
def vault(juju: FakeJuju, monkeypatch: pytest.MonkeyPatch) -> Charm:
    charm = Charm(juju, "vault")
    # Weak keys are made in no time.
    monkeypatch.setattr("authority._BITS", "1024")
    charm.relate("certificates:1", "masakari", {0: REQUEST})
    return charm


@pytest.fixture
def ready(vault: Charm) -> Charm:
    vault.action("generate-root-ca")
    return vault


def processed(juju: FakeJuju, unit: str = "masakari_0") -> dict[str, dict[str, str]]:
    return dict(json.loads(juju.published("certificates:1")[f"{unit}.processed_requests"]))


def described(certificate: str) -> str:
    command = ["openssl", "x509", "-noout", "-text"]
    return subprocess.run(
        command, input=certificate, text=True, capture_output=True, check=True
    ).stdout


def test_nothing_is_issued_before_there_is_an_authority(juju: FakeJuju, vault: Charm) -> None:
    assert juju.published("certificates:1") == {}
    assert juju.status() == ("blocked", "Missing CA cert")
    assert vault.action("get-root-ca") == {"failure": "There is no root CA yet"}
    assert vault.action("reissue-certificates") == {"failure": "There is no root CA yet"}


def test_a_client_gets_a_certificate_of_the_authority_for_all_its_names(
    juju: FakeJuju, ready: Charm, tmp_path: Path
) -> None:
    bag = juju.published("certificates:1")
    assert set(bag) == {"ca", "client.cert", "client.key", "masakari_0.processed_requests"}
    assert bag["ca"] == ready.action("get-root-ca")["output"]
    pair = processed(juju)["node1.maas"]
    assert pair["key"].startswith("-----BEGIN RSA PRIVATE KEY-----")
    text = described(pair["cert"])
    for name in ("DNS:api.maas", "DNS:node1.maas", "IP Address:10.77.1.250"):
        assert name in text
    leaf = tmp_path / "leaf.pem"
    leaf.write_text(pair["cert"])
    check = ["openssl", "verify", "-CAfile", str(juju.root / CA), "-verify_hostname", "node1.maas"]
    subprocess.run([*check, str(leaf)], check=True, capture_output=True)
    assert stat.S_IMODE((juju.root / "etc/vault/root-ca.key").stat().st_mode) == 0o600


def test_the_same_request_gets_the_same_answer_until_all_is_issued_anew(
    juju: FakeJuju, ready: Charm
) -> None:
    first = juju.published("certificates:1")
    ready.change("certificates:1", "masakari/0", REQUEST)
    assert juju.published("certificates:1") == first
    assert ready.action("reissue-certificates") == {}
    second = juju.published("certificates:1")
    assert {key for key in first if first[key] != second[key]} == set(first) - {"ca"}
    ready.hook("update-status")
    assert juju.published("certificates:1") == second


def test_another_address_means_another_certificate(juju: FakeJuju, ready: Charm) -> None:
    before = processed(juju)["node1.maas"]["cert"]
    more = json.dumps({"node1.maas": {"sans": ["10.77.2.250"]}})
    ready.change("certificates:1", "masakari/0", {**REQUEST, "cert_requests": more})
    after = processed(juju)["node1.maas"]["cert"]
    assert after != before and "10.77.2.250" in described(after)


def test_older_clients_are_answered_in_the_old_form_alone(juju: FakeJuju, ready: Charm) -> None:
    old = {**REQUEST, "common_name": "node1.maas", "sans": "[]", "certificate_name": "u"}
    ready.change("certificates:1", "masakari/0", old)
    bag = juju.published("certificates:1")
    assert "masakari_0.processed_requests" not in bag
    assert bag["masakari_0.server.cert"].startswith("-----BEGIN CERTIFICATE-----")
    assert bag["masakari_0.server.key"].startswith("-----BEGIN RSA PRIVATE KEY-----")


def test_a_client_that_only_trusts_gets_the_authority(juju: FakeJuju, ready: Charm) -> None:
    ready.relate("certificates:2", "masakari-monitors", {0: {}})
    assert set(juju.published("certificates:2")) == {"ca", "client.cert", "client.key"}


def test_there_is_one_authority_and_the_leader_alone_makes_it(
    juju: FakeJuju, ready: Charm
) -> None:
    assert "already" in ready.action("generate-root-ca")["failure"]
    juju.set(leader=False)
    assert "lead unit" in ready.action("reissue-certificates")["failure"]
    ready.relate("certificates:2", "masakari-monitors", {0: {}})
    assert juju.published("certificates:2") == {}


def test_the_authority_can_be_made_without_an_action(juju: FakeJuju) -> None:
    vault = Charm(juju, "vault")
    juju.set(config={**juju.state["config"], "auto-generate-root-ca-cert": True})
    vault.hook("config-changed")
    assert (juju.root / CA).exists()
    assert juju.status() == ("active", "Unit is ready")
