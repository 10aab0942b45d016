"""From where packages come, and when they are upgraded."""

from __future__ import annotations

import dataclasses
import json

import ops
import pytest
from instance_ha_common.machine.commands import CommandError
from ops import testing

import model
from action_calls import OURS, fail, run
from machine import Machine
from model import replace, with_config


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
        machine.host.runner.answer(["add-apt-repository"], (1, "'epoxy': no such archive\n"))
        text = "openstack-origin: cannot be added, set another value: 'epoxy': no such archive"
        options = {"openstack_origin": "epoxy", "debug": True}
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
    state = testing.State(config={"openstack-origin": "epoxy"})
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
