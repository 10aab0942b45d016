"""May a hypervisor be fenced without somebody asking for it?

One answer for all who fence or let fence: the notifier, and the fence agent, which stands before
the power when Pacemaker itself has decided.

Pacemaker holds a node for dangerous that it has never seen. A hypervisor that hacluster is still
adding, that boots after all members were restarted, or that lies switched off for repair is none:
nothing of it was lost, so there is nothing to recover. And one that Masakari does not look after
is not recovered, so there is nothing to fence it for. Whoever knows better asks for it, by
`stonith_admin --reboot NODE`.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

from masakari_fencing.pacemaker import cibadmin, machines, properties

CONNECT = "see why pacemaker_remote on it is not reached; if it is dead and its instances are to "
CONNECT += "be recovered: stonith_admin --reboot {}, on a masakari unit"


def obstacle(cib: ET.Element, node: str) -> str | None:
    """Return why a hypervisor must not be fenced; None: it may be.

    Args:
        cib: all of the cluster's information base.
        node: its name in the cluster.
    """
    if not connected_once(cib, node):
        return "it was not connected since the cluster began"
    if node not in machines.recorded(cib):
        return f"it has no record of its machine ({machines.ATTRIBUTE}): it is still being added"
    return properties.reason(cib, node)


def connected_once(cib: ET.Element, node: str) -> bool:
    """Whether the cluster has been connected to a hypervisor since it began, or fenced it.

    Pacemaker writes `node_fenced` into a remote node's state with the first connection (0) and
    with each fence (its time), and only then (`remote_node_up` and `send_stonith_update` of
    pacemaker-controld 2.1). The state is not written to the disk: it is lost when the last member
    stops, and goes with `crm_node --remove`. A permanent attribute of the node, such as
    `juju-machine`, survives both, and so proves less.

    Where members that were apart are together again, the state may be written anew, by one that
    knows nothing of `node_fenced` (`populate_cib_nodes`; seen with 2.1.5, of hypervisors that were
    connected). So the history of the connection proves it as well: it was made, or was looked at
    again and again, which begins once it is made. That history outlasts `crm_node --remove`, and
    counts for a node that has a state only.
    """
    path = f"status/node_state[@uname='{node}'][@remote_node='true']"
    states = cib.findall(path)
    if any(state.get("node_fenced") is not None for state in states):
        return True
    path = f"status/node_state/lrm/lrm_resources/lrm_resource[@id='{node}']/lrm_rsc_op"
    return bool(states) and any(map(_shows_connection, cib.iterfind(path)))


def _shows_connection(operation: ET.Element) -> bool:
    name = operation.get("operation")
    if name == "monitor":
        return operation.get("interval", "0") != "0"
    return name in cibadmin.CONNECTS and operation.get("rc-code") == "0"
