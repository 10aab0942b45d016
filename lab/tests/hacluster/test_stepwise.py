"""The manners of the real charm: what it runs, in which order, and what it leaves undone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hacluster_charm import Tools, Unit, load

stepwise, actions, hooks, crm, cluster, leading, databags = load(
    "stepwise", "actions", "hooks", "crm", "cluster", "leading", "databags"
)
standin = stepwise.standin

CONFIG = {
    "cluster_count": 3, "cluster_recheck_interval": 60, "corosync_key": "a2V5",
    "failure_timeout": 180, "maas_credentials": "a:b:c", "maas_url": "http://maas",
    "maintenance-mode": False, "no_quorum_policy": "stop", "service_start_timeout": 180,
    "service_stop_timeout": 600,
}  # fmt: skip

PRINCIPAL = {
    "json_resources": json.dumps(
        {"res_vip": "ocf:heartbeat:IPaddr2", "res_haproxy": "lsb:haproxy"}
    ),
    "json_resource_params": json.dumps({"res_vip": 'params ip="10.5.0.1"'}),
    "json_groups": json.dumps({"grp_vips": "res_vip"}),
    "json_clones": json.dumps({"cl_haproxy": "res_haproxy"}),
    "json_delete_resources": json.dumps(["res_old"]),
}
PEERS = {
    f"hacluster/{number}": {
        "hostname": f"ha{number + 1}", "private-address": f"10.0.0.{number + 1}",
        "ready": "True", "member_ready": "True",
    }
    for number in (1, 2)
}  # fmt: skip


def remote(name: str, *, fenced: bool = True) -> dict[str, str]:
    host = json.dumps(name)
    stonith = host if fenced else "null"
    return {
        "remote-hostname": host, "remote-ip": '"10.0.0.9"', "enable-resources": "false",
        "stonith-hostname": stonith,
    }  # fmt: skip


def relations(**remotes: dict[str, str]) -> dict[str, dict[str, dict[str, str]]]:
    units = {f"pacemaker-remote/{n}": bag for n, bag in enumerate(remotes.values())}
    found = {"ha": {"masakari/0": PRINCIPAL}, "hanode": PEERS}
    return {**found, "pacemaker-remote": units} if units else found


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> Tools:
    """The cluster, in the place of all commands."""
    made = Tools(cluster.ClusterError)
    monkeypatch.setattr(cluster, "run", made.run)
    monkeypatch.setattr(cluster, "is_active", lambda service: True)
    monkeypatch.setattr(crm.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(crm, "PATIENCE", 0)
    monkeypatch.setattr(standin, "tool", lambda *argv, **kwargs: "")
    return made


Make = Callable[..., Any]


@pytest.fixture
def make(tmp_path: Path, tools: Tools, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Make the unit in a hook; with the same root it is the same unit."""

    def made(
        hook: str = "ha-relation-changed", root: str = "0", leader: bool = True, **remotes: Any
    ) -> Any:
        unit = Unit(tmp_path / root, relations(**remotes))
        unit.hook, unit.leader = hook, leader
        bags = dict(unit.bags("pacemaker-remote"))
        answers = {"config-get": dict(CONFIG), "relation-get": bags}

        def tool_json(name: str, *argv: str) -> Any:
            return bags.get(argv[-1]) if name == "relation-get" else answers[name]

        monkeypatch.setattr(standin, "tool_json", tool_json)
        charm = stepwise.Stepwise(unit)
        charm.host = "ha1"
        charm.member.configure = lambda *args, **kwargs: None
        charm.member.write_nodes = lambda *args, **kwargs: True
        return charm

    return made


GLOBALS = [
    "crm configure property no-quorum-policy=stop",
    "crm configure rsc_defaults $id=rsc-options resource-stickiness=100 failure-timeout=180",
    "crm configure property cluster-recheck-interval=60",
]


def test_one_process_for_each_object_in_the_order_of_the_real_charm(
    make: Make, tools: Tools
) -> None:
    make(one=remote("node1.maas")).run()
    rules = [
        *(f"loc-node1.maas-{m}" for m in ("ha1", "ha2", "ha3")),
        *(f"loc-cl_haproxy-{m}" for m in ("ha1", "ha2", "ha3")),
        *(f"loc-grp_vips-{m}" for m in ("ha1", "ha2", "ha3")),
    ]
    short = [call.replace("-w -F ", "") for call in tools.changes()]
    assert short[:14] == [
        *GLOBALS,
        "crm configure property stonith-enabled=false",
        "crm configure property symmetric-cluster=false",
        'crm configure primitive res_vip ocf:heartbeat:IPaddr2 params ip="10.5.0.1"',
        "systemctl stop haproxy",
        "crm configure primitive res_haproxy lsb:haproxy",
        "crm configure group grp_vips res_vip",
        "crm configure clone cl_haproxy res_haproxy",
        "crm resource cleanup cl_haproxy",
        "crm resource cleanup grp_vips",
        "crm configure primitive node1.maas ocf:pacemaker:remote params server=10.0.0.9 "
        "reconnect_interval=60 op monitor interval=30s",
        "crm resource cleanup node1.maas",
    ]
    words = [call.split() for call in short[14:]]
    assert [w[2] if w[0] == "load" else w[3] for w in words if "location" in w][:9] == rules
    kinds = [next((w for w in ("st-maas", "st-null") if w in c), c) for c in short[-11:]]
    assert kinds[-1] == "crm configure property stonith-enabled=true"
    first = [call for call in short if call.startswith("load primitive st-")]
    assert [call.split()[2] for call in first] == ["st-maas", "st-null"] * 2


def test_the_cluster_is_opted_in_to_before_anything_may_run_in_it(
    make: Make, tools: Tools
) -> None:
    make(one=remote("node1.maas")).run()
    opted = tools.calls.index("crm configure property symmetric-cluster=false")
    allowed = next(i for i, c in enumerate(tools.calls) if "location loc-grp_vips-ha1" in c)
    assert allowed - opted > 20  # processes of crm


def test_a_second_remote_node_is_there_before_its_rules_and_its_device(
    make: Make, tools: Tools
) -> None:
    make(one=remote("node1.maas")).run()
    tools.calls.clear()
    assert tools.objects["stonith-enabled"].endswith("true")
    make(one=remote("node1.maas"), two=remote("node2.maas")).run()
    at = {
        name: next(i for i, call in enumerate(tools.calls) if text in call)
        for name, text in {
            "created": "primitive node2.maas",
            "ruled": "location loc-node2.maas-ha1",
            "fenced": "hostnames='node1 node1.maas node2 node2.maas'",
        }.items()
    }
    assert at["created"] < at["ruled"] < at["fenced"]
    assert "crm configure property stonith-enabled=false" not in tools.calls


def test_the_device_lists_only_whom_this_unit_has_met(make: Make, tools: Tools) -> None:
    make(one=remote("node1.maas"), two=remote("node2.maas")).run()
    # The relation is made anew, and one unit's hook has run so far.
    make(two=remote("node2.maas")).run()
    assert "hostnames='node2 node2.maas'" in tools.objects["st-maas"]
    assert "node1.maas" in tools.objects  # its connection stays


def test_everything_is_cleaned_up_in_every_hook(make: Make, tools: Tools) -> None:
    for _ in range(2):
        tools.calls.clear()
        make(one=remote("node1.maas")).run()
        cleaned = [call.split()[-1] for call in tools.calls if " cleanup " in call]
        assert cleaned == ["cl_haproxy", "grp_vips", "node1.maas"]


def test_what_was_created_is_loaded_once_more_and_again_by_a_new_leader(
    make: Make, tools: Tools
) -> None:
    loaded = []
    for root in ("0", "0", "0", "1", "1"):
        tools.calls.clear()
        make(root=root).run()
        loaded.append([call.split()[2] for call in tools.calls if call.startswith("load prim")])
    both = ["res_vip", "res_haproxy"]
    assert loaded == [[], both, [], both, []]


def test_without_the_other_members_there_is_no_remote_node(make: Make, tools: Tools) -> None:
    charm = make(one=remote("node1.maas"))
    charm.unit.relations["hanode"].units = {
        name: {k: v for k, v in bag.items() if k != "member_ready"} for name, bag in PEERS.items()
    }
    charm.run()
    assert "node1.maas" not in tools.objects
    assert "res_vip" in tools.objects


def test_what_is_to_go_is_cleaned_up_stopped_and_deleted(make: Make, tools: Tools) -> None:
    tools.objects["res_old_vip"] = "primitive res_old_vip x"  # part of its name is enough
    make().run()
    assert [call for call in tools.calls if call.endswith(" res_old")] == [
        "crm resource cleanup res_old",
        "crm -w -F resource stop res_old",
        "crm -w -F configure delete res_old",
    ]


def test_a_primitive_that_cannot_be_loaded_fails_the_hook(make: Make, tools: Tools) -> None:
    make().run()
    tools.refused.add("res_vip")
    charm = make()
    with pytest.raises(cluster.ClusterError, match="Cannot update pcmkr resource: res_vip"):
        charm.run()
    assert charm.unit.statuses[-1] == ("blocked", "Cannot update pcmkr resource: res_vip")


def test_fencing_without_maas_fails_the_hook_after_the_remote_node_is_there(
    make: Make, tools: Tools
) -> None:
    charm = make(one=remote("node1.maas"))
    charm.config["maas_url"] = None
    with pytest.raises(ValueError, match="Missing configuration: maas_url"):
        charm.run()
    assert "node1.maas" in tools.objects


def test_update_status_only_looks_and_nobody_forgets_a_member(make: Make, tools: Tools) -> None:
    make("update-status").run()
    make("hanode-relation-departed").run()
    assert tools.changes() == []


def test_a_unit_that_leaves_takes_itself_out_first(make: Make, tools: Tools) -> None:
    tools.members.append(stepwise.socket.gethostname())
    stepwise.Stepwise.leave(make("stop").unit)
    host = stepwise.socket.gethostname()
    assert tools.calls == [
        f"crm -w -F node maintenance {host}",
        *[f"crm -w -F node delete {host}"] * 2,
        "apt-get purge --yes -qq corosync pacemaker",
    ]


@pytest.mark.parametrize(
    "hook", ["remove", "ha-relation-broken", "hanode-relation-created", "leader-elected"]
)
def test_hooks_without_a_program_do_nothing(make: Make, tools: Tools, hook: str) -> None:
    """In `remove`, without its packages, it looked for Pacemaker for two minutes."""
    charm = make(hook)
    charm.run()
    charm.tell()
    assert (tools.calls, charm.unit.statuses) == ([], [])


def test_status_right_after_install_and_with_too_few_peers(make: Make, tools: Tools) -> None:
    charm = make("install")
    charm.unit.relations.clear()
    assert charm.assess() == ("active", "Unit is ready and clustered")
    charm = make()
    charm.unit.relations["hanode"].units.clear()
    charm.unit.relations["ha"].units.clear()
    assert charm.assess() == ("blocked", "Insufficient peer units for ha cluster (require 3)")


def test_status_of_the_principals_resources(make: Make, tools: Tools) -> None:
    charm = make()
    assert charm.assess() == ("waiting", "Resource: res_vip not yet configured")
    charm.run()
    assert charm.assess() == ("active", "Unit is ready and clustered")
    tools.down = True
    assert charm.assess()[1] == "Resource: res_vip not yet configured"


# -- actions --------------------------------------------------------------------------------------


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What an action tells Juju."""
    said: list[tuple[str, ...]] = []
    monkeypatch.setattr(actions.standin, "tool", lambda *argv: said.append(argv) or "")
    return said


def state(*hosts: str) -> Any:
    resource = "".join(f'<node name="{host}"/>' for host in hosts)
    return cluster.State(
        '<x><summary><current_dc with_quorum="true"/></summary><nodes/><resources><resource '
        f'id="vip" active="true" role="Started">{resource}</resource></resources></x>'
    )


def test_pause_and_resume(
    make: Make, tools: Tools, told: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions.State, "query", lambda: state("ha2"))
    charm = make()
    actions.run("pause", charm)
    assert tools.calls == ["crm node standby ha1 forever"]
    assert charm.assess() == ("maintenance", hooks.PAUSED)
    assert make("config-changed").may_configure() is False
    actions.run("resume", charm)
    assert "crm node online ha1" in tools.calls
    assert charm.paused is False
    assert [words for words in told if words[0] == "action-fail"] == []


def test_pause_fails_while_something_stays(
    make: Make, tools: Tools, told: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions.State, "query", lambda: state("ha1"))
    monkeypatch.setattr(actions.time, "sleep", lambda seconds: None)
    charm = make()
    actions.run("pause", charm)
    assert told[-1][-1] == "Couldn't pause: Resources still running on unit"
    assert charm.paused is False


@pytest.mark.parametrize(
    ("name", "parameters", "leader", "says"),
    [
        ("update-ring", {}, True, "i-really-mean-it is a required parameter"),
        ("update-ring", {"i-really-mean-it": "True"}, False, "only the Juju leader"),
        ("update-ring", {"i-really-mean-it": "True"}, True, "result=Nodes removed: ha4"),
        ("delete-node-from-ring", {}, True, "node is a required parameter"),
        ("delete-node-from-ring", {"node": "ha4"}, True, "result=success"),
        ("cleanup", {"resource": "all"}, True, "result=success"),
    ],
)
def test_what_actions_say(
    make: Make,
    tools: Tools,
    told: list[tuple[str, ...]],
    name: str,
    parameters: dict[str, str],
    leader: bool,
    says: str,
) -> None:
    tools.members.append("ha4")
    charm = make(leader=leader)
    charm.unit.parameters = parameters
    actions.run(name, charm)
    assert says in told[-1][-1]
    removed = "ha4" not in tools.members
    assert removed == ("removed" in says or "node" in parameters)
    assert ("corosync-cfgtool -R" in tools.calls) == removed


def test_a_peer_renews_its_ring_once_and_does_nothing_else(make: Make, tools: Tools) -> None:
    charm = make("hanode-relation-changed")
    asked = {**PEERS["hacluster/1"], "trigger-corosync-update": "request-1"}
    charm.unit.relations["hanode"].units["hacluster/1"] = asked
    charm.unit.environ["JUJU_REMOTE_UNIT"] = "hacluster/1"
    charm.run()
    assert tools.calls == ["corosync-cfgtool -R"]
    charm.run()
    assert tools.calls.count("corosync-cfgtool -R") == 1
    assert "res_vip" in tools.objects
