#!/usr/bin/env python3
"""Charm for the monitors that notify Masakari of failures."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterable

import networks
import ops
from config import Config
from instance_ha_common.juju import databag, status
from instance_ha_common.juju.charm import Charm, run
from instance_ha_common.juju.problems import Problem, Verdict, blocked, maintenance, waiting
from instance_ha_common.machine import awaited, hostname
from instance_ha_common.machine.awaited import AGAIN
from instance_ha_common.machine.commands import CommandError
from instance_ha_common.machine.host import Host
from instance_ha_common.machine.pause import PauseFlag
from instance_ha_common.machine.services import ServiceError
from relations import certificates, keystone
from relations.consul_cluster import ENDPOINTS
from workload import witness
from workload.monitors import PACEMAKER, Desired, Monitors, PackageMissingError

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


class MasakariMonitorsCharm(Charm):
    """Wires Juju's events to one reconciliation."""

    tie = CONTAINER
    _stored = ops.StoredState()

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework, self.make_host())
        # Which Keystone unit spoke last cannot be seen in the databags themselves.
        self._stored.set_default(newest="")
        self._monitors = Monitors(self.host)
        self._paused = PauseFlag(self.host, "masakari-monitors")
        self._problem: Problem | None = None
        framework.observe(self.on.pre_series_upgrade, self._on_pre_series_upgrade)
        framework.observe(self.on.post_series_upgrade, self._on_post_series_upgrade)
        framework.observe(self.on.pause_action, self._on_pause)
        framework.observe(self.on.resume_action, self._on_resume)
        framework.observe(self.on.restart_services_action, self._on_restart_services)

    make_host = staticmethod(Host.local)
    """Where the charm gets its machine from; tests put another one here."""

    ask_witness = staticmethod(witness.ask)
    """How the charm learns what Consul sees; tests put another one here."""

    # Event handlers

    def reconcile(self, event: ops.EventBase) -> None:
        """Make the machine what Juju asks for."""
        if isinstance(event, ops.RelationChangedEvent) and event.relation.name == CREDENTIALS:
            self._stored.newest = event.unit.name if event.unit else self._stored.newest
        try:
            if not self.model.relations[CREDENTIALS]:
                # Before anything that may fail: nothing keeps a password that was taken back.
                self._monitors.shut_down()
            self._apply(self.load_config(Config))
        except ValueError as error:
            self._problem = blocked(str(error))
        except networks.NotYetError as error:
            self._problem = _not_yet(error)
        except (CommandError, ServiceError, PackageMissingError, LookupError) as error:
            logger.error("%s", error)
            self._problem = blocked(_first_line(error), AGAIN)

    def cleaning(self, event: ops.EventBase) -> Iterable[Callable[[], object]]:
        """Leave nothing on the machine."""
        return *self._monitors.removal(), self._paused.clear, self._paused.end_upgrade

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
        self.react(event)

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
        self.react(event)
        if self._problem is not None:
            event.fail(f"Couldn't resume: {self._problem.text}")

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
        return databag.unit_bags(self.model.relations[endpoint])

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
            network: databag.bag(relation.data[relation.app])
            for network, endpoint in ENDPOINTS.items()
            for relation in self.model.relations[endpoint]
            if relation.active
        }

    def _hostname(self, config: Config) -> str | None:
        principal = ops.JujuContext.from_environ().principal_unit or ""
        expect_nova = principal.startswith("nova-compute") or self.host.path("/etc/nova").is_dir()
        try:
            return hostname.nova_host_name(
                self.host, override=config.hostname, expect_nova=expect_nova
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
            databag.publish(relation, self.unit, keystone.REQUEST)

    # Status

    def judge(self) -> Verdict:
        """What keeps the monitors from watching this hypervisor."""
        try:
            return Verdict(self._problems())
        except ValueError as error:
            return Verdict([blocked(str(error))])
        except networks.NotYetError as error:
            return Verdict([_not_yet(error)])

    def _problems(self) -> list[Problem]:
        config = self.load_config(Config)
        if self._paused:
            return [self._paused_problem()]
        if self._problem is not None:
            return [self._problem]
        state = self._read_state(config)
        if not state.related:
            return [blocked(status.missing_relations([CREDENTIALS]))]
        if state.credentials is None:
            return [waiting(status.incomplete_relations([CREDENTIALS]))]
        if state.hostname is None:
            text = "Waiting for Nova to be configured on this machine"
            return [waiting(text, hostname.CONFIGURED)]
        return self._service_problems(config, state)

    def _paused_problem(self) -> Problem:
        running = self._monitors.running()
        if running:
            text = status.services_running_while_paused(running)
            return blocked(text, awaited.rests(running))
        if self._paused.upgrading:
            return blocked(status.UPGRADING)
        return maintenance(status.PAUSED)

    def _service_problems(self, config: Config, state: State) -> list[Problem]:
        wanted = {monitor.service for monitor in Monitors.enabled(config)}
        if not wanted:
            return [blocked("All monitors are disabled; enable one")]
        down = wanted - self._monitors.running()
        if down:
            return [blocked(status.services_not_running(down), awaited.runs(down))]
        if not config.enable_host_monitor:
            return []
        if state.watch(config) is not None:
            return self._network_problems(state.hostname or "")
        if not self._monitors.pacemaker_runs():
            text = "The host monitor waits for pacemaker-remote on this machine"
            return [waiting(text, awaited.any_runs(PACEMAKER))]
        return []

    def _network_problems(self, name: str) -> list[Problem]:
        """What keeps Consul from judging the networks of this machine."""
        seen = self.ask_witness()
        if not seen:
            return [waiting("The network witness does not answer yet", AGAIN)]
        found = witness.problems(seen, name)
        if found:
            return [blocked("; ".join(found), AGAIN)]
        if witness.alone(seen, name):
            text = "Waiting for the network witness of another hypervisor (TCP port 8509)"
            return [waiting(text, AGAIN)]
        return []


def _not_yet(error: networks.NotYetError) -> Problem:
    return waiting(status.incomplete_relations(error.endpoints))


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


if __name__ == "__main__":
    run(MasakariMonitorsCharm)
