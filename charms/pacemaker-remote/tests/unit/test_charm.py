"""Events of Juju and what comes of them."""

import base64
import dataclasses
import re

import ops
import pytest
import yaml
from hypervisor import (
    ADDRESS,
    CHARM_ROOT,
    KEY_TEXT,
    NAME,
    SECRET,
    connect,
    guard_files,
    hacluster,
    install,
    joined,
    make_context,
    published,
    state,
)
from ops import testing
from relations.hacluster import PORT
from workload import unblock
from workload.pacemaker_remote import COROSYNC_CONF, KEY, SERVICE

GOLDEN = {
    "remote-hostname": f'"{NAME}"',
    "remote-ip": f'"{ADDRESS}"',
    "enable-resources": "false",
    "stonith-hostname": "null",
}
READY = testing.ActiveStatus("Unit is ready")


def changed(ctx, relation, **kwargs):
    return ctx.run(ctx.on.relation_changed(relation, remote_unit=0), state(relation, **kwargs))


# Joining


def test_install_brings_the_packages_and_keeps_the_daemon_down(ctx, host):
    out = ctx.run(ctx.on.install(), state())
    assert ("install", "pacemaker-cli-utils", "pacemaker-remote") in host.apt.log
    assert not host.systemd.running(SERVICE)
    assert not host.systemd.enabled(SERVICE)
    assert out.unit_status == testing.BlockedStatus("Missing relations: pacemaker-remote")
    assert out.workload_version == "2.1.6-5"


def test_neither_the_cluster_stack_nor_its_shell_is_installed(ctx, host):
    """A full member's packages, and a shell with a port of its own, are not for hypervisors."""
    unwanted = {"corosync", "pacemaker", "pcs", "crmsh"}
    host.apt.archive.update(dict.fromkeys(unwanted, "1"))
    ctx.run(ctx.on.install(), state())
    assert host.apt.present
    assert not unwanted & host.apt.present.keys()


def test_the_configuration_of_a_cluster_stack_is_not_deleted(ctx, host):
    """Whatever is left of another cluster on a shared machine is not this charm's to clear."""
    text = "nodelist {\n node {\n  ring0_addr: 127.0.0.1\n }\n}\n"
    host.write(COROSYNC_CONF, text)
    joined(ctx, host)
    assert host.read(COROSYNC_CONF) == text


def test_joining_publishes_exactly_the_golden_values(ctx, host):
    relation = hacluster()
    out = changed(ctx, relation)
    assert published(out, relation) == GOLDEN
    assert out.opened_ports == {testing.TCPPort(PORT)}


def test_the_key_is_exact_and_for_the_clusters_group_only(ctx, host):
    """Every user who can read the key can command the cluster."""
    changed(ctx, hacluster())
    assert host.path(KEY).read_bytes() == SECRET
    assert host.mode(KEY) == 0o440
    assert host.owner(KEY) == ("root", "haclient")


def test_nothing_is_published_before_the_key_is_there(ctx, host):
    relation = hacluster(None, None)
    out = ctx.run(ctx.on.relation_joined(relation, remote_unit=0), state(relation))
    assert published(out, relation) == {}
    assert out.unit_status == testing.WaitingStatus("Incomplete relations: pacemaker-remote")


def test_the_packages_own_random_key_is_not_the_clusters(ctx, host):
    install(host)
    relation = hacluster(None)
    assert published(changed(ctx, relation), relation) == {}


def test_nothing_is_published_before_the_daemon_listens_with_that_key(ctx, host, daemon):
    daemon.accepts = False
    relation = hacluster()
    out = changed(ctx, relation)
    assert published(out, relation) == {}
    assert out.unit_status == testing.WaitingStatus(
        "Waiting for pacemaker_remote to listen on port 3121"
    )
    assert daemon.asked[0][:2] == (ADDRESS, PORT)
    assert host.systemd.running(SERVICE)


def test_a_daemon_that_does_not_start_is_blocked_not_an_error(ctx, host):
    host.systemd.broken.add(SERVICE)
    host.apt.on_install = lambda names: None
    install_without_start(host)
    relation = hacluster()
    out = changed(ctx, relation)
    assert published(out, relation) == {}
    assert isinstance(out.unit_status, testing.BlockedStatus)
    assert "pacemaker_remote" in out.unit_status.message


def install_without_start(host):
    host.systemd.broken.discard(SERVICE)
    install(host)
    host.systemd.stop(SERVICE)
    host.systemd.broken.add(SERVICE)


def test_packages_that_cannot_be_had_are_blocked_not_an_error(ctx, host):
    host.apt.archive.clear()
    out = ctx.run(ctx.on.install(), state())
    assert isinstance(out.unit_status, testing.BlockedStatus)
    assert "apt-get" in out.unit_status.message


# The name


def test_the_nodes_name_is_novas_host_not_this_hosts(ctx, host):
    """A node by another name is one that Masakari does not know when it fails."""
    host.write("/etc/nova/nova.conf", "[DEFAULT]\ntransport_url = rabbit://x\n")
    relation = hacluster()
    assert published(changed(ctx, relation), relation)["remote-hostname"] == '"kernel-name"'


def test_a_hypervisor_waits_until_nova_is_configured(ctx, host):
    host.remove("/etc/nova/nova.conf")
    relation = hacluster()
    out = changed(ctx, relation)
    assert published(out, relation) == {}
    assert out.unit_status == testing.WaitingStatus(
        "Waiting for Nova to be configured on this machine"
    )


def test_another_principal_does_not_wait_for_nova(ctx, host):
    host.remove("/etc/nova/nova.conf")
    host.path("/etc/nova").rmdir()
    ctx, relation = make_context(principal="ubuntu/0"), hacluster()
    out = changed(ctx, relation)
    assert published(out, relation)["remote-hostname"] == '"canonical.example"'


def test_the_operators_name(ctx, host):
    relation = hacluster()
    out = changed(ctx, relation, remote_hostname="other.maas")
    assert published(out, relation)["remote-hostname"] == '"other.maas"'


def test_a_name_from_nova_that_is_none_is_blocked(ctx, host):
    host.write("/etc/nova/nova.conf", "[DEFAULT]\nhost = a b\n")
    out = changed(ctx, hacluster())
    assert out.unit_status == testing.BlockedStatus("not a host name: 'a b'")


def test_an_impossible_option_is_blocked_with_the_option_named(ctx, host):
    out = ctx.run(ctx.on.config_changed(), state(hacluster(), remote_hostname="a b"))
    assert out.unit_status == testing.BlockedStatus("remote-hostname: 'a b' is not a host name")


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
    assert [call[0] for call in host.runner.calls] == ["cibadmin"]
    assert published(again, relation) == published(out, relation)
    assert again.unit_status == READY


def test_a_new_key_restarts_the_guarded_daemon_once(ctx, host):
    relation, _ = joined(ctx, host)
    new = base64.b64encode(b"new key").decode()
    rotated = dataclasses.replace(
        relation, remote_units_data={n: {"pacemaker-key": new} for n in range(3)}
    )
    changed(ctx, rotated)
    changed(ctx, rotated)
    assert host.path(KEY).read_bytes() == b"new key"
    assert host.systemd.log == [("restart", SERVICE)]
    assert guard_files(host) == [True, True]


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
    assert [call[0] for call in host.runner.calls] == ["cibadmin"]


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
    ("interval", "silence"),
    [("2s", 3000), ("30s", 31000), ("7", 8000), ("4500ms", 5500), ("1min", 61000), ("x", 3000)],
)
def test_the_unblocker_knows_how_often_the_cluster_looks(ctx, host, interval, silence):
    connect(host, machine="3", interval=interval)
    changed(ctx, hacluster())
    assert f"SILENCE={silence} " in host.read(unblock.SCRIPT)


def test_an_operators_unmanaging_is_shown_and_left_alone(ctx, host):
    _, out = joined(ctx, host)
    connect(host, meta='<nvpair id="u" name="is-managed" value="false"/>', machine="3")
    out = ctx.run(ctx.on.update_status(), out)
    assert isinstance(out.unit_status, testing.BlockedStatus)
    assert "crm resource manage node1.maas" in out.unit_status.message
    assert [call[0] for call in host.runner.calls] == ["cibadmin", "systemd-run"]


def test_a_guarded_node_that_is_back_is_given_to_the_cluster_again(ctx, host):
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


# Leaving


@pytest.mark.parametrize("event", ["stop", "remove"])
def test_leaving_stops_the_daemon_under_guard_and_forgets_the_key(ctx, host, event):
    """A daemon that is left running is fenced with the machine's next user."""
    _, out = joined(ctx, host)
    seen = []
    host.systemd.stop = lambda name: (
        seen.append((name, *guard_files(host), host.path(KEY).exists())),
        setattr(host.systemd.services[name], "active", False),
    )
    out = ctx.run(getattr(ctx.on, event)(), dataclasses.replace(out, relations=[]))
    assert seen[0] == (SERVICE, True, True, True), "the guard and the key must still be there"
    assert [name for name, *_ in seen] == [SERVICE, unblock.SERVICE]
    assert not host.path(unblock.UNIT).exists()
    assert not host.systemd.enabled(SERVICE)
    assert not host.path(KEY).exists()
    assert guard_files(host) == [False, False]
    assert out.opened_ports == set()


def test_a_lost_relation_ends_like_that_too_but_the_unit_says_what_is_missing(ctx, host):
    relation, out = joined(ctx, host)
    out = ctx.run(ctx.on.relation_broken(relation), out)
    assert not host.systemd.running(SERVICE)
    assert not host.path(KEY).exists()
    assert out.unit_status == testing.BlockedStatus("Missing relations: pacemaker-remote")


def test_a_bad_option_does_not_keep_the_key(ctx, host):
    relation, _ = joined(ctx, host)
    out = ctx.run(ctx.on.relation_broken(relation), state(relation, remote_hostname="a b"))
    assert not host.systemd.running(SERVICE)
    assert not host.path(KEY).exists()
    assert "remote-hostname" in out.unit_status.message


def test_joining_again(ctx, host):
    relation, out = joined(ctx, host)
    ctx.run(ctx.on.relation_broken(relation), out)
    again = hacluster()
    out = changed(ctx, again)
    assert published(out, again) == GOLDEN
    assert out.unit_status == READY


def test_departing_units_are_no_reason_to_do_anything(ctx, host):
    relation, out = joined(ctx, host)
    ctx.run(ctx.on.relation_departed(relation, remote_unit=2, departing_unit=2), out)
    assert host.systemd.log == []


# Beside a full cluster member


@pytest.fixture
def member(host):
    install(host)
    host.systemd.stop(SERVICE)
    host.write(COROSYNC_CONF, "nodelist {\n node {\n  ring0_addr: 10.0.0.1\n }\n}\n")
    host.write(KEY, b"the member's")
    host.systemd.log.clear()
    return host


@pytest.mark.parametrize("event", ["install", "config_changed", "update_status", "stop", "remove"])
def test_a_full_member_is_not_touched(ctx, member, event):
    relation = hacluster()
    out = ctx.run(getattr(ctx.on, event)(), state(relation))
    assert member.path(KEY).read_bytes() == b"the member's"
    assert member.path(COROSYNC_CONF).exists()
    assert member.systemd.log == []
    assert member.apt.log == []
    assert published(out, relation) == {}
    if event not in ("stop", "remove"):
        assert out.unit_status == testing.BlockedStatus(
            "This machine is a full Pacemaker member; remove hacluster or this unit"
        )


# Action


def test_show_cleanup_names_the_published_node(ctx, host):
    """The cluster keeps the node of a unit that has left, until somebody deletes it."""
    _, out = joined(ctx, host)
    host.write("/etc/nova/nova.conf", "[DEFAULT]\nhost = renamed\n")
    ctx.run(ctx.on.action("show-cleanup"), out)
    results = ctx.action_results
    assert results["node"] == NAME
    assert f"crm_node --force --remove {NAME}" in results["commands"]
    assert "renamed" not in results["commands"]


def test_show_cleanup_before_joining(ctx, host):
    with pytest.raises(testing.ActionFailed, match="nothing to clean up"):
        ctx.run(ctx.on.action("show-cleanup"), state())


def test_no_address_yet(ctx, host):
    relation = hacluster()
    before = dataclasses.replace(
        state(relation),
        networks={testing.Network("pacemaker-remote", bind_addresses=[])},
    )
    out = ctx.run(ctx.on.relation_changed(relation, remote_unit=0), before)
    assert published(out, relation) == {}
    assert isinstance(out.unit_status, testing.WaitingStatus)
