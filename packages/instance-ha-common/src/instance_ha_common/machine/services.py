"""System services: what the charms need of systemd, raising one kind of error."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping

from charmlibs import systemd

from instance_ha_common.machine.commands import Runner

logging.getLogger("charmlibs").setLevel(logging.INFO)  # else four lines for every question

ServiceError = systemd.SystemdError
"""Raised when systemctl fails; its text has systemctl's own output."""

_AT_REST = frozenset({"inactive", "failed"})
_AT_BOOT = frozenset(
    {"enabled", "enabled-runtime", "static", "indirect", "generated", "alias", "transient"}
)
"""States of a unit file with which `systemctl is-enabled` succeeds: systemctl(1)."""

_SHOWN = ("Id", "Names", "LoadState", "ActiveState", "UnitFileState")


class Systemd:
    """Services of this machine, by unit name with or without `.service`.

    A hook asks much and changes little, and each question is a process: what systemd said is
    remembered until something is changed here, or `forget` is called.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._together: frozenset[str] = frozenset()
        self._said: dict[str, Mapping[str, str]] = {}

    def ask_together(self, names: Iterable[str]) -> None:
        """Whenever one of these services is asked about, ask about all of them at once."""
        self._together |= {_full(name) for name in names}

    def forget(self) -> None:
        """Ask systemd again from now on."""
        self._said.clear()

    def running(self, name: str) -> bool:
        """Whether the service is active, or just reads its configuration again."""
        return self.state(name) in ("active", "reloading", "refreshing")

    def state(self, name: str) -> str:
        """Return its active state: `active`, `deactivating`, `inactive`, `failed`, ..."""
        return self._show(name)["ActiveState"]

    def exists(self, name: str) -> bool:
        """Whether systemd knows a unit file of that name."""
        return self._show(name)["LoadState"] not in ("not-found", "")

    def enabled(self, name: str) -> bool:
        """Whether the service starts at boot."""
        return self._show(name)["UnitFileState"] in _AT_BOOT

    def masked(self, name: str) -> bool:
        """Whether nothing at all may start the service."""
        return self._show(name)["UnitFileState"] == "masked"

    def _show(self, name: str) -> Mapping[str, str]:
        """Properties of a service; each is empty where systemd does not answer."""
        full = _full(name)
        if full not in self._said:
            asked = sorted({full, *(self._together - self._said.keys())})
            argv = ["systemctl", "show", f"--property={','.join(_SHOWN)}", "--", *asked]
            output = self._runner.run(argv, check=False).stdout
            for paragraph in output.split("\n\n"):
                pairs = (line.partition("=") for line in paragraph.splitlines())
                shown = {key: value for key, _, value in pairs}
                names = {shown.get("Id", ""), *shown.get("Names", "").split()}
                self._said.update(dict.fromkeys(names & set(asked), shown))
        return {**dict.fromkeys(_SHOWN, ""), **self._said.get(full, {})}

    def start(self, name: str) -> None:
        """Start the service and wait for it.

        Raises:
            ServiceError: it did not start.
        """
        self.forget()
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
        self._let_go([name])  # of a hook that was killed
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
            self.forget()
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
        self.forget()
        systemd.service_restart(name)

    def reload(self, name: str, *, or_restart: bool = True) -> None:
        """Have the service read its configuration again.

        Args:
            name: the service.
            or_restart: restart it where it cannot. Not one that somebody else starts and stops:
                it may be stopped at this moment, which is why it cannot.

        Raises:
            ServiceError: neither worked.
        """
        self.forget()
        systemd.service_reload(name, restart_on_failure=or_restart)

    def enable(self, name: str) -> None:
        """Start the service at boot.

        Raises:
            ServiceError: systemctl failed.
        """
        self.forget()
        systemd.service_enable(name)

    def disable(self, *names: str) -> None:
        """Do not start the services at boot.

        Raises:
            ServiceError: systemctl failed.
        """
        self.forget()
        systemd.service_disable(*names)

    def pause(self, name: str) -> None:
        """Stop the service and let nothing start it until it is resumed, not even a reboot.

        Raises:
            ServiceError: it still runs.
        """
        self.forget()
        systemd.service_pause(name)
        self._forgive(name)

    def mask(self, *names: str) -> None:
        """Let nothing start the services from now on; those that run go on.

        Raises:
            CommandError: systemctl failed.
        """
        self.forget()
        self._runner.run(["systemctl", "mask", *names])

    def unmask(self, *names: str) -> None:
        """Let paused services be started again, without starting them.

        Raises:
            CommandError: systemctl failed.
        """
        self.forget()
        self._runner.run(["systemctl", "unmask", *names])

    @contextlib.contextmanager
    def held_back(self, names: Collection[str]) -> Iterator[None]:
        """Keep packages from starting services while these are not configured yet.

        Only until the next boot, should the end never come.

        Raises:
            CommandError: systemctl failed.
        """
        self._hold_back(names)
        try:
            yield
        finally:
            self._let_go(names)

    def _hold_back(self, names: Collection[str]) -> None:
        self.forget()
        if names:
            self._runner.run(["systemctl", "mask", "--runtime", "--quiet", *sorted(names)])

    def _let_go(self, names: Collection[str]) -> None:
        held = [n for n in sorted(names) if self._show(n)["UnitFileState"] == "masked-runtime"]
        if held:
            self.forget()
            self._runner.run(["systemctl", "unmask", "--runtime", "--quiet", *held])

    def resume(self, name: str) -> None:
        """Start a paused service, now and at boot.

        Each change of a unit file has systemd read all of them again: only what is needed is done.

        Raises:
            CommandError: it stays masked.
            ServiceError: it does not run.
        """
        if self.masked(name):
            self.unmask(name)
        if not self.enabled(name):
            self.enable(name)
        self.start(name)
        if not self.running(name):
            raise ServiceError(f"{name} was started and does not run")

    def daemon_reload(self) -> None:
        """Have systemd read its unit files again.

        Raises:
            ServiceError: systemctl failed.
        """
        self.forget()
        systemd.daemon_reload()


def _full(name: str) -> str:
    return name if "." in name else f"{name}.service"
