"""The transient service that carries a drill out: `python -m planned DRILL`, as root."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable

from instance_ha_common.machine.host import Host
from instance_ha_common.machine.memory import Memory
from masakari_fencing.pacemaker import cibadmin, remote_nodes, stonith_admin

from planned import silence
from planned.drilling import Drilling
from planned.drills import Drills
from planned.rehearsal import SECRETS
from relations.keystone import Identity
from segments.cloud import Cloud
from segments.returning import Returning
from workload.cluster import Cluster
from workload.recovery_status import Recoveries


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
        return silence.watch(*known.get(name, (name, remote_nodes.PORT)))

    drilling = Drilling(
        cloud,
        fence=fence,
        silence=listen,
        returning=Returning(cloud, absence=cluster.absence, mark_returned=cluster.mark_returned),
        keep=drills.keep,
        metadata=secrets["metadata"],
    )
    done = drilling.run(drill)
    if "returned" in done.marks:
        Recoveries(host).returned(done.host)
    return 0


if __name__ == "__main__":  # pragma: no cover
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    sys.exit(main(Host.local(), sys.argv[1]))
