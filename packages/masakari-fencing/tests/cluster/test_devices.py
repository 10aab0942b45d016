"""hacluster's devices are monitored without the delay that a fence would wait for."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from fencing_fakes import Cluster
from masakari_fencing.cluster import desired, devices
from masakari_fencing.cluster.desired import Desired, Tuning
from masakari_fencing.cluster.plan import Plan
from masakari_fencing.pacemaker.fencing_limit import FencingLimit

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


def node(name: str, machine: str, kind: str = "") -> str:
    pair = f'<nvpair name="juju-machine" value="{machine}"/>' if machine else ""
    return (
        f'<node id="{name}" uname="{name}" {kind}><instance_attributes>{pair}'
        "</instance_attributes></node>"
    )


def held(members: dict[str, str], *, wanted: bool = True) -> set[str]:
    """The constraints for members on these machines, where machine 1 carries a hypervisor."""
    nodes = "".join(node(name, machine) for name, machine in members.items())
    nodes += node("node1", "1", 'type="remote"')
    text = CIB.format(delay=0).replace("<resources>", f"<nodes>{nodes}</nodes><resources>")
    remote = '<primitive id="node1" class="ocf" provider="pacemaker" type="remote"/>'
    plan = Plan(ET.fromstring(text.replace("</resources>", f"{remote}</resources>")))  # noqa: S314
    keep = devices.placement(plan, wanted)
    made = plan.configuration.findall("constraints/rsc_location")
    assert keep == {location.get("id") for location in made}
    assert {location.get("score") for location in made} <= {"500"}
    return {f"{location.get('rsc')} {location.get('node')}" for location in made}


def test_devices_are_held_by_members_that_share_no_machine_with_a_hypervisor() -> None:
    apart = {"ha1": "0/lxd/1", "ha2": "1/lxd/0", "ha3": "4"}
    assert held(apart) == {"st-maas ha1", "st-maas ha3"}
    assert held(apart, wanted=False) == set()
    assert held({**apart, "ha1": "1/lxd/1"}) == {"st-maas ha3"}


@pytest.mark.parametrize("machine", ["1/lxd/2", "0/lxd/2", ""])
def test_where_all_members_are_alike_nothing_is_preferred(machine: str) -> None:
    assert held(dict.fromkeys(("ha1", "ha2"), machine)) == set()


OPTIONS = """<cib><configuration><crm_config>
  <cluster_property_set id="masakari-fencing-options">
    <nvpair id="masakari-fencing-startup" name="startup-fencing" value="false"/>
    <nvpair id="masakari-fencing-concurrent" name="concurrent-fencing" value="true"/>
    <nvpair id="masakari-fencing-load" name="load-threshold" value="1000%"/>
  </cluster_property_set></crm_config></configuration></cib>"""


@pytest.mark.parametrize(
    ("wanted", "options"),
    [
        (
            Desired(tuning=Tuning(), limit=FencingLimit()),
            ["startup-fencing", "concurrent-fencing", "load-threshold"],
        ),
        (Desired(tuning=Tuning()), ["load-threshold"]),
        (Desired(limit=FencingLimit()), ["startup-fencing", "concurrent-fencing"]),
        (Desired(limit=FencingLimit(), kdump=30), ["startup-fencing"]),
        (Desired(), []),
    ],
)
def test_neither_load_nor_a_fence_that_fails_holds_the_cluster_up(
    wanted: Desired, options: list[str]
) -> None:
    fresh = Plan(ET.fromstring("<cib><configuration/></cib>"))  # noqa: S314 - ours
    desired._options(fresh, wanted)
    made = [pair.get("name") for pair in fresh.configuration.iter("nvpair")]
    there = Plan(ET.fromstring(OPTIONS))  # noqa: S314 - ours
    desired._options(there, wanted)
    assert made == options
    assert not len(there.configuration), "what is there stays"
    gone = {
        "startup-fencing": "startup",
        "concurrent-fencing": "concurrent",
        "load-threshold": "load",
    }
    unwanted = [name for option, name in gone.items() if option not in options]
    if not options:
        assert there.deletions == ["//cluster_property_set[@id='masakari-fencing-options']"]
    else:
        assert there.deletions == [f"//nvpair[@id='masakari-fencing-{n}']" for n in unwanted]
