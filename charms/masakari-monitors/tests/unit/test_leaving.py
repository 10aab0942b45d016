"""Without Keystone, and without the unit."""

import dataclasses

import pytest
from hypervisor import (
    files,
    keystone,
    running,
    state,
    up,
)
from ops import testing
from workload.files import CONF

# Leaving


def test_without_keystone_nothing_runs_and_the_password_is_gone(ctx, host):
    """Nothing goes on with the account of a relation that has ended."""
    out = running(ctx, host)
    relation = out.get_relations("identity-credentials")[0]
    out = ctx.run(ctx.on.relation_broken(relation), out)
    assert up(host) == set()
    assert not host.path(CONF).exists()
    assert out.unit_status == testing.BlockedStatus("Missing relations: identity-credentials")


def test_a_bad_option_does_not_keep_the_password(ctx, host):
    running(ctx, host)
    relation = keystone()
    out = ctx.run(ctx.on.relation_broken(relation), state(relation, monitoring_interval=0))
    assert not up(host)
    assert not host.path(CONF).exists()
    assert "monitoring-interval" in out.unit_status.message


@pytest.mark.parametrize("event", ["stop", "remove"])
def test_leaving_takes_everything_away(ctx, host, event):
    before = set(files(host))
    out = running(ctx, host)
    ctx.run(ctx.on.action("pause"), out)
    ctx.run(getattr(ctx.on, event)(), dataclasses.replace(out, relations=[]))
    assert up(host) == set()
    assert not any(service.masked for service in host.systemd.services.values())
    left = set(files(host)) - before
    assert {path.name for path in left} == {"passwd"}, "which the packages brought"
    assert host.systemd.log[-1] == ("daemon-reload", "")


def test_leaving_twice(ctx, host):
    out = running(ctx, host)
    gone = ctx.run(ctx.on.stop(), dataclasses.replace(out, relations=[]))
    host.systemd.log.clear()
    ctx.run(ctx.on.remove(), gone)
    assert host.systemd.log == []


def test_a_departing_keystone_unit_changes_nothing(ctx, host):
    out = running(ctx, host)
    relation = out.get_relations("identity-credentials")[0]
    ctx.run(ctx.on.relation_departed(relation, remote_unit=1, departing_unit=1), out)
    assert host.systemd.log == []


def test_a_first_configuration_with_an_impossible_option(ctx, host):
    out = ctx.run(ctx.on.install(), state(keystone(), monitoring_interval=0))
    assert out.unit_status.message == "monitoring-interval: must be 1 to 3600"
    assert host.apt.log == []
