"""A drill, step by step: what it does to the cloud, what it reports, and its interruptions."""

from __future__ import annotations

import dataclasses
import xml.etree.ElementTree as ET
from collections.abc import Callable

import pytest
from masakari_fencing.pacemaker.tools import PacemakerError
from masakari_fencing.records.out_of_service import DRAINED

import fakecloud
from fakedrills import IMAGE, DrilledCloud, iso
from planned import judging
from planned.drilling import Drilling, ran
from planned.drills import FULL, PATH, Drill, Kind
from segments.returning import Returning

ONE, TWO = "node1.maas", "node2.maas"
CUT = 1_700_000_100.0


class Interrupted(BaseException):
    """The process ends."""


class World:
    """A cloud, a cluster and the time, with one drill in it."""

    def __init__(self, cloud: DrilledCloud) -> None:
        self.cloud = cloud
        self.now = CUT
        self.fenced: list[str] = []
        self.kept: list[Drill] = []
        self.refusal = ""
        self.silent_for = 1.5
        self.status = "finished"
        self.stop_at = ""
        self.act: Callable[[], None] = lambda: None

    def fence(self, host: str, timeout: float) -> None:
        self.fenced.append(host)
        self.now += 2.0
        if self.refusal:
            raise PacemakerError(self.refusal)
        self.cloud.recover(host, self.now, self.status)

    def silence(self, host: str) -> Callable[[], float]:
        return lambda: self.now - self.silent_for

    def keep(self, drill: Drill) -> Drill:
        self.kept.append(drill)
        if self.stop_at == drill.phase:
            self.stop_at = ""
            raise Interrupted
        return drill

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.cloud.work()
        self.act()

    def run(self, drill: Drill) -> Drill:
        access = fakecloud.connect(self.cloud)
        return Drilling(
            access,
            fence=self.fence,
            silence=self.silence,
            returning=Returning(access, self.sleep),
            keep=self.keep,
            metadata="HA_Enabled",
            sleep=self.sleep,
            clock=lambda: self.now,
        ).run(drill)


@pytest.fixture
def cloud(drilled: DrilledCloud) -> DrilledCloud:
    return drilled


@pytest.fixture
def world(cloud: DrilledCloud) -> World:
    return World(cloud)


def new(mode: str = FULL, canaries: int = 2) -> Drill:
    return Drill("20260101-000000", ONE, mode, Kind(canaries, IMAGE, "42", "none"))


def in_service(cloud: DrilledCloud) -> tuple[str, bool, bool]:
    service = cloud.services[ONE]
    return service["status"], service["forced_down"], cloud.host_entry(ONE)["on_maintenance"]


def test_a_drill(world: World, cloud: DrilledCloud) -> None:
    theirs = cloud.boot(ONE, "theirs")
    done = world.run(new())
    report = done.report
    assert report["outcome"] == "passed", report
    assert "problems" not in report and "next" not in report
    assert cloud.moved == [theirs], "the others are moved while they run"
    [first, _] = cloud.made
    assert first == {
        "name": "masakari-drill-20260101-000000-1",
        "imageRef": IMAGE,
        "flavorRef": "42",
        "networks": "none",
        "host": ONE,
        "metadata": {"HA_Enabled": "True"},
    }
    assert world.fenced == [ONE]
    assert [one["name"] for one in cloud.servers] == ["theirs"], "and the canaries are deleted"
    assert in_service(cloud) == ("enabled", False, False)
    phases = {name: float(text) for name, text in report["phases"].items()}
    assert phases["cut"] == 0.0
    assert phases["silent"] == 0.5
    assert phases["confirmed"] == 2.0
    assert phases["notified"] == pytest.approx(2.1)
    assert phases["evacuating"] == pytest.approx(2.5)
    assert phases["canaries"] < phases["drained"] <= 0 < phases["all-back"] <= phases["returned"]
    for found in report["canaries"].values():
        assert (found["from"], found["to"]) == (ONE, TWO)
        assert float(found["seconds"]) == pytest.approx(phases["all-back"] - 0.5, abs=0.11)
        assert found["within"] == "1.0", "between the cut and the first look"
    lines = report["timeline"].splitlines()
    assert "     0.0 s  the cluster is asked to fence it" in lines
    assert any(line.endswith("-1 runs on node2.maas") for line in lines)
    assert any("fenced by st-maas" in line for line in lines)


def test_a_picture(world: World, cloud: DrilledCloud) -> None:
    """A bar for each canary, as long as it was away, and a line for each phase since the cut."""
    cloud.boot(ONE, "theirs")
    done = world.run(new())
    first = min(done.sources)
    gone = dataclasses.replace(done, back={first: done.back[first]})
    space = "{http://www.w3.org/2000/svg}"
    for drill, colors in ((done, ["#2a7", "#2a7"]), (gone, ["#2a7", "#c33"])):
        root = ET.fromstring(judging.draw(drill))  # noqa: S314 - ours
        bars = root.findall(f"{space}rect")[1:]
        assert sorted(str(bar.get("fill")) for bar in bars) == colors
        assert all(float(b.get("x", "")) + float(b.get("width", "")) <= 960 for b in bars)
        texts = [text.text or "" for text in root.iter(f"{space}text")]
        assert texts[0] == "node1.maas: drill 20260101-000000, passed"
        assert "confirmed 2.0 s" in texts and not any("drained" in text for text in texts)
    path = ET.fromstring(judging.draw(world.run(new(PATH))))  # noqa: S314 - ours
    assert path.findall(f"{space}rect")[1:] == []


def test_without_a_cut(world: World, cloud: DrilledCloud) -> None:
    cloud.boot(ONE, "theirs")
    done = world.run(new(PATH))
    assert done.report["outcome"] == "passed"
    assert world.fenced == []
    assert len(cloud.made) == 2 and len(cloud.moved) == 1
    assert [one["name"] for one in cloud.servers] == ["theirs"]
    assert in_service(cloud) == ("enabled", False, False)
    assert not {"cut", "confirmed"} & done.report["phases"].keys()


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        ("lost", "is not back"),
        ("lost", "was started elsewhere 0 times, not once"),
        ("twice", "was started elsewhere 2 times, not once"),
        ("early", "was started elsewhere before its host was fenced"),
        ("failed", "Masakari's notification is failed"),
    ],
)
def test_what_is_not_as_it_should_be_fails_it(
    world: World, cloud: DrilledCloud, spoil: str, text: str
) -> None:
    def break_it(phase: str) -> None:
        canary = next(one["id"] for one in cloud.servers if one["name"].endswith("-1"))
        if spoil in ("lost", "twice"):
            getattr(cloud, spoil).add(canary)
        elif spoil == "early":
            time = iso(world.now - 5)[:19]
            cloud.migrations.append(
                {"instance_uuid": canary, "status": "done", "created_at": time}
            )

    if spoil == "failed":
        world.status = "failed"
    keep = world.keep

    def kept(drill: Drill) -> Drill:
        if drill.phase == "cutting" and "cut" not in drill.marks:
            break_it(drill.phase)
        return keep(drill)

    world.keep = kept  # type: ignore[method-assign]
    report = world.run(new()).report
    assert report["outcome"] == "failed"
    assert text in report["problems"]
    assert report["next"]
    assert cloud.servers == [], "whatever it was, no canary is left"
    assert in_service(cloud) == ("enabled", False, False)


def test_what_nova_does_not_tell_leaves_no_canary(world: World, cloud: DrilledCloud) -> None:
    cloud.silent.add("os-migrations")
    report = world.run(new()).report
    assert report["problems"] == "how often each was started elsewhere: Nova: HTTP status 503"
    assert cloud.servers == []


def test_canaries_that_do_not_start_end_it_before_anything_happens(
    world: World, cloud: DrilledCloud
) -> None:
    cloud.broken_boots = "No valid host was found."
    theirs = cloud.boot(ONE, "theirs")
    report = world.run(new()).report
    assert "a canary does not run on node1.maas: No valid host was found." in report["problems"]
    assert world.fenced == cloud.moved == []
    assert [one["id"] for one in cloud.servers] == [theirs]
    assert in_service(cloud) == ("enabled", False, False)


def test_one_that_cannot_be_emptied_is_opened_again(world: World, cloud: DrilledCloud) -> None:
    stuck = cloud.boot(ONE, "stuck")
    cloud.stuck.add(stuck)
    report = world.run(new()).report
    assert "draining: node1.maas is not empty" in report["problems"]
    assert world.fenced == []
    assert [one["id"] for one in cloud.servers] == [stuck]
    assert in_service(cloud) == ("enabled", False, False)


def test_a_fence_that_is_refused_ends_it(world: World, cloud: DrilledCloud) -> None:
    world.refusal = "fencing failed: 2 of 3 hypervisors are lost at once"
    begun = world.now
    report = world.run(new()).report
    assert "cutting: fencing failed: 2 of 3" in report["problems"]
    assert in_service(cloud) == ("enabled", False, False)
    assert cloud.servers == []
    assert world.now - begun < 60, "nobody waits for a recovery that does not come"


def test_a_fence_of_which_nobody_heard_may_have_happened(
    world: World, cloud: DrilledCloud
) -> None:
    world.refusal = "no answer in time"
    world.silent_for = 30.0
    world.act = lambda: None if cloud.notifications else cloud.recover(ONE, world.now)
    done = world.run(new())
    assert done.recovery, "it is followed"
    assert "it is silent all the same" in done.report["problems"]
    assert in_service(cloud) == ("enabled", False, False)


def test_a_recovery_that_does_not_end_is_not_followed_for_ever(
    world: World, cloud: DrilledCloud
) -> None:
    world.status = "running"
    report = world.run(new()).report
    assert "recovering: the recovery is running 600 s after the cut" in report["problems"]
    assert "returning: the recovery of node1.maas is still going on" in report["problems"]
    assert report["next"].startswith("node1.maas is not in service: see the status, then run ret")
    assert in_service(cloud) == ("disabled", True, True), "the status names it"


@pytest.mark.parametrize("phase", ["draining", "cutting", "recovering", "returning", "cleaning"])
def test_interrupted_anywhere_it_goes_on(world: World, cloud: DrilledCloud, phase: str) -> None:
    cloud.boot(ONE, "theirs")
    world.stop_at = phase
    with pytest.raises(Interrupted):
        world.run(new())
    status, _, maintenance = in_service(cloud)
    named = cloud.services[ONE].get("disabled_reason") == DRAINED or maintenance
    assert status == "enabled" or named, "the status names it meanwhile"
    report = world.run(world.kept[-1]).report
    assert report["outcome"] == "passed", report
    assert world.fenced == [ONE], "its power is cut once"
    assert [one["name"] for one in cloud.servers] == ["theirs"]
    assert in_service(cloud) == ("enabled", False, False)


def test_interrupted_before_the_fence_is_asked_for(world: World, cloud: DrilledCloud) -> None:
    """Nobody knows whether it was: the notification tells, and it is not cut a second time."""
    drill = dataclasses.replace(new(canaries=0), phase="cutting").mark("cut", CUT)
    report = world.run(drill).report
    assert world.fenced == []
    assert "was never reported to Masakari" in report["problems"]
    assert in_service(cloud) == ("enabled", False, False)


@pytest.mark.parametrize(
    ("after", "within"), [(-0.6, "0.5"), (-1.9, "1.0"), (-30.0, "1.0"), (None, "1.0")]
)
def test_how_exact_a_report_is(
    world: World, cloud: DrilledCloud, after: float | None, within: str
) -> None:
    """Two seconds lie between the looks; its hypervisor may have told when it had started it."""
    cloud.launched_after = after
    report = world.run(new()).report
    for found in report["canaries"].values():
        assert found["within"] == within


@pytest.mark.parametrize(
    ("first", "last", "launched", "found"),
    [
        (110.2, 110.5, 110.0, (110.2, 110.5)),  # Nova answers at once
        (109.9, 110.5, 110.0, (110.0, 110.5)),
        (104.0, 116.2, 104.0, (104.0, 106.0)),  # it answers late
        (112.5, 118.9, 109.0, (109.0, 111.0)),  # it shows it late: really 110.1
        (110.2, 110.5, 90.0, (110.2, 110.5)),  # of the first start
        (110.2, 110.5, 0.0, (110.2, 110.5)),  # a Nova that does not tell
        (110.2, 110.5, 112.0, (110.2, 110.5)),  # another clock
    ],
)
def test_when_a_canary_ran_again(
    first: float, last: float, launched: float, found: tuple[float, float]
) -> None:
    assert ran(first, last, launched, 100.0) == found
