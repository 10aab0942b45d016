"""NRPE runs the check, and Nagios is told its name."""

from __future__ import annotations

import pytest
import yaml
from instance_ha_common.testing import FakeService
from ops import testing

from machine import Machine
from model import complete, published
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


@pytest.mark.parametrize("after", ["failed", "inactive"])
def test_an_nrpe_that_does_not_start_again(
    ctx: testing.Context, machine: Machine, after: str
) -> None:
    """For another charm's check, as like as not: all else is done, and said."""
    host = machine.host
    host.path(NRPE_CHECK).parent.mkdir(parents=True)
    host.systemd.services["nagios-nrpe-server"] = FakeService(active=True, idle=after)
    host.systemd.broken.add("nagios-nrpe-server")
    out = ctx.run(ctx.on.config_changed(), complete(NRPE))
    assert published(out, "identity-service")
    for _ in range(2):
        if after == "failed":
            assert isinstance(out.unit_status, testing.BlockedStatus)
            assert out.unit_status.message == (
                "nagios-nrpe-server has failed, so Nagios does not see this unit:"
                " see journalctl -u nagios-nrpe-server"
            )
        else:  # somebody stops it, and starts it again
            assert out.unit_status == testing.ActiveStatus("Unit is ready")
        out = ctx.run(ctx.on.update_status(), out)


def test_an_nrpe_that_fails_keeps_nothing_from_being_removed(
    ctx: testing.Context, machine: Machine
) -> None:
    host = machine.host
    host.write(NRPE_CHECK, "x")
    host.systemd.services["nagios-nrpe-server"] = FakeService(active=True, idle="failed")
    host.systemd.broken.add("nagios-nrpe-server")
    ctx.run(ctx.on.remove(), complete())
    assert host.read(NRPE_CHECK) is None


def test_before_nrpe_is_installed(ctx: testing.Context, machine: Machine) -> None:
    ctx.run(ctx.on.relation_created(NRPE), complete(NRPE))
    assert machine.host.read(NRPE_CHECK) is None


def test_nothing_stays_of_a_unit_that_is_removed(ctx: testing.Context, machine: Machine) -> None:
    machine.host.write(NRPE_CHECK, "x")
    ctx.run(ctx.on.remove(), complete())
    assert machine.host.read(NRPE_CHECK) is None
