"""What Juju knows, as one value: the rest of the charm works from it."""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import os
from collections.abc import Callable, Mapping

import ops
from instance_ha_common.juju import databag
from instance_ha_common.juju.responders import Responders
from instance_ha_common.machine import hostname
from instance_ha_common.machine.host import Host

import endpoints
from config import ENDPOINT_TYPES, Config
from relations import ceph, certificates, database, hacluster, messaging
from relations import peers as peers_module
from relations.keystone import Identity

MANDATORY = ("identity-service", "shared-db", "amqp")
ENDPOINTS = (
    *MANDATORY,
    *("ha", "certificates", "cos-agent", "nrpe-external-master", "ceph", "cluster"),
)


@dataclasses.dataclass(frozen=True)
class State:
    """A unit's view of its model.

    Attributes:
        unit: name of the unit.
        application: name of its application.
        model: name of the model.
        model_uuid: the model's identifier.
        leader: whether it is the leader.
        config: the options.
        related: endpoints that have a relation.
        bindings: network of each endpoint type.
        own_addresses: this unit's address for each endpoint type.
        cluster_address: where the other units reach this one.
        cluster_interface: interface of that address.
        local: all addresses of this machine, where they matter.
        fqdn: full name of this machine, where it matters.
        identity: Keystone's answer.
        database: the database's answer.
        database_fingerprint: tells one database from another.
        database_hostname: address that the database sees this unit come from.
        messaging: RabbitMQ's answer.
        clustered: Pacemaker is set up on this unit.
        published_ha: what this unit has published for hacluster.
        peers: the other units.
        migration: what the leader has migrated.
        certificate_names: names that certificates are needed for.
        issued: certificates from the relation, as far as there are any.
        authorities: the relation's authority, which may come before the certificates.
        ceph: the answer of Ceph's monitors.
    """

    unit: str
    application: str
    leader: bool
    config: Config
    related: frozenset[str]
    bindings: Mapping[str, endpoints.Binding]
    own_addresses: Mapping[str, str]
    cluster_address: str
    cluster_interface: str
    local: tuple[endpoints.Interface, ...]
    identity: Identity | None = None
    database: database.Database | None = None
    database_fingerprint: str = ""
    database_hostname: str = ""
    messaging: messaging.Messaging | None = None
    clustered: bool = False
    published_ha: Mapping[str, str] = dataclasses.field(default_factory=dict)
    peers: tuple[peers_module.Peer, ...] = ()
    migration: peers_module.Migration | None = None
    certificate_names: Mapping[str, list[str]] = dataclasses.field(default_factory=dict)
    issued: certificates.Issued | None = None
    authorities: str | None = None
    ceph: ceph.Ceph | None = None
    model: str = ""
    model_uuid: str = ""

    @property
    def wants_ha(self) -> bool:
        """Whether the operator wants this service behind a shared address."""
        return bool("ha" in self.related or self.config.vips or self.config.dns_ha)

    @property
    def certified(self) -> bool:
        """Whether there is a certificate for each name that needs one."""
        return bool(self.config.certificate or (self.issued and not self.issued.missing))

    @property
    def certificates(self) -> tuple[certificates.Certificate, ...]:
        """What to serve with: the operator's certificate, else that of the relation."""
        if self.config.certificate:
            certificate, key = self.config.certificate
            return (certificates.Certificate("ssl_cert", certificate, key),)
        return self.issued.certificates if self.issued else ()


class Reader:
    """Reads the state from Juju."""

    def __init__(
        self, charm: ops.CharmBase, host: Host, responders: Responders, event: ops.EventBase
    ) -> None:
        """Read for `charm` on `host`, in the hook of `event`."""
        self._model = charm.model
        self._application = charm.app.name
        self._unit = charm.unit
        self._leader = charm.unit.is_leader()
        self._host = host
        self._responders = responders
        self._broken: ops.Relation | None = None
        self._departing: str | None = None
        self._event_unit: str | None = None
        if isinstance(event, ops.RelationBrokenEvent):
            self._broken = event.relation
        if isinstance(event, ops.RelationEvent) and event.unit:
            self._event_unit = event.unit.name
        if isinstance(event, ops.RelationDepartedEvent) and event.departing_unit:
            self._departing = event.departing_unit.name

    def read(self, config: Config) -> State:
        """The state, given the options."""
        bindings = {kind: self._binding(kind, config) for kind in ENDPOINT_TYPES}
        local = self._local_addresses(config, bindings)
        own = endpoints.unit_addresses(config, bindings, local)
        cluster = self._binding("cluster", config)
        answer, fingerprint, address = self._database(config)
        clustered, published = self._ha()
        names = self._certificate_names(config, bindings, own)
        offers = self._bags("certificates")
        return State(
            unit=self._unit.name,
            application=self._application,
            leader=self._leader,
            config=config,
            related=frozenset(name for name in ENDPOINTS if self.active(name)),
            bindings=bindings,
            own_addresses=own,
            cluster_address=cluster.address,
            cluster_interface=cluster.interfaces[0].name,
            local=local,
            identity=self._identity(),
            database=answer,
            database_fingerprint=fingerprint,
            database_hostname=address,
            messaging=messaging.Messaging.from_bags(self._bags("amqp")),
            clustered=clustered,
            published_ha=published,
            peers=self._peers(),
            migration=self._migration(),
            certificate_names=names,
            issued=self._issued(offers, names),
            authorities=certificates.authorities(offers),
            ceph=ceph.read(self._bags("ceph"), self._unit.name, self._application),
            model=self._model.name,
            model_uuid=self._model.uuid,
        )

    def active(self, endpoint: str) -> list[ops.Relation]:
        """Relations of an endpoint, without the one that is going away in this hook."""
        return [r for r in self._model.relations[endpoint] if r != self._broken and r.active]

    def _bags(self, endpoint: str) -> dict[str, dict[str, str]]:
        bags = databag.unit_bags(self.active(endpoint))
        bags.pop(self._departing or "", None)
        return bags

    def _choose(
        self,
        endpoint: str,
        bags: Mapping[str, databag.Bag],
        parse: Callable[[databag.Bag], object],
    ) -> str | None:
        """The unit with the newest complete answer of a leader among several units."""
        return self._responders.choose(
            endpoint, bags, lambda bag: parse(bag) is not None, self._event_unit
        )

    def _identity(self) -> Identity | None:
        bags = self._bags("identity-service")
        chosen = self._choose("identity-service", bags, Identity.from_bag)
        return Identity.from_bag(bags[chosen]) if chosen else None

    def _database(self, config: Config) -> tuple[database.Database | None, str, str]:
        """The answer, what tells that database from others, and the address to be reached from."""
        found = self.active("shared-db")
        if not found:
            return None, "", ""
        bags = self._bags("shared-db")

        def parse(bag: databag.Bag) -> database.Database | None:
            return database.Database.from_bag(bag, self._unit.name)

        # A router comes beside the database that it is to stand before, and stays when that goes.
        routers = {unit: bag for unit, bag in bags.items() if (db := parse(bag)) and db.is_router}
        chosen = self._choose("shared-db", routers or bags, parse)
        answer = parse(bags[chosen]) if chosen else None
        relation = next((r for r in found if chosen in {unit.name for unit in r.units}), found[0])
        binding = self._binding("shared-db", config)
        demanded = (database.access_network(bag) for bag in bags.values())
        network = next((network for network in demanded if network), None)
        address = binding.address
        if network:
            local = (*binding.interfaces, *self._all_addresses(config))
            inside = (str(entry.address) for entry in local if entry.address in network)
            address = next(inside, address)
        return answer, answer.fingerprint(relation.id) if answer else "", address

    def _ha(self) -> tuple[bool, Mapping[str, str]]:
        """Whether Pacemaker is set up on this unit, and what the unit has published for it."""
        found = self.active("ha")
        if not found:
            return False, {}
        clustered = any(hacluster.is_clustered(bag) for bag in self._bags("ha").values())
        return clustered, dict(found[0].data[self._unit])

    def _certificate_names(
        self,
        config: Config,
        bindings: Mapping[str, endpoints.Binding],
        own: Mapping[str, str],
    ) -> dict[str, list[str]]:
        if not self.active("certificates"):
            return {}
        fqdn = hostname.canonical_name()
        return endpoints.certificate_names(config, self._application, fqdn, bindings, own)

    def _issued(
        self, offers: Mapping[str, databag.Bag], names: Mapping[str, list[str]]
    ) -> certificates.Issued | None:
        """The newest of the answers that cover the most of `names`."""

        def read(bag: databag.Bag) -> certificates.Issued | None:
            return certificates.read(bag, self._unit.name, names)

        fewest = min((len(a.missing) for bag in offers.values() if (a := read(bag))), default=0)

        def best(bag: databag.Bag) -> certificates.Issued | None:
            answer = read(bag)
            return answer if answer and len(answer.missing) == fewest else None

        chosen = self._choose("certificates", offers, best)
        return best(offers[chosen]) if chosen else None

    def _peers(self) -> tuple[peers_module.Peer, ...]:
        """The other units that there are.

        Juju 4 tells no unit that a peer has been removed, and goes on showing its databag: the
        peer's row is deleted together with its place in the relation (seen with 4.0.15).
        """
        found = peers_module.read(self._bags("cluster"))
        if not found or os.environ.get("JUJU_VERSION", "3").startswith(("2.", "3")):
            return found
        answer = self._host.runner.run(["goal-state", "--format=json"], timeout=30, check=False)
        try:
            there = json.loads(answer.stdout)["units"]
        except (ValueError, KeyError, TypeError):
            return found
        return tuple(peer for peer in found if peer.name in there)

    def _migration(self) -> peers_module.Migration | None:
        for relation in self.active("cluster"):
            return peers_module.Migration.load(
                relation.data[self._model.app].get(peers_module.MIGRATED)
            )
        return None

    def _binding(self, name: str, config: Config) -> endpoints.Binding:
        """Network of an endpoint, without the virtual addresses that Juju may count to it.

        Raises:
            endpoints.NoAddress: the machine has none there.
            ops.ModelError: Juju does not answer; the hook is tried again.
        """
        binding = self._model.get_binding(name)
        assert binding is not None  # noqa: S101 - the charm's own endpoints all have one
        try:
            interfaces = binding.network.interfaces
        except ops.ModelError as error:
            if endpoints.NO_NETWORK not in str(error):
                raise
            interfaces = []
        found = [
            endpoints.Interface(entry.name, entry.address, entry.subnet)
            for entry in interfaces
            if entry.subnet is not None
            and isinstance(entry.address, ipaddress.IPv4Address | ipaddress.IPv6Address)
        ]
        own = [entry for entry in found if entry.address not in config.vips]
        if not found:
            raise endpoints.NoAddress(self._application, name)
        return endpoints.Binding(tuple(own or found))

    def _local_addresses(
        self, config: Config, bindings: Mapping[str, endpoints.Binding]
    ) -> tuple[endpoints.Interface, ...]:
        """The addresses that Juju tells of; the rest too, where an option may be about them."""
        known = tuple(entry for binding in bindings.values() for entry in binding.interfaces)
        inside = all(endpoints.interface_for(vip, known) for vip in config.vips)
        if inside and not config.networks:
            return known
        return (*known, *self._all_addresses(config))

    def _all_addresses(self, config: Config) -> tuple[endpoints.Interface, ...]:
        output = self._host.runner.run(["ip", "-json", "address"], check=False).stdout
        try:
            entries = json.loads(output or "[]")
        except ValueError:
            entries = []
        found = endpoints.parse_ip_addresses(entries)
        return tuple(entry for entry in found if entry.address not in config.vips)
