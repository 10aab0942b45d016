"""What is published, the key, and what the unit says."""

import base64
import dataclasses
import hashlib
import re

import ops
import pytest
import yaml
from hypervisor import (
    ADDRESS,
    CHARM_ROOT,
    GOLDEN,
    KEY_TEXT,
    NAME,
    SECRET,
    changed,
    connect,
    hacluster,
    install,
    joined,
    make_context,
    published,
    state,
    stop_files,
)
from ops import testing
from relations import hacluster as wire
from workload import unblock
from workload.pacemaker_remote import KEY, SERVICE

READY = testing.ActiveStatus("Unit is ready")


# Published once and kept


@pytest.mark.parametrize("how", ["no address", "no network"])
def test_an_address_that_is_gone_is_shown(ctx, host, how, monkeypatch):
    relation, out = joined(ctx, host)
    if how == "no network":

        def lost(*args, **kwargs):
            raise ops.ModelError("no network config found for binding")

        monkeypatch.setattr(ops.model._ModelBackend, "network_get", lost)
    networks = {testing.Network("pacemaker-remote", bind_addresses=[])}
    out = ctx.run(ctx.on.update_status(), dataclasses.replace(out, networks=networks))
    assert published(out, relation) == GOLDEN
    assert out.unit_status == testing.BlockedStatus(
        "Joined as address 10.0.0.21, but it is gone now: see action show-cleanup, then re-deploy"
    )


@pytest.mark.parametrize(
    ("nova", "address", "told"),
    [
        ("node9.maas", ADDRESS, "node node1.maas, but this host is node9.maas now"),
        (NAME, "10.0.0.99", "address 10.0.0.21, but it is 10.0.0.99 now"),
    ],
)
def test_name_and_address_stay_and_the_difference_is_shown(ctx, host, nova, address, told):
    """What is published anew has no effect on the cluster, and hides that it has none."""
    relation, _ = joined(ctx, host)
    host.write("/etc/nova/nova.conf", f"[DEFAULT]\nhost = {nova}\n")
    out = ctx.run(ctx.on.config_changed(), state(relation, address=address))
    assert published(out, relation) == GOLDEN
    assert out.unit_status == testing.BlockedStatus(
        f"Joined as {told}: see action show-cleanup, then re-deploy"
    )


def test_what_the_former_charm_published_stays(ctx, host):
    connect(host, name="old.maas", machine="3")
    relation = hacluster(
        local={
            "remote-hostname": '"old.maas"',
            "remote-ip": '"10.9.9.9"',
            "enable-resources": "true",
        }
    )
    install(host)
    host.write(KEY, SECRET, mode=0o444)
    host.systemd.log.clear()
    out = ctx.run(ctx.on.upgrade_charm(), state(relation))
    bag = published(out, relation)
    assert (bag["remote-hostname"], bag["remote-ip"]) == ('"old.maas"', '"10.9.9.9"')
    assert host.mode(KEY) == 0o440
    assert ("restart", SERVICE) not in host.systemd.log


def test_options_do_change_what_is_published(ctx, host):
    relation, _ = joined(ctx, host)
    out = ctx.run(
        ctx.on.config_changed(), state(relation, enable_stonith=True, enable_resources=True)
    )
    assert published(out, relation) == {
        **GOLDEN,
        "enable-resources": "true",
        "stonith-hostname": f'"{NAME}"',
    }


def test_resources_stay_off_hypervisors_unless_asked_for():
    """Otherwise virtual addresses and HAProxy move to the hypervisors."""
    metadata = yaml.safe_load((CHARM_ROOT / "charmcraft.yaml").read_text())
    assert metadata["config"]["options"]["enable-resources"]["default"] is False


def test_the_option_for_fencing_says_what_has_to_be_set_first():
    """Without MAAS's credentials the first hypervisor that asks for fencing fails hacluster."""
    metadata = yaml.safe_load((CHARM_ROOT / "charmcraft.yaml").read_text())
    option = metadata["config"]["options"]["enable-stonith"]
    assert option["default"] is False
    assert {"maas_url", "maas_credentials", "first"} <= set(
        re.findall(r"\w+", option["description"])
    )


def test_a_container_is_not_offered_for_fencing(ctx, host):
    ctx, relation = make_context(machine="3/lxd/1"), hacluster()
    out = changed(ctx, relation, enable_stonith=True)
    assert published(out, relation)["stonith-hostname"] == "null"
    assert out.unit_status == testing.BlockedStatus(
        "enable-stonith: MAAS cannot fence a container"
    )


# The key


def test_a_second_run_changes_nothing(ctx, host):
    """A key that is there already is not written and not read again."""
    relation, out = joined(ctx, host)
    before = {p: p.stat().st_mtime_ns for p in host.root.rglob("*") if p.is_file()}
    again = ctx.run(ctx.on.update_status(), out)
    after = {p: p.stat().st_mtime_ns for p in host.root.rglob("*") if p.is_file()}
    assert before == after
    assert host.systemd.log == []
    assert [call[0] for call in host.runner.calls] == ["cibadmin", "timeout"]
    assert published(again, relation) == published(out, relation)
    assert again.unit_status == READY


def test_a_new_key_restarts_the_daemon_in_order_once(ctx, host):
    relation, _ = joined(ctx, host)
    new = base64.b64encode(b"new key").decode()
    rotated = dataclasses.replace(
        relation, remote_units_data={n: {"pacemaker-key": new} for n in range(3)}
    )
    changed(ctx, rotated)
    changed(ctx, rotated)
    assert host.path(KEY).read_bytes() == b"new key"
    assert host.systemd.log == [("restart", SERVICE)]
    assert stop_files(host) == [True, True]


def test_while_units_disagree_the_old_key_stays(ctx, host):
    """Two keys at once, as while one is replaced, are no error of the hook."""
    relation, _ = joined(ctx, host)
    new = base64.b64encode(b"new key").decode()
    rotating = dataclasses.replace(
        relation,
        remote_units_data={0: {"pacemaker-key": new}, 1: {"pacemaker-key": KEY_TEXT}},
    )
    out = changed(ctx, rotating)
    assert host.path(KEY).read_bytes() == SECRET
    assert host.systemd.log == []
    assert out.unit_status == testing.WaitingStatus(
        "hacluster units disagree about the key; keeping the old one"
    )


def test_an_invalid_key_does_not_replace_a_good_one(ctx, host):
    relation, _ = joined(ctx, host)
    broken = dataclasses.replace(relation, remote_units_data={0: {"pacemaker-key": "@@"}})
    out = changed(ctx, broken)
    assert host.path(KEY).read_bytes() == SECRET
    assert host.systemd.log == []
    assert out.unit_status == testing.WaitingStatus("Ignoring an invalid key from hacluster/0")


def test_a_key_that_everybody_knows_is_named_whatever_else_is_wrong(ctx, host, monkeypatch):
    """It was no secret, and nothing in the deployment said so."""
    monkeypatch.setattr(wire, "DEFAULT_KEY", hashlib.sha256(SECRET).hexdigest())
    known = " (the cluster's key is hacluster's default, which everybody knows: see the README)"
    relation, out = joined(ctx, host)
    assert out.unit_status == testing.ActiveStatus("Unit is ready" + known)
    out = changed(ctx, relation, enable_stonith=True)
    assert out.unit_status == testing.ActiveStatus("Unit is ready" + known)
    host.systemd.stop(SERVICE)
    out = ctx.run(ctx.on.update_status(), out)
    assert out.unit_status == testing.BlockedStatus(
        f"Services not running that should be: {SERVICE}{known}"
    )


def test_a_damaged_key_file_is_repaired_with_a_restart(ctx, host):
    _, out = joined(ctx, host)
    host.path(KEY).write_bytes(b"damaged")
    ctx.run(ctx.on.update_status(), out)
    assert host.path(KEY).read_bytes() == SECRET
    assert host.systemd.log == [("restart", SERVICE)]


# Ready or not


def test_ready_only_when_the_node_is_online(ctx, host):
    """That a key was received once says nothing of the daemon and its connection."""
    relation = hacluster()
    out = changed(ctx, relation)
    assert "Node node1.maas is not connected" in out.unit_status.message
    connect(host)
    out = ctx.run(ctx.on.update_status(), out)
    assert out.unit_status == READY


def test_the_node_learns_its_machine_once(ctx, host):
    connect(host)
    relation = hacluster()
    out = changed(ctx, relation)
    (call,) = [call for call in host.runner.calls if call[0] == "crm_attribute"]
    assert call[-6:] == ["--node", NAME, "--name", "juju-machine", "--update", "3"]
    connect(host, machine="3")
    host.runner.calls.clear()
    ctx.run(ctx.on.update_status(), out)
    assert [call[0] for call in host.runner.calls] == ["cibadmin", "timeout"]


def test_not_ready_while_hacluster_has_not_created_the_node(ctx, host):
    host.runner.answer(["cibadmin"], (105, "No such device or address"))
    out = changed(ctx, hacluster())
    assert out.unit_status == testing.WaitingStatus(
        "Waiting for hacluster to create node node1.maas"
    )


def idle(host, how):
    """Have the daemon not run: `failed`, `inactive` (stopped in order) or `deactivating`."""
    service = host.systemd.services[SERVICE]
    service.active, service.idle = False, how


def test_not_ready_when_the_daemon_died(ctx, host):
    _, out = joined(ctx, host)
    host.systemd.broken.add(SERVICE)
    idle(host, "failed")
    out = ctx.run(ctx.on.update_status(), out)
    assert isinstance(out.unit_status, testing.BlockedStatus)


def test_a_daemon_that_failed_is_started_again(ctx, host):
    _, out = joined(ctx, host)
    idle(host, "failed")
    out = ctx.run(ctx.on.update_status(), out)
    assert host.systemd.log == [("start", SERVICE)]
    assert out.unit_status == READY


@pytest.mark.parametrize("how", ["deactivating", "inactive"])
def test_update_status_does_not_undo_an_operators_stop(ctx, host, how):
    """A start while it is still stopping makes `systemctl stop` fail: "Job ... canceled"."""
    _, out = joined(ctx, host)
    idle(host, how)
    out = ctx.run(ctx.on.update_status(), out)
    assert host.systemd.log == []
    assert out.unit_status == testing.BlockedStatus(
        "Services not running that should be: pacemaker_remote"
    )


@pytest.mark.parametrize(
    ("how", "log"), [("deactivating", []), ("inactive", [("start", SERVICE)])]
)
def test_a_change_starts_a_stopped_daemon_but_not_into_its_stop(ctx, host, how, log):
    _, out = joined(ctx, host)
    idle(host, how)
    ctx.run(ctx.on.config_changed(), out)
    assert host.systemd.log == log


def test_a_daemon_found_dead_in_an_action_is_named(ctx, host):
    _, out = joined(ctx, host)
    host.systemd.services[SERVICE].active = False
    out = ctx.run(ctx.on.action("show-cleanup"), out)
    assert out.unit_status.message == "Services not running that should be: pacemaker_remote"


@pytest.mark.parametrize(
    ("interval", "timeout", "silence", "gone"),
    [
        ("2s", "4s", 3000, 7000),
        ("30s", "60s", 31000, 91000),
        ("7", "", 8000, 28000),
        ("4500ms", "1min", 5500, 65500),
        ("1min", "x", 61000, 81000),
        ("x", "4s", 3000, 21000),
    ],
)
def test_the_unblocker_knows_how_the_cluster_looks(ctx, host, interval, timeout, silence, gone):
    connect(host, machine="3", interval=interval, timeout=timeout)
    changed(ctx, hacluster())
    assert f"SILENCE={silence} " in host.read(unblock.SCRIPT)
    assert f"GONE={gone} " in host.read(unblock.SCRIPT)


def test_an_operators_unmanaging_is_shown_and_left_alone(ctx, host):
    _, out = joined(ctx, host)
    connect(host, meta='<nvpair id="u" name="is-managed" value="false"/>', machine="3")
    host.runner.calls.clear()
    out = ctx.run(ctx.on.update_status(), out)
    assert isinstance(out.unit_status, testing.BlockedStatus)
    assert "crm resource manage node1.maas" in out.unit_status.message
    assert [call[0] for call in host.runner.calls] == ["cibadmin", "timeout", "systemd-run"]


def test_a_node_that_is_back_from_an_orderly_stop_is_given_to_the_cluster_again(ctx, host):
    _, out = joined(ctx, host)
    connect(
        host,
        meta='<nvpair id="u" name="is-managed" value="false"/>'
        '<nvpair id="g" name="instance-ha-guard" value="0011"/>',
        machine="3",
    )
    script = str(host.path("/usr/local/sbin/pacemaker-remote-guard"))

    def clear(argv):
        connect(host, machine="3")
        return ""

    host.runner.answer([script], clear)
    out = ctx.run(ctx.on.update_status(), out)
    assert [script, "clear"] in host.runner.calls
    assert out.unit_status == READY
