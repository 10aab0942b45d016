"""Events of Juju and what comes of them."""

import dataclasses

import pytest
from hypervisor import (
    HOST,
    INSTANCE,
    INTROSPECTIVE,
    KEYSTONE,
    NAME,
    PROCESS,
    READY,
    conf,
    files,
    install,
    keystone,
    make_context,
    restarted,
    running,
    state,
    up,
)
from instance_ha_common.machine.commands import CommandError
from ops import testing
from workload.files import CONF

# From nothing to ready


def test_install_brings_the_monitors_but_runs_none_unconfigured(ctx, host):
    """The host monitor calls Pacemaker's tools, whoever else may install them."""
    out = ctx.run(ctx.on.install(), state())
    assert {HOST, INSTANCE, "pacemaker-cli-utils"} <= host.apt.present.keys()
    assert up(host) == set()
    assert out.unit_status == testing.BlockedStatus("Missing relations: identity-credentials")
    assert out.workload_version == "18.0.0"


def test_the_version_is_looked_for_where_it_may_be_news(ctx, host):
    """Relations have many hooks, and each look is a process; update-status sees an upgrade."""
    relation = keystone()
    out = ctx.run(ctx.on.relation_changed(relation, remote_unit=0), state(relation))
    assert out.workload_version == "18.0.0", "this hook has installed it"
    host.apt.present["masakari-monitors-common"] = "18.0.1"
    relation = out.get_relation(relation.id)
    out = ctx.run(ctx.on.relation_changed(relation, remote_unit=0), out)
    assert out.workload_version == "18.0.0"
    assert ctx.run(ctx.on.update_status(), out).workload_version == "18.0.1"


def test_no_package_starts_a_service_before_it_is_configured(ctx, host):
    """Four daemons on each hypervisor would start, fail without files, and be started again."""
    ctx.run(ctx.on.install(), state())
    assert not [entry for entry in host.systemd.log if entry[0] == "start"]
    assert not [name for name, s in host.systemd.services.items() if s.active or s.enabled]
    assert not host.systemd.held


def test_an_installation_that_failed_holds_no_service_back(ctx, host):
    def broken(names: list[str]) -> None:
        raise CommandError(["apt-get", "install"], 100, "no space left")

    host.apt.on_install = broken
    ctx.run(ctx.on.install(), state())
    assert not host.systemd.held


def test_the_request_is_exactly_the_shared_account(ctx, host):
    relation = keystone({})
    out = ctx.run(ctx.on.relation_created(relation), state(relation))
    bag = out.get_relation(relation.id).local_unit_data
    own = {k: v for k, v in bag.items() if not k.endswith(("-subnets", "-address"))}
    assert own == {"username": "masakari-monitors", "project": "services"}
    assert out.unit_status == testing.WaitingStatus("Incomplete relations: identity-credentials")


def test_complete_credentials_configure_and_start(ctx, host):
    """Keystone's public address, since hypervisors often reach no other."""
    out = running(ctx, host)
    assert up(host) == {HOST, INSTANCE}
    assert out.unit_status == READY
    api = conf(host)["api"]
    assert api["auth_url"] == "https://10.5.100.0:5000/v3"
    assert api["region"] == "RegionOne"
    assert api["api_interface"] == "public"


def test_the_password_is_readable_by_the_monitors_only(ctx, host):
    running(ctx, host)
    assert host.mode(CONF) == 0o640
    assert host.owner(CONF) == ("root", "masakari")
    assert conf(host)["api"]["password"] == "h7V$$x", "oslo.config would expand a bare $"


def test_on_ubuntu_the_account_has_another_name(ctx, host):
    host.apt.on_install = lambda names: install(host, names, user="masakarimonitors")
    running(ctx, host)
    assert host.owner(CONF) == ("root", "masakarimonitors")


def test_packages_without_an_account_are_blocked_not_an_error(ctx, host):
    ctx.run(ctx.on.install(), state())
    host.write("/etc/passwd", "root:x:0:0::/:/bin/sh\n")
    out = ctx.run(ctx.on.config_changed(), state(keystone()))
    assert isinstance(out.unit_status, testing.BlockedStatus)


@pytest.mark.parametrize("missing", sorted(k for k in KEYSTONE if k.startswith(("auth", "api_"))))
def test_half_an_answer_is_incomplete(ctx, host, missing):
    relation = keystone({k: v for k, v in KEYSTONE.items() if k != missing})
    out = ctx.run(ctx.on.relation_changed(relation, remote_unit=0), state(relation))
    assert out.unit_status == testing.WaitingStatus("Incomplete relations: identity-credentials")
    assert up(host) == set()
    assert not host.path(CONF).exists()


# Names


def test_the_reported_name_is_novas(ctx, host):
    """Under another name Masakari refuses what the monitors report."""
    running(ctx, host)
    assert conf(host)["DEFAULT"]["hostname"] == NAME


def test_the_operators_name_wins(ctx, host):
    running(ctx, host, hostname="other")
    assert conf(host)["DEFAULT"]["hostname"] == "other"


def test_a_hypervisor_waits_until_nova_is_configured(ctx, host):
    host.remove("/etc/nova/nova.conf")
    out = running(ctx, host)
    assert up(host) == set()
    assert out.unit_status == testing.WaitingStatus(
        "Waiting for Nova to be configured on this machine"
    )


def test_another_principal_does_not_wait_for_nova(ctx, host):
    host.remove("/etc/nova/nova.conf")
    host.path("/etc/nova").rmdir()
    running(make_context(principal="ubuntu/0"), host)
    assert conf(host)["DEFAULT"]["hostname"] == "canonical.example"


# Whom to believe, and changes


def test_the_unit_that_spoke_last_is_believed(ctx, host):
    """An old leader's answer stays in its databag, with the password of then."""
    out = running(ctx, host)
    relation = out.get_relations("identity-credentials")[0]
    new = {**KEYSTONE, "credentials_password": "new"}
    both = dataclasses.replace(relation, remote_units_data={0: KEYSTONE, 1: new})
    out = ctx.run(
        ctx.on.relation_changed(both, remote_unit=1),
        dataclasses.replace(out, relations=[both]),
    )
    assert conf(host)["api"]["password"] == "new"
    ctx.run(ctx.on.update_status(), out)
    assert conf(host)["api"]["password"] == "new", "remembered in later hooks"
    assert restarted(host) == {HOST, INSTANCE}


def test_a_second_run_changes_nothing(ctx, host):
    out = running(ctx, host)
    before = files(host)
    again = ctx.run(ctx.on.config_changed(), out)
    assert files(host) == before
    assert host.systemd.log == []
    assert host.apt.log == []
    assert host.runner.calls == []
    assert again.unit_status == READY


def test_upgrade_charm_installs_what_is_missing_and_renders_again(ctx, host):
    """A refresh alone brings the new charm's packages and files."""
    out = running(ctx, host)
    host.write(CONF, "[DEFAULT]\nold = charm\n")
    del host.apt.present["pacemaker-cli-utils"]
    ctx.run(ctx.on.upgrade_charm(), out)
    assert "pacemaker-cli-utils" in host.apt.present
    assert "auth_url" in conf(host)["api"]
    assert restarted(host) == {HOST, INSTANCE}


@pytest.mark.parametrize(
    ("option", "section", "key", "value", "services"),
    [
        ({"monitoring_interval": 5}, "host", "monitoring_interval", "5", {HOST}),
        ({"monitoring_samples": 7}, "host", "monitoring_samples", "7", {HOST}),
        ({"process_check_interval": 9}, "process", "check_interval", "9", {PROCESS}),
        ({"process_restart_retries": 0}, "process", "restart_retries", "0", {PROCESS}),
        ({"process_restart_interval": 9}, "process", "restart_interval", "9", {PROCESS}),
        (
            {"guest_monitoring_interval": 99},
            "introspectiveinstancemonitor",
            "guest_monitoring_interval",
            "99",
            {INTROSPECTIVE},
        ),
        (
            {"notification_retries": 0},
            "callback",
            "retry_max",
            "0",
            {HOST, INSTANCE, PROCESS, INTROSPECTIVE},
        ),
        (
            {"use_internal_endpoints": True},
            "api",
            "api_interface",
            "internal",
            {HOST, INSTANCE, PROCESS, INTROSPECTIVE},
        ),
        (
            {"keystone_endpoint": "admin"},
            "api",
            "auth_url",
            "https://10.7.100.0:35357/v3",
            {HOST, INSTANCE, PROCESS, INTROSPECTIVE},
        ),
        (
            {"region": "RegionTwo"},
            "api",
            "region",
            "RegionTwo",
            {HOST, INSTANCE, PROCESS, INTROSPECTIVE},
        ),
        (
            {"debug": True},
            "DEFAULT",
            "debug",
            "true",
            {HOST, INSTANCE, PROCESS, INTROSPECTIVE},
        ),
        (
            {"use_syslog": True},
            "DEFAULT",
            "use_syslog",
            "true",
            {HOST, INSTANCE, PROCESS, INTROSPECTIVE},
        ),
        (
            {"config_flags": "tempdir=/x,debug=yes"},
            "DEFAULT",
            "tempdir",
            "/x",
            {HOST, INSTANCE, PROCESS, INTROSPECTIVE},
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_an_option_takes_effect_and_restarts_whom_it_concerns(
    ctx, host, option, section, key, value, services
):
    every = {"enable_process_monitor": True, "enable_introspective_instance_monitor": True}
    running(ctx, host, **every)
    ctx.run(ctx.on.config_changed(), state(keystone(), **every, **option))
    assert conf(host)[section][key] == value
    assert restarted(host) == services


def test_config_flags_win_over_the_charms_own(ctx, host):
    """What the operator sets by hand is not lost in a template that knows nothing of it."""
    running(ctx, host, config_flags="debug=yes")
    assert conf(host)["DEFAULT"]["debug"] == "yes"


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"monitoring_interval": 0}, "monitoring-interval: must be 1 to 3600"),
        ({"monitoring_samples": 61}, "monitoring-samples: must be 1 to 60"),
        ({"notification_retries": -1}, "notification-retries: must be 0 to 10000"),
        ({"keystone_endpoint": "other"}, "keystone-endpoint: must be public or admin"),
        ({"region": " "}, "region: must be a name"),
        ({"region": "a\nb"}, "region: must be a name"),
        ({"hostname": "a b"}, "hostname: 'a b' is not a host name"),
        ({"config_flags": "x"}, "config-flags: expected key=value pairs, found 'x'"),
        ({"ssl_ca": "@"}, "ssl_ca: not base64 of a PEM certificate"),
        ({"process_list": "{"}, "process-list: is not YAML"),
    ],
)
def test_impossible_options_are_blocked_and_leave_what_runs_alone(ctx, host, option, message):
    running(ctx, host)
    before = files(host)
    out = ctx.run(ctx.on.config_changed(), state(keystone(), **option))
    assert out.unit_status == testing.BlockedStatus(message)
    assert files(host) == before
    assert up(host) == {HOST, INSTANCE}
