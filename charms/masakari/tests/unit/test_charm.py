"""The charm as a whole: from Juju's events to files, services, databags and statuses."""

from __future__ import annotations

import dataclasses
from typing import Any

import ops
import pytest
from ops import testing
from scenario.mocking import _MockModelBackend as MockBackend

import model
from machine import GROUPS, Machine
from model import complete, published, replace, with_config

CONF = "/etc/masakari/masakari.conf"
OWN = ("masakari-api", "masakari-engine")


def test_install_installs_and_holds_services_back(
    ctx: testing.Context, bare_machine: Machine
) -> None:
    """Packages start their services at once, without a configuration."""
    host = bare_machine.host
    unpack, started = host.apt.on_install, []

    def install(names: list[str]) -> None:
        unpack(names)
        started.extend(name for name in OWN if host.systemd.running(name))

    host.apt.on_install = install
    out = ctx.run(ctx.on.install(), testing.State())
    assert started == []
    assert ("install", *sorted(host.apt.archive)) in host.apt.log
    assert not [name for name in OWN if host.systemd.running(name)]
    assert out.workload_version == "14.0.2"
    assert {port.port for port in out.opened_ports} == {15868}
    assert out.unit_status == ops.BlockedStatus(
        "Missing relations: amqp, ha, identity-service, shared-db"
    )


def test_bad_option_is_corrected_before_anything_is_installed(
    ctx: testing.Context, bare_machine: Machine
) -> None:
    out = ctx.run(ctx.on.install(), testing.State(config={"vip": "x"}))
    assert out.unit_status == ops.BlockedStatus("vip: 'x' is not an IP address")
    assert bare_machine.host.apt.present == {}
    out = ctx.run(ctx.on.config_changed(), testing.State())
    assert bare_machine.host.apt.present
    assert out.workload_version == "14.0.2"


@pytest.fixture
def history(ctx: testing.Context) -> list[ops.StatusBase]:
    """The statuses that the unit has had on its way to the present one."""
    ctx.unit_status_history.clear()
    return ctx.unit_status_history


INSTALLING = ops.MaintenanceStatus("Installing packages")


def test_status_says_so_while_packages_are_installed(
    ctx: testing.Context, bare_machine: Machine, history: list[ops.StatusBase]
) -> None:
    out = ctx.run(ctx.on.install(), testing.State())
    assert INSTALLING in history
    history.clear()
    del bare_machine.host.apt.present["python3-pymysql"]
    ctx.run(ctx.on.upgrade_charm(), out)
    assert INSTALLING in history


@pytest.mark.parametrize("event", ["config_changed", "update_status", "upgrade_charm"])
def test_status_does_not_flap_where_nothing_is_to_be_installed(
    ctx: testing.Context, machine: Machine, history: list[ops.StatusBase], event: str
) -> None:
    """A hook that has all packages does not claim to install any, whatever Masakari's version."""
    for metadata in machine.host.path("/usr/lib/python3/dist-packages").iterdir():
        metadata.rmdir()
    out = ctx.run(ctx.on.config_changed(), complete())
    assert out.unit_status == ops.ActiveStatus("Unit is ready")
    ctx.run(getattr(ctx.on, event)(), out)
    assert not [status for status in history if isinstance(status, ops.MaintenanceStatus)]
    assert machine.host.apt.log == []


def test_status_does_not_flap_where_nothing_can_be_installed(
    ctx: testing.Context, bare_machine: Machine, history: list[ops.StatusBase]
) -> None:
    state = testing.State(config={"openstack-origin": "cloud:noble-flamingo"})
    for _ in range(2):
        state = ctx.run(ctx.on.config_changed(), state)
    assert isinstance(state.unit_status, ops.BlockedStatus)
    assert not [status for status in history if isinstance(status, ops.MaintenanceStatus)]


def test_complete_unit_is_ready(ctx: testing.Context, machine: Machine) -> None:
    out = ctx.run(ctx.on.config_changed(), complete())
    assert out.unit_status == ops.ActiveStatus("Unit is ready")
    for name in ("masakari-api", "masakari-engine", "masakari-fencing-notifier"):
        assert machine.host.systemd.running(name), name
        assert machine.host.systemd.enabled(name), name
    assert machine.host.owner(CONF) == ("root", "masakari")
    assert machine.host.mode(CONF) == 0o640
    assert machine.host.mode("/etc/masakari/fencing-notifier.conf") == 0o640


def test_second_run_changes_nothing(ctx: testing.Context, machine: Machine) -> None:
    out = ctx.run(ctx.on.config_changed(), complete())
    before, databags = machine.files(), {r.id: r.local_unit_data for r in out.relations}
    machine.forget()
    again = ctx.run(ctx.on.config_changed(), out)
    look = str(machine.host.path("/var/lib/masakari-charm/health.json"))
    after = machine.files()
    assert {k: v for k, v in after.items() if k != look} == {
        k: v for k, v in before.items() if k != look
    }
    assert machine.restarts() == []
    assert machine.has_run("runuser") == []
    assert {r.id: r.local_unit_data for r in again.relations} == databags
    assert again.unit_status == ops.ActiveStatus("Unit is ready")


@pytest.mark.parametrize("event", ["start", "update_status", "leader_elected", "upgrade_charm"])
def test_other_events_change_nothing_either(
    ctx: testing.Context, machine: Machine, event: str
) -> None:
    out = ctx.run(ctx.on.config_changed(), complete())
    machine.forget()
    again = ctx.run(getattr(ctx.on, event)(), out)
    assert machine.restarts() == []
    assert machine.host.apt.log == []
    assert again.unit_status == ops.ActiveStatus("Unit is ready")


@pytest.mark.parametrize("endpoint", ["public", "cluster", "shared-db"])
@pytest.mark.parametrize("known", [True, False])
def test_a_space_that_is_not_on_the_machine_is_blocked(
    ctx: testing.Context,
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    endpoint: str,
    known: bool,
) -> None:
    """A real Juju's network-get fails there; the units then stayed in error."""
    network_get = MockBackend.network_get

    def without(backend: Any, name: str, *args: Any) -> Any:
        if name != endpoint:
            return network_get(backend, name, *args)
        if known:
            return {"bind-addresses": [], "egress-subnets": [], "ingress-addresses": []}
        raise ops.ModelError(f'ERROR no network config found for binding "{name}"')

    monkeypatch.setattr(MockBackend, "network_get", without)
    out = ctx.run(ctx.on.config_changed(), complete())
    assert out.unit_status == ops.BlockedStatus(
        f"This machine has no address in the space of {endpoint}: bind it to one of its own"
        f" (juju bind masakari {endpoint}=SPACE)"
    )


@pytest.mark.parametrize("endpoint", ["identity-service", "shared-db", "amqp", "ha"])
def test_missing_relation_is_blocked(
    ctx: testing.Context, machine: Machine, endpoint: str
) -> None:
    state = complete()
    rest = [relation for relation in state.relations if relation.endpoint != endpoint]
    out = ctx.run(
        ctx.on.config_changed(),
        testing.State(relations=rest, config=state.config, leader=True, networks=model.NETWORKS),
    )
    assert out.unit_status == ops.BlockedStatus(f"Missing relations: {endpoint}")


@pytest.mark.parametrize(
    "relation", [model.identity(u0={}), model.shared_db({}), model.amqp(u0={}), model.ha({})]
)
def test_relation_without_answer_is_waited_for(
    ctx: testing.Context, machine: Machine, relation: testing.Relation
) -> None:
    out = ctx.run(ctx.on.config_changed(), complete(relation))
    text = f"Incomplete relations: {relation.endpoint}"
    assert out.unit_status == ops.WaitingStatus(text)


def test_services_stop_when_a_relation_is_removed(ctx: testing.Context, machine: Machine) -> None:
    out = ctx.run(ctx.on.config_changed(), complete())
    relation = model.only(out, "shared-db")
    out = ctx.run(ctx.on.relation_broken(relation), out)
    assert out.unit_status == ops.BlockedStatus("Missing relations: shared-db")
    assert not machine.host.systemd.running("masakari-engine")
    assert machine.host.systemd.masked("masakari-engine")


def test_services_go_on_while_an_answer_is_incomplete(
    ctx: testing.Context, machine: Machine
) -> None:
    out = ctx.run(ctx.on.config_changed(), complete())
    text = machine.read(CONF)
    machine.forget()
    out = ctx.run(ctx.on.update_status(), replace(out, model.shared_db({})))
    assert out.unit_status == ops.WaitingStatus("Incomplete relations: shared-db")
    assert machine.read(CONF) == text
    assert machine.restarts() == []


@pytest.mark.parametrize(
    ("options", "restarted"),
    [
        ({"worker-multiplier": 1.0}, {"masakari-api"}),
        ({"duplicate-notification-interval": 60}, {"masakari-api"}),
        ({"evacuation-delay": 30}, {"masakari-engine"}),
        ({"process-all-instances": True}, {"masakari-engine"}),
        ({"allow-recovery-without-fencing": True}, {"masakari-engine"}),
        ({"debug": True}, {"masakari-api", "masakari-engine"}),
        ({"config-flags": "report_interval=20"}, {"masakari-api", "masakari-engine"}),
        ({"haproxy-server-timeout": 1000}, set()),
        ({"remote-monitor-timeout": 9}, set()),
        ({"vip": "10.77.1.251"}, set()),
        (
            {"use-internal-endpoints": True},
            {"masakari-api", "masakari-engine", "masakari-fencing-notifier"},
        ),
    ],
)
def test_only_the_concerned_service_is_restarted(
    ctx: testing.Context, machine: Machine, options: dict[str, object], restarted: set[str]
) -> None:
    out = ctx.run(ctx.on.config_changed(), complete())
    machine.forget()
    ctx.run(ctx.on.config_changed(), with_config(out, **options))
    assert {name for verb, name in machine.restarts() if verb == "restart"} == restarted
    reloaded = [("reload", "haproxy")] if "haproxy-server-timeout" in options else []
    assert [entry for entry in machine.restarts() if entry[0] != "restart"] == reloaded


def test_a_restart_that_a_hook_did_not_get_to_is_made_good(
    ctx: testing.Context, machine: Machine
) -> None:
    out = ctx.run(ctx.on.config_changed(), complete())
    machine.forget()
    machine.host.systemd.broken.add("masakari-engine")
    out = ctx.run(ctx.on.config_changed(), with_config(out, evacuation_delay=30))
    assert out.unit_status == ops.BlockedStatus(
        "Services not running that should be: masakari-engine"
    )
    machine.host.systemd.broken.clear()
    machine.host.systemd.services["masakari-engine"].active = True  # with what, who knows
    machine.forget()
    out = ctx.run(ctx.on.update_status(), out)
    assert machine.restarts() == [("restart", "masakari-engine")]
    assert out.unit_status == ops.ActiveStatus("Unit is ready")


def test_service_that_a_killed_hook_has_held_back_is_restarted(
    ctx: testing.Context, machine: Machine
) -> None:
    out = ctx.run(ctx.on.config_changed(), complete())
    machine.host.systemd.services["masakari-engine"].masked = True
    out = ctx.run(ctx.on.config_changed(), with_config(out, evacuation_delay=30))
    assert out.unit_status == ops.ActiveStatus("Unit is ready")
    assert not machine.host.systemd.masked("masakari-engine")


def test_api_that_does_not_listen_is_blocked(ctx: testing.Context, machine: Machine) -> None:
    out = ctx.run(ctx.on.config_changed(), complete())
    probe = lambda port: port != 15848  # noqa: E731
    machine._probe = probe  # type: ignore[method-assign]
    out = ctx.run(ctx.on.update_status(), out)
    assert out.unit_status == ops.BlockedStatus("Ports which should be open, but are not: 15848")
    assert machine.slept == 0  # nothing was started, so there is nothing to wait for


def test_start_waits_a_while_for_the_port(ctx: testing.Context, machine: Machine) -> None:
    machine._probe = lambda port: machine.slept > 2  # type: ignore[method-assign]
    out = ctx.run(ctx.on.config_changed(), complete())
    assert 2 < machine.slept < 3
    assert out.unit_status == ops.ActiveStatus("Unit is ready")


def test_the_services_start_side_by_side(ctx: testing.Context, machine: Machine) -> None:
    """Each takes seconds to load: the engine does not wait for the API."""
    engine = machine.host.systemd.services["masakari-engine"]
    engine.active = False
    ran = []
    machine._probe = lambda port: ran.append(engine.active) or True  # type: ignore[method-assign]
    ctx.run(ctx.on.config_changed(), complete())
    assert ran and all(ran)


def test_haproxy_is_pacemakers(ctx: testing.Context, machine: Machine) -> None:
    haproxy = machine.host.systemd.services["haproxy"]
    haproxy.active = False
    out = ctx.run(ctx.on.config_changed(), complete())
    assert not haproxy.active
    assert out.unit_status == ops.WaitingStatus("Waiting for Pacemaker to start HAProxy")


def test_pacemaker_is_asked_to_look_at_an_haproxy_that_is_down(
    ctx: testing.Context, machine: Machine
) -> None:
    recheck = ("crm_resource", "--refresh", "--resource", "res_masakari_haproxy", "--node")
    out = ctx.run(ctx.on.update_status(), complete())
    assert not machine.has_run(*recheck)
    machine.host.systemd.services["haproxy"].active = False
    out = ctx.run(ctx.on.update_status(), out)
    assert len(machine.has_run(*recheck, "node1")) == 1
    machine.host.runner.answer(["crm_resource"], (1, "no cluster"))
    out = ctx.run(ctx.on.update_status(), out)
    assert out.unit_status == ops.WaitingStatus("Waiting for Pacemaker to start HAProxy")


def without_ha(**options: object) -> testing.State:
    """A unit that needs no cluster."""
    config = {"vip": "", "allow-recovery-without-fencing": True}
    state = complete(config=config, **options)
    rest = [relation for relation in state.relations if relation.endpoint != "ha"]
    return dataclasses.replace(state, relations=rest)


@pytest.mark.parametrize("how", ["stop", "pause"])
def test_masked_haproxy_is_left_to_pacemaker(
    ctx: testing.Context, machine: Machine, how: str
) -> None:
    """One that is masked looks to Pacemaker as if it ran."""
    alone = ctx.run(ctx.on.config_changed(), without_ha(planned_units=3))
    ctx.run(ctx.on.stop() if how == "stop" else ctx.on.action("pause"), alone)
    assert machine.host.systemd.masked("haproxy")
    machine.forget()
    out = ctx.run(ctx.on.config_changed(), complete())
    if how == "pause":
        assert machine.host.systemd.masked("haproxy")
        out = ctx.run(ctx.on.action("resume"), out)
    assert not machine.host.systemd.masked("haproxy")
    assert "haproxy" not in {name for _, name in machine.restarts()}
    assert out.unit_status == ops.WaitingStatus("Waiting for Pacemaker to start HAProxy")


def test_haproxy_is_ours_without_pacemaker(ctx: testing.Context, machine: Machine) -> None:
    machine.host.systemd.services["haproxy"].active = False
    state = complete(config={"vip": "", "allow-recovery-without-fencing": True})
    rest = [relation for relation in state.relations if relation.endpoint != "ha"]
    out = ctx.run(
        ctx.on.config_changed(), testing.State(relations=rest, config=state.config, leader=True)
    )
    assert out.unit_status == ops.ActiveStatus("Unit is ready")
    assert machine.host.systemd.running("haproxy")
    assert not machine.host.systemd.running("masakari-fencing-notifier")
    machine._probe = lambda port: port != 15868  # type: ignore[method-assign]
    out = ctx.run(ctx.on.update_status(), out)
    assert out.unit_status == ops.BlockedStatus("Ports which should be open, but are not: 15868")


def test_bad_option_is_blocked_and_changes_nothing(ctx: testing.Context, machine: Machine) -> None:
    out = ctx.run(ctx.on.config_changed(), complete())
    machine.forget()
    out = ctx.run(ctx.on.config_changed(), with_config(out, vip="10.77.1.256"))
    assert out.unit_status == ops.BlockedStatus("vip: '10.77.1.256' is not an IP address")
    assert machine.restarts() == []
    assert "242d562" not in published(out, "ha")["json_resources"]


def test_engine_and_notifier_may_talk_to_pacemaker_once_it_is_there(
    ctx: testing.Context, machine: Machine
) -> None:
    group = machine.host.path("/etc/group")
    group.write_text("root:x:0:\nmasakari:x:64061:\n")
    drop_in = "/etc/systemd/system/masakari-engine.service.d/juju.conf"
    out = ctx.run(ctx.on.config_changed(), complete(model.ha({})))
    assert "SupplementaryGroups" not in machine.read(drop_in), "systemd would not start it"
    assert not machine.host.systemd.running("masakari-fencing-notifier")
    group.write_text(GROUPS)
    machine.forget()
    out = ctx.run(ctx.on.update_status(), replace(out, model.ha()))
    assert "\nSupplementaryGroups=haclient\n" in machine.read(drop_in)
    assert ("restart", "masakari-engine") in machine.restarts()
    assert ("restart", "masakari-api") not in machine.restarts()
    assert machine.host.systemd.running("masakari-fencing-notifier")
    assert out.unit_status == ops.ActiveStatus("Unit is ready")
    assert machine.host.mode("/var/lib/masakari-fencing/spool") == 0o2770
    assert machine.has_run("usermod") == []


def test_the_account_that_the_api_shares_is_not_in_pacemakers_group(
    ctx: testing.Context, machine: Machine
) -> None:
    """Older versions put it there: the API, which is reachable from outside, was a member too."""
    group = machine.host.path("/etc/group")
    group.write_text(GROUPS.replace("haclient:x:115:", "haclient:x:115:masakari"))
    machine.host.runner.answer(["gpasswd"], lambda argv: group.write_text(GROUPS) and "")
    out = ctx.run(ctx.on.config_changed(), complete())
    assert machine.has_run("gpasswd") == [["gpasswd", "--delete", "masakari", "haclient"]]
    machine.forget()
    ctx.run(ctx.on.update_status(), with_config(out))
    assert machine.has_run("gpasswd") == []
    assert "haclient" not in machine.read("/usr/local/lib/systemd/system/masakari-api.service")
