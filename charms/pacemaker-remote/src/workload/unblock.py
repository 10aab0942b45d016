"""The unblocker: frees pacemaker_remote from a cluster member that is gone.

pacemaker_remote does one thing at a time. It waits up to a minute for the rest of a message
(`pcmk__read_remote_message`), and it tells all who are connected of everything that one of them
asks (`send_generic_notify`): where the kernel takes no more for one that does not acknowledge, it
tries until the kernel gives that connection up (`send_tls`, in lib/common/remote.c from 2.1.2 to
3.0.2; seen with 2.1.5, 200 to 262 s after a member was cut off that asked each second, on every
hypervisor that it had watched). The cluster, which asks or wants to connect from another member,
takes the host for dead and fences it. A small service resets the connection of the dead member.
"""

from __future__ import annotations

from instance_ha_common.machine.hardening import HARDENING
from instance_ha_common.machine.host import Host
from instance_ha_common.machine.templates import Templates

from workload.own_node import OPERATION_TIMEOUT, Monitor

SERVICE = "pacemaker-remote-unblock"
SCRIPT = f"/usr/local/sbin/{SERVICE}"
_SILENCE = 3000
"""Milliseconds for which a connection must be silent at least."""

_TARDINESS = 1.0
"""Seconds by which a live member's look may be late."""

_UNKNOWN = Monitor(interval=0, timeout=OPERATION_TIMEOUT)
"""Until the cluster says more."""

UNIT = f"/etc/systemd/system/{SERVICE}.service"


class Unblocker:
    """Script and systemd unit on one machine."""

    def __init__(self, host: Host, templates: Templates) -> None:
        self._host = host
        self._templates = templates
        host.systemd.ask_together((SERVICE,))

    def install(self, monitor: Monitor | None) -> None:
        """Have the service run whenever the daemon does, and now.

        Args:
            monitor: how the cluster looks at the connection, which is silent between two looks;
                None, where that is not known, changes nothing of before.

        Raises:
            ServiceError: it does not start.
        """
        changed = False
        if monitor is not None or not self._host.path(SCRIPT).exists():
            interval, timeout = monitor or _UNKNOWN
            late = interval + _TARDINESS
            context = {
                "silence": max(_SILENCE, round(late * 1000)),
                "gone": round((late + timeout) * 1000),
            }
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
