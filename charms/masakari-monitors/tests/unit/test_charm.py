"""Events of Juju and what comes of them."""

import dataclasses

import pytest
from hypervisor import (
    HOST,
    INSTANCE,
    INTROSPECTIVE,
    KEYSTONE,
    NAME,
    PEM,
    PROCESS,
    READY,
    b64,
    cluster,
    conf,
    files,
    gpasswd,
    install,
    keystone,
    make_context,
    running,
    state,
    vault,
)
from instance_ha_common.machine.commands import CommandError
from instance_ha_common.machine.services import ServiceError
from instance_ha_common.testing import FakeService
from ops import testing
from workload.files import CA, CONF


def up(host):
    return {name for name, s in host.systemd.services.items() if s.active and "monitor" in name}


def restarted(host):
    return {name for verb, name in host.systemd.log if verb == "restart"}


# From nothing to ready


def test_install_brings_the_monitors_but_runs_none_unconfigured(ctx, host):
    """The host monitor calls Pacemaker's tools, whoever else may install them."""
    out = ctx.run(ctx.on.install(), state())
    assert {HOST, INSTANCE, "pacemaker-cli-utils"} <= host.apt.present.keys()
    assert up(host) == set()
    assert out.unit_status == testing.BlockedStatus("Missing relations: identity-credentials")
    assert out.workload_version == "18.0.0"


def test_a_monitor_that_fails_without_its_configuration_is_not_started_again_and_again(ctx, host):
    def looping(names: list[str]) -> None:
        install(host, names)
        host.systemd.services[INSTANCE] = FakeService(idle="activating", enabled=True)

    host.apt.on_install = looping
    ctx.run(ctx.on.install(), state())
    assert host.systemd.state(INSTANCE) == "inactive"
    assert not host.systemd.enabled(INSTANCE)


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


@pytest.mark.parametrize("version", ["9.0.0", "18.0.0", "99.0.0"])
def test_no_release_is_too_new_to_be_known(ctx, host, version):
    """Neither a list of releases nor a template for each of them ends before the cloud does."""
    host.apt.archive = dict.fromkeys(host.apt.archive, version)
    out = running(ctx, host, config_flags="tempdir=/x")
    assert out.workload_version == version
    assert out.unit_status == READY
    assert conf(host)["DEFAULT"]["tempdir"] == "/x"


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
    renewed = PEM.replace("QUJD", "R0hJ")
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
    own = PEM.replace("QUJD", "T1dO")
    running(ctx, host)
    ctx.run(ctx.on.config_changed(), state(keystone(), vault({"ca": PEM}), ssl_ca=b64(own)))
    assert host.read(CA) == own + PEM


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


def test_a_departing_keystone_unit_changes_nothing(ctx, host):
    out = running(ctx, host)
    relation = out.get_relations("identity-credentials")[0]
    ctx.run(ctx.on.relation_departed(relation, remote_unit=1, departing_unit=1), out)
    assert host.systemd.log == []


def test_a_first_configuration_with_an_impossible_option(ctx, host):
    out = ctx.run(ctx.on.install(), state(keystone(), monitoring_interval=0))
    assert out.unit_status.message == "monitoring-interval: must be 1 to 3600"
    assert host.apt.log == []
