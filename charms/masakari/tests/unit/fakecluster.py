"""A cluster with one hypervisor, as Pacemaker's tools show it."""

from __future__ import annotations

from fencing_cib import ELECTED

from machine import Machine

REMOTE = """
<pacemaker-result api-version="2.25"><summary>
  <current_dc present="true" version="2.1.5-a3f44794f94" name="node1" with_quorum="{quorum}"/>
  <cluster_options stonith-enabled="{stonith}" maintenance-mode="false"/>
</summary><nodes>
  <node name="node1" type="member" online="true"/>
  <node name="hv1.maas" type="remote" online="true"/>
</nodes><resources>
  <resource id="hv1.maas" resource_agent="ocf:pacemaker:remote" role="Started" managed="true"/>
</resources><status code="0"/></pacemaker-result>
"""
CIB = f"""
<cib have-quorum="1" dc-uuid="1"><configuration><crm_config>{ELECTED}</crm_config>
<nodes/><constraints/>
<resources><primitive id="hv1.maas" class="ocf" provider="pacemaker" type="remote">
  <instance_attributes id="hv1-ia">
    <nvpair id="hv1-r" name="reconnect_interval" value="60"/>
  </instance_attributes>
  <operations><op id="hv1-m" name="monitor" interval="30s"/></operations>
</primitive></resources></configuration><status/></cib>
"""
NO_DEVICE = '<pacemaker-result api-version="2.25"><status code="0"/></pacemaker-result>'
"""What `stonith_admin --list` says of a node that nothing can fence."""


def with_remote(machine: Machine, *, stonith: bool = True, quorum: bool = True) -> None:
    """Have the cluster know a hypervisor."""
    text = REMOTE.format(stonith=str(stonith).lower(), quorum=str(quorum).lower())
    machine.host.runner.answer(["crm_mon"], text)
    machine.host.runner.answer(["crm_attribute", "--type=crm_config"], "reboot\n")
    machine.cib.load(CIB)
    machine.cib.quorum(quorum)


def written(machine: Machine) -> str:
    """What was written into the cluster's configuration."""
    calls = zip(machine.host.runner.calls, machine.host.runner.inputs, strict=True)
    return "".join(text or "" for argv, text in calls if argv[:2] == ["cibadmin", "--modify"])
