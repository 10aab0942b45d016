"""A unit whose charm of before remembered otherwise."""

import dataclasses

from hypervisor import KEYSTONE, conf, keystone, running, state
from ops import testing


def test_the_unit_that_an_older_charm_heard_last_is_still_believed(ctx, host):
    """The former leader's databag still has the password of then, and comes first by name."""
    both = keystone({**KEYSTONE, "credentials_password": "old"}, KEYSTONE)
    remembered = testing.StoredState(
        "_stored", owner_path="MasakariMonitorsCharm", content={"newest": "keystone/1"}
    )
    running(ctx, host)
    host.path("/var/lib/masakari-monitors-charm/responders.json").unlink()
    before = dataclasses.replace(state(both), stored_states={remembered})
    ctx.run(ctx.on.upgrade_charm(), before)
    assert conf(host)["api"]["password"] == KEYSTONE["credentials_password"].replace("$", "$$")


def test_services_that_an_older_charm_had_still_to_restart_are_restarted(ctx, host):
    out = running(ctx, host)
    path = "/var/lib/masakari-monitors-charm/stale.json"
    host.write(path, '["masakari-instance-monitor"]')
    ctx.run(ctx.on.upgrade_charm(), out)
    assert ("restart", "masakari-instance-monitor") in host.systemd.log
    assert not host.path(path).exists()
