"""Pausing and resuming a unit, and preparing its machine for another release of Ubuntu."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import ops

from instance_ha_common.juju import status
from instance_ha_common.juju.charm import Charm
from instance_ha_common.juju.pause import PauseFlag
from instance_ha_common.juju.problems import Problem, blocked, first_line, maintenance
from instance_ha_common.machine import awaited
from instance_ha_common.machine.commands import CommandError
from instance_ha_common.machine.host import Host
from instance_ha_common.machine.services import ServiceError

logger = logging.getLogger(__name__)

NOT_IN_SERVICE = "This unit is paused: run the action resume"


class Pausable(Charm):
    """A charm with the actions `pause`, `resume` and `restart-services`.

    Attributes:
        paused: whether the services must not run.
    """

    def __init__(self, framework: ops.Framework, host: Host) -> None:
        super().__init__(framework, host)
        self.paused = PauseFlag(host, self.meta.name)
        on = self.on
        framework.observe(on.pre_series_upgrade, self._on_pre_series_upgrade)
        framework.observe(on.post_series_upgrade, self._on_post_series_upgrade)
        framework.observe(on.pause_action, self._on_pause)
        framework.observe(on.resume_action, self._on_resume)
        framework.observe(on.restart_services_action, self._on_restart_services)

    # What a charm defines.

    def managed_services(self) -> Sequence[str]:
        """The services that the charm starts and stops now.

        Raises:
            ValueError: the options are unusable.
        """
        raise NotImplementedError

    def stop_services(self) -> None:
        """Stop what the charm runs, and let nothing else start it, not even a reboot.

        Raises:
            ServiceError: one still runs.
        """
        raise NotImplementedError

    def release_services(self) -> None:
        """Let them be started again.

        Raises:
            CommandError: systemctl failed.
        """

    def restart_services(self, names: Sequence[str]) -> None:
        """Restart services.

        Raises:
            ServiceError: one does not start.
        """
        for name in names:
            self.host.systemd.restart(name)

    def obstacle(self) -> str:
        """What keeps a unit that was resumed from its service; empty if nothing does."""
        raise NotImplementedError

    # What they have in common.

    def pause_problems(self, running: Sequence[str]) -> list[Problem]:
        """That the unit is paused, if it is, and which services run nevertheless."""
        if not self.paused:
            return []
        text = status.services_running_while_paused(running)
        found = [blocked(text, awaited.rests(running))] if running else []
        if self.paused.upgrading:
            found.append(blocked(status.UPGRADING))
        return found or [maintenance(status.PAUSED)]

    def _on_pre_series_upgrade(self, event: ops.PreSeriesUpgradeEvent) -> None:
        """Nothing of ours may run while its packages are replaced under it."""
        self.paused.begin_upgrade()
        try:
            self.stop_services()
        except ServiceError as error:
            logger.error("%s", error)  # the status names what still runs
        self.react(event)

    def _on_post_series_upgrade(self, event: ops.PostSeriesUpgradeEvent) -> None:
        """The new release has other versions: whatever is missing is installed."""
        self.paused.end_upgrade()
        try:
            if not self.paused:
                self.release_services()
        except CommandError as error:
            logger.error("%s", error)  # the status names what does not run
        self.react(event)

    def _on_pause(self, event: ops.ActionEvent) -> None:
        self.paused.set()
        try:
            self.stop_services()
        except ServiceError as error:
            event.fail(f"Couldn't pause: {first_line(error)}")
        self.react(event)

    def _on_resume(self, event: ops.ActionEvent) -> None:
        self.paused.clear()
        try:
            if not self.paused:
                self.release_services()
        except CommandError as error:
            event.fail(f"Couldn't resume: {error}")
            return
        self.react(event)
        obstacle = status.UPGRADING if self.paused else self.obstacle()
        if obstacle:
            event.fail(f"Couldn't resume: {obstacle}")

    def _on_restart_services(self, event: ops.ActionEvent) -> None:
        try:
            event.set_results({"restarted": ",".join(self._restart(event))})
        except (ServiceError, ValueError) as error:
            event.fail(first_line(error))
        self.react(event)

    def _restart(self, event: ops.ActionEvent) -> list[str]:
        """Restart the services that an action names; without a name, all.

        Returns:
            Their names.

        Raises:
            ServiceError: one does not start.
            ValueError: that cannot be done; the text says what can.
        """
        managed = self.managed_services()
        asked = (event.params.get("services") or "").split(",")
        wanted = [name.strip() for name in asked if name.strip()] or list(managed)
        unknown = [name for name in wanted if name not in managed]
        if unknown:
            raise ValueError(
                f"Not services of this unit: {', '.join(unknown)}; {', '.join(managed)} are"
            )
        if self.paused:
            raise ValueError(NOT_IN_SERVICE)
        try:
            self.restart_services(wanted)
        except ServiceError as error:
            raise ServiceError(f"Couldn't restart: {error}") from error
        return wanted
