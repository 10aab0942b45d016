"""What stays when a unit goes: nothing."""

from __future__ import annotations

from ops import testing

import model
from machine import CIB, Machine
from model import complete
from workload import fencing_package

CONF = "/etc/masakari/masakari.conf"
OWN = ("masakari-api", "masakari-engine")


class TestRemoval:
    def test_stop_ends_the_services(self, ctx: testing.Context, machine: Machine) -> None:
        out = ctx.run(ctx.on.config_changed(), complete(planned_units=3))
        machine.forget()
        ctx.run(ctx.on.stop(), out)
        for name in ("masakari-api", "masakari-engine", "masakari-fencing-notifier"):
            assert not machine.host.systemd.running(name), name
        assert machine.host.systemd.running("haproxy")  # Pacemaker's
        assert machine.has_run("cibadmin") == []  # the other units need it

    def test_last_unit_takes_its_configuration_out_of_the_cluster(
        self, ctx: testing.Context, machine: Machine
    ) -> None:
        out = ctx.run(ctx.on.config_changed(), complete())
        machine.forget()
        alerts = '<alerts><alert id="masakari-fencing-alert" path="/x"/></alerts>'
        machine.cib.load(CIB.replace("</configuration>", f"{alerts}</configuration>"))
        ctx.run(
            ctx.on.stop(),
            testing.State(
                relations=out.relations,
                config=out.config,
                networks=model.NETWORKS,
                planned_units=0,
            ),
        )
        assert machine.cib.root.find(".//alert") is None

    def test_cluster_that_is_gone_is_no_hook_error(
        self, ctx: testing.Context, machine: Machine
    ) -> None:
        out = ctx.run(ctx.on.config_changed(), complete())
        machine.host.runner.answer(["cibadmin"], (102, "no cluster"))
        ctx.run(
            ctx.on.stop(),
            testing.State(
                relations=out.relations,
                config=out.config,
                networks=model.NETWORKS,
                planned_units=0,
            ),
        )
        assert not machine.host.systemd.running("masakari-api")

    def test_remove_leaves_no_secret(self, ctx: testing.Context, machine: Machine) -> None:
        state = complete(config={"ssl_ca": model.b64(model.PEM)})
        out = ctx.run(ctx.on.config_changed(), state)
        machine.host.write(f"{fencing_package.SPOOL}/ref-1.json", "{}")
        machine.host.write(f"{fencing_package.REFUSALS}/hv1.maas.json", "{}")
        machine.host.write("/usr/share/masakari-fencing/masakari_fencing/__pycache__/a.pyc", "")
        machine.host.path("/etc/group").write_text("haclient:x:115:hacluster,masakari\n")
        theirs = "/etc/haproxy/masakari/an-operators-own"
        machine.host.path(theirs).mkdir(parents=True)
        out = ctx.run(ctx.on.config_changed(), out)
        machine.forget()
        ctx.run(ctx.on.stop(), out)
        ctx.run(ctx.on.remove(), out)
        assert machine.has_run("gpasswd") == [["gpasswd", "--delete", "masakari", "haclient"]]
        assert not machine.host.path("/usr/local/share/ca-certificates/masakari.crt").exists()
        assert not machine.host.path("/var/lib/masakari-charm").exists()
        for path in machine.host.root.rglob("*"):
            if path.is_file():
                assert b"secret" not in path.read_bytes(), path
        assert not machine.host.path("/etc/haproxy/haproxy.cfg").exists()
        assert machine.host.path(theirs).exists()
        for directory in ("/usr/share/masakari-fencing", "/var/lib/masakari-fencing"):
            assert not machine.host.path(directory).exists()
