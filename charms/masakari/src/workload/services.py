"""The unit's services: started when their configuration is there, restarted when it changed."""

from __future__ import annotations

import hashlib
import logging
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from instance_ha_common.machine.host import Host
from instance_ha_common.machine.memory import Memory
from instance_ha_common.machine.services import ServiceError

logger = logging.getLogger(__name__)

API = "masakari-api"
ENGINE = "masakari-engine"
NOTIFIER = "masakari-fencing-notifier"
HAPROXY = "haproxy"
MASAKARI = (API, ENGINE, NOTIFIER)
"""The services that belong to the charm alone, in the order in which they start."""

_MEMORY = "services"


def listening(port: int) -> bool:
    """Whether something accepts connections on a TCP port of this machine."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def digest(*parts: object) -> str:
    """Stands for the configuration that a service was started with."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()


class Services:
    """Starts, reloads and stops services, and remembers what each was started with.

    What counts is not whether a hook has just changed a file, but whether the running process has
    seen it: a hook that dies between the two is made good by the next one.
    """

    def __init__(
        self,
        host: Host,
        memory: Memory,
        probe: Callable[[int], bool],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._host = host
        self._memory = memory
        self._probe = probe
        self._sleep = sleep
        host.systemd.ask_together((*MASAKARI, HAPROXY))

    def ensure(self, name: str, configuration: str) -> bool:
        """Have the service run with the configuration that `configuration` stands for.

        Returns:
            Whether it was started or restarted. A failure is logged; `not_running` tells.
        """
        running = self._host.systemd.running(name)
        if running and self._seen(name) == configuration:
            return False
        try:
            if running:
                self.release([name])  # held back by a hook that was killed
                self._host.systemd.restart(name)
            else:
                self._host.systemd.resume(name)
        except ServiceError as error:
            logger.error("%s does not start: %s", name, error)
            return False
        self._remember({name: configuration})
        return True

    def ensure_reloaded(self, name: str, configuration: str, *, managed: bool) -> None:
        """The same for a service that reads its configuration again without a restart.

        Args:
            name: the service.
            configuration: stands for its configuration.
            managed: Pacemaker starts and stops it; then it is never started here.
        """
        running = self._host.systemd.running(name)
        if running and self._seen(name) == configuration:
            return
        try:
            if running:
                # Started again in the middle of Pacemaker's stop, that fails, and Pacemaker has
                # the whole member fenced for it.
                self._host.systemd.reload(name, or_restart=not managed)
            elif managed:
                return
            else:
                self._host.systemd.resume(name)
        except ServiceError as error:
            logger.error("%s does not take its configuration: %s", name, error)
            return
        self._remember({name: configuration})

    def restart(self, names: Iterable[str]) -> None:
        """Restart services, whatever they were started with.

        Raises:
            ServiceError: one does not start.
        """
        for name in names:
            self._host.systemd.restart(name)

    def stop(self, names: Iterable[str]) -> None:
        """Stop services and let nothing but the charm start them, not even a reboot.

        Raises:
            ServiceError: one still runs.
        """
        for name in names:
            systemd = self._host.systemd
            if systemd.exists(name) and (systemd.running(name) or not systemd.masked(name)):
                systemd.pause(name)

    def hold_back(self, names: Sequence[str]) -> list[str]:
        """Keep packages from starting their services before these are configured.

        Nor can they restart those that run, perhaps with a release that is too new for the
        database: they go on with what they are, until `ensure` restarts them.

        Returns:
            Those that run, for `release`.
        """
        self._host.systemd.mask(*names)
        return self.running(names)

    def release(self, names: Iterable[str]) -> None:
        """Let services be started again, without starting them."""
        masked = [name for name in names if self._host.systemd.masked(name)]
        if masked:
            self._host.systemd.unmask(*masked)

    def let_pacemaker_start(self, name: str) -> None:
        """Unmask a service that Pacemaker manages, without starting it.

        Pacemaker takes one that is masked for running: its init script says so.
        """
        if not self._host.systemd.running(name):
            self.release([name])

    def not_running(self, names: Iterable[str]) -> list[str]:
        """Those of the services that do not run."""
        return [name for name in names if not self._host.systemd.running(name)]

    def running(self, names: Iterable[str]) -> list[str]:
        """Those of the services that run."""
        return [name for name in names if self._host.systemd.running(name)]

    def wait_for_port(self, port: int, timeout: float) -> bool:
        """Wait until something listens on a port; `timeout` in seconds."""
        waited = 0.0
        while not self._probe(port):
            if waited >= timeout:
                return False
            self._sleep(0.25)
            waited += 0.25
        return True

    def closed(self, ports: Iterable[int]) -> list[int]:
        """Those of the ports that nothing listens on."""
        return [port for port in ports if not self._probe(port)]

    def _seen(self, name: str) -> str | None:
        return self._memory.read(_MEMORY, dict).get(name)

    def _remember(self, seen: Mapping[str, str]) -> None:
        self._memory.write(_MEMORY, {**self._memory.read(_MEMORY, dict), **seen})
