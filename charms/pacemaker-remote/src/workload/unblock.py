"""The unblocker: frees pacemaker_remote from a member that died in the middle of a message.

pacemaker_remote waits up to a minute for the rest of a message, and lets nobody in meanwhile. The
cluster, which wants to connect from another member, takes the host for dead and fences it. A
small service notices that somebody waits, and resets the connection of the dead member.
"""

from __future__ import annotations

from instance_ha_common.machine.hardening import HARDENING
from instance_ha_common.machine.host import Host
from instance_ha_common.machine.templates import Templates

SERVICE = "pacemaker-remote-unblock"
SCRIPT = f"/usr/local/sbin/{SERVICE}"
_SILENCE = 3000
"""Milliseconds for which a connection must be silent at least."""

_TARDINESS = 1.0
"""Seconds by which a live member's look may be late."""

UNIT = f"/etc/systemd/system/{SERVICE}.service"


class Unblocker:
    """Script and systemd unit on one machine."""

    def __init__(self, host: Host, templates: Templates) -> None:
        self._host = host
        self._templates = templates
        host.systemd.ask_together((SERVICE,))

    def install(self, monitor_interval: float | None) -> None:
        """Have the service run whenever the daemon does, and now.

        Args:
            monitor_interval: seconds between two looks of the cluster at the connection, which is
                silent in between; None, where that is not known, changes nothing of before.

        Raises:
            ServiceError: it does not start.
        """
        changed = False
        if monitor_interval is not None or not self._host.path(SCRIPT).exists():
            silence = max(_SILENCE, round(((monitor_interval or 0) + _TARDINESS) * 1000))
            context = {"silence": silence}
            changed = self._templates.write(SCRIPT, "unblock.sh", context, mode=0o755)
        systemd = self._host.systemd
        unit = {"script": SCRIPT, "hardening": HARDENING}
        if self._templates.write(UNIT, "unblock.service", unit):
            systemd.daemon_reload()
            changed = True
        if not systemd.enabled(SERVICE):
            systemd.enable(SERVICE)
        if changed or not systemd.running(SERVICE):
            systemd.restart(SERVICE)

    def remove(self) -> None:
        """Take the service away.

        Raises:
            ServiceError: it does not stop.
        """
        if not self._host.path(UNIT).exists():
            return
        self._host.systemd.stop(SERVICE)
        self._host.systemd.disable(SERVICE)
        self._host.remove(UNIT)
        self._host.remove(SCRIPT)
        self._host.systemd.daemon_reload()
