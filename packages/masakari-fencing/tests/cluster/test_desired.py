"""What is written into the cluster's configuration, and taken out of it again."""

from __future__ import annotations

import time
from collections.abc import Callable

import fencing_cib
import pytest
from fencing_cib import ELECTED
from fencing_fakes import Cluster, Remote
from lxml import etree
from masakari_fencing.cluster import desired, topology
from masakari_fencing.cluster.desired import Desired, Postponed, Tuning
from masakari_fencing.fence_agent import agent
from masakari_fencing.pacemaker import properties
from masakari_fencing.pacemaker.cibadmin import QUORUM
from masakari_fencing.pacemaker.fencing_limit import FencingLimit
from masakari_fencing.pacemaker.tools import PacemakerError

# As hacluster leaves it: three members, each on the machine of one hypervisor.
CIB = f"""<cib have-quorum="1" dc-uuid="1"><configuration><crm_config>{ELECTED}</crm_config>
<nodes>
  <node id="1000" uname="juju-0"><instance_attributes id="nodes-1000">
    <nvpair id="nodes-1000-m" name="juju-machine" value="1/lxd/0"/></instance_attributes></node>
  <node id="1001" uname="juju-1"><instance_attributes id="nodes-1001">
    <nvpair id="nodes-1001-m" name="juju-machine" value="2/lxd/0"/></instance_attributes></node>
  <node id="1002" uname="juju-10"><instance_attributes id="nodes-1002">
    <nvpair id="nodes-1002-m" name="juju-machine" value="3/lxd/0"/></instance_attributes></node>
  <node id="node1.maas" type="remote" uname="node1.maas"><instance_attributes id="nodes-n1">
    <nvpair id="nodes-n1-m" name="juju-machine" value="1"/></instance_attributes></node>
  <node id="node9.maas" type="remote" uname="node9.maas"><instance_attributes id="nodes-n9">
    <nvpair id="nodes-n9-m" name="juju-machine" value="9"/></instance_attributes></node>
</nodes>
<resources>
  <primitive id="node1.maas" class="ocf" provider="pacemaker" type="remote">
    <instance_attributes id="node1.maas-instance_attributes">
      <nvpair name="server" value="10.0.0.1" id="node1.maas-instance_attributes-server"/>
      <nvpair name="reconnect_interval" value="60" id="node1.maas-instance_attributes-ri"/>
    </instance_attributes>
    <operations><op name="monitor" interval="30s" id="node1.maas-monitor-30s"/></operations>
  </primitive>
  <primitive id="node9.maas" class="ocf" provider="pacemaker" type="remote">
    <instance_attributes id="node9.maas-instance_attributes">
      <nvpair name="server" value="10.0.0.9" id="node9.maas-instance_attributes-server"/>
    </instance_attributes>
  </primitive>
  <group id="grp_masakari_vips">
    <primitive id="res_masakari_vip" class="ocf" provider="heartbeat" type="IPaddr2"/>
  </group>
</resources>
<constraints>
  <rsc_location id="loc-node1.maas-juju-0" rsc="node1.maas" score="200" node="juju-0"/>
</constraints></configuration><status/></cib>"""

ALERT = "/usr/share/masakari-fencing/masakari_fencing/alert.py"


class Cib(fencing_cib.Cib):
    """The configuration of a cluster of two hypervisors."""

    def __init__(self, text: str = CIB) -> None:
        super().__init__(text)
        self.nodes = Cluster([Remote("node1.maas"), Remote("node9.maas")])
        self.runner = self.nodes.runner
        self.serve(self.runner)

    def writes(self) -> int:
        return len(self.runner.ran("cibadmin --modify")) + len(self.runner.ran("cibadmin --del"))

    def operation(self, remote: str, name: str) -> dict[str, str]:
        path = f".//primitive[@id='{remote}']/operations/op[@name='{name}']"
        (found,) = self.root.findall(path)
        return dict(found.attrib)

    def reconnect(self, remote: str) -> str | None:
        path = f".//primitive[@id='{remote}']//nvpair[@name='reconnect_interval']"
        found = self.root.find(path)
        return None if found is None else found.get("value")

    def preferred(self, remote: str) -> set[str]:
        return {
            location.get("node", "")
            for location in self.root.iter("rsc_location")
            if location.get("rsc") == remote and location.get("score") == "1000"
        }

    def ours(self) -> list[str]:
        ids = [element.get("id", "") for element in self.root.iter()]
        return [name for name in ids if name.startswith("masakari-fencing-")]


@pytest.fixture
def cib() -> Cib:
    return Cib()


def test_all_of_it(cib: Cib) -> None:
    tuning = Tuning(monitor_interval=2, monitor_timeout=3, start_timeout=4, reconnect_interval=20)
    changes = desired.apply(cib.runner, Desired(alert_path=ALERT, tuning=tuning))
    assert len(changes) == 6
    alert = cib.root.find(".//alerts/alert")
    assert alert is not None
    assert alert.get("path") == ALERT
    assert alert.find("select/select_fencing") is not None
    monitor = cib.operation("node1.maas", "monitor")
    assert monitor == {
        "name": "monitor",
        "interval": "2s",
        "timeout": "3s",
        "id": "node1.maas-monitor-30s",
    }
    assert cib.operation("node1.maas", "start")["timeout"] == "4s"
    assert cib.operation("node9.maas", "monitor")["interval"] == "2s"
    assert [cib.reconnect(name) for name in ("node1.maas", "node9.maas")] == ["20", "20"]
    assert cib.writes() == 1, "one transaction"


def test_a_second_time_changes_nothing(cib: Cib) -> None:
    wanted = Desired(alert_path=ALERT, tuning=Tuning())
    assert desired.apply(cib.runner, wanted)
    before = cib.writes()
    assert desired.apply(cib.runner, wanted) == []
    assert cib.writes() == before


def test_what_is_not_ours_stays_as_it_is(cib: Cib) -> None:
    desired.apply(cib.runner, Desired(alert_path=ALERT, tuning=Tuning()))
    desired.remove(cib.runner)
    assert cib.root.find(".//rsc_location[@id='loc-node1.maas-juju-0']") is not None
    vip = cib.root.find(".//primitive[@id='res_masakari_vip']")
    assert vip is not None
    assert list(vip) == []


def test_a_connection_is_preferred_away_from_its_own_machine(cib: Cib) -> None:
    desired.apply(cib.runner, Desired())
    assert cib.preferred("node1.maas") == {"juju-1", "juju-10"}
    assert cib.preferred("node9.maas") == set(), "no member shares its machine"


def test_placement_follows_the_machines(cib: Cib) -> None:
    desired.apply(cib.runner, Desired())
    (pair,) = cib.root.findall(".//node[@uname='node1.maas']//nvpair")
    pair.set("value", "2")
    assert desired.apply(cib.runner, Desired())
    assert cib.preferred("node1.maas") == {"juju-0", "juju-10"}
    assert desired.apply(cib.runner, Desired(separate_machines=False))
    assert cib.preferred("node1.maas") == set()


def test_without_known_machines_nothing_is_placed(cib: Cib) -> None:
    for node in cib.root.iter("node"):
        node.clear()
    assert desired.apply(cib.runner, Desired()) == []


def test_options_can_be_taken_back(cib: Cib) -> None:
    desired.apply(cib.runner, Desired(alert_path=ALERT, tuning=Tuning()))
    changed = desired.apply(cib.runner, Desired(alert_path="/other", tuning=Tuning()))
    assert changed == ["alert agent /other"]
    assert desired.apply(cib.runner, Desired(tuning=Tuning())) == [
        "removed masakari-fencing-alert"
    ]
    assert cib.root.find(".//alert") is None


def test_without_tuning_hacluster_values_return(cib: Cib) -> None:
    desired.apply(cib.runner, Desired(alert_path=ALERT, tuning=Tuning()))
    changes = desired.apply(cib.runner, Desired(alert_path=ALERT))
    monitor = cib.operation("node1.maas", "monitor")
    assert (monitor["interval"], monitor["timeout"]) == ("30s", "20s")
    assert cib.reconnect("node1.maas") == "60"
    assert "removed masakari-fencing-start-node1.maas" in changes
    assert cib.reconnect("node9.maas") is None
    assert cib.root.find(".//primitive[@id='node9.maas']//op") is None
    assert desired.apply(cib.runner, Desired(alert_path=ALERT)) == []


def test_what_hacluster_left_to_pacemaker_stays_so(cib: Cib) -> None:
    before = cib.text
    assert desired.apply(cib.runner, Desired(separate_machines=False)) == []
    assert cib.text == before


def test_removal_leaves_hacluster_values(cib: Cib) -> None:
    desired.apply(cib.runner, Desired(alert_path=ALERT, tuning=Tuning()))
    assert desired.remove(cib.runner)
    monitor = cib.operation("node1.maas", "monitor")
    assert (monitor["interval"], monitor["timeout"]) == ("30s", "20s")
    assert cib.reconnect("node1.maas") == "60"
    assert cib.preferred("node1.maas") == set()
    assert cib.ours() == []
    assert desired.remove(cib.runner) == []


def test_removal_takes_the_properties_of_the_guard_along(cib: Cib) -> None:
    options = cib.root.find(".//crm_config")
    assert options is not None
    before = list(options)
    for name in (properties.ALLOW, properties.HOLD, "stonith-enabled"):
        pair = {"id": f"cib-bootstrap-options-{name}", "name": name, "value": "1"}
        etree.SubElement(options, "nvpair", pair)
    turn = {"id": "masakari-fencing-recovery-node1.maas"}
    etree.SubElement(options, "cluster_property_set", turn)
    desired.remove(cib.runner)
    assert list(options)[: len(before)] == before
    assert [pair.get("name") for pair in options[len(before) :]] == ["stonith-enabled"]


@pytest.mark.parametrize("field", ["monitor_interval", "monitor_timeout", "start_timeout"])
def test_times_that_make_no_sense(field: str) -> None:
    with pytest.raises(ValueError, match=field):
        Tuning(**{field: 0})


def test_a_refused_change_is_an_error(cib: Cib) -> None:
    cib.runner.on("cibadmin --modify", 77)
    with pytest.raises(PacemakerError, match="77"):
        desired.apply(cib.runner, Desired(alert_path=ALERT))


def test_a_machine_is_recorded_once() -> None:
    runner = Cluster().runner.on("crm_attribute", "").on("crm_attribute --node n --name ju", 105)
    runner.on("crm_attribute --node n --name juju-machine --update 1/lxd/0", "")
    assert desired.record_machine(runner, "n", "1/lxd/0") is True
    runner.on("crm_attribute --node n --name juju-machine --query", "1/lxd/0\n")
    assert desired.record_machine(runner, "n", "1/lxd/0") is False
    assert len(runner.ran("crm_attribute --node n --name juju-machine --update")) == 1


DEVICES = """
  <primitive id="st-maas" class="stonith" type="external/maas"><instance_attributes id="x">
    <nvpair id="x-h" name="hostnames" value="node1 Node1.maas"/></instance_attributes></primitive>
  <primitive id="st-ipmi" class="stonith" type="fence_ipmilan"><instance_attributes id="y">
    <nvpair id="y-h" name="pcmk_host_list" value="node9.maas,node9"/></instance_attributes>
  </primitive>
  <primitive id="st-null" class="stonith" type="null"><instance_attributes id="z">
    <nvpair id="z-h" name="hostlist" value="juju-0 node1.maas"/></instance_attributes></primitive>
</resources>"""


@pytest.fixture
def guarded() -> Cib:
    return Cib(CIB.replace("</resources>", DEVICES))


def levels(cib: Cib, index: str = "1") -> dict[str, str]:
    found = [level for level in cib.root.iter("fencing-level") if level.get("index") == index]
    return {level.get("target", ""): level.get("devices", "") for level in found}


def test_the_guard_stands_before_the_power(guarded: Cib) -> None:
    desired.apply(guarded.runner, Desired(limit=FencingLimit(max_hosts=3, window=60)))
    assert levels(guarded) == {
        # Through MAAS it switches by itself: a level of one device leaves a reboot whole.
        "node1.maas": "masakari-fencing-guard-st-maas-node1.maas",
        "node9.maas": "masakari-fencing-guard-st-ipmi,st-ipmi",
    }
    own = guarded.root.find(".//primitive[@id='masakari-fencing-guard-st-maas-node1.maas']")
    assert own is not None
    values = {pair.get("name"): pair.get("value") for pair in own.iter("nvpair")}
    assert values == {
        "max_hosts": "3",
        "max_share": "0",
        "window": "60",
        "matrix": "false",
        "device": "st-maas",
        "pcmk_host_check": "static-list",
        "pcmk_host_list": "node1.maas",
        "storage": "off",
        "pcmk_off_timeout": "90s",
        "pcmk_reboot_timeout": "90s",
        "pcmk_off_retries": "1",
        "pcmk_reboot_retries": "1",
        "pcmk_action_limit": "8",
    }
    assert topology.TIMEOUT > agent.POWER_TIMEOUT, "or Pacemaker kills it before it says why"


def places(cib: Cib, own: str) -> dict[str | None, str | None]:
    found = [place for place in cib.root.iter("rsc_location") if place.get("rsc") == own]
    return {place.get("node"): place.get("score") for place in found}


def test_a_member_does_not_fence_the_machine_that_carries_it(guarded: Cib) -> None:
    """It would die in the middle of it, and the others wait for its answer."""
    desired.apply(guarded.runner, Desired(limit=FencingLimit()))
    own = "masakari-fencing-guard-st-maas-node1.maas"
    assert places(guarded, own) == {"juju-0": "-INFINITY", "juju-1": "0", "juju-10": "0"}
    others = places(guarded, "masakari-fencing-guard-st-ipmi")
    assert set(others.values()) == {"0"}


def test_the_only_member_fences_even_its_own_machine(guarded: Cib) -> None:
    nodes = guarded.root.find(".//nodes")
    assert nodes is not None
    for node in [node for node in nodes if node.get("uname") in ("juju-1", "juju-10")]:
        nodes.remove(node)
    desired.apply(guarded.runner, Desired(limit=FencingLimit()))
    assert places(guarded, "masakari-fencing-guard-st-maas") == {"juju-0": "0"}


def test_a_hypervisor_that_gets_a_member_gets_its_own_guard(guarded: Cib) -> None:
    desired.apply(guarded.runner, Desired(limit=FencingLimit()))
    (machine,) = guarded.root.findall(".//nvpair[@id='nodes-1001-m']")
    machine.set("value", "9/lxd/0")
    desired.apply(guarded.runner, Desired(limit=FencingLimit()))
    own = "masakari-fencing-guard-st-ipmi-node9.maas"
    assert levels(guarded)["node9.maas"] == f"{own},st-ipmi"
    assert places(guarded, own)["juju-1"] == "-INFINITY"
    assert places(guarded, "masakari-fencing-guard-st-ipmi") == {}, "nothing uses it any more"


def test_the_guard_follows_its_options_and_the_hosts(guarded: Cib) -> None:
    desired.apply(guarded.runner, Desired(limit=FencingLimit(max_hosts=3)))
    assert desired.apply(guarded.runner, Desired(limit=FencingLimit(max_hosts=3))) == []
    changed = desired.apply(guarded.runner, Desired(limit=FencingLimit(max_hosts=4)))
    assert len(changed) == 2, "one change for each guard"
    (hosts,) = guarded.root.findall(".//primitive[@id='st-maas']//nvpair[@name='hostnames']")
    hosts.set("value", "node1.maas node9.maas")
    assert desired.apply(guarded.runner, Desired(limit=FencingLimit(max_hosts=4)))
    assert levels(guarded)["node9.maas"] == "masakari-fencing-guard-st-maas"
    second = levels(guarded, "2")
    assert second == {"node9.maas": "masakari-fencing-guard-st-ipmi,st-ipmi"}


def test_a_host_that_no_device_fences_has_no_level(cib: Cib) -> None:
    desired.apply(cib.runner, Desired(limit=FencingLimit()))
    assert levels(cib) == {}
    assert not cib.root.findall(".//primitive[@class='stonith']")
    assert levels(cib) == {}


def test_the_guard_goes_without_a_trace(guarded: Cib) -> None:
    desired.apply(guarded.runner, Desired(limit=FencingLimit()))
    desired.remove(guarded.runner)
    assert levels(guarded) == {}
    assert guarded.ours() == []
    paths = [call[3].removeprefix(QUORUM) for call in guarded.runner.ran("cibadmin --delete")]
    order = [path.split("[")[0] for path in paths]
    assert order.index("//primitive") > order.index("//fencing-level")
    assert order[-1] == "//primitive", "nothing refers to what is gone"
    assert guarded.root.find(".//primitive[@id='st-maas']") is not None


SYMMETRIC = '<nvpair id="s" name="symmetric-cluster" value="{}"/></crm_config>'
ALLOWED = '<rsc_location id="op" rsc="grp_masakari_vips" node="node1.maas" score="0"/>'


def looked_for(cib: Cib) -> set[tuple[str, str]]:
    return {
        (place.get("rsc", ""), place.get("node", ""))
        for place in cib.root.iter("rsc_location")
        if place.get("resource-discovery") == "never" and place.get("score") == "-INFINITY"
    }


def test_what_cannot_run_on_a_hypervisor_is_not_looked_for_there() -> None:
    """A look at a hypervisor that is lost at that moment keeps Pacemaker from fencing it."""
    cib = Cib(CIB.replace("</crm_config>", SYMMETRIC.format("false")))
    assert desired.apply(cib.runner, Desired())
    both = {("grp_masakari_vips", "node1.maas"), ("grp_masakari_vips", "node9.maas")}
    assert looked_for(cib) == both
    assert desired.apply(cib.runner, Desired()) == []
    desired.remove(cib.runner)
    assert looked_for(cib) == set()


@pytest.mark.parametrize(
    ("symmetric", "constraint", "expected"),
    [("true", "", 0), ("", "", 0), ("false", ALLOWED, 1)],
    ids=["resources run on hypervisors", "nothing is known", "an operator's own constraint"],
)
def test_what_may_run_on_a_hypervisor_is_looked_for(
    symmetric: str, constraint: str, expected: int
) -> None:
    text = CIB.replace("</crm_config>", SYMMETRIC.format(symmetric))
    cib = Cib(text.replace("</constraints>", f"{constraint}</constraints>"))
    desired.apply(cib.runner, Desired())
    assert len(looked_for(cib)) == expected


def startup(cib: Cib) -> list[str | None]:
    found = cib.root.findall(".//crm_config//nvpair[@name='startup-fencing']")
    return [pair.get("value") for pair in found]


def test_a_hypervisor_that_is_being_added_is_not_fenced(guarded: Cib) -> None:
    desired.apply(guarded.runner, Desired(limit=FencingLimit(max_hosts=0)))
    assert startup(guarded) == ["false"]
    assert desired.apply(guarded.runner, Desired(limit=FencingLimit(max_hosts=0))) == []
    desired.remove(guarded.runner)
    assert startup(guarded) == []


def test_members_with_power_of_their_own_are_fenced_as_pacemaker_wants(guarded: Cib) -> None:
    desired.apply(guarded.runner, Desired(limit=FencingLimit()))
    (hosts,) = guarded.root.findall(".//nvpair[@id='x-h']")
    hosts.set("value", "node1 node1.maas Juju-10")
    desired.apply(guarded.runner, Desired(limit=FencingLimit()))
    assert startup(guarded) == []
    assert "juju-10" not in {target.lower() for target in levels(guarded)}


def test_the_levels_of_a_host_that_was_removed_wait_for_it(guarded: Cib) -> None:
    """It is deployed again, and Pacemaker wants to fence it before anybody has looked."""
    desired.apply(guarded.runner, Desired(limit=FencingLimit()))
    (resources,) = guarded.root.findall(".//resources")
    for primitive in guarded.root.findall(".//primitive[@id='node1.maas']"):
        resources.remove(primitive)
    (nodes,) = guarded.root.findall(".//nodes")
    for node in guarded.root.findall(".//node[@id='node1.maas']"):
        nodes.remove(node)
    desired.apply(guarded.runner, Desired(limit=FencingLimit()))
    assert levels(guarded)["Node1.maas"] == "masakari-fencing-guard-st-maas"


def unclean(cib: Cib, *, seen: bool = True, ago: float = 30) -> None:
    remote = cib.nodes.remotes[1]
    remote.unclean, remote.online, remote.start_failed = True, False, time.time() - ago
    if seen:
        state = {"uname": remote.name, "remote_node": "true", "node_fenced": "0"}
        etree.SubElement(cib.root.find("status"), "node_state", state)


def fenced_now(cib: Cib) -> None:
    cib.nodes.remotes[0].events = [("reboot", "pending", None)]
    cib.nodes.remotes[0].requester = "stonith_admin.7@juju-1-lxd-0"


@pytest.mark.parametrize("state", [unclean, fenced_now])
def test_a_fencing_is_not_interrupted(guarded: Cib, state: Callable[[Cib], None]) -> None:
    state(guarded)
    with pytest.raises(Postponed, match=r"until node\d\.maas is fenced"):
        desired.apply(guarded.runner, Desired(limit=FencingLimit()))
    guarded.runner.on("crm_attribute --node n", 105)
    with pytest.raises(Postponed):
        desired.record_machine(guarded.runner, "n", "1")
    assert guarded.writes() == 0
    assert not [call for call in guarded.runner.ran("crm_attribute") if "--update" in call]


def test_one_that_stays_unfenced_keeps_no_other_without_a_guard(guarded: Cib) -> None:
    """Nor is anything about to happen to it that a change would interrupt."""
    unclean(guarded, ago=desired.LATELY + 10)
    assert desired.apply(guarded.runner, Desired(limit=FencingLimit()))
    assert "node9.maas" in levels(guarded)


def test_what_is_never_fenced_is_not_waited_for(guarded: Cib) -> None:
    unclean(guarded, seen=False)
    assert desired.apply(guarded.runner, Desired(limit=FencingLimit()))


def test_nothing_to_change_waits_for_nothing(guarded: Cib) -> None:
    desired.apply(guarded.runner, Desired(limit=FencingLimit()))
    unclean(guarded)
    assert desired.apply(guarded.runner, Desired(limit=FencingLimit())) == []


def test_removal_waits_for_nothing(guarded: Cib) -> None:
    desired.apply(guarded.runner, Desired(alert_path=ALERT, limit=FencingLimit()))
    unclean(guarded)
    desired.remove(guarded.runner)
    assert guarded.ours() == []


def test_without_the_programs_on_every_member_nothing_refers_to_them(guarded: Cib) -> None:
    wanted = Desired(alert_path=ALERT, limit=FencingLimit(), programs=False)
    desired.apply(guarded.runner, wanted)
    assert levels(guarded) == {}
    assert guarded.root.find(".//alert") is None
    assert startup(guarded) == ["false"], "that needs no program"


def test_a_member_that_does_not_have_them_yet_takes_them_from_no_other(guarded: Cib) -> None:
    desired.apply(guarded.runner, Desired(alert_path=ALERT, limit=FencingLimit()))
    before = guarded.text
    wanted = Desired(alert_path=ALERT, limit=FencingLimit(max_hosts=5), programs=False)
    assert desired.apply(guarded.runner, wanted) == []
    assert guarded.text == before
