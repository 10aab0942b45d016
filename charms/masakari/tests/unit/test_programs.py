"""When the cluster's configuration may refer to what the charm installs, and be changed at all."""

from __future__ import annotations

import ops
from masakari_fencing.records import out_of_service
from ops import testing

import model
from fakecluster import CIB, NO_DEVICE, REMOTE, with_remote, written
from machine import GROUPS, Machine
from model import complete, published
from workload import fencing_package

READY = {"private-address": "10.77.3.12", "fencing-programs": "installed"}
NOT_YET = {"private-address": "10.77.3.12"}


def test_alert_and_guard_wait_for_every_unit(ctx: testing.Context, machine: Machine) -> None:
    """Pacemaker says `unknown fence agent` for as long as a member does not have it."""
    with_remote(machine)
    out = ctx.run(ctx.on.config_changed(), complete(model.cluster({1: NOT_YET, 2: READY})))
    assert fencing_package.ALERT_AGENT not in written(machine)
    assert "hv1.maas" in written(machine), "what needs no program is there at once"
    ctx.run(ctx.on.config_changed(), model.replace(out, model.cluster({1: READY, 2: READY})))
    assert fencing_package.ALERT_AGENT in written(machine)


def test_a_unit_tells_when_it_has_the_programs(ctx: testing.Context, machine: Machine) -> None:
    out = ctx.run(ctx.on.config_changed(), complete(leader=False))
    assert published(out, "cluster")["fencing-programs"] == "installed"


def test_what_listens_to_kdump_and_cannot_be_installed(
    ctx: testing.Context, machine: Machine
) -> None:
    """It was an error of the hook, before anything was published."""
    out = ctx.run(ctx.on.config_changed(), complete(config={"kdump-fencing-timeout": 60}))
    assert published(out, "cluster")["fencing-programs"] == "installed"
    assert isinstance(out.unit_status, ops.WaitingStatus)
    assert out.unit_status.message.startswith(
        "kdump-fencing-timeout needs the package fence-agents (or set it to 0): apt-get install"
    )
    machine.host.apt.archive["fence-agents"] = "1"
    out = ctx.run(ctx.on.update_status(), out)
    assert out.unit_status == ops.ActiveStatus("Unit is ready")


def test_a_unit_without_pacemaker_does_not(ctx: testing.Context, machine: Machine) -> None:
    machine.host.write("/etc/group", GROUPS.replace("haclient", "other"))
    out = ctx.run(ctx.on.config_changed(), complete(leader=False))
    assert "fencing-programs" not in published(out, "cluster")


def test_the_programs_do_not_wait_for_the_database(ctx: testing.Context, machine: Machine) -> None:
    relations = [one for one in complete().relations if one.endpoint != "shared-db"]
    state = testing.State(relations=relations, networks=model.NETWORKS, leader=True)
    out = ctx.run(ctx.on.config_changed(), state)
    assert published(out, "cluster")["fencing-programs"] == "installed"


def test_a_fencing_is_not_interrupted(ctx: testing.Context, machine: Machine) -> None:
    with_remote(machine)
    lost = REMOTE.format(stonith="true", quorum="true").replace(
        'type="remote" online="true"', 'type="remote" online="false" unclean="true"'
    )
    machine.host.runner.answer(["crm_mon"], lost)
    state = '<status><node_state uname="hv1.maas" remote_node="true" node_fenced="0"/></status>'
    machine.cib.load(CIB.replace("<status/>", state))
    machine.host.runner.answer(
        ["stonith_admin"],
        NO_DEVICE,
    )
    out = ctx.run(ctx.on.config_changed(), complete())
    assert written(machine) == ""
    assert isinstance(out.unit_status, ops.BlockedStatus), "that it is not fenced is said as well"
    assert "hv1.maas" in out.unit_status.message


def test_a_host_that_the_cluster_does_not_know(ctx: testing.Context, machine: Machine) -> None:
    out = ctx.run(ctx.on.config_changed(), complete())
    path = machine.host.path(str(out_of_service.RECORD))
    path.parent.mkdir(parents=True, exist_ok=True)
    found = out_of_service.OutOfService(hosts=("hv1.maas",))
    out_of_service.write(path, found, machine.now)
    out = ctx.run(ctx.on.update_status(), out)
    assert isinstance(out.unit_status, ops.BlockedStatus)
    assert "hv1.maas: in a failover segment, but not a node" in out.unit_status.message
