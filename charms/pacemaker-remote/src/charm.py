#!/usr/bin/env python3
"""Charm that makes a hypervisor a Pacemaker remote node which can be fenced."""

from __future__ import annotations

import dataclasses
import logging
import socket
from collections.abc import Callable, Iterable
from pathlib import Path

import instance_ha_common.unpebbled  # before ops, which loads by these three
import instance_ha_common.unswept
import instance_ha_common.untraced  # noqa: F401
import ops
from config import Config
from instance_ha_common.juju import databag, status
from instance_ha_common.juju.charm import hook
from instance_ha_common.juju.problems import Problem, Verdict, blocked, waiting
from instance_ha_common.juju.subordinate import AWAITS_NOVA, Subordinate
from instance_ha_common.machine import awaited
from instance_ha_common.machine.awaited import AGAIN
from instance_ha_common.machine.host import Host
from instance_ha_common.machine.memory import Memory
from instance_ha_common.machine.templates import Templates
from relations import hacluster
from workload import compute, own_node, storage
from workload.orderly_stop import OrderlyStop
from workload.own_node import Cluster, Node, cleanup_commands
from workload.pacemaker_remote import SERVICE, PacemakerRemote
from workload.unblock import Unblocker

logger = logging.getLogger(__name__)

ENDPOINT = "pacemaker-remote"
_WAIT_FOR_LISTENER = 10.0
"""Seconds that a daemon that was just started may take to listen; it first makes DH parameters."""

_KNOWN_KEY = " (the cluster's key is hacluster's default, which everybody knows: see the README)"


@dataclasses.dataclass(frozen=True)
class State:
    """What Juju tells, as plain values.

    Attributes:
        related: whether a hacluster application is related.
        keys: what its units say the key is.
        published: what this unit has told it already.
    """

    related: bool
    keys: hacluster.Keys
    published: hacluster.Identity | None


class PacemakerRemoteCharm(Subordinate):
    """Wires Juju's events to one reconciliation."""

    tie = "juju-info"

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework, self.make_host())
        self._remote = self.make_remote(self.host)
        self._memory = Memory(self.host, self.meta.name)
        templates = Templates(self.host, self._memory, Path(__file__).parent / "templates")
        self._orderly_stop = OrderlyStop(self.host, templates)
        self._unblocker = Unblocker(self.host, templates)
        self._cluster = Cluster(self.host.runner)
        self._node: Node | None = None
        framework.observe(self.on.show_cleanup_action, self._on_show_cleanup)

    make_host = staticmethod(Host.local)
    """Where the charm gets its machine from; tests put another one here."""

    make_remote = PacemakerRemote
    """What manages the daemon; tests put one here that opens no sockets."""

    # Event handlers

    def apply(self, event: ops.EventBase) -> None:
        """Make the machine what Juju asks for."""
        if self._remote.full_member():
            return  # hands off: whatever is there belongs to that cluster
        state = self._read_state()
        if not state.related:
            # Before anything that may fail: nothing keeps the key of a cluster that it has left.
            self._leave()
        installed = self._remote.install()
        self.tell_version(event, self._remote.version, installed=installed)
        # Every few minutes, and asked for by nobody: no reason to undo an operator's stop.
        self._apply(state, idle=isinstance(event, ops.UpdateStatusEvent))

    def cleaning(self, event: ops.EventBase) -> Iterable[Callable[[], object]]:
        """Leave the cluster without being fenced: stops are announced until the last one."""
        if self._remote.full_member():
            return ()
        return *self._leaving(), self._memory.forget

    def _on_show_cleanup(self, event: ops.ActionEvent) -> None:
        published = self._read_state().published
        if published is None:
            event.fail("This unit has not joined a cluster: there is nothing to clean up.")
            return
        event.set_results(
            {
                "node": published.hostname,
                "commands": "\n".join(cleanup_commands(published.hostname)),
            }
        )

    # From Juju

    def _read_state(self) -> State:
        related = self.model.relations[ENDPOINT]
        own = (hacluster.read_identity(relation.data[self.unit]) for relation in related)
        return State(
            related=bool(related),
            keys=hacluster.read_keys(databag.unit_bags(related)),
            published=next((identity for identity in own if identity), None),
        )

    def _current_identity(self) -> hacluster.Identity | None:
        """Name and address as they are now; None while Nova is not configured or without one."""
        name, address = self._current_name(), self._current_address()
        return hacluster.Identity(name, address) if name and address else None

    def _current_address(self) -> str | None:
        try:
            binding = self.model.get_binding(ENDPOINT)
            address = binding.network.bind_address if binding else None
        except ops.ModelError as error:  # the space has no network on this machine any more
            logger.warning("%s", error)
            return None
        return str(address) if address else None

    def _current_name(self) -> str | None:
        return self.nova_host(self.load_config(Config).remote_hostname)

    # To the machine and back to Juju

    def _apply(self, state: State, *, idle: bool) -> None:
        if not state.related:
            self._leave()  # whatever the package has started
            return
        config = self.load_config(Config)
        identity = state.published or self._current_identity()
        if identity is None:
            return
        if state.published:
            self._orderly_stop.install(identity.hostname)
        changed = state.keys.key is not None and self._remote.write_key(state.keys.key)
        if not self._remote.has_key():
            return
        self._remote.run(restart=changed, start_stopped=not (idle and state.published))
        # Before the first start with the cluster's key there is no cluster to speak to.
        self._orderly_stop.install(identity.hostname)
        self.unit.set_ports(hacluster.PORT)
        self._publish(config, identity, known=state.published is not None)
        self._unblocker.install(self._tend(identity.hostname).monitor)

    def _publish(self, config: Config, identity: hacluster.Identity, *, known: bool) -> None:
        if not known and not self._remote.listens(
            identity.address, hacluster.PORT, wait=_WAIT_FOR_LISTENER
        ):
            return
        bag = hacluster.encode(
            identity,
            stonith=config.enable_stonith and not _is_container(),
            resources=config.enable_resources,
        )
        for relation in self.model.relations[ENDPOINT]:
            databag.publish(relation, self.unit, bag)

    def _tend(self, name: str) -> Node:
        """Keep what the cluster stores about this node as it should be; return its state."""
        self._node = self._cluster.node(name)
        if self._node.stopping:
            self._orderly_stop.clear()
            self._node = self._cluster.node(name)
        if self._node.online and self._node.machine != _machine():
            self._cluster.set_machine(name, _machine())
        if self._node.online and self._node.storage != (kept := storage.found(self.host)):
            self._cluster.set_storage(name, kept)
        said = compute.found(self.host) if self._node.online else None
        if said is not None and self._node.compute != said:
            self._cluster.set_compute(name, said)
        return self._node

    def _leave(self) -> None:
        for step in self._leaving():
            step()

    def _leaving(self) -> tuple[Callable[[], object], ...]:
        """The steps out of the cluster. Opening no port any more is the only one to ask Juju."""
        return self._stop, self._unblocker.remove, self.unit.set_ports

    def _stop(self) -> None:
        self._remote.shut_down()
        self._orderly_stop.remove()

    # Status

    def judge(self) -> Verdict:
        """What keeps the unit from being ready, and whether its key is no secret."""
        verdict = super().judge()
        if not self._read_state().keys.everybody_knows:
            return verdict
        return dataclasses.replace(verdict, note=_KNOWN_KEY)

    def problems(self) -> list[Problem]:
        """What keeps this hypervisor from being a node of the cluster."""
        if self._remote.full_member():
            text = "This machine is a full Pacemaker member; remove hacluster or this unit"
            return [blocked(text, AGAIN)]
        config = self.load_config(Config)
        if self.problem is not None:
            return [self.problem]
        state = self._read_state()
        if not state.related:
            return [blocked(status.missing_relations([ENDPOINT]))]
        return [
            *_option_problems(config),
            *_key_problems(state.keys),
            *self._node_problems(state),
            *self.nova_problems(),
        ]

    def _node_problems(self, state: State) -> list[Problem]:
        if state.published is None:
            return [self._why_not_published()]
        if not self._remote.running():
            text = status.services_not_running([SERVICE])
            return [blocked(text, awaited.runs([SERVICE]))]
        name = state.published.hostname
        return [
            *self._drift(state.published),
            *_cluster_problems(name, self._node or self._cluster.node(name)),
        ]

    def _why_not_published(self) -> Problem:
        if self._current_name() is None:
            return AWAITS_NOVA
        if self._current_address() is None:
            return blocked(status.no_address(self.app.name, ENDPOINT), AGAIN)
        if not self._remote.has_key():
            return waiting(status.incomplete_relations([ENDPOINT]))
        text = f"Waiting for {SERVICE} to listen on port {hacluster.PORT}"
        return waiting(text, awaited.listens(hacluster.PORT))

    def _drift(self, published: hacluster.Identity) -> list[Problem]:
        """What the cluster was told and is not so any more."""
        name, address = self._current_name(), self._current_address()
        if name is None or (name, address) == (published.hostname, published.address):
            return []
        if name != published.hostname:
            what = f"node {published.hostname}, but this host is {name} now"
        else:
            what = f"address {published.address}, but it is {address or 'gone'} now"
        return [blocked(f"Joined as {what}: see action show-cleanup, then re-deploy", AGAIN)]


def _option_problems(config: Config) -> list[Problem]:
    if config.enable_stonith and _is_container():
        return [blocked("enable-stonith: MAAS cannot fence a container")]
    return []


def _key_problems(keys: hacluster.Keys) -> list[Problem]:
    if keys.disagree:
        return [waiting("hacluster units disagree about the key; keeping the old one")]
    if keys.invalid:
        return [waiting(f"Ignoring an invalid key from {', '.join(keys.invalid)}")]
    return []


def _cluster_problems(name: str, node: Node) -> list[Problem]:
    connected = own_node.connected(name)
    if node.known is False:
        return [waiting(f"Waiting for hacluster to create node {name}", connected)]
    if not node.online:
        text = f"Node {name} is not connected; if that lasts, see the README"
        return [waiting(text, connected)]
    if not node.managed:
        text = f"Node {name} is unmanaged, so its failure goes unnoticed; run on a hacluster unit:"
        return [blocked(f"{text} crm resource manage {name}", AGAIN)]
    return []


def _machine() -> str:
    return ops.JujuContext.from_environ().machine_id or socket.gethostname()


def _is_container() -> bool:
    return "/" in _machine()


if __name__ == "__main__":
    hook(PacemakerRemoteCharm)
