"""TLS by Vault, put on a running deployment, issued anew, and taken away again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from jujulab.cloud.guests import Guests
from jujulab.trials.deployment import PREFIX, Deployment
from jujulab.trials.experiment import Experiment
from operating import CLIENT, PORT, VIPS, Operator, wait_until

TAKES = 240
AUTHORITY = "/usr/local/share/ca-certificates/vault.crt"
TRUST = ("--cacert", AUTHORITY)
OUTAGE = 3.0
"""Seconds without an answer that a reload may cost, on a machine with two busy cores."""


@pytest.fixture(scope="module")
def tls(operator: Operator) -> Iterator[None]:
    """Certificates from Vault, whose authority the client's machine trusts.

    Nova's API gets one, too, so that the engine has something to trust.
    """
    operator.settle()
    operator.deploy("vault")
    operator.juju.integrate("nova-cloud-controller:certificates", "vault:certificates")
    wait_until("vault is there", lambda: bool(operator.leader("vault")), 120)
    wait_until("vault wants an authority", lambda: says(operator, "vault", "Missing CA"), 120)
    operator.action("vault/leader", "generate-root-ca")
    operator.settle()
    authority = str(operator.action("vault/leader", "get-root-ca")["output"])
    client = operator.demo.lab.machine(CLIENT)
    client.run(["/bin/sh", "-c", f"cat > {AUTHORITY}"], input=authority)
    client.run(["update-ca-certificates"])
    operator.authority = "/etc/ssl/certs/ca-certificates.crt"
    operator.demo.close()  # a connection keeps the catalogue that it has begun with
    yield
    if "vault" in operator.juju.status().apps:
        remove_vault(operator)
    client.run(["rm", "-f", AUTHORITY])
    client.run(["update-ca-certificates", "--fresh"])
    operator.authority = ""
    operator.demo.close()


def remove_vault(operator: Operator) -> None:
    operator.juju.cli("remove-application", "--no-prompt", "vault")
    operator.wait_gone("vault")
    operator.settle()


def says(operator: Operator, application: str, text: str) -> bool:
    units = operator.juju.status().get_units(application).values()
    return any(text in unit.workload_status.message for unit in units)


def serials(operator: Operator) -> dict[str, str]:
    """The serial number of the certificate that each unit serves with."""
    client = operator.demo.lab.machine(CLIENT)
    found = {}
    for unit, machine in operator.machines("masakari").items():
        address = machine.addresses["internal"].ip
        line = (
            f"openssl s_client -connect {address}:15858 </dev/null 2>/dev/null"
            " | openssl x509 -noout -serial"
        )
        found[unit] = client.run(["/bin/sh", "-c", line]).stdout.strip()
    return found


@contextmanager
def watching(operator: Operator, address: str) -> Iterator[list[tuple[float, bool]]]:
    """Ask the API all the time; gives the list of when it answered and when not."""
    seen: list[tuple[float, bool]] = []
    end = threading.Event()

    def ask() -> None:
        while not end.is_set():
            seen.append((time.monotonic(), operator.answers(address, *TRUST, scheme="https")))
            end.wait(0.1)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield seen
    finally:
        end.set()
        thread.join()


def longest_silence(seen: list[tuple[float, bool]]) -> float:
    """Seconds of the longest time between two answers with a failure in it."""
    longest, last = 0.0, seen[0][0]
    failed = False
    for when, answered in seen:
        if answered:
            longest = max(longest, when - last) if failed else longest
            last, failed = when, False
        else:
            failed = True
    return max(longest, seen[-1][0] - last) if failed else longest


def test_each_address_serves_a_certificate_of_the_authority(operator: Operator, tls: None) -> None:
    def trusted() -> bool:
        return all(operator.answers(vip, *TRUST, scheme="https") for vip in VIPS.values())

    wait_until("every address answers", trusted, TAKES)
    for address in VIPS.values():
        nobody = ("--cacert", "/dev/null", "--capath", "/nonexistent")
        assert not operator.answers(address, *nobody, scheme="https")


def test_the_catalogue_has_https(operator: Operator, tls: None) -> None:
    assert operator.endpoints() == {
        kind: f"https://{vip}:{PORT}/v1/%(tenant_id)s" for kind, vip in VIPS.items()
    }
    assert "rack1" in operator.openstack("openstack segment list")


def test_no_port_speaks_clear_text_to_others(operator: Operator, tls: None) -> None:
    machines = operator.machines("masakari").values()
    own = [str(m.addresses[space].ip) for m in machines for space in VIPS]
    for address in (*own, *VIPS.values()):
        for port in (PORT, 15858):
            code, status = operator.fetch(f"http://{address}:{port}/")
            assert code or status == "400", f"{address}:{port} answers {status} in clear text"
        code, _ = operator.fetch(f"http://{address}:15848/")
        assert code == 7, f"{address}:15848 is open to others"


def test_monitors_and_engine_trust_the_authority(
    operator: Operator, tls: None, on_duty: Deployment, guest: str
) -> None:
    assert Experiment(on_duty).kill_guest() == []
    assert "rack1" in str(operator.action("masakari/leader", "list-segments"))


def test_a_lost_hypervisor_is_reported_and_recovered(
    operator: Operator, tls: None, on_duty: Deployment
) -> None:
    host = on_duty.boot_guests(2)
    try:
        assert Experiment(on_duty).lose_hypervisor(host) == []
    finally:
        on_duty.restore()
        Guests(on_duty.lab, on_duty.cloud).delete(PREFIX)


def test_certificates_are_issued_anew_without_an_outage(operator: Operator, tls: None) -> None:
    before, old = operator.starts(), serials(operator)
    with watching(operator, VIPS["public"]) as seen:
        operator.action("vault/leader", "reissue-certificates")

        def renewed() -> bool:
            return not set(old.values()) & set(serials(operator).values())

        wait_until("every unit serves its new certificate", renewed, TAKES)
        operator.settle()
    assert operator.restarted(before) == set(), "it is a reload"
    assert longest_silence(seen) < OUTAGE


def test_without_vault_the_endpoints_go_back_once(operator: Operator, tls: None) -> None:
    schemes: list[str] = []
    end = threading.Event()

    def watch() -> None:
        while not end.is_set():
            schemes.append(" ".join(sorted({u[:5] for u in operator.endpoints().values()})))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        remove_vault(operator)
        wait_until(
            "every address answers in clear text again",
            lambda: all(operator.answers(address) for address in VIPS.values()),
            TAKES,
        )
        time.sleep(5)
    finally:
        end.set()
        thread.join()
    changes = [new for old, new in zip(["", *schemes], schemes, strict=False) if new != old]
    assert changes[0] == "https" and changes[-1] == "http:"
    assert [c for c in changes if c in ("https", "http:")] == ["https", "http:"], changes
    assert "rack1" in operator.openstack("openstack segment list")
