"""Actions that stop and start the services."""

from __future__ import annotations

import ops
import pytest
from ops import testing

import model
from action_calls import OURS, fail, run
from machine import Machine
from model import complete, with_config


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
