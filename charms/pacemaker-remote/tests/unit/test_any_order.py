"""Whatever arrives, in whatever order: no error, nothing half published, no needless restart."""

import base64
import json
import tempfile
from pathlib import Path

import charm
import pytest
from hypervisor import ARCHIVE, NAME, connect, hacluster, install, make_context, state
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from instance_ha_common.testing import fake_host
from workload.pacemaker_remote import KEY, SERVICE, PacemakerRemote

JUJU = {"egress-subnets", "ingress-address", "private-address"}
KEYS = (
    st.none()
    | st.text(max_size=20)
    | st.binary(max_size=8).map(lambda data: base64.b64encode(data).decode())
)
NOVA = st.sampled_from([f"host = {NAME}", "host = other", "transport_url = x", "", "host = a b"])
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["changed", "update_status", "config_changed", "broken", "upgrade_charm"]),
        st.lists(KEYS, min_size=1, max_size=3),
        NOVA,
        st.booleans(),
        st.booleans(),
        st.text(max_size=5),
    ),
    max_size=4,
)


def event(ctx, name, relation):
    if name == "changed":
        return ctx.on.relation_changed(relation, remote_unit=0)
    if name == "broken":
        return ctx.on.relation_broken(relation)
    return getattr(ctx.on, name)()


def check(bag, before):
    assert set(bag) in (
        set(),
        {"remote-hostname", "remote-ip", "enable-resources", "stonith-hostname"},
    )
    if bag:
        values = {key: json.loads(value) for key, value in bag.items()}
        assert type(values["enable-resources"]) is bool
        assert values["stonith-hostname"] in (None, values["remote-hostname"])
    if before:
        for key in ("remote-hostname", "remote-ip"):
            assert bag[key] == before[key], "published once and kept"


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS)
def test_any_sequence(steps, no_processes):
    with tempfile.TemporaryDirectory() as root, pytest.MonkeyPatch.context() as patch:
        run(fake_host(Path(root), archive=ARCHIVE), steps, patch)


def run(host, steps, patch):
    patch.setenv("SCENARIO_BARE_CHARM_ERRORS", "true")
    patch.setattr(charm.PacemakerRemoteCharm, "make_host", staticmethod(lambda: host))
    patch.setattr(
        charm.PacemakerRemoteCharm,
        "make_remote",
        staticmethod(lambda host: PacemakerRemote(host, lambda *args, **kwargs: True)),
    )
    host.apt.on_install = lambda names: install(host)
    ctx, local = make_context(), {}
    for name, keys, nova, online, stonith, override in steps:
        host.write("/etc/nova/nova.conf", f"[DEFAULT]\n{nova}\n")
        host.runner.answer(["cibadmin"], (102, "not connected"))
        if online:
            connect(host)
        relation = hacluster(*keys, local=local)
        before = {key: value for key, value in local.items() if key not in JUJU}
        key_before = host.path(KEY).read_bytes() if host.path(KEY).exists() else None
        host.systemd.log.clear()
        out = ctx.run(
            event(ctx, name, relation),
            state(relation, enable_stonith=stonith, remote_hostname=override),
        )
        local = dict(out.get_relation(relation.id).local_unit_data)
        bag = {key: value for key, value in local.items() if key not in JUJU}
        check(bag, before)
        if ("restart", SERVICE) in host.systemd.log:
            assert host.path(KEY).read_bytes() != key_before
        if name == "broken":
            local = {}
        assert out.unit_status.message
