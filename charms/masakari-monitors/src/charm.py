#!/usr/bin/env python3
"""Charm for the monitors that notify Masakari of failures."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence

import instance_ha_common.unpebbled  # before ops, which loads by these three
import instance_ha_common.unswept
import instance_ha_common.untraced  # noqa: F401
import networks
import ops
from config import Config
from instance_ha_common.juju import databag, status
from instance_ha_common.juju.charm import hook
from instance_ha_common.juju.pausable import Pausable
from instance_ha_common.juju.problems import Problem, blocked, waiting
from instance_ha_common.juju.responders import Responders
from instance_ha_common.juju.subordinate import AWAITS_NOVA, Subordinate
from instance_ha_common.machine import awaited
from instance_ha_common.machine.awaited import AGAIN
from instance_ha_common.machine.host import Host
from instance_ha_common.machine.memory import Memory
from network_matrix import ports
from relations import certificates, keystone
from relations.consul_cluster import ENDPOINTS
from workload import files, witness
from workload.files import Desired
from workload.monitors import PACEMAKER, Monitors

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
            Hindrance: a provider has not answered.
            ValueError: an option or an answer is unusable.
        """
        return networks.watch(config.consul_agents(), config.network_matrix, self.consul)


class MasakariMonitorsCharm(Subordinate, Pausable):
    """Wires Juju's events to one reconciliation."""

    tie = CONTAINER

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework, self.make_host())
        memory = Memory(self.host, self.meta.name)
        self._monitors = Monitors(self.host, memory)
        self._responders = Responders(memory)
        self._event_unit: str | None = None
        self._former = self._former_responder()

    make_host = staticmethod(Host.local)
    """Where the charm gets its machine from; tests put another one here."""

    ask_witness = staticmethod(witness.ask)
    """How the charm learns what Consul sees; tests put another one here."""

    # Event handlers

    def apply(self, event: ops.EventBase) -> None:
        """Make the machine what Juju asks for."""
        if isinstance(event, ops.RelationEvent) and event.unit:
            self._event_unit = event.unit.name
        if not self.model.relations[CREDENTIALS]:
            # Before anything that may fail: nothing keeps a password that was taken back.
            self._monitors.shut_down()
        config = self.load_config(Config)
        for relation in self.model.relations[CREDENTIALS]:
            databag.publish(relation, self.unit, keystone.REQUEST)
        installed = self._monitors.install(config)
        self.tell_version(event, self._monitors.version, installed=installed)
        self._monitors.check_release()
        state = self._read_state(config)
        if state.credentials is None or state.hostname is None:
            return
        watch = state.watch(config) if config.enable_host_monitor else None
        stale = self._monitors.configure(
            Desired(config, state.credentials, state.hostname, state.authority, watch)
        )
        if not self.paused:
            self._monitors.run(config, stale, witnessed=watch is not None)

    def cleaning(self, event: ops.EventBase) -> Iterable[Callable[[], object]]:
        """Leave nothing on the machine."""
        return *self._monitors.removal(), self.paused.clear, self.paused.end_upgrade

    def managed_services(self) -> Sequence[str]:
        """The enabled monitors."""
        return [monitor.service for monitor in files.enabled(self.load_config(Config))]

    def stop_services(self) -> None:
        """Stop all monitors and let nothing start them.

        Raises:
            ServiceError: one still runs.
        """
        self._monitors.pause()

    def release_services(self) -> None:
        """Let paused monitors be started again.

        Raises:
            CommandError: systemctl failed.
        """
        self._monitors.unpause()

    def obstacle(self) -> str:
        """What kept this hook from its end, if anything did."""
        return self.problem.text if self.problem else ""

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
            credentials=self._credentials(),
            authority=authority or None,
            hostname=self.nova_host(config.hostname),
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

    def _credentials(self) -> keystone.Credentials | None:
        """The account, from the unit that has answered last."""
        bags = self._bags(CREDENTIALS)
        self._responders.adopt(CREDENTIALS, bags, self._former)
        unit = self._responders.choose(CREDENTIALS, bags, keystone.complete, self._event_unit)
        return keystone.read(bags[unit]) if unit else None

    def _former_responder(self) -> str | None:
        """What older charms remembered in Juju's storage of a unit's state."""
        self.framework.register_type(ops.StoredStateData, self)
        try:
            stored = self.framework.load_snapshot(
                ops.Handle(self, ops.StoredStateData.handle_kind, "_stored")
            )
        except ops.framework.NoSnapshotError:
            return None
        newest = stored["newest"] if isinstance(stored, ops.StoredStateData) else None
        return str(newest) if newest else None

    # Status

    def problems(self) -> list[Problem]:
        """What keeps the monitors from watching this hypervisor."""
        config = self.load_config(Config)
        if self.paused:
            return self.pause_problems(sorted(self._monitors.running()))
        if self.problem is not None:
            return [self.problem]
        state = self._read_state(config)
        if not state.related:
            return [blocked(status.missing_relations([CREDENTIALS]))]
        if state.credentials is None:
            return [waiting(status.incomplete_relations([CREDENTIALS]))]
        if state.hostname is None:
            return [AWAITS_NOVA]
        return [*self._service_problems(config, state), *self.nova_problems()]

    def _service_problems(self, config: Config, state: State) -> list[Problem]:
        wanted = {monitor.service for monitor in files.enabled(config)}
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
            port = ports.TESTIMONY
            text = f"Waiting for the network witness of another hypervisor (TCP port {port})"
            return [waiting(text, AGAIN)]
        return []


if __name__ == "__main__":
    hook(MasakariMonitorsCharm)
