"""Actions."""

import pytest
from hypervisor import (
    HOST,
    INSTANCE,
    READY,
    conf,
    keystone,
    restarted,
    running,
    state,
    up,
)
from instance_ha_common.machine.commands import CommandError
from instance_ha_common.machine.services import ServiceError
from ops import testing

# Actions


def test_pause_outlives_hooks_and_resume_undoes_it(ctx, host):
    out = running(ctx, host)
    paused = ctx.run(ctx.on.action("pause"), out)
    assert up(host) == set()
    assert host.systemd.masked(HOST)
    assert paused.unit_status == testing.MaintenanceStatus(
        "Paused. Use 'resume' action to resume normal service."
    )
    changed = state(keystone(), monitoring_interval=5)
    for event in (ctx.on.config_changed(), ctx.on.update_status(), ctx.on.upgrade_charm()):
        paused = ctx.run(event, changed)
        assert up(host) == set()
    assert conf(host)["host"]["monitoring_interval"] == "5", "configured all the same"
    resumed = ctx.run(ctx.on.action("resume"), changed)
    assert up(host) == {HOST, INSTANCE}
    assert not host.systemd.masked(HOST)
    assert resumed.unit_status == READY


def test_a_service_that_runs_in_spite_of_a_pause_is_named(ctx, host):
    out = running(ctx, host)
    ctx.run(ctx.on.action("pause"), out)
    host.systemd.services[HOST].active = True
    out = ctx.run(ctx.on.update_status(), out)
    assert out.unit_status == testing.BlockedStatus(
        f"Services should be paused but these services running: {HOST}"
    )


READY_TO_UPGRADE = testing.BlockedStatus(
    "Ready for do-release-upgrade and reboot. Set complete when finished."
)


@pytest.mark.filterwarnings("ignore:p.*-series-upgrade events:DeprecationWarning")
def test_the_machine_is_upgraded(ctx, host):
    """`juju upgrade-machine ... prepare` and `... complete`."""
    out = ctx.run(ctx.on.pre_series_upgrade(), running(ctx, host))
    assert up(host) == set()
    assert out.unit_status == READY_TO_UPGRADE
    out = ctx.run(ctx.on.start(), out)
    assert up(host) == set()
    with pytest.raises(testing.ActionFailed, match="do-release-upgrade"):
        ctx.run(ctx.on.action("resume"), out)
    out = ctx.run(ctx.on.post_series_upgrade(), out)
    assert up(host) == {HOST, INSTANCE}
    assert out.unit_status == READY


@pytest.mark.filterwarnings("ignore:p.*-series-upgrade events:DeprecationWarning")
def test_a_paused_unit_stays_so_over_an_upgrade_of_the_machine(ctx, host):
    out = ctx.run(ctx.on.action("pause"), running(ctx, host))
    out = ctx.run(ctx.on.pre_series_upgrade(), out)
    out = ctx.run(ctx.on.post_series_upgrade(), out)
    assert up(host) == set()
    assert isinstance(out.unit_status, testing.MaintenanceStatus)


@pytest.mark.filterwarnings("ignore:p.*-series-upgrade events:DeprecationWarning")
def test_a_monitor_that_does_not_stop_for_the_upgrade_is_named(ctx, host, monkeypatch):
    def refuse(name):
        raise ServiceError(f"{name} still runs")

    out = running(ctx, host)
    monkeypatch.setattr(host.systemd, "pause", refuse)
    out = ctx.run(ctx.on.pre_series_upgrade(), out)
    assert "these services running" in out.unit_status.message


@pytest.mark.filterwarnings("ignore:p.*-series-upgrade events:DeprecationWarning")
def test_a_monitor_that_does_not_start_after_the_upgrade_is_named(ctx, host, monkeypatch):
    def refuse(name):
        raise CommandError(["systemctl", "unmask", name], 1, "no")

    out = ctx.run(ctx.on.pre_series_upgrade(), running(ctx, host))
    monkeypatch.setattr(host.systemd, "unmask", refuse)
    host.systemd.broken.add(HOST)
    out = ctx.run(ctx.on.post_series_upgrade(), out)
    assert isinstance(out.unit_status, testing.BlockedStatus)
    assert HOST in out.unit_status.message


def test_restart_services(ctx, host):
    out = running(ctx, host)
    ctx.run(ctx.on.action("restart-services"), out)
    assert restarted(host) == {HOST, INSTANCE}


def test_restart_services_of_a_paused_unit(ctx, host):
    out = running(ctx, host)
    ctx.run(ctx.on.action("pause"), out)
    with pytest.raises(testing.ActionFailed, match="paused"):
        ctx.run(ctx.on.action("restart-services"), out)


@pytest.mark.parametrize("action", ["resume", "restart-services"])
def test_actions_say_why_they_failed(ctx, host, action):
    out = running(ctx, host)
    host.systemd.services[HOST].active = False
    host.systemd.broken.add(HOST)
    with pytest.raises(testing.ActionFailed, match=f"Couldn't.*{HOST}"):
        ctx.run(ctx.on.action(action), out)


def test_pause_and_resume_that_systemd_refuses(ctx, host, monkeypatch):
    def refuse(name):
        raise ServiceError(f"{name} still runs\nmore")

    def refuse_too(name):
        raise CommandError(["systemctl", "unmask", name], 1, "read-only file system")

    out = running(ctx, host)
    with monkeypatch.context() as patch:
        patch.setattr(host.systemd, "pause", refuse)
        with pytest.raises(testing.ActionFailed, match=f"Couldn't pause: {HOST} still runs$"):
            ctx.run(ctx.on.action("pause"), out)
    ctx.run(ctx.on.action("pause"), out)
    monkeypatch.setattr(host.systemd, "unmask", refuse_too)
    with pytest.raises(testing.ActionFailed, match=r"Couldn't resume: .*read-only"):
        ctx.run(ctx.on.action("resume"), out)
