"""A unit that goes away leaves the cluster unfenced, whatever Juju answers."""

import charm
import pytest
from hypervisor import joined, stop_files
from instance_ha_common import testing as common
from instance_ha_common.juju.charm import run
from ops import testing
from workload.orderly_stop import DROP_IN, SCRIPT
from workload.pacemaker_remote import KEY, SERVICE


def left(host) -> bool:
    """Whether nothing of the charm's is left that could do anything."""
    units = ("pacemaker-remote-unblock",)
    return not (
        host.systemd.running(SERVICE)
        or host.path(KEY).exists()
        or any(stop_files(host))
        or any(host.path(f"/etc/systemd/system/{unit}.service").exists() for unit in units)
    )


@pytest.mark.parametrize(
    "words",
    ["permission denied", "relation 2 not found", "connection is shutdown before send"],
)
def test_stop_alone_suffices_and_needs_no_hook_tool(ctx, host, monkeypatch, words):
    _, state = joined(ctx, host)
    assert stop_files(host) == [True, True]
    common.refuse_hook_tools(monkeypatch, words)
    monkeypatch.setenv("JUJU_DISPATCH_PATH", "hooks/stop")
    run(charm.PacemakerRemoteCharm, lambda _: ctx.run(ctx.on.stop(), state))
    assert left(host)
    assert not list(host.path("/var/lib/pacemaker-remote-charm").iterdir())


def test_it_has_left_before_stop(ctx, host, monkeypatch):
    """The agent may end before that hook has: the first word of the end suffices."""
    relation, state = joined(ctx, host)
    common.depart_itself(monkeypatch)
    ctx.run(ctx.on.relation_departed(relation, remote_unit=0), state)
    assert left(host)
    host.systemd.log.clear()
    ctx.run(ctx.on.relation_broken(relation), state)
    assert host.systemd.log == []
    assert left(host)


def test_the_end_of_its_principal_is_its_own(ctx, host):
    _, state = joined(ctx, host)
    [tie] = state.get_relations("juju-info")
    assert isinstance(tie, testing.SubordinateRelation)
    tie = testing.SubordinateRelation("juju-info", remote_app_name="nova-compute")
    state = testing.State(relations=[tie, *state.get_relations("pacemaker-remote")])
    ctx.run(ctx.on.relation_broken(tie), state)
    assert left(host)


def test_the_orderly_stop_goes_only_with_the_daemon(ctx, host):
    """Unannounced, a daemon that ends gets the host fenced."""
    _, state = joined(ctx, host)
    host.systemd.stop = lambda name: (_ for _ in ()).throw(common.ServiceError("busy"))
    with pytest.raises(common.ServiceError):
        ctx.run(ctx.on.stop(), state)
    assert [host.path(path).exists() for path in (SCRIPT, DROP_IN)] == [True, True]
