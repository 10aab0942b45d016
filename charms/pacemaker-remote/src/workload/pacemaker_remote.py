"""The Pacemaker Remote daemon of one machine. Knows nothing of Juju."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable

from instance_ha_common.machine.host import Host

SERVICE = "pacemaker_remote"
PACKAGES = ("pacemaker-remote", "pacemaker-cli-utils")
GROUP = "haclient"
KEY = "/etc/pacemaker/authkey"
COROSYNC_CONF = "/etc/corosync/corosync.conf"
_KEY_WRITTEN = "/var/lib/pacemaker-remote-charm/key-written"

_RING_ADDRESS = re.compile(r"^\s*ring\d+_addr:\s*(\S+)", re.MULTILINE)
_LOOPBACK = ("127.", "::1", "localhost")
_PROGRAMS = ("/usr/sbin/pacemaker-remoted", "/usr/sbin/crm_resource", "/usr/sbin/cibadmin")


def accepts_connections(address: str, port: int, *, wait: float = 0) -> bool:
    """Whether something at `address` accepts TCP connections at `port` within `wait` seconds."""
    deadline = time.monotonic() + wait
    while True:
        try:
            with socket.create_connection((address, port), timeout=1):
                return True
        except OSError:
            if time.monotonic() >= deadline:
                return False
        time.sleep(0.2)


class PacemakerRemote:
    """Package, key and service."""

    def __init__(self, host: Host, accepts: Callable[..., bool] = accepts_connections) -> None:
        """Manage the daemon of `host`.

        Args:
            host: the machine.
            accepts: tells whether an address accepts connections, like `accepts_connections`.
        """
        self._host = host
        self._accepts = accepts
        host.systemd.ask_together(("pacemaker", SERVICE))

    def full_member(self) -> bool:
        """Whether this machine is a full member of some cluster.

        The packages exclude each other, and cleaning up for one would destroy the other. The
        configuration that Corosync's package brings names only the loopback address and counts
        for nothing.
        """
        text = self._host.read(COROSYNC_CONF) or ""
        rings = _RING_ADDRESS.findall(text)
        if any(not ring.startswith(_LOOPBACK) for ring in rings):
            return True
        return not rings and self._host.systemd.running("pacemaker")

    def installed(self) -> bool:
        """Whether all programs are there, and configured.

        The packages make the cluster's group as they are configured, after they are unpacked. What
        was interrupted in between is finished by apt.
        """
        grouped = GROUP in self._host.groups
        return grouped and all(self._host.path(program).exists() for program in _PROGRAMS)

    def install(self) -> bool:
        """Install what is missing; return whether anything was.

        Raises:
            CommandError: apt failed.
        """
        if self.installed():
            return False
        self._host.apt.update()
        return self._host.apt.install(PACKAGES)

    def version(self) -> str | None:
        """Version of the installed package."""
        return self._host.apt.version("pacemaker-remote")

    def write_key(self, key: bytes) -> bool:
        """Put the shared key in place, readable by the cluster's group alone.

        Returns:
            Whether its bytes changed. A wrong mode or owner is corrected silently: the daemon
            reads the file once, as root.
        """
        path = self._host.path(KEY)
        same = path.is_file() and path.read_bytes() == key
        self._host.write(KEY, key, mode=0o440, user="root", group=GROUP)
        self._host.write(_KEY_WRITTEN, "")
        return not same

    def has_key(self) -> bool:
        """Whether a key from the cluster is in place (the package makes a random one)."""
        return self._host.path(_KEY_WRITTEN).exists() and self._host.path(KEY).is_file()

    def running(self) -> bool:
        """Whether the daemon runs."""
        return self._host.systemd.running(SERVICE)

    def run(self, *, restart: bool, start_stopped: bool) -> None:
        """Have the daemon run, now and at boot; not while somebody is stopping it.

        Args:
            restart: it has to read its key again.
            start_stopped: also where somebody has stopped it in order.

        Raises:
            ServiceError: it does not start.
        """
        self._host.systemd.keep_running(SERVICE, restart=restart, start_stopped=start_stopped)

    def listens(self, address: str, port: int, *, wait: float = 0) -> bool:
        """Whether the daemon accepts connections at `address` within `wait` seconds.

        A node that the cluster is told of before its daemon listens is fenced at once.
        """
        return self._accepts(address, port, wait=wait)

    def shut_down(self) -> None:
        """Stop the daemon for good and forget the key.

        Raises:
            ServiceError: it does not stop.
        """
        systemd = self._host.systemd
        systemd.stop(SERVICE)
        if systemd.enabled(SERVICE):
            systemd.disable(SERVICE)
        if self._host.remove(_KEY_WRITTEN):
            self._host.remove(KEY)
