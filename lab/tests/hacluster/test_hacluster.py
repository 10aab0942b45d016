"""The stand-in for hacluster: what it reads from its neighbours and what it would write."""

import base64
import os
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import yaml
from hacluster_charm import CHARM, load

plan, corosync, decode = load("plan", "corosync", "databags")
cluster = corosync.cluster
Principal, Remote = plan.Principal, plan.Remote

MEMBERS = ("ha1", "ha2", "ha3")


def cib(*resources: str, extra: str = "", members: tuple[str, ...] = MEMBERS) -> Any:
    """A configuration with these primitives."""
    nodes = "".join(f'<node id="{n}" uname="{name}"/>' for n, name in enumerate(members, 1000))
    primitives = "".join(
        f'<primitive id="{name}" class="ocf" type="remote"/>' for name in resources
    )
    return plan.Cib(
        '<cib><configuration><crm_config><cluster_property_set id="cib-bootstrap-options">'
        '<nvpair id="cib-bootstrap-options-stonith-enabled" name="stonith-enabled" value="true"/>'
        f"</cluster_property_set></crm_config><nodes>{nodes}"
        '<node type="remote" id="node9.maas" uname="node9.maas"/></nodes>'
        f"<resources>{primitives}</resources><constraints>{extra}</constraints>"
        "</configuration><status/></cib>"
    )


def texts(made: Any) -> list[str]:
    return [statement.text for statement in made.statements]


# -- what the neighbours publish ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"node1.maas"', "node1.maas"),
        ("true", True),
        ("True", True),
        ('"true"', "true"),
        ("null", None),
        ("None", None),
        ("", {}),
        ("{'a': 'b'}", {"a": "b"}),
    ],
)
def test_values_are_json_or_python_literals(text: str, value: object) -> None:
    assert decode.decode({"key": text}, "key") == value


@pytest.mark.parametrize("text", ["node1.maas", "10.0.0.21", "node1"])
def test_bare_text_fails_the_hook(text: str) -> None:
    with pytest.raises((ValueError, SyntaxError)):
        decode.decode({"remote-hostname": text}, "remote-hostname")


def test_json_key_comes_first() -> None:
    assert decode.decode({"json_groups": '{"a": 1}', "groups": '{"b": 2}'}, "groups") == {"a": 1}


@pytest.mark.parametrize(
    ("answers", "result"),
    [
        (["false", "false"], False),
        (["true"], True),
        (["true", "false"], None),
        (['"true"'], None),
        ([], None),
        (["", "false"], False),
    ],
)
def test_resources_on_remotes_needs_agreement(answers: list[str], result: bool | None) -> None:
    bags = [{"enable-resources": answer} for answer in answers]
    assert decode.resources_on_remotes(bags) is result


# -- Corosync -------------------------------------------------------------------------------------


def test_corosync_conf_lists_the_members() -> None:
    text = corosync.configuration({1002: "10.0.0.3", 1000: "10.0.0.1", 1001: "10.0.0.2"})
    nodes = re.findall(r"ring0_addr: (\S+)\s+nodeid: (\d+)", text)
    assert nodes == [("10.0.0.1", "1000"), ("10.0.0.2", "1001"), ("10.0.0.3", "1002")]
    assert "transport: udpu" in text
    assert re.search(r"\btoken: 3000$", text, re.MULTILINE)
    assert "two_node" not in text
    assert text.count("{") == text.count("}")


def test_corosync_conf_of_two_members_and_options() -> None:
    text = corosync.configuration({1000: "a", 1001: "b"}, netmtu=1400, debug=True)
    assert "two_node: 1" in text
    assert re.search(r"^    netmtu: 1400$", text, re.MULTILINE)
    assert "debug: on" in text


def test_node_id_is_never_zero() -> None:
    assert corosync.node_id("hacluster/0") == 1000


def test_files_are_replaced_only_when_they_change(tmp_path: Path) -> None:
    path = tmp_path / "etc/corosync/authkey"
    assert corosync.write(path, b"key", mode=0o400)
    assert path.stat().st_mode & 0o777 == 0o400
    inode = path.stat().st_ino
    assert not corosync.write(path, b"key", mode=0o400)
    assert path.stat().st_ino == inode
    assert corosync.write(path, b"other", mode=0o400)
    assert path.read_bytes() == b"other"
    assert [entry.name for entry in path.parent.iterdir()] == ["authkey"]


def test_default_key_is_long_enough_for_corosync() -> None:
    options = yaml.safe_load((CHARM / "charmcraft.yaml").read_text())["config"]["options"]
    assert len(base64.b64decode(options["corosync_key"]["default"], validate=True)) >= 128
    assert "default" not in options["maas_url"]


# -- the principal's resources --------------------------------------------------------------------

WANTED = Principal(
    resources={
        "res_masakari_242d562_vip": "ocf:heartbeat:IPaddr2",
        "res_masakari_haproxy": "lsb:haproxy",
    },
    resource_params={"res_masakari_242d562_vip": '  params ip="10.5.100.1"'},
    groups={"grp_masakari_vips": "res_masakari_242d562_vip"},
    clones={"cl_res_masakari_haproxy": "res_masakari_haproxy"},
)


def test_principal_gets_its_resources() -> None:
    made = plan.Plan(cib(), {})
    made.add_principal(WANTED)
    assert texts(made) == [
        'primitive res_masakari_242d562_vip ocf:heartbeat:IPaddr2   params ip="10.5.100.1"',
        "primitive res_masakari_haproxy lsb:haproxy",
        "group grp_masakari_vips res_masakari_242d562_vip",
        "clone cl_res_masakari_haproxy res_masakari_haproxy",
    ]


def test_nothing_is_written_twice_by_one_unit() -> None:
    first = plan.Plan(cib(), {})
    first.add_principal(WANTED)
    names = (*WANTED.resources, *WANTED.groups, *WANTED.clones)
    second = plan.Plan(cib(*names), first.digests)
    second.add_principal(WANTED)
    assert texts(second) == []


def test_new_leader_writes_primitives_again_but_no_groups() -> None:
    names = (*WANTED.resources, *WANTED.groups, *WANTED.clones)
    made = plan.Plan(cib(*names), {})
    made.add_principal(WANTED)
    assert [text.split()[0] for text in texts(made)] == ["primitive", "primitive"]
    assert {statement.blocked for statement in made.statements} == {
        f"Cannot update pcmkr resource: {name}" for name in WANTED.resources
    }


def test_what_is_gone_from_the_cluster_is_created_again() -> None:
    first = plan.Plan(cib(), {})
    first.add_principal(WANTED)
    second = plan.Plan(cib(), first.digests)
    second.add_principal(WANTED)
    assert texts(second) == texts(first)


def test_substring_of_another_name_hides_a_rule() -> None:
    members = ("juju-1", "juju-10")
    existing = '<rsc_location id="loc-grp_masakari_vips-juju-10" rsc="grp" node="juju-10"/>'
    made = plan.Plan(cib("grp_masakari_vips", extra=existing, members=members), {})
    made.keep_off_remotes(Principal(groups={"grp_masakari_vips": "x"}), [])
    assert texts(made) == []


def test_resources_stay_on_the_members() -> None:
    made = plan.Plan(cib("res_masakari_haproxy"), {})
    made.keep_off_remotes(WANTED, [])
    rules = texts(made)
    assert "location loc-cl_res_masakari_haproxy-ha1 cl_res_masakari_haproxy 0: ha1" in rules
    assert "location loc-grp_masakari_vips-ha3 grp_masakari_vips 0: ha3" in rules
    assert not [rule for rule in rules if "loc-res_masakari" in rule]
    assert not [rule for rule in rules if "node9" in rule]
    assert made.clone_max == {"cl_res_masakari_haproxy": "3"}


def test_property_is_set_when_it_differs() -> None:
    made = plan.Plan(cib(), {})
    made.set_property("stonith-enabled", True)
    made.set_property("symmetric-cluster", False)
    assert texts(made) == ["property symmetric-cluster=false"]


# -- remote nodes and fencing ---------------------------------------------------------------------

REMOTES = [
    Remote("node1.maas", "10.0.0.21", "node1.maas"),
    Remote("node10.maas", "10.0.0.30", "node10.maas"),
]


def test_remote_nodes_are_connected_and_spread() -> None:
    made = plan.Plan(cib(), {})
    made.add_remotes(REMOTES)
    made.keep_off_remotes(Principal(), REMOTES)
    assert texts(made)[:2] == [
        "primitive node1.maas ocf:pacemaker:remote params server=10.0.0.21 "
        "reconnect_interval=60 op monitor interval=30s",
        "primitive node10.maas ocf:pacemaker:remote params server=10.0.0.30 "
        "reconnect_interval=60 op monitor interval=30s",
    ]
    preferred = [text.split()[2:] for text in texts(made) if " 200: " in text]
    assert preferred == [["node1.maas", "200:", "ha1"], ["node10.maas", "200:", "ha2"]]
    assert len([text for text in texts(made) if " 0: " in text]) == 4


def test_remote_node_is_never_changed() -> None:
    made = plan.Plan(cib("node1.maas"), {})
    made.add_remotes([Remote("node1.maas", "10.9.9.9", "")])
    assert texts(made) == []


def test_prefix_of_another_name_does_not_hide_a_remote_node() -> None:
    made = plan.Plan(cib("node1.maas.example"), {})
    made.add_remotes([Remote("node1.maas", "10.0.0.21", "")])
    assert len(texts(made)) == 1


def test_only_a_new_leader_overwrites_changed_scores() -> None:
    first = plan.Plan(cib("node1.maas"), {})
    first.keep_off_remotes(Principal(), REMOTES[:1])
    again = plan.Plan(cib("node1.maas"), first.digests)
    again.keep_off_remotes(Principal(), REMOTES[:1])
    new_leader = plan.Plan(cib("node1.maas"), {})
    new_leader.keep_off_remotes(Principal(), REMOTES[:1])
    assert texts(again) == []
    assert texts(new_leader) == texts(first)


def test_devices_name_hosts_twice() -> None:
    made = plan.Plan(cib(), {})
    made.add_devices(
        ["node10.maas", "node1.maas"], MEMBERS, "http://maas", "a:b:c", members_only=True
    )
    devices = [text for text in texts(made) if text.startswith("primitive")]
    assert devices == [
        "primitive st-maas stonith:external/maas params url='http://maas' apikey='a:b:c' "
        "hostnames='node1 node1.maas node10 node10.maas' "
        "op monitor interval=25 start-delay=25 timeout=25",
        "primitive st-null stonith:null params hostlist='ha1 ha2 ha3' "
        "op monitor interval=25 start-delay=25 timeout=25",
    ]
    assert "location loc-st-null-ha2 st-null 0: ha2" in texts(made)


@pytest.mark.parametrize(("url", "key"), [(None, "a:b:c"), ("http://maas", ""), (None, None)])
def test_fencing_without_maas_fails_the_hook(url: str | None, key: str | None) -> None:
    made = plan.Plan(cib(), {})
    with pytest.raises(ValueError, match="Missing configuration: maas_") as failure:
        made.add_devices(["node1.maas"], MEMBERS, url, key, members_only=True)
    assert "a:b:c" not in str(failure.value)
    assert texts(made) == []


def test_changed_credentials_are_written_by_the_same_unit() -> None:
    first = plan.Plan(cib(), {})
    first.add_devices(["node1"], MEMBERS, "http://maas", "a:b:c", members_only=False)
    second = plan.Plan(cib("st-maas", "st-null"), first.digests)
    second.add_devices(["node1"], MEMBERS, "http://maas", "x:y:z", members_only=False)
    assert len(texts(second)) == 1
    assert "apikey='x:y:z'" in texts(second)[0]


# -- the cluster's tools --------------------------------------------------------------------------

STATE = """\
<pacemaker-result><summary><current_dc present="true" name="ha1" with_quorum="true"/>
<cluster_options maintenance-mode="false"/></summary>
<nodes><node name="ha1" online="true"/><node name="ha2" online="false"/></nodes>
<resources>
 <group id="grp"><resource id="vip" role="Started" active="true"><node name="ha1"/></resource>
 </group>
 <clone id="cl"><resource id="haproxy" role="Started" active="true"><node name="ha1"/></resource>
  <resource id="haproxy" role="Stopped" active="false"/></clone>
 <resource id="st-maas" role="Stopped" active="false"/>
</resources>
<failures><failure op_key="node1.maas_monitor_30000" node="ha1"/>
<failure op_key="res_masakari_haproxy_start_0" node="ha2"/></failures></pacemaker-result>"""


def test_state_tells_what_runs_where() -> None:
    state = cluster.State(STATE)
    assert state.nodes == {"ha1"}
    assert state.quorum
    assert not state.maintenance
    assert state.runs("vip", "ha2")
    assert state.runs("haproxy", "ha1")
    assert not state.runs("haproxy", "ha2")
    assert not state.runs("st-maas", "ha1")
    assert state.failed == {"node1.maas", "res_masakari_haproxy"}


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Commands that note what they got; crm refuses a file with the word "bad" in it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    log = tmp_path / "log"
    for name, body in {
        "crm": f'cat "$5" >> {log}; echo -- >> {log}; ! grep -q bad "$5"',
        "cibadmin": f"cat >> {log}",
    }.items():
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    log.touch()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return log


def test_one_call_of_crm_for_all_statements(commands: Path) -> None:
    statements = [cluster.Statement("primitive a x"), cluster.Statement("primitive b x")]
    assert cluster.commit(statements, print) == []
    assert commands.read_text() == "primitive a x\nprimitive b x\n--\n"
    assert cluster.commit([], print) == []


def test_one_bad_statement_does_not_stop_the_others(commands: Path) -> None:
    bad = cluster.Statement("primitive bad x")
    said: list[str] = []
    assert cluster.commit([bad, cluster.Statement("primitive b x")], said.append) == [bad]
    assert commands.read_text().endswith("primitive b x\n--\n")
    assert "primitive bad" in said[-1]


def test_bad_statement_that_is_fatal_fails_without_its_secrets(commands: Path) -> None:
    bad = cluster.Statement("primitive bad x apikey='a:b:c'", fatal=True, blocked="no")
    with pytest.raises(cluster.StatementError) as failure:
        cluster.commit([bad], print)
    assert failure.value.blocked == "no"
    assert "a:b:c" not in str(failure.value)


def test_options_are_set_only_when_they_differ(commands: Path) -> None:
    configuration = cib()
    cluster.set_options(configuration, {"stonith-enabled": "true"}, {})
    assert commands.read_text() == ""
    cluster.set_options(configuration, {"stonith-enabled": "false"}, {"failure-timeout": 180})
    sent = ET.fromstring(commands.read_text())  # noqa: S314
    pairs = {pair.get("id"): pair.get("value") for pair in sent.iter("nvpair")}
    assert pairs == {
        "cib-bootstrap-options-stonith-enabled": "false",
        "rsc-options-failure-timeout": "180",
    }
