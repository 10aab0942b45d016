"""The action `check`: one list of findings, as a table, as JSON, and what of it blocks."""

from __future__ import annotations

import json
import time
from email.utils import formatdate
from typing import Any

import pytest
from masakari_fencing.cluster import computes, health, storage_health
from masakari_fencing.cluster.computes import Compute
from masakari_fencing.cluster.health import Problem
from masakari_fencing.cluster.power import Answer, Controllers
from masakari_fencing.maas import access
from masakari_fencing.pacemaker import properties
from masakari_fencing.records.disarmed import Disarmed
from ops import testing

from action_calls import fail, run
from fakerooms import RoomyCloud
from machine import Machine
from model import with_config
from preflight.findings import Finding, Level, as_json, table

ONE, TWO, THREE = "node1.maas", "node2.maas", "node3.maas"
ALL = (ONE, TWO, THREE)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> list[Problem]:
    """What the cluster finds wrong."""
    problems: list[Problem] = []
    monkeypatch.setattr(health, "inspect", lambda runner, **options: list(problems))
    return problems


@pytest.fixture
def checked(
    ctx: testing.Context, state: testing.State, cloud: RoomyCloud, cluster: list[Problem]
) -> Any:
    """Runs the action, and returns its results with the findings read."""

    def check(**options: Any) -> dict[str, Any]:
        results = run(ctx, with_config(state, **options), "check")
        found = json.loads(results["findings"])
        assert results["count"] == len(found)
        for finding in found:
            assert set(finding) == {"level", "where", "what", "why", "cure"}
            assert all(finding.values())
            assert finding["what"] in results["table"]
            assert finding["cure"] in results["table"]
        return {**results, "found": [(f["level"], f["where"], f["what"]) for f in found]}

    return check


def test_all_is_well(checked: Any, cloud: RoomyCloud) -> None:
    cloud.add_segment("rack1", *ALL)
    cloud.boot(ONE, "guest")
    results = checked()
    assert (results["outcome"], results["table"]) == ("ready", "nothing found")
    assert results["capacity"] == ("rack1: survives 1 host failure; hosts with instances: 1")


def test_without_a_segment(checked: Any) -> None:
    results = checked()
    assert results["outcome"] == "blocks"
    text = "there is no failover segment that is enabled"
    assert results["found"] == [("blocks", "Masakari", text)]


@pytest.mark.parametrize(
    ("change", "level", "where", "what"),
    [
        (lambda c: c.down.add("nova-scheduler"), "blocks", "nova-scheduler", "none is up"),
        (lambda c: c.down.add("nova-conductor"), "blocks", "nova-conductor", "none is up"),
        (lambda c: c.renamed.update({TWO: "two"}), "blocks", TWO, "calls its hypervisor two"),
        (lambda c: c.services.pop(THREE), "blocks", THREE, "has no hypervisor"),
        (lambda c: c.reports.discard(TWO), "warns", TWO, "nova-compute is down"),
        (lambda c: c.services[TWO].update(forced_down=True), "warns", TWO, "is forced down"),
        (lambda c: c.services[TWO].update(status="disabled"), "warns", TWO, "is disabled"),
        (lambda c: c.boot(ONE, "big", ram=99999), "warns", "segment rack1", "for big"),
        (lambda c: c.boot(ONE, "masakari-drill-x-1"), "warns", "Nova", "canaries of a drill are"),
        (
            lambda c: c.boot(ONE, "g", image={"id": "i"}),
            "unknown",
            "segment rack1",
            "1 instance has",
        ),
    ],
)
def test_each(
    checked: Any, cloud: RoomyCloud, change: Any, level: str, where: str, what: str
) -> None:
    cloud.add_segment("rack1", *ALL)
    change(cloud)
    results = checked()
    assert results["outcome"] == level
    [found] = results["found"]
    assert found[:2] == (level, where)
    assert what in found[2]


def test_reserved_hosts(checked: Any, cloud: RoomyCloud) -> None:
    cloud.add_segment("rack1", ONE, TWO, method="reserved_host", reserved=THREE)
    cloud.services[THREE]["status"] = "enabled"
    cloud.boot(THREE, "stray")
    assert [what for _, where, what in checked()["found"] if where == THREE] == [
        "is a reserved host and has instances: stray",
        "is a reserved host, but enabled in Nova",
    ]


def test_a_host_in_maintenance_is_named_elsewhere(checked: Any, cloud: RoomyCloud) -> None:
    cloud.add_segment("rack1", *ALL)
    cloud.reports.discard(TWO)
    cloud.host_entry(TWO)["on_maintenance"] = True
    assert checked()["found"] == []


def test_a_segment_that_is_disabled(checked: Any, cloud: RoomyCloud) -> None:
    cloud.add_segment("rack1", ONE)
    cloud.add_segment("rack2", TWO)
    next(iter(cloud.segments.values()))["enabled"] = False
    cloud.boot(ONE, "big", ram=99999)
    assert checked()["found"] == [("warns", "segment rack1", "is disabled")]


def test_what_the_cluster_finds(checked: Any, cloud: RoomyCloud, cluster: list[Problem]) -> None:
    cloud.add_segment("rack1", *ALL)
    cluster += [Problem(host, "no device can fence it", "enable it") for host in ALL]
    cluster.append(Problem("", "STONITH is disabled", "enable that"))
    results = checked()
    assert "node1.maas, node2.maas, node3.maas: no device can fence it" in results["table"]
    assert ("blocks", "the cluster", "STONITH is disabled") in results["found"]
    assert checked(allow_recovery_without_fencing=True)["found"] == []


def say(monkeypatch: pytest.MonkeyPatch, **said: Compute) -> None:
    """What hypervisors have recorded, by the first part of their names."""
    found = {f"{name}.maas": one for name, one in said.items()}
    monkeypatch.setattr(computes, "recorded", lambda cib: found)


def test_a_nova_that_starts_instances_by_itself(
    checked: Any,
    cloud: RoomyCloud,
    cluster: list[Problem],
    monkeypatch: pytest.MonkeyPatch,
    ctx: testing.Context,
    state: testing.State,
) -> None:
    cloud.add_segment("rack1", ONE, TWO)
    say(monkeypatch, node1=Compute("/etc/nova/nova.conf"), node3=Compute("/etc/nova/nova.conf"))
    [(level, where, what)] = checked()["found"]
    assert (level, where) == ("blocks", ONE), "the other one is in no segment"
    assert what == "its Nova starts instances by itself after a boot (/etc/nova/nova.conf)"
    monkeypatch.setattr(health, "able", lambda runner, host: ["st-maas"])
    assert what in fail(ctx, state, "drill", host=ONE, mode="path")


@pytest.mark.parametrize(
    ("said", "level"),
    [
        (Compute("", "rbd"), None),
        (Compute("", "nfs4"), None),
        (Compute("", "ext4", frozenset(ALL)), None),
        (Compute("", "lvm"), "warns"),
        (Compute("", "xfs", frozenset({ONE})), "warns"),
        (Compute("", "xfs"), "unknown"),
        (Compute("", "fuse.mine", frozenset({ONE})), "unknown"),
        (Compute("", "xfs", frozenset({ONE, TWO})), "unknown"),
    ],
)
def test_where_disks_are(
    checked: Any,
    cloud: RoomyCloud,
    cluster: list[Problem],
    monkeypatch: pytest.MonkeyPatch,
    said: Compute,
    level: str | None,
) -> None:
    cloud.add_segment("rack1", *ALL)
    cloud.boot(ONE, "pet", image={"id": "i"})
    cloud.boot(ONE, "on-a-volume")
    say(monkeypatch, node1=said)
    found = checked()["found"]
    assert [one[:2] for one in found] == ([(level, "segment rack1")] if level else [])
    assert all(": pet" in what and "on-a-volume" not in what for _, _, what in found)


def test_storage_fencing(
    checked: Any, cloud: RoomyCloud, cluster: list[Problem], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host can be fenced all the same: it blocks nothing, a drill neither."""
    cloud.add_segment("rack1", *ALL)
    found = [
        Problem("", "Ceph: its monitors do not let this unit in", "see `ceph status`"),
        Problem(ONE, "it could not be cut off from Ceph: no addresses", "see it"),
    ]
    monkeypatch.setattr(storage_health, "inspect", lambda runner: found)
    assert checked()["found"] == [
        ("warns", "storage fencing", found[0].text),
        ("warns", ONE, found[1].text),
    ]


def test_a_key_that_hacluster_has_too(
    checked: Any, cloud: RoomyCloud, cluster: list[Problem], monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.add_segment("rack1", *ALL)
    monkeypatch.setattr(access, "exposed", lambda cib: True)
    [(level, where, what)] = checked()["found"]
    assert (level, where) == ("warns", "hacluster")
    assert "the same MAAS key" in what


def test_a_hypervisor_that_is_in_no_segment(
    checked: Any, cloud: RoomyCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = {properties.IN_NO_SEGMENT: ["Node1.maas", "node9.maas"]}
    monkeypatch.setattr(properties, "unserved", lambda cib: listed)
    cloud.add_segment("rack1", *ALL)
    assert checked()["found"] == [("warns", "node9.maas", "is in no failover segment")]


def test_while_disarmed(
    checked: Any, cloud: RoomyCloud, cluster: list[Problem], monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.add_segment("rack1", *ALL)
    part = Disarmed("cloud", "", (), 0.0, 9e9, "the switch")
    monkeypatch.setattr("recoveries.disarm.Disarm.in_force", lambda self, host: part)
    assert checked()["found"] == [("blocks", "an operator's word", str(part))]


def test_power_controllers_that_are_slow_or_failed_once(
    checked: Any, cloud: RoomyCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.add_segment("rack1", *ALL)

    def inspect(
        runner: object, *, controllers: Controllers, hosts: list[str], units: int
    ) -> list[Problem]:
        assert hosts == list(ALL)
        controllers.answers |= {
            ONE: Answer(1.0, "", 20.0, "MAAS answers with HTTP 503", 1),
            TWO: Answer(1.0, "on", 14.2, "", 0),
            THREE: Answer(1.0, "on", 1.0, "", 0),
            "node4": Answer(1.0, "", 1.0, "said by the cluster's own check", 2),
        }
        return []

    monkeypatch.setattr(health, "inspect", inspect)
    one, two = checked()["found"]
    assert one[:2] == ("warns", ONE)
    assert one[2].endswith("once: MAAS answers with HTTP 503")
    assert two[2].endswith("is slow: it took 14 s to answer")


@pytest.mark.parametrize("silent", ["os-services", "placement"])
def test_without_an_api_the_rest_is_checked(
    checked: Any, cloud: RoomyCloud, cluster: list[Problem], silent: str
) -> None:
    cloud.add_segment("rack1", *ALL)
    cloud.silent.add(silent)
    cluster.append(Problem(ONE, "no device can fence it", "enable it"))
    first, second = checked()["found"]
    assert first[1] == "the cloud"
    assert "does not answer: " in first[2]
    assert second[1] == ONE


def test_without_a_cluster_the_rest_is_checked(
    ctx: testing.Context, state: testing.State, cloud: RoomyCloud, machine: Machine
) -> None:
    cloud.add_segment("rack1", *ALL)
    machine.host.runner.answer(["crm_mon"], (102, "not connected"))
    [found] = json.loads(run(ctx, state, "check")["findings"])
    assert found["where"] == "the cluster"


@pytest.mark.parametrize(
    ("ahead", "said"), [(30, "ahead of"), (-30, "behind"), (1, ""), (-1, ""), (0, "")]
)
def test_clocks(
    checked: Any, cloud: RoomyCloud, monkeypatch: pytest.MonkeyPatch, ahead: int, said: str
) -> None:
    cloud.add_segment("rack1", *ALL)
    monkeypatch.setattr(
        "http.server.BaseHTTPRequestHandler.date_time_string",
        lambda self, timestamp=None: formatdate(time.time() + ahead, usegmt=True),
    )
    found = {where: what for _, where, what in checked()["found"]}
    assert set(found) == ({"Masakari", "Nova", "Placement"} if said else set())
    assert all(said in what for what in found.values())


def test_findings_fit_into_what_juju_takes() -> None:
    many = [
        Finding(Level.WARNS, f"host{n}", f"w{n}" + "x" * 500, "why", "cure") for n in range(5000)
    ]
    many.append(Finding(Level.BLOCKS, "h", "the worst", "why", "cure"))
    text = as_json(many)
    assert len(text) <= 100_000
    assert json.loads(text)[0]["what"] == "the worst"
    assert len(table(many)) < 101_000
    assert table(many).startswith("blocks   h: the worst\n")
