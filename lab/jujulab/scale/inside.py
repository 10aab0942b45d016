"""What is run on a member: configures its cluster, or looks at it as our programs do.

`python3 - apply` or `python3 - looks HOST`, with the package `masakari_fencing`; prints JSON.
"""

from __future__ import annotations

import contextlib
import json
import resource
import sys
import time
from collections.abc import Callable

from masakari_fencing.cluster import desired
from masakari_fencing.cluster.connections import Tuning
from masakari_fencing.commands import Subprocess
from masakari_fencing.exporter import cluster_metrics as exporter
from masakari_fencing.fence_agent import limit
from masakari_fencing.notifier.watchers.unfenced_hosts import UnfencedHosts
from masakari_fencing.pacemaker import cibadmin, remote_nodes
from masakari_fencing.pacemaker.fencing_limit import FencingLimit

RUNNER = Subprocess()
# The charm's defaults.
WANTED = desired.Desired(
    alert_path="/usr/share/masakari-fencing/masakari_fencing/alert.py",
    tuning=Tuning(monitor_interval=1, monitor_timeout=4, start_timeout=4, reconnect_interval=60),
    limit=FencingLimit(max_hosts=2),
)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds of processor, commands included, and of the clock that it takes."""

    def used() -> float:
        kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        return sum(one.ru_utime + one.ru_stime for one in map(resource.getrusage, kinds))

    begun, spent = time.monotonic(), used()
    work()
    return used() - spent, time.monotonic() - begun


def guard(host: str) -> None:
    """Do what the guard does before a fence; of a host that works, it ends with a refusal."""
    with contextlib.suppress(limit.Spared):
        limit.check(RUNNER, host, WANTED.limit)
    known = remote_nodes.addresses(cibadmin.cib(RUNNER))
    remote_nodes.answering(known, list(known), remote_nodes.answers)


def looks(host: str) -> dict[str, tuple[float, float]]:
    """Make each look of our programs once."""
    unfenced = UnfencedHosts(RUNNER, lambda name: False)
    return {
        "crm_mon": timed(lambda: RUNNER.run(["crm_mon", "--output-as=xml", "--inactive"])),
        "notifier: who is not fenced": timed(unfenced.check),
        "fence agent: the fencing limit": timed(lambda: guard(host)),
        "exporter: one scrape": timed(
            lambda: list(exporter.metrics(exporter.Looks(RUNNER).latest(), time.time()))
        ),
        "leader's hook: nothing changes": timed(lambda: desired.apply(RUNNER, WANTED)),
    }


if __name__ == "__main__":
    apply = sys.argv[1] == "apply"
    print(json.dumps(desired.apply(RUNNER, WANTED) if apply else looks(sys.argv[2])))
