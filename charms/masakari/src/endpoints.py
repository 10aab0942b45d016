"""Addresses and URLs of the API, for each endpoint type."""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Iterable, Mapping, Sequence

from instance_ha_common import urls
from instance_ha_common.juju import status

from config import ENDPOINT_TYPES, Address, Config, Network
from relations import peers
from workload.haproxy import PUBLIC_PORT

NO_NETWORK = "no network config found for binding"
"""What Juju's network-get says, 3.6 and 4, where the machine is not in the endpoint's space."""


@dataclasses.dataclass(frozen=True)
class Interface:
    """An address of this machine.

    Attributes:
        name: interface that has it.
        address: the address.
        network: network that it is in.
    """

    name: str
    address: Address
    network: Network


@dataclasses.dataclass(frozen=True)
class Binding:
    """What Juju says of one endpoint's network.

    Attributes:
        interfaces: this machine's addresses in it; the first one is the endpoint's.
    """

    interfaces: tuple[Interface, ...]

    @property
    def address(self) -> str:
        """The endpoint's address."""
        return str(self.interfaces[0].address)


class NoAddress(ValueError):  # noqa: N818 - how the model is, not an error of the charm
    """The machine has no address in the space of an endpoint."""

    def __init__(self, application: str, endpoint: str) -> None:
        """Say it to the operator."""
        super().__init__(status.no_address(application, endpoint))


def unit_addresses(
    config: Config, bindings: Mapping[str, Binding], local: Sequence[Interface]
) -> dict[str, str]:
    """This unit's own address for each endpoint type.

    Args:
        config: `os-*-network` in it take precedence over bindings.
        bindings: of each endpoint type.
        local: all addresses of this machine.
    """
    addresses = {}
    for kind in ENDPOINT_TYPES:
        network = config.networks.get(kind)
        found = (str(entry.address) for entry in local if network and entry.address in network)
        addresses[kind] = next(found, None) or bindings[kind].address
    return addresses


def vip_for(
    vips: Sequence[Address], binding: Binding, network: Network | None = None
) -> Address | None:
    """The virtual address of an endpoint: the one in its network, else the first."""
    networks = [network] if network else [entry.network for entry in binding.interfaces]
    inside = (vip for vip in vips if any(vip in candidate for candidate in networks))
    return next(inside, vips[0] if vips else None)


def hosts(
    config: Config,
    application: str,
    bindings: Mapping[str, Binding],
    own: Mapping[str, str],
    others: Iterable[peers.Peer],
    unit: str,
) -> dict[str, str]:
    """Host in the URL of each endpoint type; the same on all units.

    Without host names and virtual addresses there is no address that all units share. So that
    they do not register endpoints against each other, all name the unit with the lowest number.

    Args:
        config: host names and virtual addresses.
        application: name of this application.
        bindings: of each endpoint type.
        own: addresses of this unit.
        others: the other units.
        unit: name of this unit.
    """
    names = config.hostnames(application)
    everyone = {unit: own, **{peer.name: peer.addresses for peer in others if peer.addresses}}
    first = everyone[min(everyone, key=peers.unit_number)]
    result = {}
    for kind in ENDPOINT_TYPES:
        vip = vip_for(config.vips, bindings[kind], config.networks.get(kind))
        result[kind] = names.get(kind) or (str(vip) if vip else first.get(kind, own[kind]))
    return result


def service_urls(scheme: str, endpoint_hosts: Mapping[str, str]) -> dict[str, str]:
    """URL of each endpoint type, in the form that existing clouds have registered."""
    return {
        kind: urls.url(scheme, host, PUBLIC_PORT, "/v1/%(tenant_id)s")
        for kind, host in endpoint_hosts.items()
    }


def certificate_names(
    config: Config,
    application: str,
    fqdn: str,
    bindings: Mapping[str, Binding],
    own: Mapping[str, str],
) -> dict[str, list[str]]:
    """Names that certificates are needed for, and what else each must be valid for.

    Returns:
        The unit's own name first, with its addresses and the virtual ones; then each endpoint
        host name, with the addresses that it may resolve to.
    """
    vips = {
        kind: vip_for(config.vips, bindings[kind], config.networks.get(kind))
        for kind in ENDPOINT_TYPES
    }
    of_kind = {
        kind: [own[kind], *([str(vips[kind])] if vips[kind] else [])] for kind in ENDPOINT_TYPES
    }
    everything = [
        *(str(entry.address) for binding in bindings.values() for entry in binding.interfaces),
        *(address for kind in ENDPOINT_TYPES for address in of_kind[kind]),
        *(str(vip) for vip in config.vips),
    ]
    wanted = {fqdn: everything}
    for kind, name in config.hostnames(application).items():
        wanted.setdefault(name, []).extend(of_kind[kind])
    return wanted


def interface_for(address: Address, interfaces: Iterable[Interface]) -> str:
    """Interface of this machine in whose network `address` lies; empty if there is none."""
    found = (entry.name for entry in interfaces if address in entry.network)
    return next(found, "")


def parse_ip_addresses(entries: object) -> tuple[Interface, ...]:
    """Read the output of `ip -json address`."""
    found = []
    for link in entries if isinstance(entries, list) else ():
        for info in link.get("addr_info", ()):
            if info.get("scope") == "global":
                network = ipaddress.ip_network(f"{info['local']}/{info['prefixlen']}", False)
                found.append(
                    Interface(link["ifname"], ipaddress.ip_address(info["local"]), network)
                )
    return tuple(found)
