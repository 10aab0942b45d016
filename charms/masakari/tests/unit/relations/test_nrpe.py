"""NRPE runs the check, and Nagios is told its name."""

from __future__ import annotations

import yaml
from instance_ha_common.testing import FakeService
from ops import testing

from machine import Machine
from model import complete
from workload.fencing_package import NRPE_CHECK

NRPE = testing.SubordinateRelation("nrpe-external-master", remote_app_name="nrpe")
COMMAND = "command[check_masakari]=/usr/bin/env PYTHONPATH=/usr/share/masakari-fencing"


def test_the_check(ctx: testing.Context, machine: Machine) -> None:
    host = machine.host
    host.path(NRPE_CHECK).parent.mkdir(parents=True)
    host.systemd.services["nagios-nrpe-server"] = FakeService(active=True, enabled=True)
    out = ctx.run(ctx.on.relation_changed(NRPE, remote_unit=0), complete(NRPE))
    told = yaml.safe_load(out.get_relation(NRPE.id).local_unit_data["monitors"])
    assert told == {"monitors": {"remote": {"nrpe": {"masakari": {"command": "check_masakari"}}}}}
    assert str(host.read(NRPE_CHECK)).startswith(COMMAND)
    assert host.systemd.log.count(("restart", "nagios-nrpe-server")) == 1
    ctx.run(ctx.on.update_status(), out)
    assert host.systemd.log.count(("restart", "nagios-nrpe-server")) == 1
    ctx.run(ctx.on.relation_broken(NRPE), complete(NRPE))
    assert host.read(NRPE_CHECK) is None
    assert host.systemd.log.count(("restart", "nagios-nrpe-server")) == 2


def test_an_nrpe_that_does_not_start_again_keeps_nothing_from_anybody(
    ctx: testing.Context, machine: Machine
) -> None:
    """As where another charm's check is broken; it reads ours once it starts."""
    host = machine.host
    host.path(NRPE_CHECK).parent.mkdir(parents=True)
    host.systemd.services["nagios-nrpe-server"] = FakeService(active=True, enabled=True)
    host.systemd.broken.add("nagios-nrpe-server")
    ctx.run(ctx.on.relation_changed(NRPE, remote_unit=0), complete(NRPE))
    assert str(host.read(NRPE_CHECK)).startswith(COMMAND)
    host.systemd.services["nagios-nrpe-server"].active = True
    ctx.run(ctx.on.remove(), complete(NRPE))
    assert host.read(NRPE_CHECK) is None


def test_before_nrpe_is_installed(ctx: testing.Context, machine: Machine) -> None:
    ctx.run(ctx.on.relation_created(NRPE), complete(NRPE))
    assert machine.host.read(NRPE_CHECK) is None


def test_nothing_stays_of_a_unit_that_is_removed(ctx: testing.Context, machine: Machine) -> None:
    machine.host.write(NRPE_CHECK, "x")
    ctx.run(ctx.on.remove(), complete())
    assert machine.host.read(NRPE_CHECK) is None
