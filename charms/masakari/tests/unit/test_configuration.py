"""masakari.conf and the units: what the charm writes for Masakari."""

from __future__ import annotations

import configparser
from pathlib import Path

import ops
import pytest
from ops import testing

import model
from machine import Machine
from model import complete, replace
from relations.database import Database
from relations.keystone import Identity
from relations.messaging import Messaging
from workload import masakari_conf

CONF = "/etc/masakari/masakari.conf"
TEMPLATES = Path(__file__).parents[2] / "src" / "templates"


def read(machine: Machine, path: str = CONF) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(default_section="", strict=True)
    parser.read_string(machine.read(path))
    return parser


def test_defaults(ctx: testing.Context, machine: Machine) -> None:
    ctx.run(ctx.on.config_changed(), complete())
    conf = read(machine)
    default = conf["DEFAULT"]
    assert default["transport_url"] == "rabbit://masakari:Zqsecret@10.6.0.41:5672/masakari"
    assert default["masakari_api_listen"] == "127.0.0.1"
    assert default["masakari_api_listen_port"] == "15848"
    assert 1 <= int(default["masakari_api_workers"]) <= 4
    assert default["wait_period_after_service_update"] == "0"
    assert default["duplicate_notification_detection_interval"] == "30"
    assert "notifications_expired_interval" not in default
    assert conf["taskflow"]["connection"] == conf["database"]["connection"]
    assert int(conf["database"]["connection_recycle_time"]) < 3600
    assert conf["keystone_authtoken"]["www_authenticate_uri"] == "https://10.5.100.0:5000"
    assert "auth_uri" not in conf["keystone_authtoken"]
    tasks = conf["taskflow_driver_recovery_flows"]
    assert "confirm_compute_node_closed_task" in tasks["process_failure_recovery_tasks"]
    for option in ("host_auto_failure_recovery_tasks", "host_rh_failure_recovery_tasks"):
        assert tasks[option].startswith("pre:['ensure_host_fenced_task','force_compute_service_")
    assert tasks["instance_failure_recovery_tasks"].startswith("pre:['stop_instance_promptly_")
    assert conf["fencing"]["allow_unfenced_recovery"] == "False"
    assert default["process_unfinished_notifications_interval"] == "30"
    assert default["retry_notification_new_status_interval"] == "20"


def test_project_is_keystones(ctx: testing.Context, machine: Machine) -> None:
    """The service project has another name than `services` where Keystone is told so."""
    keystone = model.identity(u0={**model.KEYSTONE, "service_tenant": "admin-services"})
    ctx.run(ctx.on.config_changed(), complete(keystone))
    assert read(machine)["DEFAULT"]["os_privileged_user_tenant"] == "admin-services"


@pytest.mark.parametrize(
    ("internal", "interface", "host"),
    [(False, "public", "10.5.100.0"), (True, "internal", "10.6.100.0")],
)
def test_endpoints_of_other_services(
    ctx: testing.Context, machine: Machine, internal: bool, interface: str, host: str
) -> None:
    """`use-internal-endpoints` decides how Nova and Keystone are reached."""
    ctx.run(ctx.on.config_changed(), complete(config={"use-internal-endpoints": internal}))
    conf = read(machine)
    assert conf["DEFAULT"]["nova_catalog_admin_info"] == f"compute:nova:{interface}URL"
    url = f"https://{host}:5000/v3"
    assert conf["DEFAULT"]["os_privileged_user_auth_url"] == url
    assert conf["keystone_authtoken"]["auth_url"] == url
    assert conf["keystone_authtoken"]["interface"] == interface
    notifier = read(machine, "/etc/masakari/fencing-notifier.conf")
    assert notifier["keystone"]["interface"] == interface
    assert notifier["keystone"]["auth_url"] == url


def test_password_stands_in_the_transport_url_only(ctx: testing.Context, machine: Machine) -> None:
    """RabbitMQ is not configured a second time by the deprecated `rabbit_` options."""
    ctx.run(ctx.on.config_changed(), complete())
    assert machine.read(CONF).count("Zqsecret") == 1
    assert "rabbit_" not in machine.read(CONF)


def test_proxy_headers_are_believed(ctx: testing.Context, machine: Machine) -> None:
    """Otherwise the links in the API's answers say http behind TLS."""
    ctx.run(ctx.on.config_changed(), complete())
    assert read(machine)["oslo_middleware"]["enable_proxy_headers_parsing"] == "True"
    assert "X-Forwarded-Proto http\n" in machine.read("/etc/haproxy/haproxy.cfg")


def test_a_slow_client_holds_no_process_of_the_api(ctx: testing.Context, machine: Machine) -> None:
    """Without a limit for the whole request, each byte of it begins the client's timeout anew."""
    ctx.run(ctx.on.config_changed(), complete())
    unit = machine.read("/etc/haproxy/haproxy.cfg").partition("frontend masakari-unit")[2]
    assert "    option http-buffer-request\n" in unit, "the body counts, too"
    assert "    timeout http-request 10000\n" in unit


@pytest.mark.parametrize(
    ("option", "value", "section", "name", "text"),
    [
        ("evacuation-delay", 0, "DEFAULT", "wait_period_after_service_update", "0"),
        (
            "duplicate-notification-interval",
            0,
            "DEFAULT",
            "duplicate_notification_detection_interval",
            "0",
        ),
        ("report-limit-hosts", 0, "fencing", "report_limit_hosts", "0"),
        ("evacuate-all-instances", False, "host_failure", "evacuate_all_instances", "False"),
        (
            "ignore-instances-in-error-state",
            True,
            "host_failure",
            "ignore_instances_in_error_state",
            "True",
        ),
        (
            "add-reserved-host-to-aggregate",
            True,
            "host_failure",
            "add_reserved_host_to_aggregate",
            "True",
        ),
        ("host-recovery-threads", 7, "DEFAULT", "host_failure_recovery_threads", "7"),
        ("host-ha-metadata-key", "K", "host_failure", "ha_enabled_instance_metadata_key", "K"),
        (
            "instance-ha-metadata-key",
            "K$",
            "instance_failure",
            "ha_enabled_instance_metadata_key",
            "K$$",
        ),
        ("process-all-instances", True, "instance_failure", "process_all_instances", "True"),
        ("notification-expiration", 600, "DEFAULT", "notifications_expired_interval", "600"),
        ("check-expired-interval", 60, "DEFAULT", "check_expired_notifications_interval", "60"),
        ("use-syslog", True, "DEFAULT", "use_syslog", "True"),
        # Or the password in `[taskflow] connection` would be in the logs.
        ("debug", True, "DEFAULT", "log_options", "False"),
        ("worker-multiplier", 0.001, "DEFAULT", "masakari_api_workers", "1"),
        ("config-flags", "report_interval=7", "DEFAULT", "report_interval", "7"),
        ("config-flags", "fencing/rebuild_timeout=7", "fencing", "rebuild_timeout", "7"),
        ("config-flags", "a=1, new/b=2", "new", "b", "2"),
        ("region", "RegionTwo", "DEFAULT", "os_region_name", "RegionTwo"),
        ("fencing-timeout", 5, "fencing", "fencing_timeout", "5"),
        ("report-limit-hosts", 5, "fencing", "report_limit_hosts", "5"),
        ("restart-order-from", "", "fencing", "restart_order_from", ""),
        ("restart-order-from", "image,server", "fencing", "restart_order_from", "server,image"),
        ("host-recovery-stagger", 3, "fencing", "evacuation_stagger", "3"),
        ("recover-only", "name:a$*", "fencing", "recover_only", "name:a$$*"),
        ("recover-never", "flavor:a=B , name:x", "fencing", "recover_never", "flavor:a=b, name:x"),
        ("recover-amphorae", True, "fencing", "recover_amphorae", "True"),
        ("restart-group-timeout", 5, "fencing", "restart_group_timeout", "5"),
        ("restart-group-pause", 7, "fencing", "restart_group_pause", "7"),
        ("recovery-retries", "5,60,...", "fencing", "recovery_retries", "5, 60, ..."),
        ("report-limit-window", 60, "fencing", "report_limit_window", "60"),
        ("fence-reported-failed", "always", "fencing", "fence_reported_failed", "always"),
        ("allow-recovery-without-fencing", True, "fencing", "allow_unfenced_recovery", "True"),
    ],
)
def test_each_option_takes_effect_and_zero_and_false_do_too(
    ctx: testing.Context,
    machine: Machine,
    option: str,
    value: object,
    section: str,
    name: str,
    text: str,
) -> None:
    """A zero is not dropped like a value that is not there."""
    ctx.run(ctx.on.config_changed(), complete(config={option: value}))
    assert read(machine)[section][name] == text


def test_hosts_that_return_by_themselves(ctx: testing.Context, machine: Machine) -> None:
    notifier = "/etc/masakari/fencing-notifier.conf"
    ctx.run(ctx.on.config_changed(), complete())
    assert read(machine, notifier)["notifier"]["auto_return"] == "0", "off by default"
    options = {"auto-return": 30, "auto-return-failures": 5}
    ctx.run(ctx.on.config_changed(), complete(config=options))
    found = read(machine, notifier)["notifier"]
    assert (found["auto_return"], found["auto_return_most"]) == ("1800", "5"), "in seconds"


def test_a_fencing_is_told_for_as_long_as_a_notification_counts(
    ctx: testing.Context, machine: Machine
) -> None:
    notifier = "/etc/masakari/fencing-notifier.conf"
    ctx.run(ctx.on.config_changed(), complete())
    assert "expiry" not in read(machine, notifier)["notifier"], "a day, as with Masakari"
    ctx.run(ctx.on.config_changed(), complete(config={"notification-expiration": 172800}))
    assert read(machine, notifier)["notifier"]["expiry"] == "172800"


def test_a_recovery_is_tried_again_when_the_operator_wants_it(
    ctx: testing.Context, machine: Machine
) -> None:
    notifier = "/etc/masakari/fencing-notifier.conf"
    for given, written in (("60 ,600", "60, 600"), ("", "")):
        ctx.run(ctx.on.config_changed(), complete(config={"recovery-retries": given}))
        assert read(machine, notifier)["notifier"]["retries"] == written


def test_the_stock_workflow_has_none_of_our_tasks_for_hosts_and_guests(
    ctx: testing.Context, machine: Machine
) -> None:
    options = {"recovery-workflow": "stock", "allow-recovery-without-fencing": True}
    out = ctx.run(ctx.on.config_changed(), complete(config=options))
    assert out.unit_status == ops.ActiveStatus("Unit is ready")
    # Masakari's own fails every one of these, up to Zed, where evacuation-delay is 0.
    assert list(read(machine)["taskflow_driver_recovery_flows"]) == [
        "process_failure_recovery_tasks"
    ]
    assert "process_unfinished_notifications_interval" not in read(machine)["DEFAULT"]
    drop_in = machine.read("/etc/systemd/system/masakari-engine.service.d/juju.conf")
    assert "AUTH_TYPE" not in drop_in and "DRIVER" not in drop_in
    notifier = "/etc/masakari/fencing-notifier.conf"
    assert not read(machine, notifier)["notifier"].getboolean("records")
    machine.forget()
    ctx.run(ctx.on.config_changed(), complete(config={}))
    assert read(machine, notifier)["notifier"].getboolean("records")
    services = ("masakari-engine", "masakari-fencing-notifier")
    assert sorted(machine.restarts()) == [("restart", service) for service in services]
    assert "ensure_host_fenced_task" in machine.read(CONF)


def test_the_stock_workflow_needs_its_danger_accepted(
    ctx: testing.Context, machine: Machine
) -> None:
    out = ctx.run(ctx.on.config_changed(), complete(config={"recovery-workflow": "stock"}))
    assert isinstance(out.unit_status, ops.BlockedStatus)
    assert "allow-recovery-without-fencing=true" in out.unit_status.message
    assert "ensure_host_fenced_task" in machine.read(CONF)


def test_dollar_in_a_password_is_no_reference(ctx: testing.Context, machine: Machine) -> None:
    keystone = model.identity(u0={**model.KEYSTONE, "service_password": "a$b%c"})
    ctx.run(ctx.on.config_changed(), complete(keystone))
    assert read(machine)["DEFAULT"]["os_privileged_user_password"] == "a$$b%c"
    notifier = read(machine, "/etc/masakari/fencing-notifier.conf")
    assert notifier["keystone"]["password"] == "a$b%c"


def test_lost_engine_is_noticed_soon(ctx: testing.Context, machine: Machine) -> None:
    ctx.run(ctx.on.config_changed(), complete())
    rabbit = read(machine)["oslo_messaging_rabbit"]
    assert 1.5 * int(rabbit["heartbeat_timeout_threshold"]) < 8
    assert "ssl" not in rabbit


def test_file_that_somebody_changed_is_put_right(ctx: testing.Context, machine: Machine) -> None:
    out = ctx.run(ctx.on.config_changed(), complete())
    text = machine.read(CONF)
    machine.host.path(CONF).write_text(text + "[fencing]\nallow_unfenced_recovery = true\n")
    machine.host.path("/var/lib/masakari-charm/rendered.json").write_text("[")
    ctx.run(ctx.on.update_status(), out)
    assert machine.read(CONF) == text


def test_engine_reads_this_file_on_every_distribution(
    ctx: testing.Context, machine: Machine
) -> None:
    ctx.run(ctx.on.config_changed(), complete())
    drop_in = machine.read("/etc/systemd/system/masakari-engine.service.d/juju.conf")
    assert "ExecStart=\nExecStart=/usr/bin/masakari-engine --config-file /etc/masakari/" in drop_in
    assert "PYTHONPATH=/usr/share/masakari-fencing" in drop_in
    assert "OS_KEYSTONE_AUTHTOKEN__AUTH_TYPE=masakari_shared_password\n" in drop_in
    assert "OS_DEFAULT__NOTIFICATION_DRIVER=fencing_driver\nRestart" in drop_in
    assert "notification_driver" not in machine.read("/etc/masakari/masakari.conf"), (
        "masakari-manage reads it, too, and does not find the driver"
    )


def test_api_needs_no_wsgi_script(ctx: testing.Context, machine: Machine) -> None:
    """Newer releases of Masakari no longer have a script for WSGI servers."""
    ctx.run(ctx.on.config_changed(), complete())
    unit = "/usr/local/lib/systemd/system/masakari-api.service"
    assert "ExecStart=/usr/bin/masakari-api --config-file" in machine.read(unit)
    machine.host.path("/usr/bin/masakari-api").unlink()
    ctx.run(ctx.on.upgrade_charm(), complete())
    assert "from masakari.cmd.api import main" in machine.read(unit)


def test_apache_gets_no_site(ctx: testing.Context, machine: Machine) -> None:
    """A site put straight among the enabled ones also answers on Apache's port 80."""
    ctx.run(ctx.on.config_changed(), complete())
    assert not machine.host.path("/etc/apache2").exists()


@pytest.mark.parametrize("template", sorted(TEMPLATES.glob("*.j2")), ids=lambda path: path.name)
def test_no_setting_is_commented_out(template: Path) -> None:
    """An example that was left in, password and all, looks like one that somebody disabled."""
    comments = [line for line in template.read_text().splitlines() if line.startswith("#")]
    assert not [line for line in comments if "=" in line or "password" in line.lower()]


def settings(function: str, **options: object) -> set[tuple[str, str, str]]:
    """What one of the functions has written into a file."""
    identity, database = (
        Identity.from_bag(model.KEYSTONE),
        Database.from_bag(model.MYSQL_ROUTER, "masakari/0"),
    )
    messaging = Messaging.from_bags({"rabbitmq-server/0": model.RABBITMQ})
    assert identity and database and messaging
    given = masakari_conf.Settings(model.config(**options), identity, database, messaging, 2)
    parser = configparser.RawConfigParser(default_section="\0")
    parser.read_string(getattr(masakari_conf, function)(given))
    return {(name, *item) for name in parser.sections() for item in parser.items(name)}


def test_the_charms_own_options_are_those_that_it_writes() -> None:
    found = settings("for_all", notification_expiration=1, check_expired_interval=1)
    written = {(section, option) for section, option, _ in found}
    own = {(name, option) for name, every in masakari_conf.OWN_OPTIONS.items() for option in every}
    # What only some options bring is the charm's own all the same.
    assert written <= own
    assert {pair for pair in own if pair[0] == "DEFAULT"} <= written


def test_every_setting_concerns_a_service() -> None:
    assert settings("for_api") | settings("for_engine") == settings("for_all")
    assert settings("for_api") != settings("for_all") != settings("for_engine")


OLD = model.KEYSTONE
NEW = {**model.KEYSTONE, "service_password": "newsecret"}


class TestStaleKeystone:
    """An old leader's answer stays in its databag, with the password of then."""

    def password(self, machine: Machine) -> str:
        return read(machine)["DEFAULT"]["os_privileged_user_password"]

    def test_newer_answer_wins(self, ctx: testing.Context, machine: Machine) -> None:
        out = ctx.run(ctx.on.config_changed(), complete(model.identity(u0=OLD, u1={})))
        assert self.password(machine) == "Wx4secret"
        both = model.identity(u0=OLD, u1=NEW)
        out = ctx.run(ctx.on.relation_changed(both, remote_unit=1), replace(out, both))
        assert self.password(machine) == "newsecret"
        out = ctx.run(ctx.on.update_status(), out)
        out = ctx.run(
            ctx.on.relation_changed(model.only(out, "identity-service"), remote_unit=0), out
        )
        assert self.password(machine) == "newsecret"

    def test_rotation_on_the_old_leader_wins_again(
        self, ctx: testing.Context, machine: Machine
    ) -> None:
        both = model.identity(u0=OLD, u1=NEW)
        out = ctx.run(ctx.on.relation_changed(both, remote_unit=1), complete(both))
        assert self.password(machine) == "newsecret"
        rotated = model.identity(u0={**OLD, "service_password": "third"}, u1=NEW)
        ctx.run(ctx.on.update_status(), replace(out, rotated))
        assert self.password(machine) == "third"

    def test_leaver_is_forgotten(self, ctx: testing.Context, machine: Machine) -> None:
        both = model.identity(u0=OLD, u1=NEW)
        out = ctx.run(ctx.on.relation_changed(both, remote_unit=1), complete(both))
        both = model.only(out, "identity-service")
        ctx.run(ctx.on.relation_departed(both, remote_unit=1, departing_unit=1), out)
        assert self.password(machine) == "Wx4secret"

    def test_null_is_absent(self, ctx: testing.Context, machine: Machine) -> None:
        bag = {**NEW, "service_password": "__null__"}
        both = model.identity(u0=OLD, u1=bag)
        ctx.run(ctx.on.relation_changed(both, remote_unit=1), complete(both))
        assert self.password(machine) == "Wx4secret"

    @pytest.mark.parametrize("garbage", ["{", "[]", '{"identity-service": 1}'])
    def test_unreadable_memory_is_none(
        self, ctx: testing.Context, machine: Machine, garbage: str
    ) -> None:
        machine.host.write("/var/lib/masakari-charm/responders.json", garbage)
        machine.host.write("/var/lib/masakari-charm/services.json", garbage)
        ctx.run(ctx.on.config_changed(), complete())
        assert self.password(machine) == "Wx4secret"


def test_rabbitmq_unit_that_left_is_left_out(ctx: testing.Context, machine: Machine) -> None:
    both = model.amqp(u0=model.RABBITMQ, u1={**model.RABBITMQ, "private-address": "10.6.0.42"})
    out = ctx.run(ctx.on.config_changed(), complete(both))
    assert "10.6.0.42" in machine.read(CONF)
    machine.forget()
    both = model.only(out, "amqp")
    ctx.run(ctx.on.relation_departed(both, remote_unit=1, departing_unit=1), out)
    assert "10.6.0.42" not in machine.read(CONF)
    assert ("restart", "masakari-engine") in machine.restarts()
