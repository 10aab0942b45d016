"""TLS: certificates from the relation and from the options."""

from __future__ import annotations

import dataclasses
import json

import ops
import pytest
from ops import testing

import model
from machine import Machine
from model import complete, offer, published, replace, with_config

CFG = "/etc/haproxy/haproxy.cfg"
PEM = "/etc/haproxy/masakari/00-node1.maas.pem"
TRUSTED = "/usr/local/share/ca-certificates"
OPTIONS = {"ssl_cert": model.b64(model.PEM), "ssl_key": model.b64(model.KEY)}


def scheme(state: testing.State) -> str:
    return published(state, "identity-service").get("public_url", "").partition(":")[0]


def test_request(ctx: testing.Context, machine: Machine) -> None:
    out = ctx.run(ctx.on.config_changed(), complete(model.certificates()))
    assert published(out, "certificates") == {
        "unit_name": "masakari_0",
        "cert_requests": '{"node1.maas": {"sans": ["10.77.1.11", "10.77.1.250", "10.77.2.11",'
        ' "10.77.3.11"]}}',
    }


def test_request_of_an_older_charm_is_withdrawn(ctx: testing.Context, machine: Machine) -> None:
    relation = testing.Relation(
        "certificates",
        local_unit_data={"common_name": "node1", "certificate_name": "u", "sans": "[]"},
    )
    out = ctx.run(ctx.on.upgrade_charm(), complete(relation))
    assert set(published(out, "certificates")) == {"unit_name", "cert_requests"}


def test_no_clear_text_while_the_certificate_is_awaited(
    ctx: testing.Context, machine: Machine
) -> None:
    out = ctx.run(ctx.on.config_changed(), complete(model.certificates()))
    assert "bind" not in machine.read(CFG)
    assert published(out, "identity-service") == {}
    assert published(out, "ha") != {}  # the cluster can form meanwhile
    assert out.unit_status == ops.WaitingStatus("Incomplete relations: certificates")


def test_certificate_arrives(ctx: testing.Context, machine: Machine) -> None:
    out = ctx.run(ctx.on.config_changed(), complete(model.certificates()))
    machine.forget()
    out = ctx.run(ctx.on.update_status(), replace(out, model.certificates(offer())))
    assert "bind *:15858 ssl crt /etc/haproxy/masakari" in machine.read(CFG)
    assert machine.read(PEM) == model.PEM + model.KEY
    assert machine.host.mode(PEM) == 0o600
    assert machine.restarts() == [("reload", "haproxy")]
    assert scheme(out) == "https"
    assert machine.read(f"{TRUSTED}/masakari.crt") == model.OTHER_PEM
    assert machine.has_run("update-ca-certificates") == [["update-ca-certificates", "--fresh"]]
    assert out.unit_status == ops.ActiveStatus("Unit is ready")
    assert not machine.host.path("/etc/haproxy/masakari.new").exists()
    machine.forget()
    ctx.run(ctx.on.update_status(), out)
    assert machine.restarts() == []
    assert machine.has_run("haproxy") == []


def test_endpoints_do_not_flap_between_http_and_https(
    ctx: testing.Context, machine: Machine
) -> None:
    """A unit that serves clear text goes on doing so until its certificate is there."""
    out = ctx.run(ctx.on.config_changed(), complete())
    assert scheme(out) == "http"
    waiting = replace(out, model.certificates())
    out = ctx.run(ctx.on.update_status(), waiting)
    assert scheme(out) == "http"
    assert "bind *:15868" in machine.read(CFG)
    out = ctx.run(ctx.on.update_status(), replace(out, model.certificates(offer())))
    assert scheme(out) == "https"


def test_nothing_in_clear_text_is_reachable(ctx: testing.Context, machine: Machine) -> None:
    """Behind TLS, the process that serves without it listens to this machine alone."""
    ctx.run(ctx.on.config_changed(), complete(model.certificates(offer())))
    text = machine.read(CFG)
    [_, unit] = text.split("frontend masakari-unit")
    assert "bind *:15858 ssl" in unit
    assert "masakari_api_listen = 127.0.0.1" in machine.read("/etc/masakari/masakari.conf")
    assert "server local 127.0.0.1:15848" in unit
    assert ":80" not in text


def test_reissued_certificate_is_reloaded(ctx: testing.Context, machine: Machine) -> None:
    out = ctx.run(ctx.on.config_changed(), complete(model.certificates(offer())))
    machine.forget()
    answer = {"node1.maas": {"cert": model.CHAIN_PEM, "key": model.KEY}}
    new = model.certificates(offer(**{"masakari_0.processed_requests": json.dumps(answer)}))
    ctx.run(ctx.on.update_status(), replace(out, new))
    assert machine.restarts() == [("reload", "haproxy")]
    assert machine.read(PEM) == model.CHAIN_PEM + model.KEY


def answers(*names: str, cert: str = model.PEM) -> dict[str, str]:
    """Vault's answer for these names."""
    found = {name: {"cert": cert, "key": model.KEY} for name in names}
    return offer(**{"masakari_0.processed_requests": json.dumps(found)})


def backends(machine: Machine) -> int:
    return machine.read(CFG).count("    server masakari-")


PEER = {1: {"private-address": "10.77.3.12"}}


def test_one_certificate_that_does_not_come_keeps_nothing_else_from_being_done(
    ctx: testing.Context, machine: Machine
) -> None:
    """Vault refuses names that its role does not allow, and tells nobody but its log."""
    out = ctx.run(ctx.on.config_changed(), complete(model.certificates(answers("node1.maas"))))
    urls = published(out, "identity-service")
    state = with_config(out, os_public_hostname="api.example.com", haproxy_queue_timeout=7)
    out = ctx.run(ctx.on.config_changed(), replace(state, model.cluster(PEER)))
    assert out.unit_status == ops.WaitingStatus(
        "Waiting for a certificate for api.example.com (vault may refuse the name: see its log,"
        " or unset that os-*-hostname)"
    )
    assert "timeout queue 7\n" in machine.read(CFG)
    assert backends(machine) == 2
    assert "bind *:15858 ssl" in machine.read(CFG)
    assert published(out, "identity-service") == urls
    machine.forget()
    new = model.certificates(answers("node1.maas", cert=model.CHAIN_PEM))
    out = ctx.run(ctx.on.update_status(), replace(out, new))
    assert machine.read(PEM) == model.CHAIN_PEM + model.KEY
    assert machine.restarts() == [("reload", "haproxy")]
    both = model.certificates(answers("node1.maas", "api.example.com"))
    out = ctx.run(ctx.on.update_status(), replace(out, both))
    assert published(out, "identity-service")["public_url"].startswith("https://api.example.com:")
    assert out.unit_status == ops.ActiveStatus("Unit is ready")


def test_certificate_goes_on_until_that_of_the_new_name_is_there(
    ctx: testing.Context, machine: Machine
) -> None:
    old = model.certificates(answers("node1.maas", "old.example.com"))
    state = complete(old, config={"os-public-hostname": "old.example.com"})
    out = ctx.run(ctx.on.config_changed(), state)
    machine.forget()
    out = with_config(out, os_public_hostname="new.example.com")
    out = ctx.run(ctx.on.config_changed(), replace(out, model.certificates({})))
    directory = machine.host.path("/etc/haproxy/masakari")
    names = ["00-node1.maas.pem", "01-old.example.com.pem"]
    assert sorted(path.name for path in directory.iterdir()) == names
    assert machine.restarts() == []
    assert published(out, "identity-service")["public_url"].startswith("https://old.example.com:")
    assert out.unit_status == ops.WaitingStatus("Incomplete relations: certificates")
    both = model.certificates(answers("node1.maas", "new.example.com"))
    ctx.run(ctx.on.update_status(), replace(out, both))
    names = ["00-node1.maas.pem", "01-new.example.com.pem"]
    assert sorted(path.name for path in directory.iterdir()) == names


def test_options_go_on_until_the_relation_has_it_all(
    ctx: testing.Context, machine: Machine
) -> None:
    """HAProxy's default is the unit's own certificate all the same."""
    options = {**OPTIONS, "os-public-hostname": "api.example.com"}
    offered = model.certificates(answers("node1.maas"))
    out = ctx.run(ctx.on.config_changed(), complete(offered, config=options))
    ctx.run(ctx.on.config_changed(), with_config(out, ssl_cert=None, ssl_key=None))
    found = machine.host.path("/etc/haproxy/masakari").iterdir()
    assert sorted(path.name for path in found) == ["00-node1.maas.pem", "01-ssl_cert.pem"]


def test_clear_text_goes_on_with_all_units(ctx: testing.Context, machine: Machine) -> None:
    out = ctx.run(ctx.on.config_changed(), complete())
    state = replace(out, model.certificates(), model.cluster(PEER))
    ctx.run(ctx.on.update_status(), state)
    assert backends(machine) == 2
    assert " ssl " not in machine.read(CFG)


def test_newest_answer_of_several_vaults(ctx: testing.Context, machine: Machine) -> None:
    """A former leader's answer stays in its databag; both authorities are in use meanwhile."""
    old = answers("node1.maas")
    new = {**answers("node1.maas", cert=model.CHAIN_PEM), "ca": model.PEM}
    relation = testing.Relation("certificates", remote_units_data={0: old, 1: {}})
    out = ctx.run(ctx.on.config_changed(), complete(relation))
    assert machine.read(PEM) == model.PEM + model.KEY
    relation = dataclasses.replace(
        model.only(out, "certificates"), remote_units_data={0: old, 1: new}
    )
    changed = ctx.on.relation_changed(relation, remote_unit=1)
    out = ctx.run(changed, replace(out, relation))
    assert machine.read(PEM) == model.CHAIN_PEM + model.KEY
    assert machine.read(f"{TRUSTED}/masakari.crt") == model.OTHER_PEM
    assert machine.read(f"{TRUSTED}/masakari-1.crt") == model.PEM
    ctx.run(ctx.on.update_status(), out)
    assert machine.read(PEM) == model.CHAIN_PEM + model.KEY


def test_host_names_get_certificates_of_their_own(ctx: testing.Context, machine: Machine) -> None:
    answer = {
        name: {"cert": model.PEM, "key": model.KEY} for name in ("node1.maas", "api.example.com")
    }
    bag = offer(**{"masakari_0.processed_requests": json.dumps(answer)})
    state = complete(model.certificates(bag), config={"os-public-hostname": "api.example.com"})
    out = ctx.run(ctx.on.config_changed(), state)
    directory = machine.host.path("/etc/haproxy/masakari")
    names = ["00-node1.maas.pem", "01-api.example.com.pem"]
    assert sorted(path.name for path in directory.iterdir()) == names
    ctx.run(ctx.on.config_changed(), with_config(out, os_public_hostname=None))
    assert [path.name for path in directory.iterdir()] == names[:1]


def test_options_win_over_the_relation(ctx: testing.Context, machine: Machine) -> None:
    out = ctx.run(ctx.on.config_changed(), complete(model.certificates(), config=OPTIONS))
    assert machine.read("/etc/haproxy/masakari/00-ssl_cert.pem") == model.PEM + model.KEY
    assert scheme(out) == "https"
    assert out.unit_status == ops.ActiveStatus("Unit is ready")


def test_authority_without_certificate(ctx: testing.Context, machine: Machine) -> None:
    """`ssl_ca` works without `ssl_cert` and `ssl_key`."""
    options = {"ssl_ca": model.b64(model.PEM + model.OTHER_PEM)}
    out = ctx.run(ctx.on.config_changed(), complete(config=options))
    assert machine.read(f"{TRUSTED}/masakari.crt") == model.PEM
    assert machine.read(f"{TRUSTED}/masakari-1.crt") == model.OTHER_PEM
    assert scheme(out) == "http"
    machine.host.write(f"{TRUSTED}/other.crt", "mine")
    machine.forget()
    out = ctx.run(ctx.on.config_changed(), with_config(out, ssl_ca=model.b64(model.PEM)))
    assert not machine.host.path(f"{TRUSTED}/masakari-1.crt").exists()
    ctx.run(ctx.on.config_changed(), with_config(out, ssl_ca=None))
    assert [p.name for p in machine.host.path(TRUSTED).iterdir()] == ["other.crt"]
    assert len(machine.has_run("update-ca-certificates")) == 2


def test_bundle_that_failed_is_made_again(ctx: testing.Context, machine: Machine) -> None:
    from instance_ha_common.machine.commands import CommandError

    state = complete(config={"ssl_ca": model.b64(model.PEM)})
    machine.host.runner.answer(["update-ca-certificates"], (1, "no"))
    with pytest.raises(testing.errors.UncaughtCharmError) as caught:
        ctx.run(ctx.on.config_changed(), state)
    assert isinstance(caught.value.__cause__, CommandError)
    machine.host.runner.answer(["update-ca-certificates"], "")
    machine.forget()
    ctx.run(ctx.on.config_changed(), state)
    assert len(machine.has_run("update-ca-certificates")) == 1


def test_certificate_that_haproxy_refuses(ctx: testing.Context, machine: Machine) -> None:
    out = ctx.run(ctx.on.config_changed(), complete())
    text = machine.read(CFG)
    machine.forget()
    machine.host.runner.answer(["haproxy"], (1, "[ALERT] unable to load certificate"))
    out = ctx.run(ctx.on.config_changed(), with_config(out, **OPTIONS))
    assert machine.read(CFG) == text
    assert machine.restarts() == []
    assert scheme(out) == "http"  # as it was
    assert out.unit_status == ops.BlockedStatus(
        "HAProxy refuses its configuration: check ssl_cert and ssl_key, see log"
    )
    assert not machine.host.path("/etc/haproxy/masakari.new").exists()


def test_haproxy_that_does_not_reload_is_tried_again(
    ctx: testing.Context, machine: Machine
) -> None:
    out = ctx.run(ctx.on.config_changed(), complete())
    machine.host.systemd.broken.add("haproxy")
    out = ctx.run(ctx.on.config_changed(), with_config(out, haproxy_queue_timeout=1))
    machine.host.systemd.broken.clear()
    machine.host.systemd.services["haproxy"].active = True
    machine.forget()
    ctx.run(ctx.on.update_status(), out)
    assert machine.restarts() == [("reload", "haproxy")]


def test_database_and_rabbitmq_with_tls(ctx: testing.Context, machine: Machine) -> None:
    database = model.shared_db({**model.MYSQL_ROUTER, "ssl_ca": model.b64(model.PEM)})
    rabbit = model.amqp(
        u0={**model.RABBITMQ, "ssl_port": "5671", "ssl_ca": model.b64(model.OTHER_PEM)}
    )
    out = ctx.run(ctx.on.config_changed(), complete(database, rabbit))
    conf = machine.read("/etc/masakari/masakari.conf")
    assert "&ssl_ca=/etc/masakari/database-ca.pem" in conf
    assert "ssl_ca_file = /etc/masakari/rabbitmq-ca.pem" in conf
    assert machine.read("/etc/masakari/database-ca.pem") == model.PEM
    assert machine.host.owner("/etc/masakari/rabbitmq-ca.pem") == ("root", "masakari")
    machine.forget()
    plain = replace(out, model.shared_db(), model.amqp())
    ctx.run(ctx.on.update_status(), plain)
    conf = machine.read("/etc/masakari/masakari.conf")
    assert "ssl_ca" not in conf
    assert "ssl = " not in conf
    assert not machine.host.path("/etc/masakari/database-ca.pem").exists()


def test_rabbitmq_tls_with_the_systems_authorities(ctx: testing.Context, machine: Machine) -> None:
    rabbit = model.amqp(u0={**model.RABBITMQ, "ssl_port": "5671"})
    ctx.run(ctx.on.config_changed(), complete(rabbit))
    conf = machine.read("/etc/masakari/masakari.conf")
    assert "\nssl = True\nssl_ca_file = /etc/ssl/certs" in conf
