"""Pausing, resuming and restarting, and preparing a machine for another release."""

import contextlib

import ops
import pytest
from instance_ha_common import testing
from instance_ha_common.juju.pausable import Pausable
from instance_ha_common.juju.problems import Verdict
from instance_ha_common.machine.commands import CommandError
from instance_ha_common.machine.services import ServiceError
from ops import testing as ops_testing

META = {"name": "toy", "requires": {"db": {"interface": "db"}}}
ACTIONS = {
    "pause": {},
    "resume": {},
    "restart-services": {"params": {"services": {"type": "string"}}},
}
PAUSED = "Paused. Use 'resume' action to resume normal service."


class Toy(Pausable):
    """Runs two services."""

    host: testing.FakeHost
    stuck = ""

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework, self.host)

    def managed_services(self):
        return ["a", "b"]

    def stop_services(self):
        for name in self.managed_services():
            self.host.systemd.pause(name)

    def release_services(self):
        if self.stuck:
            raise CommandError(["systemctl", "unmask"], 1, self.stuck)

    def obstacle(self):
        return "" if self.host.systemd.running("a") else "a does not run"

    def reconcile(self, event):
        if not self.paused:
            for name in self.managed_services():
                with contextlib.suppress(ServiceError):
                    self.host.systemd.resume(name)

    def judge(self):
        running = [n for n in self.managed_services() if self.host.systemd.running(n)]
        return Verdict(self.pause_problems(running))


@pytest.fixture
def host(tmp_path):
    return testing.fake_host(tmp_path, services=["a", "b"])


@pytest.fixture
def charm(host, monkeypatch) -> type[Toy]:
    monkeypatch.setenv("SCENARIO_BARE_CHARM_ERRORS", "true")
    return type("Toy", (Toy,), {"host": host})


@pytest.fixture
def ctx(charm) -> ops_testing.Context:
    return ops_testing.Context(charm, meta=META, actions=ACTIONS)


def act(ctx, name, **params):
    return ctx.run(ctx.on.action(name, params=params), ops_testing.State())


def fails(ctx, name, **params) -> str:
    with pytest.raises(ops_testing.ActionFailed) as caught:
        act(ctx, name, **params)
    return caught.value.message


def test_a_paused_unit_rests_until_it_is_resumed(ctx, host):
    assert act(ctx, "pause").unit_status == ops.MaintenanceStatus(PAUSED)
    assert host.systemd.masked("a")
    out = ctx.run(ctx.on.update_status(), ops_testing.State())
    assert out.unit_status == ops.MaintenanceStatus(PAUSED)
    assert act(ctx, "resume").unit_status == ops.ActiveStatus("Unit is ready")
    assert host.systemd.running("b")


def test_what_runs_in_a_paused_unit_is_told(ctx, host, charm):
    host.systemd.services.pop("a")
    assert fails(ctx, "pause").startswith("Couldn't pause: Unit a not found")
    host.systemd.services["b"].active = True
    out = ctx.run(ctx.on.update_status(), ops_testing.State())
    text = "Services should be paused but these services running: b"
    assert out.unit_status == ops.BlockedStatus(text)


def test_resuming_says_what_keeps_it(ctx, host, charm):
    charm.stuck = "no"
    assert "Couldn't resume: systemctl unmask: exit code 1: no" in fails(ctx, "resume")
    charm.stuck = ""
    charm.obstacle = lambda self: "a does not run"
    assert fails(ctx, "resume") == "Couldn't resume: a does not run"


def test_a_machine_that_is_upgraded(ctx, host):
    act(ctx, "resume")
    out = ctx.run(ctx.on.pre_series_upgrade(), ops_testing.State())
    assert "do-release-upgrade" in out.unit_status.message
    assert host.systemd.masked("a")
    assert "Couldn't resume: Ready for do-release-upgrade" in fails(ctx, "resume")
    out = ctx.run(ctx.on.post_series_upgrade(), ops_testing.State())
    assert out.unit_status == ops.ActiveStatus("Unit is ready")


def test_upgrades_go_on_where_a_service_does_not(ctx, host, charm):
    host.systemd.services.pop("a")
    ctx.run(ctx.on.pre_series_upgrade(), ops_testing.State())
    host.systemd.services["a"] = testing.FakeService()
    charm.stuck = "no"
    out = ctx.run(ctx.on.post_series_upgrade(), ops_testing.State())
    assert out.unit_status == ops.ActiveStatus("Unit is ready")


def test_restarting(ctx, host):
    act(ctx, "resume")
    host.systemd.log.clear()
    act(ctx, "restart-services", services=" b ")
    assert ctx.action_results == {"restarted": "b"}
    act(ctx, "restart-services")
    assert [name for verb, name in host.systemd.log if verb == "restart"] == ["b", "a", "b"]


def test_restarts_that_cannot_be(ctx, host):
    text = "Not services of this unit: c; a, b are"
    assert fails(ctx, "restart-services", services="c") == text
    host.systemd.broken.add("a")
    assert fails(ctx, "restart-services", services="a").startswith("Couldn't restart: restart a")
    host.systemd.broken.clear()
    act(ctx, "pause")
    text = "This unit is paused: run the action resume"
    assert fails(ctx, "restart-services") == text
