#!/usr/bin/env python3
"""Charm for the monitors that notify Masakari of failures."""

from __future__ import annotations

import dataclasses
import logging

import certificates
import keystone
import networks
import ops
import witness
from config import Config
from consul_cluster import ENDPOINTS
from instance_ha_common import hostname, relations, status
from instance_ha_common.commands import CommandError
from instance_ha_common.host import Host
from instance_ha_common.pause import PauseFlag
from instance_ha_common.services import ServiceError
from monitors import Desired, Monitors, PackageMissingError

logger = logging.getLogger(__name__)

CREDENTIALS = "identity-credentials"
CERTIFICATES = "certificates"
CONTAINER = "container"


@dataclasses.dataclass(frozen=True)
class State:
    """What Juju tells, as plain values.

    Attributes:
        related: whether Keystone is related.
        credentials: its answer, once it is complete.
        authority: what Vault says is to be trusted.
        hostname: the name under which Nova knows this machine, once it does.
        consul: what the provider of each related network's Consul has published.
    """

    related: bool
    credentials: keystone.Credentials | None
    authority: str | None
    hostname: str | None
    consul: dict[str, dict[str, str]]

    def watch(self, config: Config) -> networks.Watch | None:
        """The networks that Consul watches.

        Raises:
            networks.NotYetError: a provider has not answered.
            ValueError: an option or an answer is unusable.
        """
        return networks.watch(config.consul_agents(), config.network_matrix, self.consul)


class MasakariMonitorsCharm(ops.CharmBase):
    """Wires Juju's events to one reconciliation."""

    _stored = ops.StoredState()

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework)
        # Which Keystone unit spoke last cannot be seen in the databags themselves.
        self._stored.set_default(newest="")
        self._host = self.make_host()
        self._monitors = Monitors(self._host)
        self._paused = PauseFlag(self._host, "masakari-monitors")
        self._problem: ops.StatusBase | None = None

        reconcile_on = [
            self.on.install,
            self.on.upgrade_charm,
            self.on.config_changed,
            self.on.start,
            self.on.update_status,
            self.on[CONTAINER].relation_joined,
            self.on[CONTAINER].relation_changed,
            self.on[CREDENTIALS].relation_created,
            self.on[CREDENTIALS].relation_departed,
            self.on[CREDENTIALS].relation_broken,
            self.on[CERTIFICATES].relation_changed,
            self.on[CERTIFICATES].relation_departed,
            self.on[CERTIFICATES].relation_broken,
        ]
        for endpoint in ENDPOINTS.values():
            found = self.on[endpoint]
            reconcile_on += [
                found.relation_created,
                found.relation_changed,
                found.relation_broken,
            ]
        for event in reconcile_on:
            framework.observe(event, self._reconcile)
        framework.observe(self.on[CREDENTIALS].relation_changed, self._on_credentials_changed)
        framework.observe(self.on.pre_series_upgrade, self._on_pre_series_upgrade)
        framework.observe(self.on.post_series_upgrade, self._on_post_series_upgrade)
        framework.observe(self.on.stop, self._on_stop)
        framework.observe(self.on.remove, self._on_stop)
        framework.observe(self.on.collect_unit_status, self._on_collect_status)
        framework.observe(self.on.pause_action, self._on_pause)
        framework.observe(self.on.resume_action, self._on_resume)
        framework.observe(self.on.restart_services_action, self._on_restart_services)

    make_host = staticmethod(Host.local)
    """Where the charm gets its machine from; tests put another one here."""

    ask_witness = staticmethod(witness.ask)
    """How the charm learns what Consul sees; tests put another one here."""

    # Event handlers

    def _on_credentials_changed(self, event: ops.RelationChangedEvent) -> None:
        if event.unit is not None:  # pragma: no branch - Keystone writes no application data
            self._stored.newest = event.unit.name
        self._reconcile(event)

    def _reconcile(self, _: ops.EventBase) -> None:
        try:
            if not self.model.relations[CREDENTIALS]:
                # Before anything that may fail: nothing keeps a password that was taken back.
                self._monitors.shut_down()
            self._apply(self.load_config(Config))
        except ValueError as error:
            self._problem = ops.BlockedStatus(str(error))
        except networks.NotYetError as error:
            self._problem = _not_yet(error)
        except (CommandError, ServiceError, PackageMissingError, LookupError) as error:
            logger.error("%s", error)
            self._problem = ops.BlockedStatus(_first_line(error))

    def _on_stop(self, _: ops.EventBase) -> None:
        self._monitors.remove()
        self._paused.clear()
        self._paused.end_upgrade()

    def _on_pre_series_upgrade(self, _: ops.PreSeriesUpgradeEvent) -> None:
        self._paused.begin_upgrade()
        try:
            self._monitors.pause()
        except ServiceError as error:
            logger.error("%s", error)  # the status names what still runs

    def _on_post_series_upgrade(self, event: ops.PostSeriesUpgradeEvent) -> None:
        self._paused.end_upgrade()
        try:
            if not self._paused:
                self._monitors.unpause()
        except CommandError as error:
            logger.error("%s", error)  # the status names what does not run
        self._reconcile(event)

    def _on_collect_status(self, event: ops.CollectStatusEvent) -> None:
        try:
            for found in self._statuses():
                event.add_status(found)
        except ValueError as error:
            event.add_status(ops.BlockedStatus(str(error)))
        except networks.NotYetError as error:
            event.add_status(_not_yet(error))
        event.add_status(ops.ActiveStatus(status.READY))

    def _on_pause(self, event: ops.ActionEvent) -> None:
        self._paused.set()
        try:
            self._monitors.pause()
        except ServiceError as error:
            event.fail(f"Couldn't pause: {_first_line(error)}")

    def _on_resume(self, event: ops.ActionEvent) -> None:
        self._paused.clear()
        if self._paused:
            event.fail(f"Couldn't resume: {status.UPGRADING}")
            return
        try:
            self._monitors.unpause()
        except CommandError as error:
            event.fail(f"Couldn't resume: {error}")
            return
        self._reconcile(event)
        if self._problem is not None:
            event.fail(f"Couldn't resume: {self._problem.message}")

    def _on_restart_services(self, event: ops.ActionEvent) -> None:
        if self._paused:
            event.fail("The unit is paused: resume it instead.")
            return
        try:
            self._monitors.restart(self.load_config(Config))
        except (ServiceError, ValueError) as error:
            event.fail(f"Couldn't restart: {_first_line(error)}")

    # From Juju

    def _bags(self, endpoint: str) -> dict[str, dict[str, str]]:
        return relations.unit_bags(self.model.relations[endpoint])

    def _read_state(self, config: Config) -> State:
        # The operator's authority and Vault's may both be needed while one replaces the other.
        authority = (config.ca_certificates() or "") + (
            certificates.authority(self._bags(CERTIFICATES)) or ""
        )
        return State(
            related=bool(self.model.relations[CREDENTIALS]),
            credentials=keystone.read(self._bags(CREDENTIALS), str(self._stored.newest)),
            authority=authority or None,
            hostname=self._hostname(config),
            consul=self._consul(),
        )

    def _consul(self) -> dict[str, dict[str, str]]:
        """What Consul's providers have published, by network."""
        return {
            network: relations.bag(relation.data[relation.app])
            for network, endpoint in ENDPOINTS.items()
            for relation in self.model.relations[endpoint]
            if relation.active
        }

    def _hostname(self, config: Config) -> str | None:
        principal = ops.JujuContext.from_environ().principal_unit or ""
        expect_nova = principal.startswith("nova-compute") or self._host.path("/etc/nova").is_dir()
        try:
            return hostname.nova_host_name(
                self._host, override=config.hostname, expect_nova=expect_nova
            )
        except hostname.HostNameNotKnownYet:
            return None

    # To the machine and back to Juju

    def _apply(self, config: Config) -> None:
        self._request_credentials()
        self._monitors.install(config)
        version = self._monitors.version()
        if version:
            self.unit.set_workload_version(version)
        state = self._read_state(config)
        if state.credentials is None or state.hostname is None:
            return
        watch = state.watch(config) if config.enable_host_monitor else None
        stale = self._monitors.configure(
            Desired(config, state.credentials, state.hostname, state.authority, watch)
        )
        if not self._paused:
            self._monitors.run(config, stale, witnessed=watch is not None)

    def _request_credentials(self) -> None:
        for relation in self.model.relations[CREDENTIALS]:
            for key, value in keystone.REQUEST.items():
                if relation.data[self.unit].get(key) != value:
                    relation.data[self.unit][key] = value

    # Status

    def _statuses(self) -> list[ops.StatusBase]:
        config = self.load_config(Config)
        if self._paused:
            return [self._paused_status()]
        if self._problem is not None:
            return [self._problem]
        state = self._read_state(config)
        if not state.related:
            return [ops.BlockedStatus(status.missing_relations([CREDENTIALS]))]
        if state.credentials is None:
            return [ops.WaitingStatus(status.incomplete_relations([CREDENTIALS]))]
        if state.hostname is None:
            return [ops.WaitingStatus("Waiting for Nova to be configured on this machine")]
        return self._service_statuses(config, state)

    def _paused_status(self) -> ops.StatusBase:
        running = self._monitors.running()
        if running:
            return ops.BlockedStatus(status.services_running_while_paused(running))
        if self._paused.upgrading:
            return ops.BlockedStatus(status.UPGRADING)
        return ops.MaintenanceStatus(status.PAUSED)

    def _service_statuses(self, config: Config, state: State) -> list[ops.StatusBase]:
        wanted = {monitor.service for monitor in Monitors.enabled(config)}
        if not wanted:
            return [ops.BlockedStatus("All monitors are disabled; enable one")]
        down = wanted - self._monitors.running()
        if down:
            return [ops.BlockedStatus(status.services_not_running(down))]
        if not config.enable_host_monitor:
            return []
        if state.watch(config) is not None:
            return self._network_statuses(state.hostname or "")
        if not self._monitors.pacemaker_runs():
            return [
                ops.WaitingStatus("The host monitor waits for pacemaker-remote on this machine")
            ]
        return []

    def _network_statuses(self, name: str) -> list[ops.StatusBase]:
        """What keeps Consul from judging the networks of this machine."""
        seen = self.ask_witness()
        if not seen:
            return [ops.WaitingStatus("The network witness does not answer yet")]
        found = witness.problems(seen, name)
        if found:
            return [ops.BlockedStatus("; ".join(found))]
        if witness.alone(seen, name):
            text = "Waiting for the network witness of another hypervisor (TCP port 8509)"
            return [ops.WaitingStatus(text)]
        return []


def _not_yet(error: networks.NotYetError) -> ops.WaitingStatus:
    return ops.WaitingStatus(status.incomplete_relations(error.endpoints))


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


if __name__ == "__main__":
    ops.main(MasakariMonitorsCharm)
