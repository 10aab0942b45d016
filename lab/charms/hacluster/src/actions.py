"""The charm's actions, with the words of the real one's results."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping

import cluster
import crm
import standin
from cluster import ClusterError, State
from hooks import PAUSED, Hacluster
from standin import ActionFailed

TRIES, PAUSE = 3, 5
"""How often, and after how many seconds each time, `pause` looks whether everything has moved."""

Results = Mapping[str, object]


def pause(unit: Hacluster) -> Results:
    """Have everything move from this member, and leave it so."""
    cluster.run("crm", "node", "standby", unit.host, "forever")
    for _ in range(TRIES):
        if not _holds(unit.host):
            break
        time.sleep(PAUSE)
    else:
        raise ActionFailed("Couldn't pause: Resources still running on unit")
    unit.paused = True
    unit.unit.status("maintenance", PAUSED)
    return {}


def resume(unit: Hacluster) -> Results:
    """Take this member back."""
    cluster.run("crm", "node", "online", unit.host)
    unit.paused = False
    unit.unit.status(*unit.assess())
    return {}


def cleanup(unit: Hacluster) -> Results:
    """Forget the failures of one resource, or of all."""
    name = unit.unit.parameter("resource").lower()
    try:
        if name == "all":
            cluster.run("crm_resource", "-C")
        else:
            cluster.run("crm", "resource", "cleanup", name)
    except ClusterError:
        raise ActionFailed(f"failed to cleanup crm resource '{name}'") from None
    return {"result": "success"}


def status(unit: Hacluster) -> Results:
    """Tell what runs where."""
    try:
        state = State.query()
    except ClusterError:
        raise ActionFailed("failed to get cluster health") from None
    told: dict[str, object] = {"nodes": sorted(state.nodes), "quorum": state.quorum}
    if str(standin.tool_json("action-get", "resources")).lower() == "true":
        told["resources"] = {name: sorted(where) for name, where in state.running.items()}
    return {"result": json.dumps(told)}


def update_ring(unit: Hacluster) -> Results:
    """Take members out of the cluster that are no units any more."""
    if unit.unit.parameter("i-really-mean-it").lower() != "true":
        raise ActionFailed("i-really-mean-it is a required parameter")
    _only_the_leader(unit)
    gone = sorted(set(crm.members()) - set(unit.hosts()))
    for node in gone:
        crm.delete_node(node)
    if not gone:
        return {"result": "No changes required."}
    _renew_rings(unit)
    return {"result": f"Nodes removed: {' '.join(gone)}"}


def delete_node_from_ring(unit: Hacluster) -> Results:
    """Take one member out of the cluster."""
    node = unit.unit.parameter("node")
    if not node:
        raise ActionFailed("node is a required parameter")
    _only_the_leader(unit)
    try:
        crm.delete_node(node)
    except ClusterError as error:
        raise ActionFailed(f"Removing {node} from the cluster failed. {error}") from None
    _renew_rings(unit)
    return {"result": "success"}


ACTIONS: Mapping[str, Callable[[Hacluster], Results]] = {
    "pause": pause,
    "resume": resume,
    "cleanup": cleanup,
    "status": status,
    "update-ring": update_ring,
    "delete-node-from-ring": delete_node_from_ring,
}


def run(name: str, unit: Hacluster) -> None:
    """Run an action, and tell Juju what came of it."""
    try:
        results = ACTIONS[name](unit)
    except (ActionFailed, ClusterError) as error:
        standin.tool("action-fail", "--", str(error))
        return
    if results:
        standin.tool("action-set", *(f"{key}={value}" for key, value in results.items()))


def _holds(host: str) -> bool:
    running = State.query().running
    return any(host in where for where in running.values())


def _only_the_leader(unit: Hacluster) -> None:
    if not unit.unit.leader:
        raise ActionFailed("only the Juju leader can run this action")


def _renew_rings(unit: Hacluster) -> None:
    """Have Corosync read its members anew, here and on the peers."""
    request = uuid.uuid4().hex
    unit.tell_peers(**{"trigger-corosync-update": request})
    unit.renew_ring(request)
