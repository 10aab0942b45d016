#!/usr/bin/env python3
"""Charm for OpenStack Masakari: what Juju's events do."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import instance_ha_common.unpebbled  # before ops, which loads by these three
import instance_ha_common.unswept
import instance_ha_common.untraced  # noqa: F401
import ops
from instance_ha_common.juju import databag, status
from instance_ha_common.juju.charm import hook
from instance_ha_common.juju.pausable import Pausable
from instance_ha_common.juju.problems import Problem, Verdict, blocked
from instance_ha_common.machine.awaited import AGAIN
from instance_ha_common.machine.commands import CommandError
from instance_ha_common.machine.host import Host
from masakari_fencing.pacemaker.tools import PacemakerError

import databags
import endpoints
import state
from config import Config
from reconcile import Result, Workload
from relations import peers
from workload.haproxy import PUBLIC_PORT

if TYPE_CHECKING:
    from segments.cloud import Cloud

logger = logging.getLogger(__name__)

_SEGMENT_ACTIONS = (
    "create_segment",
    "list_segments",
    "show_segment",
    "update_segment",
    "delete_segment",
    "add_hosts",
    "update_host",
    "remove_hosts",
    "return_host",
)
_RECOVERY_ACTIONS = (
    "allow_fencing",
    "readmit_hosts",
    "confirm_host_dead",
    "disarm",
    "arm",
    "recover_host",
    "retry_recovery",
    "list_recoveries",
    "show_recovery",
)
_PLANNED_MOVES = ("drain_host", "restore_placement")
_PLANNED_ACTIONS = ("check", "plan_recovery", "drill", "show_drill", *_PLANNED_MOVES)
_REACTIONS = (ops.RelationEvent, ops.ActionEvent)
"""Events that may come in great numbers, or that somebody waits for."""
_INSTALLATIONS = (ops.InstallEvent, ops.UpgradeCharmEvent, ops.PostSeriesUpgradeEvent)
"""Events at which all packages are looked for anew."""


def make_workload() -> Workload:
    """The workload of this machine; tests put another one in its place."""
    return Workload(Host.local())


class MasakariCharm(Pausable):
    """Operates Masakari on one unit."""

    more = " (run the action check)"

    def __init__(self, framework: ops.Framework) -> None:
        self._workload = make_workload()
        super().__init__(framework, self._workload.host)
        self._result: Result | None = None
        on = self.on
        framework.observe(on.leader_elected, self.react)
        for name in _SEGMENT_ACTIONS:
            framework.observe(on[name].action, self._on_segment_action)
        for name in _RECOVERY_ACTIONS:
            framework.observe(on[name].action, self._on_recovery_action)
        for name in _PLANNED_ACTIONS:
            framework.observe(on[name].action, self._on_planned)
        framework.observe(on.openstack_upgrade_action, self._on_openstack_upgrade)
        framework.observe(on.package_upgrade_action, self._on_package_upgrade)

    def reconcile(self, event: ops.EventBase) -> None:
        """Bring the unit to what Juju asks for."""
        if isinstance(event, _INSTALLATIONS):
            self._workload.packages.recheck()
        config = self._load_config()
        if config is None:
            return
        refused = self._prepare(config, again=not isinstance(event, _REACTIONS))
        if refused and not self._workload.packages.version:
            self._result = Result(problems=refused)
            return
        reader = self._reader(event)
        try:
            current = reader.read(config)
        except endpoints.NoAddress as error:
            self._result = Result(problems=[*refused, blocked(str(error), AGAIN)])
            return
        result = self._workload.reconcile(
            current,
            os.environ.get("JUJU_MACHINE_ID", ""),
            check=isinstance(event, ops.ConfigChangedEvent | ops.UpdateStatusEvent),
        )
        self._publish(reader, result)
        result.problems[:0] = refused
        self._result = result

    def _reader(self, event: ops.EventBase) -> state.Reader:
        return state.Reader(self, self.host, self._workload.responders, event)

    def _prepare(self, config: Config, *, again: bool) -> list[Problem]:
        """Have the packages that the options ask for, from where they ask for.

        Args:
            config: the options.
            again: try once more what could not be done before.

        Returns:
            Why the origin of packages cannot be used; without packages nothing is installed then.

        Raises:
            CommandError: apt failed; the next hook goes on.
        """
        refused, changed = self._workload.release.prepare(
            config.origin, self._say, managed=config.action_managed_upgrade, again=again
        )
        if changed:
            self.unit.set_ports(PUBLIC_PORT)
            self._set_version()
        return [blocked(refused)] if refused else []

    def _say(self, what: str) -> None:
        self.unit.status = ops.MaintenanceStatus(what)

    def _publish(self, reader: state.Reader, result: Result) -> None:
        for endpoint, desired in result.databags.items():
            if desired is None:
                continue
            for relation in reader.active(endpoint):
                absent = dict.fromkeys(databags.OWNED[endpoint], "")
                databag.publish(relation, self.unit, {**absent, **desired})
        if result.migration:
            for relation in reader.active("cluster"):
                migrated = {peers.MIGRATED: result.migration.dump()}
                databag.publish(relation, self.app, migrated)

    def _set_version(self) -> None:
        version = self._workload.packages.version
        if version:
            self.unit.set_workload_version(version)

    def _load_config(self) -> Config | None:
        """The options; None when they are unusable, which the status then says."""
        try:
            return self.load_config(Config)
        except ValueError as error:
            self._result = Result(problems=[blocked(str(error))])
            return None

    def judge(self) -> Verdict | None:
        """What keeps the unit from being ready, and what is out of service."""
        if self._result is None:
            return None  # an action that changes nothing of what the status is about
        problems = self._result.problems
        pause = self.pause_problems(self._workload.services.running(self.managed_services()))
        if pause:  # whatever else there is comes after it
            others = "; ".join(problem.text for problem in problems)
            text = "; ".join(problem.text for problem in pause) + (
                f" ({others})" if others else ""
            )
            problems = [Problem(pause[0].severity, text, pause[0].until)]
        note = f" ({self._result.note})" if self._result.note else ""
        return Verdict(problems, note, self._result.until)

    def cleaning(self, event: ops.EventBase) -> Iterable[Callable[[], object]]:
        """No service of a unit that goes may go on, and nothing that holds a secret may stay."""
        if isinstance(event, ops.RemoveEvent):
            return self._workload.removal(self.app.name)
        # What ends says so in the cluster.
        return *self._workload.ending(), self._leave_cluster

    def _leave_cluster(self) -> None:
        if self.app.planned_units():
            return
        try:
            self._workload.cluster.remove()
        except PacemakerError as error:
            logger.warning("the cluster keeps this charm's configuration: %s", error)

    def _on_segment_action(self, event: ops.ActionEvent) -> None:
        # Not at the top of the module: no hook needs it.
        from masakari_fencing.openstack.rest import ApiError

        from segments import access, actions
        from segments.lookup import ActionError

        name = event.handle.kind.removesuffix("_action")
        try:
            found = access.segments(self._state(event), self._workload)
            results = actions.run(name, found, event.params)
            if name == "return_host":
                self._workload.recoveries.returned(event.params["host"])
                self._workload.disarm.returned(event.params["host"])
        except (ActionError, ApiError, PacemakerError, ValueError) as error:
            event.fail(str(error))
            return
        event.set_results(results)
        if name == "return_host":
            self.react(event)  # the status has named the host

    def _on_recovery_action(self, event: ops.ActionEvent) -> None:
        from masakari_fencing.openstack.rest import ApiError

        from recoveries import actions
        from segments import access
        from segments.lookup import ActionError

        name = event.handle.kind.removesuffix("_action")

        def cloud() -> Cloud:
            return access.cloud(self._state(event), self._workload)

        try:
            event.set_results(actions.run(name, self._workload, cloud, event.params))
        except (ActionError, ApiError, ValueError) as error:
            event.fail(str(error))
            return
        if name in actions.TOLD:
            self.react(event)

    def _on_planned(self, event: ops.ActionEvent) -> None:
        from masakari_fencing.openstack.rest import ApiError

        from planned import actions
        from segments.lookup import ActionError

        name = event.handle.kind.removesuffix("_action")
        try:
            results = actions.run(name, self._state(event), self._workload, event.params)
        except (ActionError, ApiError, ValueError) as error:
            event.fail(str(error))
            return
        event.set_results(results)
        if name == "drill":
            self.react(event)  # the status tells how far it is

    def _state(self, event: ops.ActionEvent) -> state.State:
        """What Juju knows.

        Raises:
            ValueError: the options are unusable.
        """
        return self._reader(event).read(self.load_config(Config))

    def managed_services(self) -> Sequence[str]:
        """The services that the charm starts and stops; HAProxy only without Pacemaker."""
        return self._workload.managed_services(
            ha=any(relation.active for relation in self.model.relations["ha"])
        )

    def stop_services(self) -> None:
        """Stop what the charm runs, and let nothing else start it.

        Raises:
            ServiceError: one still runs.
        """
        self._workload.services.stop(self.managed_services())

    def restart_services(self, names: Sequence[str]) -> None:
        """Restart services.

        Raises:
            ServiceError: one does not start.
        """
        self._workload.services.restart(names)

    def obstacle(self) -> str:
        """The services that do not run, if any."""
        down = self._workload.services.not_running(self.managed_services())
        return status.services_not_running(down) if down else ""

    def _on_openstack_upgrade(self, event: ops.ActionEvent) -> None:
        self._upgrade(event, release=True)

    def _on_package_upgrade(self, event: ops.ActionEvent) -> None:
        self._upgrade(event, release=False)

    def _upgrade(self, event: ops.ActionEvent, *, release: bool) -> None:
        """Upgrade the packages to another release, or within theirs, if there is any to do."""
        config = self._load_config()
        if config is None:
            event.fail("The options are not usable: see the unit's status")
            return
        offered = self._workload.release.differs_from(config.origin)
        if skipped := _why_skipped(release, offered, managed=config.action_managed_upgrade):
            event.set_results({"outcome": skipped})
            return
        before = self._workload.packages.version
        try:
            self._workload.release.upgrade(config.origin, self._say)
            self._set_version()
        except (ValueError, CommandError) as error:
            event.fail(f"Couldn't upgrade: {error}")
            return
        self.react(event)
        after = self._workload.packages.version
        event.set_results({"outcome": "upgraded", "from": before, "to": after})


def _why_skipped(release: bool, offered: bool, *, managed: bool) -> str:
    """Why there is nothing to upgrade; the words are those of the older charms."""
    if release and not managed:
        return "action-managed-upgrade config is False, skipped upgrade"
    if release and not offered:
        return "no upgrade available"
    if offered and not release:
        return "upgrade skipped because an openstack upgrade is available"
    return ""


if __name__ == "__main__":  # pragma: no cover
    # Each record is a call of one of Juju's tools, and these libraries are talkative: five records
    # for one systemctl, whole HTTP conversations.
    for library in ("charmlibs", "keystoneauth", "urllib3"):
        logging.getLogger(library).setLevel(logging.INFO)
    hook(MasakariCharm)
