"""How it leaves, and what it does beside a full member."""

import dataclasses

import pytest
from hypervisor import (
    GOLDEN,
    NAME,
    changed,
    hacluster,
    install,
    joined,
    published,
    state,
    stop_files,
)
from ops import testing
from workload import unblock
from workload.pacemaker_remote import COROSYNC_CONF, KEY, SERVICE

READY = testing.ActiveStatus("Unit is ready")


# Leaving


@pytest.mark.parametrize("event", ["stop", "remove"])
def test_leaving_stops_the_daemon_in_order_and_forgets_the_key(ctx, host, event):
    """A daemon that is left running is fenced with the machine's next user."""
    _, out = joined(ctx, host)
    seen = []
    host.systemd.stop = lambda name: (
        seen.append((name, *stop_files(host), host.path(KEY).exists())),
        setattr(host.systemd.services[name], "active", False),
    )
    out = ctx.run(getattr(ctx.on, event)(), dataclasses.replace(out, relations=[]))
    assert seen[0] == (SERVICE, True, True, True), "the script and the key must still be there"
    assert [name for name, *_ in seen] == [SERVICE, unblock.SERVICE]
    assert not host.path(unblock.UNIT).exists()
    assert not host.systemd.enabled(SERVICE)
    assert not host.path(KEY).exists()
    assert stop_files(host) == [False, False]
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
