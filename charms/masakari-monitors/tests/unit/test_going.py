"""A unit that goes away leaves neither a monitor nor a password behind, whatever Juju answers."""

import charm
import pytest
from hypervisor import HOST, INSTANCE, files, keystone, running, state
from instance_ha_common import testing as common
from instance_ha_common.juju.charm import run
from ops import testing
from workload.files import CONF
from workload.table import MONITORS


def up(host) -> set[str]:
    return {monitor.service for monitor in MONITORS if host.systemd.running(monitor.service)}


def left(host) -> set[str]:
    """Names of the files of the charm's that are left."""
    return {path.name for path in files(host)} - {"nova.conf", "group", "passwd"}


@pytest.mark.parametrize(
    "words",
    ["permission denied", "relation 2 not found", "connection is shutdown before send"],
)
def test_stop_alone_suffices_and_needs_no_hook_tool(ctx, host, monkeypatch, words):
    out = running(ctx, host)
    assert up(host) >= {HOST, INSTANCE}
    common.refuse_hook_tools(monkeypatch, words)
    monkeypatch.setenv("JUJU_DISPATCH_PATH", "hooks/stop")
    run(charm.MasakariMonitorsCharm, lambda _: ctx.run(ctx.on.stop(), out))
    assert up(host) == set()
    assert left(host) == set()


def test_it_has_cleaned_up_before_stop(ctx, host, monkeypatch):
    """The agent may end before that hook has: the first word of the end suffices."""
    out = running(ctx, host)
    [relation] = out.get_relations("identity-credentials")
    common.depart_itself(monkeypatch)
    ctx.run(ctx.on.relation_departed(relation, remote_unit=0), out)
    assert up(host) == set()
    assert not host.path(CONF).exists()
    host.apt.present.clear()
    ctx.run(ctx.on.relation_broken(relation), out)
    assert host.apt.log == [], "it installs nothing any more"
    ctx.run(ctx.on.stop(), out)
    assert left(host) == set()


def test_the_end_of_its_principal_is_its_own(ctx, host):
    running(ctx, host)
    tie = testing.SubordinateRelation("container", remote_app_name="nova-compute")
    broken = state(keystone())
    broken = testing.State(relations=[tie, *broken.get_relations("identity-credentials")])
    ctx.run(ctx.on.relation_broken(tie), broken)
    assert up(host) == set()
    assert not host.path(CONF).exists()


def test_a_monitor_that_does_not_stop_keeps_no_password(ctx, host):
    out = running(ctx, host)
    stop = host.systemd.stop

    def refuse(name: str) -> None:
        if name == HOST:
            raise common.ServiceError("busy")
        stop(name)

    host.systemd.stop = refuse
    with pytest.raises(common.ServiceError):
        ctx.run(ctx.on.stop(), out)
    assert up(host) == {HOST}
    assert not host.path(CONF).exists()
