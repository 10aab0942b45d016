"""Which monitors run, and whom they trust."""

import dataclasses

import pytest
from hypervisor import (
    HOST,
    INSTANCE,
    INTROSPECTIVE,
    KEYSTONE,
    OTHER_PEM,
    PEM,
    PROCESS,
    READY,
    b64,
    cluster,
    conf,
    gpasswd,
    keystone,
    restarted,
    running,
    state,
    up,
    vault,
)
from instance_ha_common.machine.commands import CommandError
from ops import testing
from workload.files import CA

# Which monitors


def test_monitors_are_toggled_one_by_one(ctx, host):
    out = running(ctx, host)
    toggled = {
        "enable_host_monitor": False,
        "enable_process_monitor": True,
        "enable_introspective_instance_monitor": True,
    }
    out = ctx.run(ctx.on.config_changed(), state(keystone(), **toggled))
    assert up(host) == {INSTANCE, PROCESS, INTROSPECTIVE}
    assert not host.systemd.enabled(HOST)
    assert restarted(host) == set(), "the instance monitor is not concerned"
    assert out.unit_status == READY


def test_a_package_that_the_series_lacks_is_named(ctx, host):
    del host.apt.archive[INTROSPECTIVE]
    out = ctx.run(
        ctx.on.config_changed(),
        state(keystone(), enable_introspective_instance_monitor=True),
    )
    assert out.unit_status.message == f"No such package for this series: {INTROSPECTIVE}"


def test_apt_failing_is_blocked_not_an_error(ctx, host, monkeypatch):
    def fail():
        raise CommandError(["apt-get", "update"], 100, "E: no disk space")

    monkeypatch.setattr(host.apt, "update", fail)
    out = ctx.run(ctx.on.install(), state())
    assert out.unit_status.message == "apt-get update: exit code 100: E: no disk space"


def test_all_monitors_off(ctx, host):
    out = running(ctx, host, enable_host_monitor=False, enable_instance_monitor=False)
    assert out.unit_status == testing.BlockedStatus("All monitors are disabled; enable one")


def test_a_hypervisor_does_not_become_a_full_cluster_member(ctx, host):
    ctx.run(ctx.on.install(), state())
    assert "pacemaker-remote" in host.apt.present
    assert not host.systemd.running("pacemaker_remote"), "that is the other charm's to run"


def test_beside_the_pacemaker_remote_charm_its_daemon_is_left_alone(ctx, host):
    host.apt.present["pacemaker-remote"] = "1"
    cluster(host)
    ctx.run(ctx.on.install(), state())
    assert host.systemd.running("pacemaker_remote")


def test_a_daemon_whose_package_is_being_upgraded_is_left_alone(ctx, host):
    """The package is half-configured at that moment; its program is there all the time."""
    host.write("/usr/sbin/pacemaker-remoted", "program")
    cluster(host)
    ctx.run(ctx.on.install(), state())
    assert host.systemd.running("pacemaker_remote")
    assert "pacemaker-remote" not in host.apt.present, "whoever upgrades it, brings it"


def test_on_a_full_member_the_packages_are_not_exchanged(ctx, host):
    host.apt.present["pacemaker"] = "1"
    ctx.run(ctx.on.install(), state())
    assert "pacemaker-remote" not in host.apt.present


def test_the_host_monitor_is_not_ready_without_a_cluster(ctx, host):
    out = running(ctx, host)
    host.systemd.services["pacemaker_remote"].active = False
    out = ctx.run(ctx.on.update_status(), out)
    assert out.unit_status == testing.WaitingStatus(
        "The host monitor waits for pacemaker-remote on this machine"
    )


def test_a_monitor_that_died_is_started_again_or_named(ctx, host):
    out = running(ctx, host)
    host.systemd.services[HOST].active = False
    out = ctx.run(ctx.on.update_status(), out)
    assert out.unit_status == READY
    host.systemd.services[HOST].active = False
    host.systemd.broken.add(HOST)
    out = ctx.run(ctx.on.update_status(), out)
    assert isinstance(out.unit_status, testing.BlockedStatus)
    assert HOST in out.unit_status.message


@pytest.mark.parametrize("obstacle", ["another monitor", "gpasswd"])
def test_a_restart_that_was_due_is_made_up_for(ctx, host, obstacle):
    """Or a monitor would go on with the old password, and the unit call itself ready."""
    running(ctx, host)
    if obstacle == "gpasswd":
        host.write("/etc/group", "root:x:0:\nhaclient:x:2:masakari\n")
        host.runner.answer(["gpasswd"], (1, "gpasswd: cannot lock /etc/group"))
    else:
        host.systemd.broken.add(HOST)
    renewed = state(keystone({**KEYSTONE, "credentials_password": "n3w"}))
    out = ctx.run(ctx.on.update_status(), renewed)
    assert isinstance(out.unit_status, testing.BlockedStatus)
    host.systemd.broken.clear()
    host.runner.answer(["gpasswd"], lambda argv: gpasswd(host, argv))
    out = ctx.run(ctx.on.update_status(), renewed)
    assert out.unit_status == READY
    assert ("restart", INSTANCE) in host.systemd.log
    host.systemd.log.clear()
    ctx.run(ctx.on.update_status(), renewed)
    assert host.systemd.log == []


def test_a_monitor_that_dies_right_after_its_start_is_named(ctx, host, monkeypatch):
    out = running(ctx, host)
    monkeypatch.setattr(host.systemd, "start", lambda name: None)
    host.systemd.services[INSTANCE].active = False
    out = ctx.run(ctx.on.update_status(), out)
    assert out.unit_status == testing.BlockedStatus(
        f"Services not running that should be: {INSTANCE}"
    )


# Certificates


def test_vaults_authority_is_trusted_for_keystone_and_masakari(ctx, host):
    out = running(ctx, host)
    relation = vault({"ca": PEM})
    out = ctx.run(
        ctx.on.relation_changed(relation, remote_unit=0),
        dataclasses.replace(out, relations=[*out.relations, relation]),
    )
    assert conf(host)["api"]["cafile"] == CA
    assert host.read(CA) == PEM
    assert restarted(host) == {HOST, INSTANCE}
    host.systemd.log.clear()
    renewed = OTHER_PEM
    changed = dataclasses.replace(relation, remote_units_data={0: {"ca": renewed}})
    relations = [r for r in out.relations if r.endpoint != "certificates"] + [changed]
    out = ctx.run(
        ctx.on.relation_changed(changed, remote_unit=0),
        dataclasses.replace(out, relations=relations),
    )
    assert host.read(CA) == renewed
    assert restarted(host) == {HOST, INSTANCE}, "the same path, another content"
    ctx.run(ctx.on.relation_broken(changed), out)
    assert not host.path(CA).exists()
    assert "cafile" not in conf(host)["api"]


def test_the_operators_authority_alone_is_trusted(ctx, host):
    """`ssl_ca` is no option without an effect."""
    running(ctx, host, ssl_ca=b64(PEM))
    assert conf(host)["api"]["cafile"] == CA
    assert host.read(CA) == PEM


def test_the_operators_authority_adds_to_vaults(ctx, host):
    own = OTHER_PEM
    running(ctx, host)
    ctx.run(ctx.on.config_changed(), state(keystone(), vault({"ca": PEM}), ssl_ca=b64(own)))
    assert host.read(CA) == own + PEM
