"""How a hypervisor joins its cluster."""

import dataclasses

import pytest
from hypervisor import (
    ADDRESS,
    GOLDEN,
    SECRET,
    changed,
    hacluster,
    install,
    joined,
    make_context,
    published,
    state,
)
from ops import testing
from relations.hacluster import PORT
from workload.pacemaker_remote import COROSYNC_CONF, KEY, SERVICE

READY = testing.ActiveStatus("Unit is ready")


# Joining


def test_install_brings_the_packages_and_keeps_the_daemon_down(ctx, host):
    out = ctx.run(ctx.on.install(), state())
    assert ("install", "pacemaker-cli-utils", "pacemaker-remote") in host.apt.log
    assert not host.systemd.running(SERVICE)
    assert not host.systemd.enabled(SERVICE)
    assert out.unit_status == testing.BlockedStatus("Missing relations: pacemaker-remote")
    assert out.workload_version == "2.1.6-5"


def test_the_version_is_looked_for_where_it_may_be_news(ctx, host):
    """Relations have many hooks, and each look is two processes; update-status sees an upgrade."""
    relation = hacluster()
    out = ctx.run(ctx.on.relation_changed(relation, remote_unit=0), state(relation))
    assert out.workload_version == "2.1.6-5", "this hook has installed it"
    host.apt.present["pacemaker-remote"] = "2.1.6-6"
    relation = out.get_relation(relation.id)
    out = ctx.run(ctx.on.relation_changed(relation, remote_unit=1), out)
    assert out.workload_version == "2.1.6-5"
    assert ctx.run(ctx.on.update_status(), out).workload_version == "2.1.6-6"


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
    out = ctx.run(ctx.on.relation_changed(relation, remote_unit=0), state(relation))
    assert published(out, relation) == {}
    assert out.unit_status == testing.WaitingStatus("Incomplete relations: pacemaker-remote")


@pytest.mark.parametrize("keys", [(), (None, None)])
def test_a_machine_without_an_address_there_is_told_first(ctx, host, keys):
    """Nobody but the operator can end that, whatever hacluster has said."""
    relation = hacluster(*keys)
    networks = {testing.Network("pacemaker-remote", bind_addresses=[])}
    given = dataclasses.replace(state(relation), networks=networks)
    out = ctx.run(ctx.on.relation_changed(relation, remote_unit=0), given)
    assert published(out, relation) == {}
    assert out.unit_status == testing.BlockedStatus(
        "This machine has no address in the space of pacemaker-remote: bind it to one of its own"
        " (juju bind pacemaker-remote pacemaker-remote=SPACE)"
    )


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
    assert out.unit_status == testing.BlockedStatus(
        "host in /etc/nova/nova.conf is 'a b', not a host name: correct it"
    )


def test_an_impossible_option_is_blocked_with_the_option_named(ctx, host):
    out = ctx.run(ctx.on.config_changed(), state(hacluster(), remote_hostname="a b"))
    assert out.unit_status == testing.BlockedStatus("remote-hostname: 'a b' is not a host name")
