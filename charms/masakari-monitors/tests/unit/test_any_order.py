"""Whatever arrives, in whatever order: no error, nothing more published, no needless restart."""

import tempfile
from pathlib import Path

import charm
import pytest
from hypervisor import (
    ARCHIVE,
    KEYSTONE,
    PEM,
    conf,
    files,
    gpasswd,
    install,
    keystone,
    make_context,
    state,
    vault,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from instance_ha_common.testing import fake_host
from workload.files import CONF

VALUES = st.text(max_size=8) | st.sampled_from(["None", "__null__", "a$b", "%(x)s", "fd00::1"])
BAGS = st.just(KEYSTONE) | st.builds(
    lambda change: {**KEYSTONE, **change},
    st.dictionaries(st.sampled_from(sorted(KEYSTONE)), VALUES, max_size=3),
)
VAULT = st.dictionaries(st.sampled_from(["ca", "chain"]), st.just(PEM) | VALUES)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "monitoring_interval": st.integers(-5, 5000),
        "config_flags": VALUES,
        "hostname": VALUES,
        "region": VALUES,
        "process_list": VALUES,
        "ssl_ca": VALUES,
        "enable_process_monitor": st.booleans(),
        "enable_host_monitor": st.booleans(),
    },
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["changed", "update_status", "config_changed", "broken", "upgrade_charm", "pause"]
        ),
        st.lists(BAGS, min_size=1, max_size=2),
        VAULT,
        st.sampled_from(["host = node1", "host = a b", "transport_url = x", ""]),
        OPTIONS,
    ),
    max_size=4,
)


def event(ctx, name, relation):
    if name == "changed":
        return ctx.on.relation_changed(relation, remote_unit=0)
    if name == "broken":
        return ctx.on.relation_broken(relation)
    if name == "pause":
        return ctx.on.action("pause")
    return getattr(ctx.on, name)()


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS)
def test_any_sequence(steps, no_processes):
    with tempfile.TemporaryDirectory() as root, pytest.MonkeyPatch.context() as patch:
        run(fake_host(Path(root), archive=ARCHIVE), steps, patch)


def run(host, steps, patch):
    patch.setenv("SCENARIO_BARE_CHARM_ERRORS", "true")
    patch.setattr(charm.MasakariMonitorsCharm, "make_host", staticmethod(lambda: host))
    host.write("/etc/group", "haclient:x:7:\n")
    host.apt.on_install = lambda names: install(host, names)
    host.runner.answer(["gpasswd"], lambda argv: gpasswd(host, argv))
    ctx = make_context()
    for name, bags, vault_bag, nova, options in steps:
        host.write("/etc/nova/nova.conf", f"[DEFAULT]\n{nova}\n")
        relation = keystone(*bags)
        relations = (relation, vault(vault_bag))
        before = files(host)
        host.systemd.log.clear()
        out = ctx.run(event(ctx, name, relation), state(*relations, **options))
        bag = out.get_relation(relation.id).local_unit_data
        own = {k: v for k, v in bag.items() if not k.endswith(("-subnets", "-address"))}
        assert own in ({}, {"username": "masakari-monitors", "project": "services"})
        if any(verb == "restart" for verb, _ in host.systemd.log):
            assert files(host) != before
        if host.path(CONF).exists():
            assert set(conf(host).sections()) == SECTIONS, "no value opened a section of its own"
        assert out.unit_status.message


SECTIONS = {"DEFAULT", "api", "host", "callback", "process", "introspectiveinstancemonitor"}
