"""What an older charm left to Apache."""

from __future__ import annotations

from ops import testing

from machine import Machine
from model import complete


class TestApache:
    """What an older charm or the distribution's package left to Apache."""

    def site(self, machine: Machine, name: str) -> None:
        machine.host.write(f"/etc/apache2/sites-enabled/{name}", "Listen 15868")

    def test_alone(self, ctx: testing.Context, machine: Machine) -> None:
        from instance_ha_common.testing import FakeService

        machine.host.systemd.services["apache2"] = FakeService(active=True)
        for name in ("masakari-api.conf", "000-default.conf"):
            self.site(machine, name)
        ctx.run(ctx.on.upgrade_charm(), complete())
        directory = machine.host.path("/etc/apache2/sites-enabled")
        assert [path.name for path in directory.iterdir()] == ["000-default.conf"]
        assert machine.host.systemd.masked("apache2")

    def test_with_a_site_of_another_service(self, ctx: testing.Context, machine: Machine) -> None:
        from instance_ha_common.testing import FakeService

        machine.host.systemd.services["apache2"] = FakeService(active=True)
        for name in ("masakari-api.conf", "horizon.conf"):
            self.site(machine, name)
        ctx.run(ctx.on.upgrade_charm(), complete())
        assert machine.host.systemd.running("apache2")
        assert ("reload-or-restart", "apache2") in machine.restarts()

    def test_apache_that_fails_is_no_hook_error(
        self, ctx: testing.Context, machine: Machine
    ) -> None:
        for name in ("masakari-api.conf", "horizon.conf"):
            self.site(machine, name)
        ctx.run(ctx.on.upgrade_charm(), complete())
        assert not machine.host.path("/etc/apache2/sites-enabled/masakari-api.conf").exists()
