"""The database's schema follows the leader."""

from __future__ import annotations

import dataclasses
import json

import ops
import pytest
from ops import testing

import model
from machine import Machine
from model import complete, replace

CONF = "/etc/masakari/masakari.conf"
OWN = ("masakari-api", "masakari-engine")


class TestMigration:
    def test_leader_migrates_and_tells(self, ctx: testing.Context, machine: Machine) -> None:
        out = ctx.run(ctx.on.config_changed(), complete())
        assert len(machine.has_run("runuser")) == 1
        assert machine.has_run("runuser")[0][-2:] == ["db", "sync"]
        mark = json.loads(model.only(out, "cluster").local_app_data["db-sync"])
        assert mark["version"] == "14.0.2"
        assert "8Yksecret" not in str(mark)

    def test_others_wait_for_it(self, ctx: testing.Context, machine: Machine) -> None:
        out = ctx.run(ctx.on.config_changed(), complete(leader=False))
        assert machine.has_run("runuser") == []
        assert not machine.host.systemd.running("masakari-engine")
        assert out.unit_status == ops.WaitingStatus(
            "Waiting for the leader to migrate the database"
        )

    def test_others_start_after_it(self, ctx: testing.Context, machine: Machine) -> None:
        leader = ctx.run(ctx.on.config_changed(), complete())
        machine.host.systemd.pause("masakari-engine")
        machine.forget()
        out = ctx.run(
            ctx.on.config_changed(),
            testing.State(
                relations=leader.relations, config=leader.config, networks=model.NETWORKS
            ),
        )
        assert machine.has_run("runuser") == []
        assert machine.host.systemd.running("masakari-engine")
        assert out.unit_status == ops.ActiveStatus("Unit is ready")

    def test_new_leader_does_not_repeat_it(self, ctx: testing.Context, machine: Machine) -> None:
        out = ctx.run(ctx.on.config_changed(), complete())
        machine.forget()
        ctx.run(ctx.on.leader_elected(), out)
        assert machine.has_run("runuser") == []

    def test_another_database_is_migrated(self, ctx: testing.Context, machine: Machine) -> None:
        """That a database was migrated once says nothing about the one that replaces it."""
        out = ctx.run(ctx.on.config_changed(), complete())
        machine.forget()
        other = model.shared_db({**model.MYSQL_ROUTER, "password": "another"})
        ctx.run(ctx.on.config_changed(), replace(out, other))
        assert len(machine.has_run("runuser")) == 1

    def test_another_package_version_is_migrated(
        self, ctx: testing.Context, machine: Machine
    ) -> None:
        """A refresh that brings newer packages does not leave the old schema behind."""
        out = ctx.run(ctx.on.config_changed(), complete())
        machine.forget()
        machine.host.apt.archive["python3-masakari"] = "17.0.0-1"
        machine.host.apt.install(["python3-masakari"], upgrade=True)
        out = ctx.run(ctx.on.upgrade_charm(), out)
        assert len(machine.has_run("runuser")) == 1
        assert out.workload_version == "17.0.0"
        assert ("restart", "masakari-engine") in machine.restarts()

    def test_newer_unit_waits_for_a_newer_leader(
        self, ctx: testing.Context, machine: Machine
    ) -> None:
        leader = ctx.run(ctx.on.config_changed(), complete())
        machine.host.apt.archive["python3-masakari"] = "17.0.0-1"
        machine.host.apt.install(["python3-masakari"], upgrade=True)
        out = ctx.run(
            ctx.on.update_status(),
            testing.State(
                relations=leader.relations, config=leader.config, networks=model.NETWORKS
            ),
        )
        assert out.unit_status == ops.WaitingStatus(
            "Waiting for the leader to migrate the database"
        )

    def test_newer_services_do_not_run_on_an_older_schema(
        self, ctx: testing.Context, machine: Machine
    ) -> None:
        """However the package came there: it may have started them itself."""
        leader = ctx.run(ctx.on.config_changed(), complete())
        machine.host.apt.archive["python3-masakari"] = "17.0.0-1"
        machine.host.apt.install(["python3-masakari"], upgrade=True)
        assert machine.host.systemd.running("masakari-engine")
        other = dataclasses.replace(leader, leader=False)
        other = ctx.run(ctx.on.update_status(), other)
        for name in (*OWN, "masakari-fencing-notifier"):
            assert not machine.host.systemd.running(name), name
        mark = json.loads(model.only(leader, "cluster").local_app_data["db-sync"])
        newer = model.cluster(app={"db-sync": json.dumps({**mark, "version": "17.0.0"})})
        out = ctx.run(ctx.on.update_status(), replace(other, newer))
        for name in (*OWN, "masakari-fencing-notifier"):
            assert machine.host.systemd.running(name), name
        assert out.unit_status == ops.ActiveStatus("Unit is ready")

    def test_a_database_that_nobody_has_migrated_yet_stops_nothing(
        self, ctx: testing.Context, machine: Machine
    ) -> None:
        """Its password may have been changed, no more."""
        leader = ctx.run(ctx.on.config_changed(), complete())
        rotated = model.shared_db({**model.MYSQL_ROUTER, "password": "another"})
        other = replace(dataclasses.replace(leader, leader=False), rotated)
        out = ctx.run(ctx.on.update_status(), other)
        assert isinstance(out.unit_status, ops.WaitingStatus)
        assert machine.host.systemd.running("masakari-engine")

    @pytest.mark.parametrize(
        ("leads", "version"), [(False, "17.0.0"), (True, "17.0.0"), (False, "14.0.9")]
    )
    def test_older_unit_goes_on_with_a_newer_schema(
        self, ctx: testing.Context, machine: Machine, leads: bool, version: str
    ) -> None:
        """As the leader too: db sync fails there where it does not know the schema."""
        leader = ctx.run(ctx.on.config_changed(), complete())
        mark = json.loads(model.only(leader, "cluster").local_app_data["db-sync"])
        newer = json.dumps({**mark, "version": version})
        state = replace(leader, model.cluster(app={"db-sync": newer}))
        machine.forget()
        machine.host.systemd.services["masakari-engine"].active = False
        out = ctx.run(ctx.on.update_status(), dataclasses.replace(state, leader=leads))
        assert out.unit_status == ops.ActiveStatus("Unit is ready")
        assert machine.has_run("runuser") == []
        assert model.only(out, "cluster").local_app_data["db-sync"] == newer

    @pytest.mark.parametrize("garbage", ["{", "[]", "null", '{"version": "1"}', "1"])
    def test_unreadable_mark_is_no_mark(
        self, ctx: testing.Context, machine: Machine, garbage: str
    ) -> None:
        state = complete(model.cluster(app={"db-sync": garbage}), leader=False)
        out = ctx.run(ctx.on.config_changed(), state)
        assert out.unit_status == ops.WaitingStatus(
            "Waiting for the leader to migrate the database"
        )

    def test_access_denied_is_tried_again(self, ctx: testing.Context, machine: Machine) -> None:
        """mysql-router says that a unit is admitted when another one of a longer name is."""
        answers = [(1, 'sqlalchemy.exc.OperationalError: (1045, "Access denied")'), (0, "")]
        machine.host.runner.answer(["runuser"], lambda argv: answers.pop(0))
        out = ctx.run(ctx.on.config_changed(), complete())
        assert len(machine.has_run("runuser")) == 2
        assert machine.slept == 3.0
        assert out.unit_status == ops.ActiveStatus("Unit is ready")

    def test_failure_is_no_hook_error(self, ctx: testing.Context, machine: Machine) -> None:
        text = (
            "Traceback ...\n"
            "OperationalError: (1045, 'no') mysql+pymysql://masakari:8Yksecret@127.0.0.1/masakari\n"
            "(Background on this error at: https://example.invalid)\n"
        )
        machine.host.runner.answer(["runuser"], (1, text))
        out = ctx.run(ctx.on.config_changed(), complete())
        assert isinstance(out.unit_status, ops.WaitingStatus)
        assert out.unit_status.message.startswith("Database migration failed, to be retried: Op")
        assert "8Yksecret" not in out.unit_status.message
        assert not machine.host.systemd.running("masakari-engine")
        assert "db-sync" not in model.only(out, "cluster").local_app_data
