"""Measures one size, within the machine; see `scale.py`. Prints JSON: seconds by part."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

from masakari_fencing.cluster import desired
from masakari_fencing.cluster.connections import Tuning
from masakari_fencing.commands import Subprocess
from masakari_fencing.exporter import cluster_metrics as exporter
from masakari_fencing.fence_agent import limit
from masakari_fencing.notifier.watchers.unfenced_hosts import UnfencedHosts
from masakari_fencing.pacemaker import cibadmin, crm_mon, properties
from masakari_fencing.pacemaker.fencing_limit import FencingLimit

LOST = "node1.maas"
"""The connection to it has just failed."""
MEMBERS = ("juju-1", "juju-2", "juju-3")
FILE = Path("/tmp/cib.xml")
REPEATS = 3
NOW = int(time.time())


def cib(size: int) -> str:
    """Return a cluster with so many hypervisors, as hacluster leaves it."""
    remotes = [f"node{number}.maas" for number in range(1, size + 1)]
    hosts = " ".join(remotes)
    nodes = "".join(
        f'<node id="{n}" uname="{name}"><instance_attributes id="n{n}">'
        f'<nvpair id="j{n}" name="juju-machine" value="{n}/lxd/0"/></instance_attributes></node>'
        for n, name in enumerate(MEMBERS, 1)
    ) + "".join(
        f'<node id="{name}" uname="{name}" type="remote"><instance_attributes id="n-{name}">'
        f'<nvpair id="j-{name}" name="juju-machine" value="{n}"/></instance_attributes></node>'
        for n, name in enumerate(remotes, 1)
    )
    connections = "".join(
        f'<primitive id="{name}" class="ocf" provider="pacemaker" type="remote">'
        f'<instance_attributes id="{name}-ia"><nvpair id="{name}-s" name="server" '
        f'value="10.0.{n // 250}.{n % 250}"/><nvpair id="{name}-r" name="reconnect_interval" '
        f'value="60"/></instance_attributes><operations><op id="{name}-m" name="monitor" '
        'interval="30s"/></operations></primitive>'
        for n, name in enumerate(remotes, 1)
    )
    rules = "".join(
        f'<rsc_location id="loc-{name}-{member}" rsc="{name}" node="{member}" '
        f'score="{200 if i == n % 3 else 0}"/>'
        for n, name in enumerate(remotes)
        for i, member in enumerate(MEMBERS)
    )
    devices = "".join(
        f'<primitive id="{name}" class="stonith" type="{agent}"><instance_attributes '
        f'id="{name}-ia"><nvpair id="{name}-h" name="{option}" value="{listed}"/>'
        f'</instance_attributes><operations><op id="{name}-m" name="monitor" interval="25" '
        'start-delay="25" timeout="25"/></operations></primitive>'
        for name, agent, option, listed in (
            ("st-maas", "external/maas", "hostnames", hosts),
            ("st-null", "null", "hostlist", " ".join(MEMBERS)),
        )
    )
    haproxy = (
        '<clone id="cl_haproxy"><primitive id="haproxy" class="systemd" type="haproxy">'
        '<operations><op id="h-m" name="monitor" interval="5s"/></operations></primitive></clone>'
    )
    status = "".join(
        f'<node_state id="{i}" uname="{member}" in_ccm="true" crmd="online" join="member" '
        f'expected="member"><lrm id="{i}"><lrm_resources>'
        + "".join(_operations(name) for name in remotes[i - 1 :: 3])
        + "</lrm_resources></lrm></node_state>"
        for i, member in enumerate(MEMBERS, 1)
    ) + "".join(
        f'<node_state id="{name}" uname="{name}" remote_node="true" in_ccm="true" '
        'crm-debug-origin="x" node_fenced="0"/>'
        for name in remotes
    )
    options = "".join(
        f'<nvpair id="o-{key}" name="{key}" value="{value}"/>'
        for key, value in (
            ("dc-version", "2.1.5-a3f44794f94"),
            ("cluster-infrastructure", "corosync"),
            ("symmetric-cluster", "false"),
            ("stonith-enabled", "true"),
        )
    )
    return (
        '<cib crm_feature_set="3.10.0" validate-with="pacemaker-3.8" epoch="9" num_updates="0" '
        'admin_epoch="0" have-quorum="1" dc-uuid="1"><configuration><crm_config>'
        f'<cluster_property_set id="cib-bootstrap-options">{options}</cluster_property_set>'
        f"</crm_config><nodes>{nodes}</nodes><resources>{haproxy}{devices}{connections}"
        f"</resources><constraints>{rules}</constraints></configuration>"
        f"<status>{status}</status></cib>"
    )


def _operations(name: str) -> str:
    return (
        f'<lrm_resource id="{name}" type="remote" class="ocf" provider="pacemaker">'
        + "".join(
            f'<lrm_rsc_op id="{name}_{task}_{interval}" operation_key="{name}_{task}_{interval}" '
            f'operation="{task}" crm-debug-origin="x" crm_feature_set="3.10.0" '
            f'transition-key="{n}:1:0:5a4b6c6e-1d2f-4a5b-8c7d-0123456789ab" '
            f'transition-magic="0:0;{n}:1:0:5a4b6c6e-1d2f-4a5b-8c7d-0123456789ab" '
            f'exit-reason="" on_node="x" call-id="{n}" rc-code="0" op-status="0" '
            f'interval="{interval}" last-rc-change="{NOW - 600}" exec-time="1" '
            'queue-time="0" '
            'op-digest="0" op-force-restart=" server " op-restart-digest="0"/>'
            for n, (task, interval) in enumerate((("start", 0), ("monitor", 30000)), 1)
        )
        + "</lrm_resource>"
    )


def lose() -> None:
    """Have the monitor of the connection to `LOST` failed, just now."""
    root = ET.parse(FILE).getroot()  # noqa: S314 - our own file
    (monitor,) = root.iterfind(f".//lrm_rsc_op[@id='{LOST}_monitor_30000']")
    attributes = {"rc-code": "1", "op-status": "2", "last-rc-change": str(NOW)}
    for name, value in attributes.items():
        monitor.set(name, value)
    magic = monitor.get("transition-magic", "")
    monitor.set("transition-magic", "2:1" + magic[3:])
    FILE.write_text(ET.tostring(root, encoding="unicode"))


def seconds(work: Callable[[], object]) -> float:
    """Return the least processor time that it takes, commands that it runs included."""

    def spent() -> float:
        found = [
            resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        ]
        return sum(one.ru_utime + one.ru_stime for one in found)

    taken = []
    for _ in range(REPEATS):
        begun = spent()
        work()
        taken.append(spent() - begun)
    return min(taken)


def main(size: int) -> None:
    """Measure and print."""
    shims = Path("/tmp/shims")
    shims.mkdir(exist_ok=True)
    # What only a cluster that runs can say.
    for name, text in (("crm_node", f"echo {MEMBERS[0]}"), ("stonith_admin", "exit 1")):
        (shims / name).write_text(f'#!/bin/sh\n[ "$1" = --quorum ] && echo 1 && exit\n{text}\n')
        (shims / name).chmod(0o755)
    os.environ["PATH"] = f"{shims}:{os.environ['PATH']}"
    os.environ["CIB_file"] = str(FILE)  # noqa: SIM112 - Pacemaker's own name for it
    FILE.write_text(cib(size))
    runner = Subprocess()
    wanted = desired.Desired(
        alert_path="/usr/bin/true", tuning=Tuning(), limit=FencingLimit(max_hosts=2)
    )
    assert desired.apply(runner, wanted), "nothing of ours was written"
    assert not desired.apply(runner, wanted), "written again"
    applied = seconds(lambda: desired.apply(runner, wanted))
    lose()
    status = crm_mon.status(runner)
    assert len(status.remotes) == size, len(status.remotes)
    assert [node.name for node in status.remotes if node.unclean] == [LOST], status.remotes
    text = runner.run(["crm_mon", "--output-as=xml", "--inactive", "--fence-history=3"]).stdout
    configuration = cibadmin.configuration(runner)
    unfenced = UnfencedHosts(runner, lambda name: False)
    enabled = {node.name: True for node in status.remotes}
    found = {
        "crm_mon": seconds(lambda: runner.run(["crm_mon", "--output-as=xml", "--inactive"])),
        "cibadmin --query": seconds(lambda: runner.run(["cibadmin", "--query"])),
        "crm_mon's answer, read": seconds(lambda: crm_mon.parse_status(text)),
        "the CIB, read": seconds(lambda: cibadmin.cib(runner)),
        "notifier: who is not fenced": seconds(unfenced.check),
        "notifier: what the segments say": seconds(
            lambda: properties.unserved_by(configuration, enabled)
        ),
        "fence agent: the fencing limit": seconds(
            lambda: limit.check(
                runner, LOST, wanted.limit, probes=limit.Probes(reachable=lambda a, p: True)
            )
        ),
        "exporter: one scrape": seconds(
            lambda: list(exporter.metrics(exporter.Looks(runner).latest(), NOW))
        ),
    }
    found["leader's hook: apply, nothing changes"] = applied
    found["megabytes of the CIB, written out"] = len(ET.tostring(cibadmin.cib(runner))) / 1e6
    print(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]))
