"""An orderly stop of pacemaker_remote does not get this hypervisor fenced.

A systemd drop-in runs a small script before the daemon is signalled. The script marks the node's
connection as unmanaged in the cluster. A member of the cluster has to make it managed again when
the daemon is back, because an unmanaged connection is not re-established and without it this host
cannot talk to the cluster; the masakari units do that.
"""

from __future__ import annotations

from instance_ha_common.machine.host import Host
from instance_ha_common.machine.templates import Templates

SCRIPT = "/usr/local/sbin/pacemaker-remote-guard"
DROP_IN = "/etc/systemd/system/pacemaker_remote.service.d/10-guard.conf"
MARKER = "instance-ha-guard"
"""Meta attribute that tells our unmanaging from an operator's; its value names the key in use.

The names on the machine and in the cluster stay as they are: a stop that was announced by one
revision of the charm is undone by another."""


class OrderlyStop:
    """Script and drop-in on one machine."""

    def __init__(self, host: Host, templates: Templates) -> None:
        self._host = host
        self._templates = templates

    def install(self, node: str) -> bool:
        """Have stops announced for the Pacemaker node `node`; say whether anything changed."""
        context = {"node": node, "marker": MARKER}
        changed = self._templates.write(SCRIPT, "orderly-stop.sh", context, mode=0o755)
        if self._templates.write(DROP_IN, "orderly-stop.conf", {"script": SCRIPT}):
            self._host.systemd.daemon_reload()
            changed = True
        return changed

    def clear(self) -> None:
        """Give this node's connection back to the cluster, unless a stop is under way."""
        self._host.runner.run([str(self._host.path(SCRIPT)), "clear"], check=False)

    def remove(self) -> None:
        """Announce none any more. The daemon must have been stopped before."""
        if self._host.remove(DROP_IN):
            self._host.systemd.daemon_reload()
        self._host.remove(SCRIPT)
