"""Changes of the cluster's configuration, which no part of a cluster without quorum makes."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence

import pytest
from fencing_cib import Cib, RealCib
from fencing_fakes import Cluster, Remote
from masakari_fencing.cluster.plan import Plan
from masakari_fencing.commands import Runner
from masakari_fencing.pacemaker import cibadmin, properties, readmission
from masakari_fencing.records import disarmed, storage_fences
from masakari_fencing.records.disarmed import CLOUD, Disarmed, Left
from masakari_fencing.records.storage_fences import StorageFence

NODE, NOW = "node1.maas", 2_000_000.0


def block(value: str, name: str = "x") -> ET.Element:
    found = ET.Element("cluster_property_set", id=name)
    ET.SubElement(found, "nvpair", id=f"{name}-a", name="a", value=value)
    return found


def section(tag: str, *content: ET.Element) -> ET.Element:
    found = ET.Element(tag)
    found.extend(content)
    return found


PATH = "//cluster_property_set[@id='x']"
REQUESTS: dict[str, Callable[[Runner], object]] = {
    "put": lambda runner: cibadmin.put(runner, section("crm_config", block("2"))),
    "put all": lambda runner: cibadmin.put(
        runner, section("configuration", section("crm_config", block("2")), section("alerts"))
    ),
    "create": lambda runner: cibadmin.create(runner, block("2", "y")),
    "modify": lambda runner: cibadmin.modify(runner, PATH, block("2")),
    "record": lambda runner: cibadmin.record(
        runner, "configuration/crm_config/cluster_property_set[@id='x']", block("2")
    ),
    "delete": lambda runner: cibadmin.delete(runner, PATH),
    "outdate": cibadmin.outdate_others,
}


def values(runner: Runner) -> dict[str, str]:
    """What the tests have written, by the identifier of its set."""
    sets = cibadmin.configuration(runner).iter("cluster_property_set")
    pairs = {found.get("id", ""): found.find("nvpair[@name='a']") for found in sets}
    return {name: pair.get("value", "") for name, pair in pairs.items() if pair is not None}


@pytest.fixture
def cib(each_cib: Cib | RealCib) -> Cib | RealCib:
    cibadmin.put(each_cib, section("crm_config", block("1")))
    return each_cib


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ("put", {"x": "2"}),
        ("put all", {"x": "2"}),
        ("create", {"x": "1", "y": "2"}),
        ("modify", {"x": "2"}),
        ("record", {"x": "2"}),
        ("delete", {}),
        ("outdate", {"x": "1"}),
    ],
)
def test_with_quorum_it_is_changed(
    cib: Cib | RealCib, request_: str, expected: dict[str, str]
) -> None:
    assert REQUESTS[request_](cib) in (None, True)
    assert values(cib) == expected
    assert cibadmin.find(cib, "//nvpair[@name='dc-version']") is None, "the rest is as it was"


@pytest.mark.parametrize("starts", [False, True])
@pytest.mark.parametrize("request_", REQUESTS)
def test_without_quorum_nothing_is_changed(
    cib: Cib | RealCib, request_: str, starts: bool
) -> None:
    """Nor where a member has just started, whatever its disk says."""
    if starts:
        cib.starts()
    else:
        cib.quorum(False)
    before = cib.text
    with pytest.raises(cibadmin.NoQuorum):
        REQUESTS[request_](cib)
    assert cib.text == before


def test_what_is_in_the_way_or_not_there_is_no_error(cib: Cib | RealCib) -> None:
    before = cib.text
    assert not cibadmin.create(cib, block("2"))
    assert not cibadmin.modify(cib, "//cluster_property_set[@id='y']", block("2", "y"))
    cibadmin.delete(cib, "//cluster_property_set[@id='y']")
    assert cib.text == before


def test_a_copy_that_is_changed_elsewhere_never_counts_for_more(cib: Cib | RealCib) -> None:
    elsewhere, _ = cib.version
    cibadmin.outdate_others(cib)
    assert cib.version > (elsewhere, 1_000_000)
    cibadmin.outdate_others(cib)
    assert cib.version > (elsewhere + 1, 1_000_000)


def test_what_is_recorded_counts_for_more_at_once(cib: Cib | RealCib) -> None:
    """Its member may be with others again before anybody notices that; then theirs is undone."""
    here = "configuration/crm_config/cluster_property_set[@id='x'][nvpair[@value='{}']]"
    elsewhere, _ = cib.version
    assert cibadmin.create(cib, block("1", "y"))
    assert cib.version > (elsewhere, 1_000_000)
    assert cibadmin.record(cib, here.format(1), block("2"))
    assert cib.version > (elsewhere + 1, 1_000_000)
    known = cib.version
    assert not cibadmin.record(cib, here.format(1), block("3"))
    assert not cibadmin.create(cib, block("3"))
    assert cib.version == known
    assert values(cib) == {"x": "2", "y": "1"}


def test_who_is_not_there_records_less_than_a_change_of_members_counts_for() -> None:
    cut_off, others = Cib(), Cib()
    cibadmin.outdate_others(others)
    for number in range(9):  # more than one host's recovery does in seconds
        cibadmin.create(cut_off, block("1", f"n{number}"))
    assert others.version[0] > cut_off.version[0]


def test_what_has_quorum_again_as_it_is_asked_is_not_outdated() -> None:
    """Or nobody would ask once more."""
    cib = Cib()
    cib.fail = lambda argv: 105 if "--modify" in argv else 0
    with pytest.raises(cibadmin.NoQuorum):
        cibadmin.outdate_others(cib)


def test_what_is_found_depends_on_the_quorum(cib: Cib | RealCib) -> None:
    found = cibadmin.find(cib, PATH, "//nodes")
    assert found is not None
    assert [child.get("id") for child in found.iter("cluster_property_set")] == ["x"]
    assert cibadmin.find(cib, "//nothing") is None
    cibadmin.check_quorum(cib)
    cib.quorum(False)
    for ask in (cibadmin.check_quorum, lambda runner: cibadmin.find(runner, PATH)):
        with pytest.raises(cibadmin.NoQuorum):
            ask(cib)


def test_what_is_deleted_as_the_quorum_goes_may_be_there_yet(monkeypatch) -> None:
    cib = Cib()
    cibadmin.put(cib, section("crm_config", block("1")))
    run = cib.run

    def goes(argv: list[str], **options: object) -> object:
        if "--delete" in argv:
            cib.quorum(False)
        return run(argv, **options)

    monkeypatch.setattr(cib, "run", goes)
    with pytest.raises(cibadmin.NoQuorum):
        cibadmin.delete(cib, PATH)
    assert "x" in cib.text


# -- whatever writes ----------------------------------------------------------------------------
FENCE = StorageFence(NODE, NOW - 1, ("10.77.4.12",), ("10.77.4.11",), True, "boot-1", NOW)
WHOLE = Disarmed(CLOUD, "", (), NOW, NOW + 600, "new switch")
LEFT = Left(NODE, NOW)


def readmit(runner: Runner) -> list[str]:
    now = [NOW]
    return readmission.readmit(
        runner,
        reachable=lambda *_: True,
        clock=lambda: now[0],
        sleep=lambda seconds: now.__setitem__(0, now[0] + 10 * seconds),
    )


def plan(*content: ET.Element, deletions: Sequence[str] = ()) -> Plan:
    return Plan(ET.Element("cib"), section("configuration", *content), list(deletions))


WRITERS: dict[str, Callable[[Runner], object]] = {
    "disarm": lambda runner: disarmed.disarm(runner, Disarmed("a-uuid", "rack1", (), 0, 1, "x")),
    "arm": lambda runner: disarmed.arm(runner, [CLOUD]),
    "leave": lambda runner: disarmed.leave(runner, disarmed.read(runner), Left("node2.maas", 1)),
    "mark back": lambda runner: disarmed.mark_back(runner, LEFT, NOW + 30),
    "forget what was left": lambda runner: disarmed.forget(runner, LEFT),
    "storage fence": lambda runner: storage_fences.write(runner, FENCE),
    "forget a storage fence": lambda runner: storage_fences.forget(runner, "node2.maas"),
    "tell": lambda runner: properties.tell(
        runner, cibadmin.configuration(runner), properties.UNSERVED, {"b": NODE}
    ),
    "allow": lambda runner: properties.allow(runner, 60),
    "hold": readmit,
    "plan": lambda runner: plan(section("alerts")).carry_out(runner),
    "plan to delete": lambda runner: plan(deletions=["//nodes"]).carry_out(runner),
}


class Deployed(Cib):
    """A cluster in which all of it has been written, and a hypervisor is lost."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = Cluster([Remote(NODE, unclean=True, online=False)]).runner
        self.runner.on("crm_resource", "")
        self.runner.on("crm_attribute --type=crm_config --name=masakari", self._allow)
        self.others = self._ask
        disarmed.disarm(self, WHOLE)
        disarmed.leave(self, disarmed.read(self), LEFT)
        storage_fences.write(self, StorageFence("node2.maas", 1.0, (), ()))
        cibadmin.put(self, section("crm_config", block("1", properties.UNSERVED)))

    def _ask(self, argv: list[str]) -> str | int:
        answer = self.runner.run(argv)
        return answer.stdout if answer.returncode == 0 else answer.returncode

    def _allow(self, argv: list[str]) -> str:
        self.add('<nvpair id="allow"/>')
        return ""


@pytest.mark.parametrize("writer", WRITERS)
def test_whatever_writes_asks_for_quorum(writer: str) -> None:
    cib = Deployed()
    cib.quorum(False)
    before = cib.text
    with pytest.raises(cibadmin.NoQuorum):
        WRITERS[writer](cib)
    assert cib.text == before
    assert not cib.runner.ran("crm_resource"), "nothing is taken back that could be fenced"


@pytest.mark.parametrize("writer", WRITERS)
def test_with_quorum_it_writes(writer: str) -> None:
    cib = Deployed()
    before = cib.text
    WRITERS[writer](cib)
    assert cib.text != before
