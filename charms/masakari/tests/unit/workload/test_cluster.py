"""The cluster's configuration and health."""

from __future__ import annotations

import ops
import pytest
from masakari_fencing import witnesses
from masakari_fencing.cluster import health
from masakari_fencing.cluster.health import Problem
from masakari_fencing.cluster.power import Answer, Controllers
from masakari_fencing.pacemaker.fencing_limit import FencingLimit
from ops import testing

import model
from fakecluster import NO_DEVICE, REMOTE, with_remote, written
from machine import Machine
from model import complete
from workload import cluster, fencing_package


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
    assert desired.limit == FencingLimit(max_hosts=0), "it does not only limit"
    assert desired.alert_path is None
    desired = cluster.desired(model.config(fencing_limit_hosts=0, fencing_limit_share=20))
    assert desired.limit is not None
    assert desired.limit.max_share == 20
    assert not desired.limit.matrix
    desired = cluster.desired(model.config(fencing_limit_hosts=0, fence_by_matrix=True))
    assert desired.limit is not None
    assert desired.limit.matrix


def test_machine_is_recorded_once(ctx: testing.Context, machine: Machine) -> None:
    out = ctx.run(ctx.on.config_changed(), complete())
    assert any("1/lxd/0" in argv for argv in machine.has_run("crm_attribute"))
    machine.forget()
    ctx.run(ctx.on.relation_changed(model.only(out, "ha")), out)
    assert machine.has_run("crm_node") == []


@pytest.mark.parametrize(("recorded", "again"), [("1/lxd/0\n", False), ((105, ""), True)])
def test_a_cluster_that_has_forgotten_the_machine_is_told_again(
    ctx: testing.Context, machine: Machine, recorded: str | tuple[int, str], again: bool
) -> None:
    """As each member runs alone at first, what the one said is gone once they are together."""
    out = ctx.run(ctx.on.config_changed(), complete())
    name = machine.host.runner.run(["crm_node", "--name"]).stdout.strip()
    query = ["crm_attribute", "--node", name, "--name", "juju-machine", "--query"]
    machine.host.runner.answer(query, recorded)
    machine.forget()
    ctx.run(ctx.on.update_status(), out)
    assert any("--update" in argv for argv in machine.has_run("crm_attribute")) == again


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
    assert out.unit_status.message.startswith("Pacemaker does not answer: crm_node ended with 1")
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
        machine.host.runner.answer(
            ["stonith_admin"],
            NO_DEVICE,
        )
        out = ctx.run(ctx.on.config_changed(), complete())
        assert "hv1.maas: no device can fence it" in out.unit_status.message

    def test_an_unknown_release_of_pacemaker_is_named_and_left_alone(
        self, ctx: testing.Context, machine: Machine
    ) -> None:
        with_remote(machine)
        text = REMOTE.format(stonith="true", quorum="true").replace("2.1.5", "4.0.0")
        machine.host.runner.answer(["crm_mon"], text)
        out = ctx.run(ctx.on.config_changed(), complete())
        assert isinstance(out.unit_status, ops.BlockedStatus)
        assert "Pacemaker 4.0.0 is not supported, only 2.1.x and 3.0.x" in out.unit_status.message
        assert written(machine) == ""

    def test_looks_are_apart(self, ctx: testing.Context, machine: Machine) -> None:
        with_remote(machine, stonith=False)
        out = ctx.run(ctx.on.config_changed(), complete())
        with_remote(machine)
        machine.host.runner.answer(
            ["stonith_admin"],
            NO_DEVICE,
        )
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

    def test_what_power_controllers_answered_is_remembered(
        self, ctx: testing.Context, machine: Machine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each is asked seldom, and spoken of only when it fails twice."""
        known: list[dict[str, object]] = []

        def inspect(
            runner: object, *, hosts: object, controllers: Controllers, units: int
        ) -> list[Problem]:
            known.append(dict(controllers.answers))
            controllers.answers["hv1.maas"] = Answer(1.0, "on", 0.5, "", 0)
            return [Problem("hv1.maas", "is ill", "heal it")]

        monkeypatch.setattr(health, "inspect", inspect)
        out = ctx.run(ctx.on.update_status(), complete())
        assert out.unit_status == ops.BlockedStatus("hv1.maas: is ill (heal it)")
        ctx.run(ctx.on.update_status(), out)
        assert known == [{}, {"hv1.maas": Answer(1.0, "on", 0.5, "", 0)}]


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
        machine.cib.load(cib)
        asked: list[tuple[list[str], str]] = []

        def confirmed(addresses: list[str], host: str) -> bool:
            asked.append((addresses, host))
            return condemned

        monkeypatch.setattr(witnesses, "confirmed", confirmed)
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


def test_the_cluster_waits_for_kdumps_word_where_that_is_wanted() -> None:
    assert cluster.desired(model.config()).kdump == 0
    assert cluster.desired(model.config(kdump_fencing_timeout=30)).kdump == 30
