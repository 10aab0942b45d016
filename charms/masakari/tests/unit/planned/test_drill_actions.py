"""The actions `drill` and `show-drill`: what refuses a drill, how it begins, what it says."""

from __future__ import annotations

import dataclasses
import json
import socket
from typing import Any

import pytest
from masakari_fencing.cluster import health
from masakari_fencing.cluster.health import Problem
from masakari_fencing.pacemaker.tools import PacemakerError
from masakari_fencing.records.disarmed import Disarmed
from ops import testing

import fakecloud
from action_calls import fail, run
from fakedrills import IMAGE, DrilledCloud
from machine import CIB, CRM_MON, Machine
from model import with_config
from planned import __main__ as program
from planned.drill_actions import SECRETS
from planned.drills import DIRECTORY, KEPT, Drill, Drills, Kind
from planned.shared import PROPERTY, SharedDrill, TakenOverError

COPY = f"//nvpair[@id='{PROPERTY}']"
"""The cluster's copy of a drill."""

ONE, TWO = "node1.maas", "node2.maas"
SERVICE = "/run/systemd/transient/masakari-0-drill.service"


@pytest.fixture
def cloud(drilled: DrilledCloud) -> DrilledCloud:
    return drilled


@pytest.fixture
def refused(
    ctx: testing.Context, state: testing.State, problems: list[Problem], machine: Machine
) -> Any:
    def ask(host: str = ONE, **params: Any) -> str:
        params.setdefault("confirm", host)
        text = fail(ctx, state, "drill", host=host, **params)
        assert not machine.has_run("systemd-run")
        return text

    return ask


def begin(ctx: testing.Context, state: testing.State, **params: Any) -> dict[str, Any]:
    return dict(run(ctx, state, "drill", host=ONE, confirm=ONE, **params))


def written(machine: Machine) -> dict[str, Any]:
    [path] = machine.host.path(DIRECTORY).glob("*.json")
    return dict(json.loads(path.read_text()))


def test_it_begins(
    ctx: testing.Context,
    state: testing.State,
    problems: list[Problem],
    cloud: DrilledCloud,
    machine: Machine,
) -> None:
    cloud.boot(ONE, "theirs")
    cloud.log.clear()
    secrets = {"image": "canary", "flavor": "tiny"}
    result = begin(ctx, state, canaries=3, **secrets)
    assert result["outcome"] == "begun"
    assert [entry for entry in cloud.log if "tokens" not in entry[1]] == [], "only looked"
    [argv] = [argv for argv in machine.has_run("systemd-run") if "planned" in argv]
    assert argv[-3:] == ["-m", "planned", result["drill"]]
    assert "--unit=masakari-0-drill.service" in argv
    assert fakecloud.PASSWORD not in " ".join(argv).split("=")
    assert machine.host.path(SECRETS).stat().st_mode & 0o777 == 0o600
    found = written(machine)
    assert found["kind"] == {"count": 3, "image": IMAGE, "flavor": "42", "network": "none"}
    assert (found["host"], found["mode"], found["phase"]) == (ONE, "full", "canaries")


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"confirm": TWO}, "moves the instances of node1.maas away and cuts its power: add conf"),
        ({"confirm": ""}, "add confirm=node1.maas"),
        ({"canaries": 1}, "canaries need image and flavor"),
        ({"canaries": 1, "image": "canary"}, "canaries need flavor: name or identifier"),
        ({"canaries": 1, "image": "x", "flavor": "tiny"}, "there is no image 'x' that the serv"),
        ({"canaries": 1, "image": IMAGE, "flavor": "x"}, "there is no flavor 'x'"),
    ],
)
def test_bad_parameters(refused: Any, params: dict[str, Any], text: str) -> None:
    assert text in refused(**params)


def test_what_refuses_it(
    refused: Any,
    cloud: DrilledCloud,
    problems: list[Problem],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert refused("node9.maas").startswith("host node9.maas is in no segment; hosts in")
    problems.append(Problem(TWO, "no device can fence it", "enable it"))
    cloud.boot(ONE, "off", state="stopped")
    text = refused()
    assert text.startswith("node1.maas is not drilled: off (")
    assert "would be evacuated; migrate them (openstack server migrate), or add evacu" in text
    assert TWO not in text, "another host's trouble is none"
    rescued = cloud.boot(ONE, "rescued", state="rescued")
    assert "1 instance would not move: see drain-host host=node1.maas" in refused(
        evacuate_stopped=True
    )
    cloud.servers = [one for one in cloud.servers if one["id"] != rescued]
    problems += [Problem(ONE, "its BMC is mute", "see to it"), Problem("", "no quorum", "wait")]
    monkeypatch.setattr(health, "able", lambda runner, host: [])
    entry = cloud.host_entry(ONE)
    entry["on_maintenance"] = True
    cloud.services[ONE]["status"] = "disabled"
    next(iter(cloud.segments.values()))["enabled"] = False
    for number in (2, 3):
        cloud.services[f"node{number}.maas"]["forced_down"] = True
    cloud.down.add("nova-scheduler")
    item = {"type": "COMPUTE_HOST", "status": "running", "payload": {"event": "STOPPED"}}
    item |= {"source_host_uuid": cloud.host_entry(TWO)["uuid"], "generated_time": ""}
    cloud.notifications.append(item)
    text = refused()
    for reason in (
        "its BMC is mute",
        "no quorum",
        "no device can fence node1.maas",
        "node1.maas is in maintenance (return-host)",
        "nova-compute of node1.maas is disabled",
        "segment rack1 is disabled",
        "segment rack1 has no other host that works",
        "nova-scheduler: none is up",
        "a recovery is going on in its segment",
    ):
        assert reason in text
    cloud.reports.discard(ONE)
    assert "nova-compute of node1.maas is down" in refused()


def test_another_units_drill_refuses_it(refused: Any, cloud: DrilledCloud) -> None:
    cloud.boot(TWO, "masakari-drill-20260101-000000-1")
    text = refused()
    assert "canaries of a drill are there: masakari-drill-20260101-000000-1" in text
    assert "see show-drill on each unit" in text


def test_while_disarmed(refused: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    part = Disarmed("s", "rack1", (ONE,), 0.0, 9e9, "the switch")
    monkeypatch.setattr("recoveries.disarm.Disarm.in_force", lambda self, host=None: part)
    assert f"an operator's word: {part}" in refused()


@pytest.mark.parametrize(
    ("members", "host", "text"),
    [
        ({"node1": "1/lxd/0"}, "1", "this unit runs on the same machine: run drill on another"),
        ({"node1": "2", "m2": "3", "m3": "4/lxd/1"}, "4", ""),
        ({"node1": "2", "m2": "4"}, "4", "1 of 2 members of the cluster would be left, which is"),
        ({"node1": "2"}, "4", ""),
    ],
)
def test_what_goes_with_the_machine(
    ctx: testing.Context,
    state: testing.State,
    problems: list[Problem],
    machine: Machine,
    members: dict[str, str],
    host: str,
    text: str,
) -> None:
    nodes = "".join(
        f'<node uname="{name}"><instance_attributes><nvpair name="juju-machine" value="{where}"/>'
        "</instance_attributes></node>"
        for name, where in {**members, ONE: host}.items()
    )
    machine.cib.load(CIB.replace("<nodes/>", f"<nodes>{nodes}</nodes>"))
    online = "".join(f'<node name="{name}" type="member" online="true"/>' for name in members)
    found = CRM_MON.replace('<node name="node1" type="member" online="true"/>', online)
    machine.host.runner.answer(["crm_mon"], found)
    if text:
        assert text in fail(ctx, state, "drill", host=ONE, confirm=ONE)
    else:
        assert begin(ctx, state)["outcome"] == "begun"


def test_where_nothing_is_fenced(
    ctx: testing.Context, state: testing.State, problems: list[Problem]
) -> None:
    unfenced = with_config(state, allow_recovery_without_fencing=True)
    text = fail(ctx, unfenced, "drill", host=ONE, confirm=ONE)
    assert text == "there is no drill where nothing is fenced"


def test_pacemaker_does_not_answer(
    refused: Any, problems: list[Problem], monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(runner: object, host: str) -> None:
        raise PacemakerError("not connected")

    monkeypatch.setattr(health, "able", silent)
    assert refused() == "Pacemaker does not answer: not connected"


def test_systemd_does_not_begin_it(
    ctx: testing.Context, state: testing.State, problems: list[Problem], machine: Machine
) -> None:
    machine.host.runner.answer(["systemd-run"], (1, "no bus"))
    text = fail(ctx, state, "drill", host=ONE, confirm=ONE)
    assert text.startswith("the drill does not begin: systemd-run")
    assert machine.host.read(SECRETS) is None


def test_how_far_it_is(
    ctx: testing.Context, state: testing.State, problems: list[Problem], machine: Machine
) -> None:
    assert "this unit has run no such drill" in fail(ctx, state, "show-drill")
    begun = begin(ctx, state)
    drills = Drills(machine.host, "masakari/0", lambda: machine.now)
    drill = drills.find()
    assert drill is not None
    machine.host.write(SERVICE, "x")
    drills.keep(dataclasses.replace(drill, phase="recovering"))
    shown = run(ctx, state, "show-drill")
    assert (shown["outcome"], shown["drill"]) == ("running", begun["drill"])
    assert shown["phase"] == "recovering: its recovery is followed"
    message = ctx.run(ctx.on.update_status(), state).unit_status.message
    assert "drill of node1.maas: its recovery is followed" in message
    assert "interrupted" not in message
    assert "a drill is going on" in fail(ctx, state, "drill", host=TWO, confirm=TWO)

    machine.host.remove(SERVICE)
    assert run(ctx, state, "show-drill", id=begun["drill"])["outcome"] == "interrupted"
    message = ctx.run(ctx.on.update_status(), state).unit_status.message
    assert "but it was interrupted: run drill host=node1.maas confirm=node1.maas again" in message
    text = fail(ctx, state, "drill", host=TWO, confirm=TWO)
    assert text.startswith("a drill of node1.maas was interrupted: run drill host=node1.maas")
    machine.forget()
    assert begin(ctx, state)["outcome"] == "resumed"
    assert machine.has_run("systemd-run")[0][-1] == begun["drill"]
    assert machine.has_run("systemd-run")[1], "and something looks for its end"

    report = {"drill": begun["drill"], "outcome": "passed"}
    drills.keep(dataclasses.replace(drill, phase="done", report=report))
    assert run(ctx, state, "show-drill") == report
    assert run(ctx, state, "show-drill", svg=True)["svg"].startswith("<svg ")
    assert "drill" not in ctx.run(ctx.on.update_status(), state).unit_status.message


def test_another_unit_goes_on_with_it(
    ctx: testing.Context, state: testing.State, problems: list[Problem], machine: Machine
) -> None:
    began = SharedDrill(machine.host.runner, "masakari/2", lambda seconds: None)
    drill = Drill("20260101-000000", ONE, "full", Kind(), phase="recovering", marks={"cut": 1.0})
    began.take(drill)
    assert "another unit" not in ctx.run(ctx.on.update_status(), state).unit_status.message
    text = fail(ctx, state, "drill", host=TWO, confirm=TWO, take_over=True)
    assert text.startswith("a drill of node1.maas was interrupted: run drill host=node1.maas")
    text = fail(ctx, state, "drill", host=ONE, confirm=ONE)
    assert text.startswith("masakari/2 rehearses it: see show-drill there.")
    assert "add take-over=true" in text
    result = begin(ctx, state, take_over=True)
    assert (result["outcome"], result["drill"]) == ("resumed", drill.id)
    assert machine.has_run("systemd-run")[0][-1] == drill.id
    assert Drills(machine.host, "masakari/0").find() == drill, "with all that the cluster knew"
    with pytest.raises(TakenOverError):
        began.keep(dataclasses.replace(drill, phase="returning"))


def test_a_unit_that_cannot_do_it_does_not_take_it_over(
    ctx: testing.Context, state: testing.State, machine: Machine
) -> None:
    other = SharedDrill(machine.host.runner, "masakari/2", lambda seconds: None)
    drill = Drill("20260101-000000", ONE, "full", Kind(), phase="recovering", marks={"cut": 1.0})
    other.take(drill)
    unrelated = [one for one in state.relations if one.endpoint != "identity-service"]
    alone = dataclasses.replace(state, relations=unrelated)
    paused = ctx.run(ctx.on.action("pause"), state)
    machine.forget()
    for unit, text in ((alone, "Missing relations: identity-service"), (paused, "another unit")):
        assert text in fail(ctx, unit, "drill", host=ONE, confirm=ONE, take_over=True)
        assert other.owns(drill)
        assert Drills(machine.host, "masakari/0").find() is None
        assert not [argv for argv in machine.has_run("systemd-run") if "planned" in argv]


def test_a_unit_on_the_hosts_own_machine_does_not_go_on_to_the_cut(
    ctx: testing.Context,
    state: testing.State,
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drill = Drill("20260101-000000", ONE, "full", Kind(), phase="draining")
    other = SharedDrill(machine.host.runner, "masakari/2")
    other.take(drill)
    monkeypatch.setattr("planned.readiness.shared", lambda *_: iter(["it is on that machine"]))
    text = fail(ctx, state, "drill", host=ONE, confirm=ONE, take_over=True)
    assert text == "node1.maas is not drilled: it is on that machine"
    assert other.owns(drill)
    other.take(drill.mark("cut", 1.0))
    assert begin(ctx, state, take_over=True)["outcome"] == "resumed"


def test_who_has_lost_it_to_another_unit_says_so(
    ctx: testing.Context, state: testing.State, problems: list[Problem], machine: Machine
) -> None:
    drill = begin(ctx, state)["drill"]
    other = SharedDrill(machine.host.runner, "masakari/2")
    found = other.read()
    assert found is not None and found.unit == "masakari/0"
    for over in (False, True):
        other.take(dataclasses.replace(found.drill, phase="done" if over else "cutting"))
        if over:
            other.keep(dataclasses.replace(found.drill, phase="done"))
        text = fail(ctx, state, "show-drill")
        assert text == f"another unit went on with drill {drill}: its report is there"
        message = ctx.run(ctx.on.update_status(), state).unit_status.message
        assert "drill" not in message
    assert begin(ctx, state)["outcome"] == "begun", "another one"


def test_a_cluster_that_is_busy_is_waited_for(machine: Machine) -> None:
    drill = Drill("20260101-000000", ONE, "path")
    slept: list[float] = []
    shared = SharedDrill(machine.host.runner, "masakari/0", slept.append)
    shared.take(drill)
    query = ["cibadmin", "--query", "--xpath"]
    machine.host.runner.answer(
        query,
        lambda argv: (
            machine.cibadmin(argv) if len(slept) > 3 else (102, "Transport endpoint is not conn")
        ),
    )
    shared.keep(dataclasses.replace(drill, phase="done"))
    assert len(slept) == 4 and machine.cib.root.xpath(COPY) == []
    machine.host.runner.answer(query, (102, "Transport endpoint is not connected"))
    with pytest.raises(PacemakerError):
        shared.keep(drill)
    for text in ("", "{", '{"drill": {}, "unit": "x"}'):
        machine.host.runner.answer(query, f"<nvpair id=\"{PROPERTY}\" value='{text}'/>")
        assert shared.read() is None, "what cannot be read is none"


def test_the_latest_are_kept(machine: Machine) -> None:
    drills = Drills(machine.host, "masakari/0")
    for number in range(KEPT + 3):
        drills.keep(Drill(f"20260101-{number:06}", ONE, "path"))
    assert drills.find("20260101-000002") is None
    found = drills.find("20260101-000003")
    assert found == Drill("20260101-000003", ONE, "path")
    machine.host.write(f"{DIRECTORY}/20260101-999999.json", "{")
    assert drills.find() is None, "one that cannot be read"


def test_the_process(
    machine: Machine,
    cloud: DrilledCloud,
    monkeypatch: pytest.MonkeyPatch,
    state: testing.State,
) -> None:
    """Through the real files: what it needs is read once, and then gone."""
    identity = dataclasses.asdict(cloud.identity())
    secrets = {"identity": identity, "region": "RegionOne", "internal": False}
    secrets |= {"ca_bundle": "/etc/ssl/certs/ca-certificates.crt", "metadata": "HA_Enabled"}
    machine.host.write(SECRETS, json.dumps({**secrets, "unit": "masakari/0"}))
    drills = Drills(machine.host, "masakari/0")
    drill = drills.keep(Drill("20260101-000000", ONE, "path", Kind()))
    SharedDrill(machine.host.runner, "masakari/0").take(drill)
    assert program.main(machine.host, "20260101-000001") == 1
    machine.host.write(SECRETS, json.dumps({**secrets, "unit": "masakari/0"}))
    assert program.main(machine.host, "20260101-000000") == 0
    assert machine.host.read(SECRETS) is None
    done = drills.find("20260101-000000")
    assert done is not None and done.report["outcome"] == "passed", done
    assert machine.cib.root.xpath(COPY) == [], "the cluster knows of none any more"
    assert cloud.services[ONE]["status"] == "enabled"


def test_a_host_is_heard_until_it_is_not() -> None:
    """On a real port of this machine."""
    moments = iter(range(1_000_000))
    with socket.create_server(("127.0.0.1", 0)) as server:
        end = program.watch("127.0.0.1", server.getsockname()[1], lambda: float(next(moments)))
        for _ in range(2):
            server.accept()[0].close()
    assert end() >= 1.0
