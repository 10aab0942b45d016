"""System services: what the charms need of systemd, raising one kind of error."""

from __future__ import annotations

import logging

from charmlibs import systemd

from instance_ha_common.machine.commands import Runner

logging.getLogger("charmlibs").setLevel(logging.INFO)  # else four lines for every question

ServiceError = systemd.SystemdError
"""Raised when systemctl fails; its text has systemctl's own output."""

_AT_REST = frozenset({"inactive", "failed"})


class Systemd:
    """Services of this machine, by unit name with or without `.service`."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def running(self, name: str) -> bool:
        """Whether the service is active."""
        return systemd.service_running(name)

    def state(self, name: str) -> str:
        """Return its active state: `active`, `deactivating`, `inactive`, `failed`, ..."""
        argv = ["systemctl", "is-active", "--", name]
        return self._runner.run(argv, check=False).stdout.strip()

    def exists(self, name: str) -> bool:
        """Whether systemd knows a unit file of that name."""
        return self._runner.run(["systemctl", "cat", "--", name], check=False).returncode == 0

    def enabled(self, name: str) -> bool:
        """Whether the service starts at boot."""
        argv = ["systemctl", "is-enabled", "--quiet", name]
        return self._runner.run(argv, check=False).returncode == 0

    def masked(self, name: str) -> bool:
        """Whether nothing at all may start the service."""
        argv = ["systemctl", "is-enabled", name]
        return self._runner.run(argv, check=False).stdout.strip() == "masked"

    def start(self, name: str) -> None:
        """Start the service and wait for it.

        Raises:
            ServiceError: it did not start.
        """
        systemd.service_start(name)

    def keep_running(self, name: str, *, restart: bool, start_stopped: bool = True) -> None:
        """Have the service run, now and at boot.

        One that is being stopped at this moment is left to whoever does it: starting it would
        cancel the stop.

        Args:
            name: the service.
            restart: what it has read is stale; one that does not run is only started.
            start_stopped: also one that was stopped in order, as opposed to one that failed.

        Raises:
            ServiceError: it does not start.
        """
        if not self.enabled(name):
            self.enable(name)
        state = self.state(name)
        if state == "active":
            if restart:
                self.restart(name)
        elif state != "deactivating" and (start_stopped or state != "inactive"):
            self.start(name)

    def stop(self, name: str) -> None:
        """Stop the service, if it does not rest already, and wait for its end.

        One that fails again and again does not run, but systemd is about to start it once more.

        Raises:
            ServiceError: systemctl failed.
        """
        if self.state(name) not in _AT_REST:
            systemd.service_stop(name)
            self._forgive(name)

    def _forgive(self, name: str) -> None:
        """Have systemd forget that a service was killed because it took too long to end.

        Whoever looks for failed units would find one that was only meant to stop.
        """
        self._runner.run(["systemctl", "reset-failed", name], check=False)

    def restart(self, name: str) -> None:
        """Restart the service and wait for it.

        Raises:
            ServiceError: it did not start.
        """
        systemd.service_restart(name)

    def reload(self, name: str) -> None:
        """Have the service read its configuration again; restart it where it cannot.

        Raises:
            ServiceError: neither worked.
        """
        systemd.service_reload(name, restart_on_failure=True)

    def enable(self, name: str) -> None:
        """Start the service at boot.

        Raises:
            ServiceError: systemctl failed.
        """
        systemd.service_enable(name)

    def disable(self, name: str) -> None:
        """Do not start the service at boot.

        Raises:
            ServiceError: systemctl failed.
        """
        systemd.service_disable(name)

    def pause(self, name: str) -> None:
        """Stop the service and let nothing start it until it is resumed, not even a reboot.

        Raises:
            ServiceError: it still runs.
        """
        systemd.service_pause(name)
        self._forgive(name)

    def unmask(self, name: str) -> None:
        """Let a paused service be started again, without starting it.

        Raises:
            CommandError: systemctl failed.
        """
        self._runner.run(["systemctl", "unmask", name])

    def resume(self, name: str) -> None:
        """Start a paused service, now and at boot.

        Raises:
            ServiceError: it does not run.
        """
        systemd.service_resume(name)

    def daemon_reload(self) -> None:
        """Have systemd read its unit files again.

        Raises:
            ServiceError: systemctl failed.
        """
        systemd.daemon_reload()
