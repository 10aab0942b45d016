"""Actions, as Juju runs them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import ops
import pytest
import yaml
from instance_ha_common.machine.commands import CommandError
from masakari_fencing.records import out_of_service
from ops import testing

import charm
import model
from fakecloud import FakeCloud
from machine import CRM_MON, Machine
from model import complete, replace, with_config
from segments import actions
from segments import cloud as cloud_module
from workload import cluster

ACTIONS = yaml.safe_load((Path(__file__).parents[2] / "charmcraft.yaml").read_text())["actions"]

STRANGER = cluster.Cluster.stranger


@pytest.fixture
def state(
    ctx: testing.Context, machine: Machine, cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> testing.State:
    """A unit that is ready, next to the cloud of the tests."""
    original = cloud_module.Cloud.__init__

    def connect(self: Any, identity: Any, **options: Any) -> None:
        assert options.pop("ca_bundle").endswith("/etc/ssl/certs/ca-certificates.crt")
        options["masakari_url"] = f"{cloud.url}/v1"
        original(self, cloud.identity(), ca_bundle=None, **options)

    monkeypatch.setattr(cloud_module.Cloud, "__init__", connect)
    monkeypatch.setattr(cluster.Cluster, "stranger", lambda self, name: None)
    return ctx.run(ctx.on.config_changed(), complete())


def run(
    ctx: testing.Context, state: testing.State, action: str, /, **params: Any
) -> dict[str, Any]:
    declared = ACTIONS[action].get("params", {})
    given = {name: param["default"] for name, param in declared.items() if "default" in param}
    given |= {name.replace("_", "-"): value for name, value in params.items()}
    ctx.run(ctx.on.action(action, params=given), state)
    assert ctx.action_results is not None
    return ctx.action_results


def fail(ctx: testing.Context, state: testing.State, action: str, /, **params: Any) -> str:
    with pytest.raises(testing.ActionFailed) as caught:
        run(ctx, state, action, **params)
    return caught.value.message


def test_metadata() -> None:
    assert set(charm._SEGMENT_ACTIONS) == set(actions.SEGMENT_ACTIONS)
    assert {name.replace("-", "_") for name in ACTIONS} >= set(charm._SEGMENT_ACTIONS)
    for name, action in ACTIONS.items():
        assert action["additionalProperties"] is False, name
        for param in action.get("params", {}).values():
            assert {"type", "description"} <= set(param), name


def test_life_of_a_segment(ctx: testing.Context, state: testing.State, cloud: FakeCloud) -> None:
    result = run(
        ctx,
        state,
        "create-segment",
        name="rack1",
        recovery_method="reserved_host",
        hosts="node1.maas, node2.maas",
        reserved_hosts="node3.maas",
    )
    assert result["outcome"] == "created"
    assert result["segment"]["reserved-hosts"] == "node3.maas"
    assert run(ctx, state, "list-segments")["count"] == 1
    assert run(ctx, state, "show-segment", name="rack1")["segment"]["name"] == "rack1"
    result = run(ctx, state, "update-segment", name="rack1", recovery_method="auto")
    assert result["segment"]["recovery-method"] == "auto"
    result = run(ctx, state, "update-host", host="node3.maas", reserved=False)
    assert result["host"]["reserved"] == "false"
    result = run(ctx, state, "remove-hosts", segment="rack1", hosts="node3.maas")
    assert result["removed"] == "node3.maas"
    result = run(ctx, state, "add-hosts", segment="rack1", reserved_hosts="node3.maas")
    assert result["added"] == "node3.maas"
    assert "rack1 has hosts" in fail(ctx, state, "delete-segment", name="rack1")
    result = run(ctx, state, "delete-segment", name="rack1", with_hosts=True)
    assert result["outcome"] == "deleted"
    assert cloud.segments == {}


@pytest.mark.parametrize("action", ["create-segment", "add-hosts"])
def test_a_host_that_the_cluster_could_not_fence_is_refused(
    ctx: testing.Context,
    state: testing.State,
    machine: Machine,
    cloud: FakeCloud,
    action: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster.Cluster, "stranger", STRANGER)
    nodes = "".join(
        f'<node name="{name}" type="remote" online="true"/>' for name in cloud.services
    )
    machine.host.runner.answer(["crm_mon"], CRM_MON.replace("</nodes>", f"{nodes}</nodes>"))
    cloud.add_hypervisor("node9")
    names = {"name": "rack1", "recovery_method": "auto"}
    if action == "add-hosts":
        run(ctx, state, "create-segment", **names)
        names = {"segment": "rack1"}
    text = fail(ctx, state, action, **names, hosts="node1.maas,node9")
    assert text.startswith("node9: no node of the cluster has this name")
    assert text.endswith("the cluster has: node1.maas, node2.maas, node3.maas")
    assert cloud.hosts == {}
    unfenced = with_config(state, allow_recovery_without_fencing=True)
    result = run(ctx, unfenced, action, **names, hosts="node1.maas,node9")
    assert result["added"] == "node1.maas,node9"
    machine.host.runner.answer(["crm_mon"], (102, "error: not connected"))
    if action == "add-hosts":
        text = fail(ctx, state, action, **names, hosts="node2.maas")
        assert text.startswith("Pacemaker does not answer: ")


def test_return_host_clears_the_status(
    ctx: testing.Context, state: testing.State, machine: Machine
) -> None:
    run(ctx, state, "create-segment", name="rack1", hosts="node1.maas")
    path = "/var/lib/masakari-fencing/refusals/node1.maas.json"
    machine.host.write(path, '{"host": "node1.maas", "reason": "not fenced", "time": 1}')
    found = out_of_service.OutOfService(("node1.maas",), (), ("node2.maas",))
    record = machine.host.path(str(out_of_service.RECORD))
    record.parent.mkdir(parents=True)
    out_of_service.write(record, found, machine.now)
    out = ctx.run(ctx.on.update_status(), state)
    assert "Recovery of node1.maas refused: not fenced" in out.unit_status.message
    assert "in maintenance: node1.maas, forced down: node2.maas;" in out.unit_status.message
    params = {"host": "node1.maas", "reserved": False, "timeout": 10}
    out = ctx.run(ctx.on.action("return-host", params=params), state)
    assert ctx.action_results is not None
    assert ctx.action_results["outcome"] == "returned"
    assert not machine.host.path(path).exists()
    assert out.unit_status == ops.ActiveStatus(
        "Unit is ready (forced down: node2.maas; when it works again, run return-host)"
    )


def test_a_host_that_pacemaker_does_not_reach_is_not_returned(
    ctx: testing.Context,
    state: testing.State,
    machine: Machine,
    cloud: FakeCloud,
) -> None:
    run(ctx, state, "create-segment", name="rack1", hosts="node1.maas")
    cloud.services["node1.maas"].update(status="disabled", forced_down=True)
    machine.host.runner.answer(["crm_mon"], (102, "error: not connected"))
    text = fail(ctx, state, "return-host", host="node1.maas", timeout=0)
    assert text.startswith("node1.maas is not back: Pacemaker does not answer: ")
    assert cloud.services["node1.maas"]["forced_down"] is True


def test_without_a_cluster_nova_alone_says_whether_a_host_is_back(
    ctx: testing.Context, state: testing.State, machine: Machine
) -> None:
    run(ctx, state, "create-segment", name="rack1", hosts="node1.maas")
    machine.host.runner.answer(["crm_mon"], (102, "error: not connected"))
    relations = [found for found in state.relations if found.endpoint != "ha"]
    alone = dataclasses.replace(state, relations=relations)
    assert run(ctx, alone, "return-host", host="node1.maas")["outcome"] == "returned"


def test_segment_action_leaves_the_status_alone(
    ctx: testing.Context, state: testing.State
) -> None:
    out = ctx.run(ctx.on.action("list-segments"), state)
    assert out.unit_status == state.unit_status


def test_failure_names_the_api(
    ctx: testing.Context, state: testing.State, cloud: FakeCloud
) -> None:
    cloud.broken = (503, "")
    assert fail(ctx, state, "list-segments").startswith("Masakari: ")


@pytest.mark.parametrize(
    ("relation", "text"),
    [
        (model.identity(u0={}), "Incomplete relations: identity-service"),
        (None, "Missing relations: identity-service"),
    ],
)
def test_segment_action_without_keystone(
    ctx: testing.Context, machine: Machine, relation: testing.Relation | None, text: str
) -> None:
    state = complete()
    rest = [r for r in state.relations if r.endpoint != "identity-service"]
    relations = [*rest, relation] if relation else rest
    state = testing.State(relations=relations, config=state.config, networks=model.NETWORKS)
    assert fail(ctx, state, "list-segments") == text


def test_segment_action_without_api(
    ctx: testing.Context, state: testing.State, machine: Machine
) -> None:
    machine.host.systemd.services["masakari-api"].active = False
    assert fail(ctx, state, "list-segments").startswith("masakari-api does not run on this unit")


def test_segment_action_with_bad_options(ctx: testing.Context, state: testing.State) -> None:
    text = fail(ctx, with_config(state, vip="x"), "list-segments")
    assert text == "vip: 'x' is not an IP address"


OURS = ("masakari-api", "masakari-engine", "masakari-fencing-notifier")


class TestPause:
    def test_pause_leaves_pacemakers_haproxy_alone(
        self, ctx: testing.Context, state: testing.State, machine: Machine
    ) -> None:
        """Masking what Pacemaker manages makes it fail there, and its address with it."""
        out = ctx.run(ctx.on.action("pause"), state)
        assert out.unit_status == ops.MaintenanceStatus(
            "Paused. Use 'resume' action to resume normal service."
        )
        for name in OURS:
            assert machine.host.systemd.masked(name)
            assert not machine.host.systemd.running(name)
        assert machine.host.systemd.running("haproxy")

    def test_leaving_pacemakers_haproxy_out_once_does_not_leave_it_out_for_ever(
        self, machine: Machine
    ) -> None:
        """A list of services that all share must not be changed by the one who asks for it."""
        unit = machine.workload()
        alone = unit.managed_services(ha=False)
        assert "haproxy" in alone
        assert "haproxy" not in unit.managed_services(ha=True)
        assert unit.managed_services(ha=False) == alone
        assert machine.workload().managed_services(ha=False) == alone

    def test_pause_without_pacemaker_stops_haproxy(
        self, ctx: testing.Context, machine: Machine
    ) -> None:
        state = complete(config={"vip": "", "allow-recovery-without-fencing": True})
        rest = [relation for relation in state.relations if relation.endpoint != "ha"]
        state = testing.State(relations=rest, config=state.config, leader=True)
        out = ctx.run(ctx.on.config_changed(), state)
        ctx.run(ctx.on.action("pause"), out)
        assert machine.host.systemd.masked("haproxy")
        machine.forget()
        ctx.run(ctx.on.update_status(), out)
        assert machine.restarts() == []
        out = ctx.run(ctx.on.action("resume"), out)
        assert machine.host.systemd.running("haproxy")
        assert out.unit_status == ops.ActiveStatus("Unit is ready")

    def test_a_paused_unit_is_configured_but_not_started(
        self, ctx: testing.Context, state: testing.State, machine: Machine
    ) -> None:
        """A hook that writes new configuration does not end the pause."""
        out = ctx.run(ctx.on.action("pause"), state)
        machine.forget()
        out = ctx.run(ctx.on.config_changed(), with_config(out, debug=True))
        assert "debug = True" in machine.read("/etc/masakari/masakari.conf")
        assert machine.restarts() == []
        assert isinstance(out.unit_status, ops.MaintenanceStatus)
        out = ctx.run(ctx.on.action("resume"), out)
        assert {name for _, name in machine.restarts()} == set(OURS)
        assert out.unit_status == ops.ActiveStatus("Unit is ready")

    @pytest.mark.filterwarnings("ignore:p.*-series-upgrade events:DeprecationWarning")
    def test_the_machine_is_upgraded(
        self, ctx: testing.Context, state: testing.State, machine: Machine
    ) -> None:
        """`juju upgrade-machine ... prepare` and `... complete`."""
        out = ctx.run(ctx.on.pre_series_upgrade(), state)
        ready = "Ready for do-release-upgrade and reboot. Set complete when finished."
        assert out.unit_status == ops.BlockedStatus(ready)
        assert not any(machine.host.systemd.running(name) for name in OURS)
        machine.forget()
        out = ctx.run(ctx.on.start(), out)
        assert machine.restarts() == []
        assert out.unit_status == ops.BlockedStatus(ready)
        assert fail(ctx, out, "resume") == f"Couldn't resume: {ready}"
        out = ctx.run(ctx.on.post_series_upgrade(), out)
        assert {name for _, name in machine.restarts()} == set(OURS)
        assert out.unit_status == ops.ActiveStatus("Unit is ready")

    @pytest.mark.filterwarnings("ignore:p.*-series-upgrade events:DeprecationWarning")
    def test_a_paused_unit_stays_so_over_an_upgrade_of_the_machine(
        self, ctx: testing.Context, state: testing.State, machine: Machine
    ) -> None:
        out = ctx.run(ctx.on.action("pause"), state)
        out = ctx.run(ctx.on.pre_series_upgrade(), out)
        machine.forget()
        out = ctx.run(ctx.on.post_series_upgrade(), out)
        assert machine.restarts() == []
        assert isinstance(out.unit_status, ops.MaintenanceStatus)

    @pytest.mark.filterwarnings("ignore:p.*-series-upgrade events:DeprecationWarning")
    def test_a_service_that_does_not_stop_for_the_upgrade_is_named(
        self,
        ctx: testing.Context,
        state: testing.State,
        machine: Machine,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        from instance_ha_common.machine.services import ServiceError

        def refuse(name: str) -> None:
            raise ServiceError(f"{name} still runs")

        out = ctx.run(ctx.on.config_changed(), state)
        monkeypatch.setattr(machine.host.systemd, "pause", refuse)
        out = ctx.run(ctx.on.pre_series_upgrade(), out)
        assert out.unit_status.message.startswith(
            "Services should be paused but these services running: masakari-api"
        )

    def test_segment_action_on_a_paused_unit(
        self, ctx: testing.Context, state: testing.State
    ) -> None:
        out = ctx.run(ctx.on.action("pause"), state)
        assert fail(ctx, out, "list-segments").startswith("This unit is paused")

    def test_service_that_runs_nevertheless(
        self, ctx: testing.Context, state: testing.State, machine: Machine
    ) -> None:
        out = ctx.run(ctx.on.action("pause"), state)
        machine.host.systemd.services["masakari-engine"].active = True
        out = ctx.run(ctx.on.update_status(), out)
        assert out.unit_status == ops.BlockedStatus(
            "Services should be paused but these services running: masakari-engine"
        )
        out = ctx.run(ctx.on.action("pause"), out)
        assert not machine.host.systemd.running("masakari-engine")
        assert isinstance(out.unit_status, ops.MaintenanceStatus)

    def test_whatever_else_there_is_comes_after_the_pause(
        self, ctx: testing.Context, state: testing.State, machine: Machine
    ) -> None:
        out = ctx.run(ctx.on.action("pause"), state)
        bad = ctx.run(ctx.on.config_changed(), with_config(out, vip="x"))
        paused = "Paused. Use 'resume' action to resume normal service."
        text = f"{paused} (vip: 'x' is not an IP address)"
        assert bad.unit_status == ops.MaintenanceStatus(text)
        out = ctx.run(ctx.on.relation_broken(model.only(out, "amqp")), out)
        assert out.unit_status == ops.MaintenanceStatus(f"{paused} (Missing relations: amqp)")
        machine.host.systemd.services["masakari-engine"].active = True
        bad = ctx.run(ctx.on.config_changed(), with_config(out, vip="x"))
        running = "Services should be paused but these services running: masakari-engine"
        text = f"{running} (vip: 'x' is not an IP address)"
        assert bad.unit_status == ops.BlockedStatus(text)

    def test_failures_are_told(
        self,
        ctx: testing.Context,
        state: testing.State,
        machine: Machine,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        from instance_ha_common.machine.services import ServiceError

        def refuse(name: str) -> None:
            raise ServiceError(f"{name} still runs")

        monkeypatch.setattr(machine.host.systemd, "pause", refuse)
        assert fail(ctx, state, "pause") == "Couldn't pause: masakari-api still runs"
        machine.host.systemd.broken.add("masakari-engine")
        machine.host.systemd.services["masakari-engine"].active = False
        assert fail(ctx, state, "resume") == (
            "Couldn't resume: Services not running that should be: masakari-engine"
        )


class TestRestart:
    def test_all(self, ctx: testing.Context, state: testing.State, machine: Machine) -> None:
        machine.forget()
        result = run(ctx, state, "restart-services")
        assert result["restarted"] == "masakari-api,masakari-engine,masakari-fencing-notifier"
        assert [name for _, name in machine.restarts()] == result["restarted"].split(",")

    def test_some(self, ctx: testing.Context, state: testing.State, machine: Machine) -> None:
        machine.forget()
        run(ctx, state, "restart-services", services=" masakari-api,")
        assert machine.restarts() == [("restart", "masakari-api")]

    def test_pacemakers_haproxy_is_not_restarted_by_the_action(
        self, ctx: testing.Context, state: testing.State, machine: Machine
    ) -> None:
        machine.forget()
        text = fail(ctx, state, "restart-services", services="haproxy")
        assert text.startswith("Not services of this unit: haproxy; masakari-api, ")
        assert machine.restarts() == []

    def test_not_while_paused(self, ctx: testing.Context, state: testing.State) -> None:
        out = ctx.run(ctx.on.action("pause"), state)
        assert fail(ctx, out, "restart-services").startswith("This unit is paused")

    def test_failure(self, ctx: testing.Context, state: testing.State, machine: Machine) -> None:
        machine.host.systemd.broken.add("masakari-engine")
        assert fail(ctx, state, "restart-services").startswith("Couldn't restart: ")


class TestUpgrade:
    @pytest.fixture(autouse=True)
    def _archive(self, machine: Machine) -> None:
        machine.host.apt.archive["software-properties-common"] = "1"

    def offer(self, machine: Machine) -> None:
        machine.host.apt.archive["python3-masakari"] = "17.0.0-1"

    def test_new_origin_upgrades_at_once(
        self, ctx: testing.Context, state: testing.State, machine: Machine
    ) -> None:
        self.offer(machine)
        machine.forget()
        out = ctx.run(ctx.on.config_changed(), with_config(state, openstack_origin="caracal"))
        assert out.workload_version == "17.0.0"
        assert len(machine.has_run("runuser")) == 1
        assert ("restart", "masakari-engine") in machine.restarts()
        machine.forget()
        ctx.run(ctx.on.config_changed(), out)
        assert machine.host.apt.log == []

    def test_managed_by_action(
        self, ctx: testing.Context, state: testing.State, machine: Machine
    ) -> None:
        self.offer(machine)
        options = {"action_managed_upgrade": True, "openstack_origin": "caracal"}
        machine.forget()
        out = ctx.run(ctx.on.config_changed(), with_config(state, **options))
        assert machine.host.apt.log == []
        assert run(ctx, out, "package-upgrade")["outcome"] == (
            "upgrade skipped because an openstack upgrade is available"
        )
        result = run(ctx, out, "openstack-upgrade")
        assert result == {"outcome": "upgraded", "from": "14.0.2", "to": "17.0.0"}
        assert run(ctx, out, "openstack-upgrade") == {"outcome": "no upgrade available"}

    def test_needs_the_option(self, ctx: testing.Context, state: testing.State) -> None:
        assert run(ctx, state, "openstack-upgrade") == {
            "outcome": "action-managed-upgrade config is False, skipped upgrade"
        }

    def test_package_upgrade(
        self, ctx: testing.Context, state: testing.State, machine: Machine
    ) -> None:
        machine.host.apt.archive["python3-masakari"] = "14.0.3-1"
        assert run(ctx, state, "package-upgrade")["to"] == "14.0.3"

    def test_failure(self, ctx: testing.Context, state: testing.State, machine: Machine) -> None:
        del machine.host.apt.archive["haproxy"]
        assert fail(ctx, state, "package-upgrade").startswith("Couldn't upgrade: apt-get install")

    @pytest.mark.parametrize("name", ["openstack-upgrade", "package-upgrade"])
    def test_bad_options(self, ctx: testing.Context, state: testing.State, name: str) -> None:
        text = fail(ctx, with_config(state, vip="x"), name)
        assert text == "The options are not usable: see the unit's status"

    def test_origin_for_another_series(
        self, ctx: testing.Context, state: testing.State, machine: Machine
    ) -> None:
        options = {"openstack_origin": "cloud:noble-flamingo"}
        out = ctx.run(ctx.on.config_changed(), with_config(state, **options))
        text = "openstack-origin: is for noble, but this machine runs jammy"
        assert out.unit_status == ops.BlockedStatus(text)
        managed = with_config(out, action_managed_upgrade=True)
        assert fail(ctx, managed, "openstack-upgrade") == f"Couldn't upgrade: {text}"

    def test_origin_that_is_refused_keeps_nothing_else_from_being_done(
        self, ctx: testing.Context, state: testing.State, machine: Machine
    ) -> None:
        machine.host.runner.answer(["add-apt-repository"], (1, "'carcal': no such archive\n"))
        text = "openstack-origin: cannot be added, set another value: 'carcal': no such archive"
        options = {"openstack_origin": "carcal", "debug": True}
        out = ctx.run(ctx.on.config_changed(), with_config(state, **options))
        assert out.unit_status == ops.BlockedStatus(text)
        assert "debug = True" in machine.read("/etc/masakari/masakari.conf")
        assert ("restart", "masakari-engine") in machine.restarts()
        out = ctx.run(ctx.on.update_status(), out)
        assert out.unit_status == ops.BlockedStatus(text)
        machine.forget()
        out = ctx.run(ctx.on.relation_changed(model.only(out, "amqp"), remote_unit=0), out)
        assert out.unit_status == ops.BlockedStatus(text)
        assert machine.has_run("add-apt-repository") == []
        out = ctx.run(ctx.on.config_changed(), with_config(out, openstack_origin="distro"))
        assert out.unit_status == ops.ActiveStatus("Unit is ready")

    def test_origin_for_another_series_is_told_in_every_hook(
        self, ctx: testing.Context, state: testing.State
    ) -> None:
        text = "openstack-origin: is for noble, but this machine runs jammy"
        out = with_config(state, openstack_origin="cloud:noble-flamingo", debug=True)
        for managed in (False, True):
            out = with_config(out, action_managed_upgrade=managed)
            for event in (ctx.on.config_changed(), ctx.on.update_status()):
                out = ctx.run(event, out)
                assert out.unit_status == ops.BlockedStatus(text)

    def test_upgrade_that_apt_broke_off_goes_on(
        self, ctx: testing.Context, state: testing.State, machine: Machine
    ) -> None:
        self.offer(machine)
        haproxy = machine.host.apt.archive.pop("haproxy")
        out = with_config(state, openstack_origin="caracal")
        with pytest.raises(testing.errors.UncaughtCharmError):
            ctx.run(ctx.on.config_changed(), out)
        assert machine.host.systemd.running("masakari-engine")
        assert not machine.host.systemd.masked("masakari-engine")
        machine.host.apt.archive["haproxy"] = haproxy
        out = ctx.run(ctx.on.config_changed(), out)
        assert out.workload_version == "17.0.0"
        machine.forget()
        ctx.run(ctx.on.config_changed(), out)
        assert machine.host.apt.log == []

    @pytest.mark.parametrize("leader", [True, False])
    def test_apt_restarts_nothing(
        self, ctx: testing.Context, state: testing.State, machine: Machine, leader: bool
    ) -> None:
        """No newer release runs before the leader has migrated the database."""
        self.offer(machine)
        unpack, seen = machine.host.apt.on_install, []

        def install(names: list[str]) -> None:
            unpack(names)
            if "masakari-engine" in names:
                seen.extend(name for name in OURS[:2] if not machine.host.systemd.masked(name))

        machine.host.apt.on_install = install
        state = dataclasses.replace(state, leader=leader)
        machine.forget()
        out = ctx.run(ctx.on.config_changed(), with_config(state, openstack_origin="caracal"))
        assert seen == []
        assert not any(machine.host.systemd.masked(name) is leader for name in OURS)
        assert [machine.host.systemd.running(name) for name in OURS] == [leader] * 3
        if leader:
            return
        text = "Waiting for the leader to migrate the database"
        assert out.unit_status == ops.WaitingStatus(text)
        machine.forget()
        out = ctx.run(ctx.on.update_status(), out)
        assert machine.restarts() == []
        mark = json.loads(model.only(out, "cluster").local_app_data["db-sync"])
        migrated = {"db-sync": json.dumps({**mark, "version": "17.0.0"})}
        cluster = dataclasses.replace(model.only(out, "cluster"), local_app_data=migrated)
        out = ctx.run(ctx.on.update_status(), replace(out, cluster))
        assert all(machine.host.systemd.running(name) for name in OURS)
        assert out.unit_status == ops.ActiveStatus("Unit is ready")

    def test_refresh_installs_what_is_missing_and_opens_the_port(
        self, ctx: testing.Context, state: testing.State, machine: Machine
    ) -> None:
        """A newer charm needs packages that the older one did not know of."""
        del machine.host.apt.present["python3-pymysql"]
        out = ctx.run(ctx.on.upgrade_charm(), dataclasses.replace(state, opened_ports=set()))
        assert ("install", "python3-pymysql") in machine.host.apt.log
        assert {port.port for port in out.opened_ports} == {15868}

    @pytest.mark.parametrize("event", ["config_changed", "update_status", "start"])
    def test_refresh_with_bad_options_is_made_good(
        self, ctx: testing.Context, state: testing.State, machine: Machine, event: str
    ) -> None:
        """What a newer charm has to do it does as soon as it can, not with the next refresh."""
        del machine.host.apt.present["python3-pymysql"]
        site = "/etc/apache2/sites-enabled/masakari-api.conf"
        machine.host.write(site, "")
        bad = dataclasses.replace(with_config(state, vip="x"), opened_ports=set())
        out = ctx.run(ctx.on.upgrade_charm(), bad)
        assert "python3-pymysql" not in machine.host.apt.present
        out = ctx.run(getattr(ctx.on, event)(), with_config(out, vip=model.VIP))
        assert "python3-pymysql" in machine.host.apt.present
        assert {port.port for port in out.opened_ports} == {15868}
        assert not machine.host.path(site).exists()
        machine.host.write(site, "the operator's")
        machine.forget()
        ctx.run(ctx.on.config_changed(), out)
        assert machine.host.path(site).exists()

    def test_refresh_that_apt_broke_off_is_made_good(
        self, ctx: testing.Context, state: testing.State, machine: Machine
    ) -> None:
        del machine.host.apt.present["python3-pymysql"]
        found = machine.host.apt.archive.pop("python3-pymysql")
        with pytest.raises(testing.errors.UncaughtCharmError):
            ctx.run(ctx.on.upgrade_charm(), state)
        machine.host.apt.archive["python3-pymysql"] = found
        ctx.run(ctx.on.update_status(), state)
        assert "python3-pymysql" in machine.host.apt.present


def test_install_that_apt_broke_off_is_made_good(
    ctx: testing.Context, bare_machine: Machine
) -> None:
    """Masakari itself may be there already, so that the unit looks as if it were installed."""
    state = testing.State()
    host = bare_machine.host
    unpack = host.apt.on_install

    def install(names: list[str]) -> None:
        unpack(names)
        host.apt.on_install = unpack
        del host.apt.present["haproxy"]
        raise CommandError(["apt-get"], 100, "killed")

    host.apt.on_install = install
    with pytest.raises(testing.errors.UncaughtCharmError):
        ctx.run(ctx.on.install(), state)
    out = ctx.run(ctx.on.start(), state)
    assert "haproxy" in host.apt.present
    assert {port.port for port in out.opened_ports} == {15868}


def test_install_from_an_origin_that_is_refused(
    ctx: testing.Context, bare_machine: Machine
) -> None:
    bare_machine.host.apt.archive["software-properties-common"] = "1"
    bare_machine.host.runner.answer(["add-apt-repository"], (1, "no such archive"))
    state = testing.State(config={"openstack-origin": "carcal"})
    text = "openstack-origin: cannot be added, set another value: no such archive"
    for event in (ctx.on.install(), ctx.on.start(), ctx.on.config_changed()):
        assert ctx.run(event, state).unit_status == ops.BlockedStatus(text)
    assert "masakari-engine" not in bare_machine.host.apt.present


def test_install_for_another_series(ctx: testing.Context, bare_machine: Machine) -> None:
    state = testing.State(config={"openstack-origin": "cloud:noble-flamingo"})
    out = ctx.run(ctx.on.install(), state)
    assert isinstance(out.unit_status, ops.BlockedStatus)
    assert bare_machine.host.apt.present == {}
    ctx.run(ctx.on.config_changed(), testing.State())
    assert bare_machine.host.apt.present


def test_install_from_the_origin(ctx: testing.Context, bare_machine: Machine) -> None:
    bare_machine.host.apt.archive["software-properties-common"] = "1"
    ctx.run(ctx.on.install(), testing.State(config={"openstack-origin": "caracal"}))
    assert bare_machine.has_run("add-apt-repository")
    assert bare_machine.host.apt.present["masakari-engine"]
