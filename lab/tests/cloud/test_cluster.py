import subprocess
from types import SimpleNamespace

import pytest
from jujulab.cloud.cluster import Cluster
from jujulab.errors import LabError

CRM_MON = """\
<pacemaker-result>
  <summary><current_dc name="juju-lab-2-lxd-0" with_quorum="{quorum}"/></summary>
  <nodes>
    <node name="juju-lab-1-lxd-0" online="true" unclean="false" type="member"/>
    <node name="juju-lab-2-lxd-0" online="true" unclean="false" type="member"/>
    <node name="node1.maas" online="true" unclean="{unclean}" type="remote"/>
  </nodes>
  <resources>
    <resource id="node1.maas" resource_agent="ocf:pacemaker:remote" role="{role}"
              failed="false" managed="{managed}"><node name="juju-lab-2-lxd-0"/></resource>
    <group id="grp_masakari_vips">
      <resource id="res_vip" resource_agent="ocf::heartbeat:IPaddr2" role="Started"
                failed="false" managed="true"><node name="juju-lab-1-lxd-0"/></resource>
    </group>
  </resources>
  <fence_history>
    <fence_event target="node1.maas" action="reboot" status="success"
                 completed="1970-01-01 00:01:40Z"/>
    <fence_event target="node1.maas" action="reboot" status="success"
                 completed="1970-01-01 00:00:10Z"/>
    <fence_event target="node1.maas" action="reboot" status="failed"
                 completed="1970-01-01 00:01:50Z"/>
    <fence_event target="juju-lab-1-lxd-0" action="reboot" status="success"
                 completed="1970-01-01 00:01:40Z"/>
  </fence_history>
</pacemaker-result>
"""


class Member:
    """A machine with a member that answers with a fixed text."""

    def __init__(self, number):
        self.id = f"{number}/lxd/0"
        self.hostname = f"juju-lab-{number}-lxd-0"
        self.state, self.frozen, self.cuts = "on", False, frozenset()
        self.values = {"quorum": "true", "unclean": "false"}
        self.values |= {"role": "Started", "managed": "true"}
        self.status = 0
        self.text = CRM_MON

    def run(self, argv, timeout):
        if self.status:
            raise subprocess.CalledProcessError(self.status, argv)
        return SimpleNamespace(stdout=self.text.format(**self.values))


class FakeLab:
    def __init__(self):
        self.members = [Member(1), Member(2)]

    def machine(self, identifier):
        return next(member for member in self.members if member.id == identifier)

    def find(self, name):
        return next(member for member in self.members if member.hostname == name)


@pytest.fixture
def lab():
    return FakeLab()


@pytest.fixture
def cluster(lab):
    units = {
        "masakari/0": {"machine": "1/lxd/0"},
        "masakari/1": {"machine": "2/lxd/0", "leader": True},
    }
    status = {"applications": {"masakari": {"units": units}}}
    return Cluster(lab, SimpleNamespace(status=lambda: status))


def test_roles_are_found(cluster):
    assert cluster.controller().id == "2/lxd/0"
    assert cluster.watcher("node1.maas").id == "2/lxd/0"
    assert cluster.address_holder().id == "1/lxd/0"
    assert cluster.leader().id == "2/lxd/0"


def test_a_role_that_nobody_has_is_an_error(cluster):
    with pytest.raises(LabError, match=r"connection to node9\.maas"):
        cluster.watcher("node9.maas")


@pytest.mark.parametrize(
    ("attribute", "value"), [("state", "off"), ("frozen", True), ("cuts", {"internal"})]
)
def test_only_a_member_without_a_fault_is_asked(cluster, lab, attribute, value):
    assert cluster.answering() is lab.members[0]
    setattr(lab.members[0], attribute, value)
    assert cluster.answering() is lab.members[1]
    setattr(lab.members[1], attribute, value)
    with pytest.raises(LabError, match="no member"):
        cluster.look()


def test_only_confirmed_fencings_of_hypervisors_since_then_count(cluster):
    assert cluster.fences(since=100.9) == [("node1.maas", 100.0)]


def test_a_member_that_has_just_booted_is_not_believed(cluster, lab):
    """It may remember no fencing, and be alone for a moment."""
    lab.members[0].values["quorum"] = "false"
    lab.members[0].text = CRM_MON.replace("fence_event", "forgotten").replace("2-lxd", "1-lxd")
    assert cluster.fences(since=100.9) == [("node1.maas", 100.0)]
    assert cluster.controller().id == "2/lxd/0"
    lab.members[0].status = 102
    assert cluster.fences(since=100.9) == [("node1.maas", 100.0)]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({}, ""),
        ({"quorum": "false"}, "no quorum"),
        ({"unclean": "true"}, "node1.maas is not online"),
        ({"role": "Stopped"}, "node1.maas is Stopped"),
        ({"managed": "false"}, "node1.maas is Started"),
    ],
)
def test_a_cluster_at_rest_is_told_from_one_that_is_not(cluster, lab, values, reason):
    lab.members[0].values.update(values)
    assert cluster.unsettled() == reason


def test_a_cluster_that_does_not_answer_is_not_at_rest(cluster, lab):
    lab.members[0].status = 102
    assert "no answer" in cluster.unsettled()
    lab.members[1].state = "off"
    assert cluster.unsettled() == "a member is off"
