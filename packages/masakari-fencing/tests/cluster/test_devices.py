"""hacluster's devices are monitored without the delay that a fence would wait for."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from fencing_fakes import Cluster
from masakari_fencing.cluster import desired, devices
from masakari_fencing.cluster.desired import Desired, Tuning
from masakari_fencing.cluster.plan import Plan

CIB = """<cib><configuration><resources>
  <primitive id="st-maas" class="stonith" type="external/maas"><operations>
    <op name="monitor" interval="25" start-delay="{delay}" timeout="25" id="st-maas-monitor-25"/>
  </operations></primitive>
  <primitive id="masakari-fencing-guard-st-maas" class="stonith"><operations>
    <op name="monitor" interval="60" start-delay="7" id="masakari-fencing-monitor"/>
  </operations></primitive>
  <primitive id="res_vip" class="ocf"><operations>
    <op name="monitor" interval="10" start-delay="25" id="res_vip-monitor-10"/>
  </operations></primitive>
  <primitive id="st-null" class="stonith" type="null"/>
</resources></configuration></cib>"""


def changed(text: str, change: object) -> dict[str, str | None]:
    """What becomes of the operations' delays, by the operations' ids."""
    plan = Plan(ET.fromstring(text))  # noqa: S314 - ours
    change(plan)
    assert len(plan.changes) == len(plan.configuration.findall("resources/primitive"))
    return {op.get("id", ""): op.get("start-delay") for op in plan.configuration.iter("op")}


def test_a_fence_waits_for_no_monitor_of_a_device() -> None:
    assert changed(CIB.format(delay=25), devices.prompt) == {"st-maas-monitor-25": "0"}
    assert changed(CIB.format(delay=0), devices.prompt) == {}


def test_haclusters_delay_comes_back() -> None:
    assert changed(CIB.format(delay=0), devices.delay) == {"st-maas-monitor-25": "25"}
    assert changed(CIB.format(delay=25), devices.delay) == {}


@pytest.mark.parametrize(
    ("tuning", "before", "after"), [(Tuning(), "25", "0"), (None, "0", "25"), (None, "25", "")]
)
def test_devices_are_tuned_with_the_connections(
    tuning: Tuning | None, before: str, after: str
) -> None:
    runner = Cluster([]).runner
    runner.on("cibadmin --query", CIB.format(delay=before))
    runner.on("cibadmin --modify", "")
    runner.on("cibadmin --delete", "")
    desired.apply(runner, Desired(tuning=tuning))
    written = [ET.fromstring(text) for text in runner.inputs if text]  # noqa: S314 - ours
    delays = [op.get("start-delay") for change in written for op in change.iter("op")]
    assert delays == ([after] if after else [])


def test_removal_gives_the_delay_back() -> None:
    runner = Cluster([]).runner
    runner.on("cibadmin --query", CIB.format(delay=0))
    runner.on("cibadmin --modify", "")
    runner.on("cibadmin --delete", "")
    assert "st-maas is monitored with a delay again" in desired.remove(runner)
