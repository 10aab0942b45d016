"""The transient service that carries a drill out: `python -m planned DRILL`, as root."""

from __future__ import annotations

import json
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable

from instance_ha_common.machine.host import Host
from instance_ha_common.machine.memory import Memory
from masakari_fencing.pacemaker import cibadmin, remote_nodes, stonith_admin

from planned.drill_actions import SECRETS
from planned.drilling import Drilling
from planned.drills import Drill, Drills
from planned.shared import SharedDrill, TakenOverError
from relations.keystone import Identity
from segments.cloud import Cloud
from segments.returning import Returning
from workload.cluster import Cluster
from workload.recovery_status import Recoveries

_APART = 0.1
"""Seconds between two calls: the answer is as exact as that."""
_PATIENCE = 0.3
"""Seconds that an answer may take: a machine without power gives none at all."""


def watch(address: str, port: int, clock: Callable[[], float] = time.time) -> Callable[[], float]:
    """Connect to a port again and again, until it does not answer any more.

    Args:
        address: where something listens that ends with its machine.
        port: the TCP port.
        clock: seconds since the epoch.

    Returns:
        What ends it, and says when something was heard last.
    """
    heard = clock()
    ended = threading.Event()

    def call() -> None:
        nonlocal heard
        while not ended.wait(_APART):
            begun = clock()
            try:
                socket.create_connection((address, port), timeout=_PATIENCE).close()
            except OSError:
                return
            heard = begun

    thread = threading.Thread(target=call, daemon=True)
    thread.start()

    def end() -> float:
        ended.set()
        thread.join()
        return heard

    return end


def main(host: Host, drill_id: str) -> int:
    """Carry out a drill that is written down; return the exit code."""
    secrets = json.loads(host.read(SECRETS) or "{}")
    host.remove(SECRETS)
    drills = Drills(host, secrets["unit"])
    drill = drills.find(drill_id)
    if drill is None:
        logging.error("there is no drill %s", drill_id)
        return 1
    cloud = Cloud(
        Identity(**secrets["identity"]),
        region=secrets["region"],
        internal=secrets["internal"],
        ca_bundle=secrets["ca_bundle"],
    )
    cluster = Cluster(host, Memory(host, "masakari"))

    def fence(name: str, timeout: float) -> None:
        stonith_admin.fence(host.runner, name, action="reboot", timeout=timeout)

    def listen(name: str) -> Callable[[], float]:
        known = remote_nodes.addresses(cibadmin.configuration(host.runner))
        return watch(*known.get(name, (name, remote_nodes.PORT)))

    shared = SharedDrill(host.runner, secrets["unit"])

    def keep(found: Drill) -> Drill:
        shared.keep(found)
        return drills.keep(found)

    drilling = Drilling(
        cloud,
        fence=fence,
        silence=listen,
        returning=Returning(cloud, absence=cluster.absence, mark_returned=cluster.mark_returned),
        keep=keep,
        metadata=secrets["metadata"],
    )
    try:
        done = drilling.run(drill)
    except TakenOverError as error:
        logging.warning("%s", error)
        return 1
    if "returned" in done.marks:
        Recoveries(host).returned(done.host)
    return 0


if __name__ == "__main__":  # pragma: no cover
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    sys.exit(main(Host.local(), sys.argv[1]))
