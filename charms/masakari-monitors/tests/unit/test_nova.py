"""What Nova must not do on a hypervisor whose guests are recovered elsewhere."""

import ops
import pytest
from hypervisor import NAME, READY, keystone, running, state
from instance_ha_common.machine import nova

OPTION = "resume_guests_state_on_host_boot = true\n"


@pytest.mark.parametrize("path", [nova.NOVA_CONF, "/etc/nova/nova.conf.d/x.conf"])
def test_a_nova_that_would_start_guests_twice_is_refused(ctx, host, path):
    running(ctx, host)
    host.write(path, f"{host.read(path) or '[DEFAULT]'}\n{OPTION}")
    out = ctx.run(ctx.on.update_status(), state(keystone()))
    assert isinstance(out.unit_status, ops.BlockedStatus)
    assert out.unit_status.message.startswith(f"{path}: resume_guests_state_on_host_boot has a")
    assert "set resume-guests-state-on-host-boot=false on nova-compute" in out.unit_status.message
    host.write(nova.NOVA_CONF, f"[DEFAULT]\nhost = {NAME}\nresume_guests_state_on_host_boot=0\n")
    assert ctx.run(ctx.on.update_status(), state(keystone())).unit_status == READY


def test_a_paused_unit_says_only_that(ctx, host):
    running(ctx, host)
    host.write(nova.NOVA_CONF, f"{host.read(nova.NOVA_CONF)}{OPTION}")
    out = ctx.run(ctx.on.action("pause"), state(keystone()))
    assert isinstance(out.unit_status, ops.MaintenanceStatus)
