"""Corosync and Pacemaker on this machine: packages, configuration, start and stop."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path

import cluster
from workload import write

PACKAGES = ("corosync", "pacemaker", "crmsh", "resource-agents", "cluster-glue")
SERVICES = ("corosync", "pacemaker")
NO_COSTS = "COSTS: dict[str, float] = {}"
"""The line of the plugin that says how much processor it takes."""

PLUGIN = "usr/lib/stonith/plugins/external/maas"

FIRST_NODE_ID = 1000
"""Corosync's number for unit 0; 0 itself is reserved."""

DC_DEADTIME = 2
"""Seconds that a new cluster waits for an older one before it elects its first controller."""


def node_id(unit: str) -> int:
    """Return Corosync's number for a unit, such as ``hacluster/2``."""
    return FIRST_NODE_ID + int(unit.rpartition("/")[2])


def configuration(nodes: Mapping[int, str], *, netmtu: int = 0, debug: bool = False) -> str:
    """Return the text of corosync.conf.

    Args:
        nodes: the address of each node by its number.
        netmtu: the MTU to assume; 0 for Corosync's own default.
        debug: whether to log at debug level.
    """
    members = "".join(
        f"    node {{\n        ring0_addr: {address}\n        nodeid: {number}\n    }}\n"
        for number, address in sorted(nodes.items())
    )
    return f"""\
totem {{
    version: 2
    transport: udpu
    token: 3000
    token_retransmits_before_loss_const: 10
    join: 60
    consensus: 3600
    vsftype: none
    max_messages: 20
    secauth: off
{f"    netmtu: {netmtu}" if netmtu else "    # netmtu is Corosync's own default."}
}}

quorum {{
    provider: corosync_votequorum
{"    two_node: 1" if len(nodes) == 2 else "    # A majority of the nodes below."}
}}

nodelist {{
{members}}}

logging {{
    to_stderr: no
    to_logfile: no
    to_syslog: yes
    syslog_facility: daemon
    debug: {"on" if debug else "off"}
}}
"""


class Member:
    """This machine as a member of the cluster.

    Args:
        root: the machine's root directory.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._conf = root / "etc/corosync/corosync.conf"
        self._cib = root / "var/lib/pacemaker/cib/cib.xml"

    def install(self, plugin: Path) -> None:
        """Install the packages, without starting them, and the STONITH plugin for MAAS."""
        # Started as it comes, Corosync forms a cluster of its own with a node "node1", which
        # would stay in the configuration for ever.
        cluster.run("systemctl", "mask", "--runtime", "--quiet", *SERVICES)
        try:
            self.install_packages()
        finally:
            cluster.run("systemctl", "unmask", "--runtime", "--quiet", *SERVICES)
        self.install_plugin(plugin)

    def install_packages(self) -> None:
        """Install the packages, whose services start at once unless something keeps them."""
        cluster.run("apt-get", "install", "--yes", "-qq", *PACKAGES, timeout=300)

    def install_plugin(self, plugin: Path, costs: Mapping[str, float] | None = None) -> None:
        """Install the STONITH plugin for MAAS.

        Args:
            plugin: its program.
            costs: the seconds of processor that it is to take for an action.
        """
        text = plugin.read_text().replace(NO_COSTS, f"{NO_COSTS[:-2]}{json.dumps(costs or {})}")
        write(self._root / PLUGIN, text, mode=0o755)

    def configure(
        self, nodes: Mapping[int, str], config: Mapping[str, object], *, start: bool
    ) -> None:
        """Write the configuration, and restart the services when it has changed what they read.

        A new key of Pacemaker alone restarts nothing, as in charm-hacluster: its daemons go on
        with the key that they have.

        Args:
            nodes: as in `configuration`.
            config: the charm's options.
            start: whether to start the services where they do not run yet.
        """
        key = base64.b64decode(str(config["corosync_key"]))
        pacemaker_key = config.get("pacemaker_key") or config["corosync_key"]
        self._limit_services(config)
        changed = [
            self.write_nodes(nodes, config),
            write(self._root / "etc/default/corosync", "START=yes\n"),
            write(self._root / "etc/corosync/authkey", key, mode=0o400),
            write(
                self._root / "etc/corosync/uidgid.d/hacluster",
                "uidgid {\n    uid: hacluster\n    gid: haclient\n}\n",
            ),
        ]
        write(
            self._root / "etc/pacemaker/authkey",
            base64.b64decode(str(pacemaker_key)),
            mode=0o440,
            group="haclient",
        )
        if self.running:
            if any(changed):
                cluster.run("systemctl", "stop", "pacemaker", timeout=600)
                cluster.run("systemctl", "restart", "corosync", timeout=180)
                cluster.run("systemctl", "start", "pacemaker", timeout=180)
        elif start:
            self._seed()
            cluster.run("systemctl", "enable", "--quiet", *SERVICES)
            cluster.run("systemctl", "restart", *SERVICES, timeout=180)

    def write_nodes(self, nodes: Mapping[int, str], config: Mapping[str, object]) -> bool:
        """Write corosync.conf; return whether it has changed."""
        netmtu, debug = int(str(config.get("netmtu") or 0)), bool(config.get("debug"))
        return write(self._conf, configuration(nodes, netmtu=netmtu, debug=debug))

    @property
    def formed(self) -> bool:
        """Whether this machine has been a member before."""
        return self._cib.exists()

    @property
    def running(self) -> bool:
        """Whether both services run."""
        return all(map(cluster.is_active, SERVICES))

    def leave(self) -> None:
        """Leave the cluster cleanly and remove the packages.

        The members that stay forget this one. It cannot make them do so before it leaves, as
        charm-hacluster does: a member that its cluster does not know any more waits for minutes
        for the permission to stop.
        """
        for service in reversed(SERVICES):
            cluster.run("systemctl", "stop", service, timeout=600)
        self.purge()

    def purge(self) -> None:
        """Remove the packages, which stops their services."""
        cluster.run("apt-get", "purge", "--yes", "-qq", "corosync", "pacemaker", timeout=900)

    def _limit_services(self, config: Mapping[str, object]) -> None:
        limits = [int(str(config[f"service_{kind}_timeout"])) for kind in ("start", "stop")]
        start, stop = ("infinity" if limit < 0 else limit for limit in limits)
        text = f"[Service]\nTimeoutStartSec={start}\nTimeoutStopSec={stop}\n"
        folder = self._root / "etc/systemd/system"
        if True in [write(folder / f"{name}.service.d/overrides.conf", text) for name in SERVICES]:
            cluster.run("systemctl", "daemon-reload")

    def _seed(self) -> None:
        """Give a new cluster a configuration with which it forms in seconds.

        By default its members wait for 20 s for a cluster that is already there.
        """
        if self.formed:
            return
        pair = f'<nvpair id="seed-dc-deadtime" name="dc-deadtime" value="{DC_DEADTIME}s"/>'
        option = f'<cluster_property_set id="cib-bootstrap-options">{pair}</cluster_property_set>'
        empty = cluster.run("cibadmin", "--empty")
        seed = empty.replace("<crm_config/>", f"<crm_config>{option}</crm_config>")
        write(self._cib, seed, mode=0o600, owner="hacluster", group="haclient")
