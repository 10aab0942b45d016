"""What this project needs in the cluster's configuration, applied on top of hacluster's.

hacluster creates each hypervisor's connection once and never changes it again, so these changes
stay. All new elements have ids that begin with `masakari-fencing-`; everything is written in one
transaction, and only where it differs.
"""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass

from masakari_fencing.cluster import devices, topology
from masakari_fencing.cluster.connections import Tuning, discovery, placement, tune, untune
from masakari_fencing.cluster.plan import (
    PREFIX,
    Plan,
    identifier,
    members_of,
    remotes_of,
)
from masakari_fencing.commands import Runner
from masakari_fencing.maas import access
from masakari_fencing.pacemaker import cibadmin, crm_mon, fenceable, machines, tools
from masakari_fencing.pacemaker.fencing_limit import FencingLimit
from masakari_fencing.pacemaker.tools import PacemakerError

ALERT_ID = f"{PREFIX}alert"

STARTUP = ("startup-fencing", "false", "nodes that were never seen are not fenced")
"""Have Pacemaker not take nodes for dangerous that it has never seen.

It would fence a hypervisor that hacluster has created and not yet given a member that may connect
to it, and one whose connection does not come about after all members were restarted (seen with
2.1.5: `Fence (reboot) ... 'node is unclean'`, revoked only if the connection can be started
somewhere). It makes no difference for members that are containers, whose fencing does nothing.
Where members have power of their own, Pacemaker's way is left as it is, and only the guard stands
before the hypervisors'.
"""

LATELY = 120.0
"""Seconds since a node was lost in which it is about to be fenced, or to be taken back: longer
than an attempt takes (`topology.TIMEOUT`)."""

CONCURRENT = ("concurrent-fencing", "true", "one that cannot be fenced holds up no other")
"""Have Pacemaker fence several nodes at once, as it does by default from 3.0 on.

Before, it orders all fencings of a transition one behind the other, by the names of the nodes
(`stage6` of pcmk_sched_allocate.c in 2.1.2, later `add_nondc_fencing`, by their source; unless it
is built with another default). What fails blocks what comes after it, and the next transition
begins with the same one: a hypervisor whose power controller died with it, or that is in no
segment, kept those behind it from ever being fenced. But what waits for the word of a node that
panics has the port for it to itself, on each member.
"""

LOAD = ("load-threshold", "1000%", "a busy machine does not hold the cluster up")
"""Have Pacemaker not take a busy machine for a reason to do one thing at a time.

From twice 80 % of its cores on, which is Pacemaker's default, a member has one job at a time
(`throttle_handle_load` and `throttle_get_job_limit` of pacemaker-controld, 2.1.2 to 3.0.1); a
container reads the load of the whole machine, with all the instances on it. A monitor that waits
then keeps the slot that a fence needs (seen with 2.1.5: asked for 72 s late, `High CPU load
detected`). What this cluster has to do is little.
"""


@dataclass(frozen=True)
class Desired:
    """What the configuration must contain.

    Attributes:
        alert_path: the alert agent; None for no alert.
        tuning: of the connections to the hypervisors, and with it of hacluster's devices; None for
            hacluster's own values.
        separate_machines: prefer connections to be held by members on other machines.
        limit: how many hypervisors may be lost before fencing stops; None for no guard at all.
        programs: every member has the alert agent and the guard. Else what there is of them in
            the configuration stays as it is: a member cannot start what it does not have.
        storage: when a hypervisor is cut off from its storage; see `fence_agent.storage.MODES`.
        kdump: seconds to wait for a hypervisor to say that it runs its crash kernel; 0: none.
        access_file: where the guards find the key to MAAS; empty: with hacluster's device.
        access_everywhere: every member has that file. Else guards that read one stay as they are,
            which keeps them from members that are new, and the others go on as before.
    """

    alert_path: str | None = None
    tuning: Tuning | None = None
    separate_machines: bool = True
    limit: FencingLimit | None = None
    programs: bool = True
    storage: str = "off"
    kdump: int = 0
    access_file: str = ""
    access_everywhere: bool = True


class Postponed(PacemakerError):  # noqa: N818 - nothing is wrong
    """A hypervisor is being fenced, which a change would interrupt."""


def apply(runner: Runner, desired: Desired) -> list[str]:
    """Bring the cluster's configuration to what is desired.

    Returns:
        what was changed, one line each; empty when all was as it should be.

    Raises:
        Postponed: there is something to change, and a hypervisor is lost or being fenced: each
            change has Pacemaker abort what it is doing.
        PacemakerError: the cluster did not answer or refused the change.
    """
    plan = Plan(cibadmin.cib(runner))
    if desired.programs:
        _alert(plan, desired.alert_path)
    for primitive in remotes_of(plan.cib):
        if desired.tuning is None:
            untune(plan, primitive)
        else:
            tune(plan, primitive, desired.tuning)
    devices.delay(plan) if desired.tuning is None else devices.prompt(plan)
    keep = devices.placement(plan, desired.separate_machines)
    keep |= placement(plan, desired.separate_machines)
    held = desired.access_file and not desired.access_everywhere and access.used(plan.cib)
    keep |= _guard(plan, desired) if desired.programs and not held else _guards(plan)
    keep |= discovery(plan)
    _options(plan, desired)
    # The primitives last: nothing may refer to what is gone.
    plan.drop("fencing-topology", "fencing-level", keep)
    plan.drop("constraints", "rsc_location", keep)
    plan.drop("resources", "primitive", keep)
    if plan.changes:
        _settled(runner, plan.cib)
    return plan.carry_out(runner)


def remove(runner: Runner) -> list[str]:
    """Take everything of ours out, and give the connections hacluster's values again.

    Returns:
        what was changed.

    Raises:
        PacemakerError: the cluster did not answer or refused the change.
    """
    plan = Plan(cibadmin.cib(runner))
    for primitive in remotes_of(plan.cib):
        untune(plan, primitive)
    devices.delay(plan)
    tags = ("alert", "fencing-level", "rsc_location", "cluster_property_set", "nvpair")
    for tag in (*tags, "instance_attributes", "primitive"):
        # In this order: nothing may refer to what is gone.
        plan.clear(tag)
    return plan.carry_out(runner)


def record_machine(runner: Runner, node: str, machine: str) -> bool:
    """Record in the cluster which machine a member runs on.

    Args:
        runner: runs the commands.
        node: the member's name in the cluster.
        machine: Juju's machine, such as `1` or `1/lxd/0`.

    Returns:
        whether it was not recorded yet.

    Raises:
        Postponed: it is not, and a hypervisor is lost or being fenced.
        PacemakerError: the cluster did not answer or refused.
        ValueError: `node` cannot be the name of a node.
    """
    tools.check_name(node)
    argv = ["crm_attribute", "--node", node, "--name", machines.ATTRIBUTE]
    answer = runner.run([*argv, "--query", "--quiet"], timeout=15, check=False)
    if answer.returncode == 0 and answer.stdout.strip() == machine:
        return False
    _settled(runner, cibadmin.cib(runner))
    tools.run(runner, [*argv, "--update", machine], timeout=15)
    return True


def _settled(runner: Runner, cib: ET.Element) -> None:
    """Make sure that no hypervisor is being fenced, or should be.

    A change aborts what Pacemaker is about to do. One that was never connected is no reason to
    wait: it is not to be fenced, and the change may be the very one that tells Pacemaker so. Nor
    is one that was lost long ago, and stays unfenced: the change may be the one that puts the
    guard before a new hypervisor.

    Raises:
        Postponed: one is.
    """
    status, now = crm_mon.status(runner), time.time()
    busy = [
        node.name
        for node in status.remotes
        if status.being_fenced(node)
        or (
            node.unclean
            and now - (status.lost_at(node.name) or now) < LATELY
            and fenceable.connected_once(cib, node.name)
        )
    ]
    if busy:
        raise Postponed(f"The cluster's configuration is left alone until {busy[0]} is fenced")


def _alert(plan: Plan, path: str | None) -> None:
    if path is not None:
        alert = ET.Element("alert", {"id": ALERT_ID, "path": path})
        ET.SubElement(ET.SubElement(alert, "select"), "select_fencing")
        plan.want("alerts", alert, f"alert agent {path}")
    plan.drop("alerts", "alert", {ALERT_ID} if path is not None else set())


def _guard(plan: Plan, desired: Desired) -> set[str]:
    """Put the guard before the power; return the ids that stay."""
    if (limit := desired.limit) is None:
        return set()
    remotes = [identifier(primitive) for primitive in remotes_of(plan.cib)]
    keep = set()
    members = members_of(plan.cib)
    wanted = topology.elements(
        plan.cib,
        PREFIX,
        limit,
        remotes,
        members,
        storage=desired.storage,
        kdump=desired.kdump,
        access_file=desired.access_file if desired.access_everywhere else "",
    )
    for section, element in wanted:
        keep.add(identifier(element))
        plan.want(section, element, f"guard: {identifier(element)}")
        if section == "resources":
            _forget_file(plan, element)
    return keep


def _forget_file(plan: Plan, guard: ET.Element) -> None:
    """Take the file's name out of a guard that is to have the key from the device again."""
    named = f"nvpair[@name='{access.PARAMETER}']"
    there = plan.cib.find(f".//primitive[@id='{identifier(guard)}']//{named}")
    if there is not None and guard.find(f".//{named}") is None:
        plan.delete("nvpair", "id", identifier(there))


def _guards(plan: Plan) -> set[str]:
    """Return the ids of the guards that there are, and of what belongs to them."""
    ours = (f"{PREFIX}guard-", f"{PREFIX}level-")
    return {
        identifier(element) for element in plan.cib.iter() if identifier(element).startswith(ours)
    }


def _options(plan: Plan, desired: Desired) -> None:
    """Set our options of the cluster, and take out those that are not wanted any more.

    They are in a set of their own; what an operator sets for the cluster goes before them.
    """
    members = members_of(plan.cib)
    wanted = {}
    if desired.limit is not None and not topology.fences_members(plan.cib, PREFIX, members):
        wanted["startup"] = STARTUP
    if desired.limit is not None and not desired.kdump:
        wanted["concurrent"] = CONCURRENT
    if desired.tuning is not None:
        wanted["load"] = LOAD
    own = f"{PREFIX}options"
    there = plan.cib.findall(f"configuration/crm_config/*[@id='{own}']/nvpair")
    if not wanted:
        if plan.cib.find(f"configuration/crm_config/*[@id='{own}']") is not None:
            plan.delete("cluster_property_set", "id", own)
        return
    options = ET.Element("cluster_property_set", {"id": own})
    for name, (option, value, _) in wanted.items():
        pair = {"id": f"{PREFIX}{name}", "name": option, "value": value}
        ET.SubElement(options, "nvpair", pair)
    plan.want("crm_config", options, "; ".join(text for _, _, text in wanted.values()))
    for found in there:
        if identifier(found) not in {f"{PREFIX}{name}" for name in wanted}:
            plan.delete("nvpair", "id", identifier(found))
