"""What Nova must not do on a hypervisor that is fenced by a reboot."""

import ops
import pytest
from hypervisor import NAME, joined
from instance_ha_common.machine import nova

OPTION = "[DEFAULT]\nresume_guests_state_on_host_boot = true\n"


@pytest.mark.parametrize("path", ["/etc/nova/nova-compute.conf", "/etc/nova/nova.conf.d/x.conf"])
def test_a_nova_that_would_start_guests_twice_is_refused(ctx, host, path):
    _, out = joined(ctx, host)
    assert isinstance(out.unit_status, ops.ActiveStatus)
    host.write(path, OPTION)
    out = ctx.run(ctx.on.update_status(), out)
    assert isinstance(out.unit_status, ops.BlockedStatus)
    assert f"{path}: resume_guests_state_on_host_boot has a host" in out.unit_status.message
    assert "set resume-guests-state-on-host-boot=false on nova-compute" in out.unit_status.message


def test_it_is_looked_for_the_cure(ctx, host):
    _, out = joined(ctx, host)
    host.write(nova.NOVA_CONF, f"{OPTION}host = {NAME}\n")
    ctx.run(ctx.on.update_status(), out)
    [begun] = [argv for argv in host.runner.calls if argv[0] == "systemd-run"]
    assert begun[-1].startswith("! grep -Eqs '^resume_guests_state_on_host_boot")
    assert begun[-1].endswith(nova.NOVA_CONF)
