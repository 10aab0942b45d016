"""The Pacemaker cluster: what the charm puts into it, and what it says of its health."""

from __future__ import annotations

import dataclasses
import importlib.machinery
import importlib.util
import json
import stat
from pathlib import Path

import ops
import pytest
from masakari_fencing.pacemaker.fencing_limit import Guard
from masakari_fencing.records import out_of_service
from ops import testing

import machine as machine_module
import model
from machine import Machine
from model import complete, with_config
from workload import cluster, fencing_package

REMOTE = """
<pacemaker-result><summary>
  <current_dc present="true" name="node1" with_quorum="{quorum}"/>
  <cluster_options stonith-enabled="{stonith}" maintenance-mode="false"/>
</summary><nodes>
  <node name="node1" type="member" online="true"/>
  <node name="hv1.maas" type="remote" online="true"/>
</nodes><resources>
  <resource id="hv1.maas" resource_agent="ocf:pacemaker:remote" role="Started" managed="true"/>
</resources></pacemaker-result>
"""
CIB = """
<cib><configuration><crm_config/><nodes/><constraints/>
<resources><primitive id="hv1.maas" class="ocf" provider="pacemaker" type="remote">
  <instance_attributes id="hv1-ia">
    <nvpair id="hv1-r" name="reconnect_interval" value="60"/>
  </instance_attributes>
  <operations><op id="hv1-m" name="monitor" interval="30s"/></operations>
</primitive></resources></configuration><status/></cib>
"""


def with_remote(machine: Machine, *, stonith: bool = True, quorum: bool = True) -> None:
    """Have the cluster know a hypervisor."""
    text = REMOTE.format(stonith=str(stonith).lower(), quorum=str(quorum).lower())
    machine.host.runner.answer(["crm_mon"], text)
    machine.host.runner.answer(["cibadmin", "--query"], CIB)


def written(machine: Machine) -> str:
    """What was written into the cluster's configuration."""
    calls = zip(machine.host.runner.calls, machine.host.runner.inputs, strict=True)
    return "".join(text or "" for argv, text in calls if argv[:2] == ["cibadmin", "--modify"])


def test_leader_tunes_the_connections(ctx: testing.Context, machine: Machine) -> None:
    with_remote(machine)
    ctx.run(ctx.on.config_changed(), complete(config={"remote-monitor-timeout": 7}))
    text = written(machine)
    assert 'id="hv1-m" name="monitor" interval="1s" timeout="7s"' in text
    assert f'path="{fencing_package.ALERT_AGENT}"' in text


def test_others_do_not(ctx: testing.Context, machine: Machine) -> None:
    with_remote(machine)
    leader = ctx.run(ctx.on.config_changed(), complete())
    machine.forget()
    machine.host.runner.inputs.clear()
    state = testing.State(relations=leader.relations, config=leader.config)
    ctx.run(ctx.on.update_status(), state)
    assert written(machine) == ""


def test_options() -> None:
    desired = cluster.desired(
        model.config(
            remote_monitor_interval=0,
            fencing_limit_hosts=0,
            fencing_notifications=False,
        )
    )
    assert desired.tuning is None
    assert desired.guard == Guard(max_hosts=0), "it does not only limit"
    assert desired.alert_path is None
    desired = cluster.desired(model.config(fencing_limit_hosts=0, fencing_limit_share=20))
    assert desired.guard is not None
    assert desired.guard.max_share == 20
    assert not desired.guard.matrix
    desired = cluster.desired(model.config(fencing_limit_hosts=0, fence_by_matrix=True))
    assert desired.guard is not None
    assert desired.guard.matrix


def test_machine_is_recorded_once(ctx: testing.Context, machine: Machine) -> None:
    out = ctx.run(ctx.on.config_changed(), complete())
    assert any("1/lxd/0" in argv for argv in machine.has_run("crm_attribute"))
    machine.forget()
    ctx.run(ctx.on.config_changed(), out)
    assert machine.has_run("crm_node") == []


def test_another_cluster_is_told_of_the_machine_too(
    ctx: testing.Context, machine: Machine
) -> None:
    """A hacluster that is related anew sets up a cluster that knows of nothing."""
    out = ctx.run(ctx.on.config_changed(), complete())
    ctx.run(ctx.on.relation_broken(model.only(out, "ha")), out)
    machine.forget()
    ctx.run(ctx.on.config_changed(), out)
    assert any("1/lxd/0" in argv for argv in machine.has_run("crm_attribute"))


def test_cluster_that_does_not_answer(ctx: testing.Context, machine: Machine) -> None:
    machine.host.runner.answer(["crm_node", "--name"], (1, "error: not connected"))
    out = ctx.run(ctx.on.config_changed(), complete())
    assert isinstance(out.unit_status, ops.WaitingStatus)
    assert out.unit_status.message.startswith("Pacemaker does not answer: crm_node --name: exit")
    assert machine.host.systemd.running("masakari-engine")


class TestHealth:
    def test_stonith_disabled_is_blocked(self, ctx: testing.Context, machine: Machine) -> None:
        with_remote(machine, stonith=False)
        out = ctx.run(ctx.on.config_changed(), complete())
        assert isinstance(out.unit_status, ops.BlockedStatus)
        assert out.unit_status.message.startswith("STONITH is disabled")
        assert "enable-stonith" in out.unit_status.message

    def test_unless_the_operator_accepts_it(self, ctx: testing.Context, machine: Machine) -> None:
        with_remote(machine, stonith=False)
        options = {"allow-recovery-without-fencing": True}
        out = ctx.run(ctx.on.config_changed(), complete(config=options))
        assert out.unit_status == ops.ActiveStatus("Unit is ready")

    def test_problem_names_the_hypervisor(self, ctx: testing.Context, machine: Machine) -> None:
        with_remote(machine)
        machine.host.runner.answer(["stonith_admin"], "<pacemaker-result/>")
        out = ctx.run(ctx.on.config_changed(), complete())
        assert "hv1.maas: no device can fence it" in out.unit_status.message

    def test_looks_are_apart(self, ctx: testing.Context, machine: Machine) -> None:
        with_remote(machine, stonith=False)
        out = ctx.run(ctx.on.config_changed(), complete())
        with_remote(machine)
        machine.host.runner.answer(["stonith_admin"], "<pacemaker-result/>")
        machine.forget()
        machine.now += 59
        again = ctx.run(ctx.on.leader_elected(), out)
        assert machine.has_run("stonith_admin") == []
        assert again.unit_status == out.unit_status
        machine.now += 2
        again = ctx.run(ctx.on.leader_elected(), out)
        assert machine.has_run("stonith_admin") != []
        assert again.unit_status != out.unit_status

    @pytest.mark.parametrize("event", ["update_status", "config_changed"])
    def test_fresh_look(self, ctx: testing.Context, machine: Machine, event: str) -> None:
        out = ctx.run(ctx.on.config_changed(), complete())
        with_remote(machine, stonith=False)
        again = ctx.run(getattr(ctx.on, event)(), out)
        assert isinstance(again.unit_status, ops.BlockedStatus)

    @pytest.mark.parametrize("garbage", ["{", "[]", "{}", '{"time": "x"}'])
    def test_unreadable_memory(self, ctx: testing.Context, machine: Machine, garbage: str) -> None:
        machine.host.write("/var/lib/masakari-charm/health.json", garbage)
        out = ctx.run(ctx.on.start(), complete())
        assert out.unit_status == ops.ActiveStatus("Unit is ready")

    def test_other_units_look_at_their_own_pacemaker(
        self, ctx: testing.Context, machine: Machine
    ) -> None:
        leader = ctx.run(ctx.on.config_changed(), complete())
        state = testing.State(relations=leader.relations, config=leader.config)
        with_remote(machine, stonith=False)
        out = ctx.run(ctx.on.update_status(), state)
        assert out.unit_status == ops.ActiveStatus("Unit is ready")
        with_remote(machine, quorum=False)
        out = ctx.run(ctx.on.update_status(), state)
        assert out.unit_status == ops.BlockedStatus(
            "The cluster has no quorum (bring the other units back)"
        )


class TestActions:
    def test_allow_fencing(self, ctx: testing.Context, machine: Machine) -> None:
        out = ctx.run(ctx.on.config_changed(), complete())
        ctx.run(ctx.on.action("allow-fencing", params={"duration": 60}), out)
        assert ctx.action_results == {"outcome": "allowed", "until": "1970-01-12T13:47:40Z"}
        assert any(
            "masakari-fencing-allow-until" in str(argv)
            for argv in machine.has_run("crm_attribute")
        )

    def test_readmit_hosts(self, ctx: testing.Context, machine: Machine) -> None:
        out = ctx.run(ctx.on.config_changed(), complete())
        ctx.run(ctx.on.action("readmit-hosts"), out)
        assert ctx.action_results == {"outcome": "unchanged", "hosts": ""}

    @pytest.mark.parametrize(
        ("name", "params"), [("allow-fencing", {"duration": 60}), ("readmit-hosts", {})]
    )
    def test_without_a_cluster(
        self, ctx: testing.Context, machine: Machine, name: str, params: dict[str, int]
    ) -> None:
        out = ctx.run(ctx.on.config_changed(), complete())
        for command in ("crm_attribute", "cibadmin", "crm_mon"):
            machine.host.runner.answer([command], (102, "no cluster"))
        with pytest.raises(testing.ActionFailed, match="Pacemaker does not answer"):
            ctx.run(ctx.on.action(name, params=params), out)


class TestInstallation:
    def test_what_is_where(self, ctx: testing.Context, machine: Machine) -> None:
        ctx.run(ctx.on.config_changed(), complete())
        home = "/usr/share/masakari-fencing/masakari_fencing"
        for path, mode in (
            (f"{home}/alert.py", 0o755),
            (f"{home}/workflow/host_tasks.py", 0o644),
            ("/usr/sbin/fence_masakari_guard", 0o755),
            ("/usr/local/lib/systemd/system/masakari-fencing-notifier.service", 0o644),
        ):
            assert machine.host.mode(path) == mode, path
        assert machine.host.mode("/var/lib/masakari-fencing/spool") & stat.S_ISGID

    def test_entry_points_come_along_and_old_modules_go(
        self, machine: Machine, tmp_path: Path
    ) -> None:
        source = tmp_path / "site" / "masakari_fencing"
        (source / "data").mkdir(parents=True)
        (source / "__pycache__").mkdir()
        for name in ("__init__.py", "__pycache__/x.pyc", "data/fence_masakari_guard"):
            (source / name).write_text("")
        (source / "data" / "masakari-fencing-notifier.service").write_text("")
        info = source.parent / "masakari_fencing-0.1.dist-info"
        info.mkdir()
        for name in ("METADATA", "entry_points.txt", "RECORD"):
            (info / name).write_text(name)
        home = machine.host.path("/usr/share/masakari-fencing")
        for stale in ("masakari_fencing/old.py", "masakari_fencing-0.0.dist-info/METADATA"):
            machine.host.write(f"/usr/share/masakari-fencing/{stale}", "")
        installation = fencing_package.Installation(machine.host, source)
        first = installation.install()
        found = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}
        assert found == {
            "masakari_fencing/__init__.py",
            "masakari_fencing/data/fence_masakari_guard",
            "masakari_fencing/data/masakari-fencing-notifier.service",
            "masakari_fencing-0.1.dist-info/METADATA",
            "masakari_fencing-0.1.dist-info/entry_points.txt",
        }
        assert not (home / "masakari_fencing-0.0.dist-info").exists()
        assert installation.install() == first
        (source / "__init__.py").write_text("# new")
        assert installation.install() != first

    def test_a_package_without_folders_gives_way_to_one_with_them(self, machine: Machine) -> None:
        """Its `pacemaker.py` beside `pacemaker/` would be another module of the same name."""
        package = machine.host.path("/usr/share/masakari-fencing/masakari_fencing")
        for stale in ("pacemaker.py", "notifier.py", "__pycache__/pacemaker.cpython-310.pyc"):
            machine.host.write(f"/usr/share/masakari-fencing/masakari_fencing/{stale}", "")
        fencing_package.Installation(machine.host).install()
        for room in ("pacemaker", "notifier"):
            found = importlib.machinery.PathFinder.find_spec(room, [str(package)])
            assert found is not None
            assert found.origin == str(package / room / "__init__.py")
        assert not (package / "pacemaker.py").exists()

    def test_charm_packed_without_it(
        self, machine: Machine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        with pytest.raises(RuntimeError, match="packed without the package masakari_fencing"):
            fencing_package.Installation(machine.host).install()

    def test_directory_of_another_mode_is_put_right(
        self, ctx: testing.Context, machine: Machine
    ) -> None:
        ctx.run(ctx.on.config_changed(), complete())
        machine.host.path("/var/lib/masakari-fencing/spool").chmod(0o777)
        ctx.run(ctx.on.config_changed(), complete())
        assert machine.host.mode("/var/lib/masakari-fencing/spool") == 0o2770


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
        assert ("reload", "apache2") in machine.restarts()

    def test_apache_that_fails_is_no_hook_error(
        self, ctx: testing.Context, machine: Machine
    ) -> None:
        for name in ("masakari-api.conf", "horizon.conf"):
            self.site(machine, name)
        ctx.run(ctx.on.upgrade_charm(), complete())
        assert not machine.host.path("/etc/apache2/sites-enabled/masakari-api.conf").exists()


def test_what_the_engine_leaves_has_a_place(ctx: testing.Context, machine: Machine) -> None:
    ctx.run(ctx.on.config_changed(), complete())
    assert machine.host.path(fencing_package.REFUSALS).is_dir()


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (
            "it is in no failover segment",
            "hv1.maas was fenced and it is in no failover segment: its guests are not recovered"
            " (add-hosts puts it into one)",
        ),
        (
            "HTTP 404",
            "Masakari cannot be told that hv1.maas was fenced, and is told again: HTTP 404",
        ),
        ("", None),
    ],
)
def test_status_of_a_fencing_that_masakari_does_not_know_of(
    ctx: testing.Context, machine: Machine, reason: str, expected: str | None
) -> None:
    out = ctx.run(ctx.on.config_changed(), complete())
    for name in ("one", "two"):
        event = {"node": "hv1.maas", "time": 1.0, "reason": reason}
        machine.host.write(f"{fencing_package.SPOOL}/{name}.json", json.dumps(event))
    machine.host.write(f"{fencing_package.SPOOL}/broken.json", "{")
    out = ctx.run(ctx.on.update_status(), with_config(out))
    wanted = ops.ActiveStatus("Unit is ready") if expected is None else ops.BlockedStatus(expected)
    assert out.unit_status == wanted


def test_status_of_a_refused_recovery(ctx: testing.Context, machine: Machine) -> None:
    out = ctx.run(ctx.on.config_changed(), complete())
    refusal = {"host": "hv1.maas", "reason": "merely offline", "time": 1.0}
    machine.host.write(f"{fencing_package.REFUSALS}/hv1.maas.json", json.dumps(refusal))
    out = ctx.run(ctx.on.update_status(), with_config(out))
    assert out.unit_status == ops.BlockedStatus(
        "Recovery of hv1.maas refused: merely offline (when it works again, run return-host"
        " host=hv1.maas)"
    )


class TestOutOfService:
    @pytest.fixture
    def ready(self, ctx: testing.Context, machine: Machine) -> testing.State:
        return with_config(ctx.run(ctx.on.config_changed(), complete()))

    def record(
        self,
        machine: Machine,
        maintenance: list[str],
        down: list[str],
        failed: tuple[str, ...] = (),
    ) -> None:
        seen = {"time": machine.now, "maintenance": maintenance, "forced_down": down}
        seen |= {"hosts": [], "misnamed": []}
        machine.host.write(str(out_of_service.RECORD), json.dumps({**seen, "failed": failed}))

    def test_hosts_that_could_not_be_recovered_are_blocked_before_they_fail(
        self,
        ctx: testing.Context,
        machine: Machine,
        ready: testing.State,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(cluster, "_inspect", lambda runner, hosts: [])
        with_remote(machine)
        seen = out_of_service.OutOfService(
            hosts=("hv1.maas", "hv2", "hv3"),
            misnamed=("hv1.maas (Nova calls its hypervisor hv1)",),
        )
        record = {"time": machine.now, **dataclasses.asdict(seen)}
        machine.host.write(str(out_of_service.RECORD), json.dumps(record))
        out = ctx.run(ctx.on.update_status(), ready)
        assert isinstance(out.unit_status, ops.BlockedStatus)
        text = out.unit_status.message
        assert "hv1.maas (Nova calls its hypervisor hv1): not recovered if it fails" in text
        follower = dataclasses.replace(ready, leader=False)
        assert ctx.run(ctx.on.update_status(), follower).unit_status == ops.ActiveStatus(
            "Unit is ready"
        )

    def test_the_leader_names_them(
        self, ctx: testing.Context, machine: Machine, ready: testing.State
    ) -> None:
        self.record(machine, ["hv1.maas", "hv2.maas"], ["hv3.maas"])
        out = ctx.run(ctx.on.update_status(), ready)
        assert out.unit_status == ops.ActiveStatus(
            "Unit is ready (in maintenance: hv1.maas, hv2.maas, forced down: hv3.maas; when it"
            " works again, run return-host)"
        )
        out = ctx.run(ctx.on.update_status(), dataclasses.replace(ready, leader=False))
        assert out.unit_status == ops.ActiveStatus("Unit is ready")

    def test_also_when_something_else_is_wrong(
        self, ctx: testing.Context, machine: Machine, ready: testing.State
    ) -> None:
        self.record(machine, [], ["hv3.maas"])
        with_remote(machine, stonith=False)
        out = ctx.run(ctx.on.update_status(), ready)
        assert isinstance(out.unit_status, ops.BlockedStatus)
        assert out.unit_status.message.startswith("STONITH is disabled")
        assert out.unit_status.message.endswith(
            " (forced down: hv3.maas; when it works again, run return-host)"
        )

    def test_of_many_the_first_are_named(
        self, ctx: testing.Context, machine: Machine, ready: testing.State
    ) -> None:
        self.record(machine, [f"hv{number}" for number in range(1, 10)], [])
        out = ctx.run(ctx.on.update_status(), ready)
        assert "in maintenance: hv1, hv2, hv3, hv4, hv5 and 4 more;" in out.unit_status.message

    def test_a_recovery_that_failed_is_blocked(
        self, ctx: testing.Context, machine: Machine, ready: testing.State
    ) -> None:
        self.record(machine, ["hv1.maas", "hv2.maas"], [], failed=("hv1.maas", "hv2.maas"))
        refusal = {"host": "hv2.maas", "reason": "merely offline", "time": 1.0}
        machine.host.write(f"{fencing_package.REFUSALS}/hv2.maas.json", json.dumps(refusal))
        out = ctx.run(ctx.on.update_status(), ready)
        assert isinstance(out.unit_status, ops.BlockedStatus)
        message = out.unit_status.message
        assert "Recovery of hv1.maas failed: see `openstack notification list`" in message
        assert "Recovery of hv2.maas refused: merely offline" in message
        assert "hv2.maas failed" not in message
        out = ctx.run(ctx.on.update_status(), dataclasses.replace(ready, leader=False))
        assert "hv1.maas" not in out.unit_status.message

    def test_an_old_record_says_nothing(
        self, ctx: testing.Context, machine: Machine, ready: testing.State
    ) -> None:
        self.record(machine, ["hv1.maas"], [])
        machine.now += out_of_service.MAX_AGE
        out = ctx.run(ctx.on.update_status(), ready)
        assert out.unit_status == ops.ActiveStatus("Unit is ready")


class TestAbsence:
    @pytest.mark.parametrize(
        ("node", "resource", "reason"),
        [
            ('online="true"', 'role="Started" managed="true"', None),
            ('online="true"', 'role="Starting" managed="true"', "does not reach it"),
            ('online="false"', 'role="Started" managed="true" failed="true"', "does not reach"),
            ('online="false" unclean="true"', 'role="Stopped" managed="true"', "not fenced it"),
            ('online="false"', 'role="Stopped" managed="false"', "stopped or unmanaged"),
        ],
    )
    def test_reasons(self, machine: Machine, node: str, resource: str, reason: str | None) -> None:
        text = REMOTE.format(stonith="true", quorum="true")
        text = text.replace('type="remote" online="true"', f'type="remote" {node}')
        text = text.replace('role="Started" managed="true"', resource)
        machine.host.runner.answer(["crm_mon"], text)
        found = machine.workload().cluster.absence("hv1.maas")
        assert (found is None) == (reason is None)
        assert (reason or "") in (found or "")

    @pytest.mark.parametrize("condemned", [True, False])
    def test_a_host_whose_networks_are_down_for_the_matrix(
        self, machine: Machine, monkeypatch: pytest.MonkeyPatch, condemned: bool
    ) -> None:
        """Back in service, it would be reported and fenced again."""
        with_remote(machine)
        primitives = "".join(
            f'<primitive type="remote" id="{name}"><instance_attributes><nvpair name="server" '
            f'value="{address}"/></instance_attributes></primitive>'
            for name, address in (("hv1.maas", "10.0.0.1"), ("hv2.maas", "10.0.0.2"))
        )
        cib = f"<cib><configuration><resources>{primitives}</resources></configuration></cib>"
        machine.host.runner.answer(["cibadmin", "--query"], cib)
        asked: list[tuple[list[str], str]] = []

        def confirmed(addresses: list[str], host: str) -> bool:
            asked.append((addresses, host))
            return condemned

        monkeypatch.setattr(cluster.witnesses, "confirmed", confirmed)
        found = machine.workload().cluster.absence("hv1.maas")
        assert asked == [(["10.0.0.2"], "hv1.maas")]
        assert ("still see networks of it down" in (found or "")) is condemned

    def test_a_cluster_that_ends_in_between(self, machine: Machine) -> None:
        with_remote(machine)
        machine.host.runner.answer(["cibadmin"], (102, "error: not connected"))
        found = machine.workload().cluster.absence("hv1.maas")
        assert (found or "").startswith("Pacemaker does not answer: ")

    def test_a_host_that_the_cluster_does_not_know(self, machine: Machine) -> None:
        with_remote(machine)
        assert machine.workload().cluster.absence("other.maas") is None

    def test_a_cluster_that_does_not_answer(self, machine: Machine) -> None:
        machine.host.runner.answer(["crm_mon"], (102, "error: not connected"))
        found = machine.workload().cluster.absence("hv1.maas")
        assert found is not None
        assert found.startswith("Pacemaker does not answer: ")


def test_without_pacemaker_nothing_is_joined(tmp_path: Path) -> None:
    made = machine_module.make(tmp_path, groups="hacluster:x:115:\n")
    assert not fencing_package.Installation(made.host).joined
    assert not fencing_package.Installation(made.host).join_cluster()
