"""A database router that is added beside the database itself, as an overlay does it."""

from __future__ import annotations

import ops
import pytest
from ops import testing

import model
from machine import Machine
from model import complete, replace

CONF = "/etc/masakari/masakari.conf"
DIRECT = {"db_host": "10.77.3.9", "password": "8Yksecret", "allowed_units": "masakari/0"}


def router(bag: dict[str, str]) -> testing.Relation:
    return testing.Relation(
        "shared-db", remote_app_name="masakari-mysql-router", remote_units_data={0: bag}
    )


def database_host(machine: Machine) -> str:
    [line] = {x for x in machine.read(CONF).splitlines() if x.startswith("connection = mysql")}
    return line.partition("@")[2].partition("/")[0]


def test_the_database_itself_serves_until_the_router_answers(
    ctx: testing.Context, machine: Machine
) -> None:
    both = complete(model.shared_db(DIRECT), router({}))
    ctx.run(ctx.on.config_changed(), both)
    assert database_host(machine) == "10.77.3.9:3306"


@pytest.mark.parametrize("last", ["router", "database"])
def test_the_router_wins_whichever_answered_last(
    ctx: testing.Context, machine: Machine, last: str
) -> None:
    direct, local = model.shared_db(DIRECT), router(model.MYSQL_ROUTER)
    state = complete(direct, local)
    ctx.run(ctx.on.relation_changed(local if last == "router" else direct), state)
    assert database_host(machine) == "127.0.0.1:3306"


def test_nothing_changes_when_the_direct_relation_goes(
    ctx: testing.Context, machine: Machine
) -> None:
    direct, local = model.shared_db(DIRECT), router(model.MYSQL_ROUTER)
    out = ctx.run(ctx.on.config_changed(), complete(direct, local))
    text = machine.read(CONF)
    machine.forget()
    [going] = [r for r in out.relations if getattr(r, "remote_app_name", "") == "mysql"]
    out = ctx.run(ctx.on.relation_broken(going), out)
    [left] = [r for r in out.relations if getattr(r, "remote_app_name", "").endswith("router")]
    out = ctx.run(ctx.on.update_status(), replace(out, left))
    assert machine.read(CONF) == text
    assert machine.restarts() == []
    assert machine.has_run("runuser") == []
    assert out.unit_status == ops.ActiveStatus("Unit is ready")
