"""`ha`: the Pacemaker resources that hacluster creates for this charm.

The names are those that the charm's users already have in their clusters. hacluster finds what
exists by name and cannot rename, so another name for the same thing would break a refresh.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence

from instance_ha_common.juju import databag
from instance_ha_common.juju.addresses import Address

_META = 'meta migration-threshold="INFINITY" failure-timeout="5s"'
_VIP_MONITOR = 'op monitor timeout="20s" interval="10s" depth="0"'
HAPROXY_RESOURCE = "res_masakari_haproxy"
_HAPROXY_CLONE = "cl_res_masakari_haproxy"
_VIP_GROUP = "grp_masakari_vips"
_HOSTNAME_GROUP = "grp_masakari_hostnames"
_LEGACY_IPV6 = "res_masakari_None_ipv6addr_vip"
_DNS_NAMES = {"public": "public", "admin": "admin", "internal": "int"}
_MULTICAST_PORT = "4440"

KEYS = (
    "corosync_bindiface",
    "corosync_mcastport",
    *(
        f"json_{kind}"
        for kind in (
            "clones",
            "colocations",
            "delete_resources",
            "groups",
            "init_services",
            "locations",
            "ms",
            "orders",
            "resource_params",
            "resources",
            "systemd_services",
        )
    ),
)


@dataclasses.dataclass(frozen=True)
class Vip:
    """A virtual address.

    Attributes:
        address: the address.
        interface: interface of this machine in the address's network; empty if there is none.
        fallback_interface: interface to use in that case.
        fallback_prefix: prefix length to use in that case.
    """

    address: Address
    interface: str
    fallback_interface: str
    fallback_prefix: int


@dataclasses.dataclass(frozen=True)
class DnsName:
    """A DNS record that follows the service.

    Attributes:
        kind: endpoint type.
        hostname: the name.
        address: address of this unit for that endpoint type.
    """

    kind: str
    hostname: str
    address: str


def is_clustered(bag: databag.Bag) -> bool:
    """Whether hacluster says that Pacemaker is set up on this unit."""
    return bag.get("clustered", "").strip().lower() in ("yes", "true")


def request(
    vips: Sequence[Vip],
    dns_names: Sequence[DnsName],
    *,
    interface: str,
    published: Mapping[str, str],
) -> dict[str, str]:
    """What to publish.

    Args:
        vips: virtual addresses, in the operator's order.
        dns_names: DNS records, instead of them.
        interface: interface that the cluster's members talk over.
        published: what this unit has published so far. What it holds and is no longer wanted is
            to be deleted.
    """
    resources: dict[str, tuple[str, str]] = {
        HAPROXY_RESOURCE: ("systemd:haproxy", f'  {_META}  op monitor interval="5s"')
    }
    groups: dict[str, str] = {}
    members = _add_vips(resources, vips)
    if members:
        groups[_VIP_GROUP] = " ".join(sorted(members))
    if dns_names:
        groups[_HOSTNAME_GROUP] = " ".join(sorted(_add_dns_names(resources, dns_names)))
    delete = _obsolete(published) | _legacy_names(vips)
    data: dict[str, object] = {
        "clones": {_HAPROXY_CLONE: HAPROXY_RESOURCE},
        "colocations": {},
        "delete_resources": sorted(delete - set(resources)),
        "groups": groups,
        "init_services": ["haproxy"],
        "locations": {},
        "ms": {},
        "orders": {},
        "resource_params": {name: params for name, (_, params) in resources.items()},
        "resources": {name: agent for name, (agent, _) in resources.items()},
        "systemd_services": [],
    }
    return {
        "corosync_bindiface": interface,
        "corosync_mcastport": _MULTICAST_PORT,
        **{f"json_{key}": json.dumps(value, sort_keys=True) for key, value in data.items()},
    }


def _add_vips(resources: dict[str, tuple[str, str]], vips: Iterable[Vip]) -> list[str]:
    names = []
    for vip in vips:
        agent, parameter = (
            ("ocf:heartbeat:IPv6addr", "ipv6addr")
            if vip.address.version == 6
            else ("ocf:heartbeat:IPaddr2", "ip")
        )
        name = _hashed_name(vip.address)
        params = f'  params {parameter}="{vip.address}"'
        if not vip.interface:
            # The name by which the older charm created it, unless another address has it.
            legacy = f"res_masakari_{vip.fallback_interface}_vip"
            name = name if legacy in resources else legacy
            params += f' nic="{vip.fallback_interface}" cidr_netmask="{vip.fallback_prefix}"'
        resources[name] = (agent, f"{params}  {_META}  {_VIP_MONITOR}")
        names.append(name)
    return names


def _hashed_name(address: Address) -> str:
    digest = hashlib.sha1(str(address).encode(), usedforsecurity=False).hexdigest()
    return f"res_masakari_{digest[:7]}_vip"


def _add_dns_names(
    resources: dict[str, tuple[str, str]], dns_names: Iterable[DnsName]
) -> list[str]:
    names = []
    for record in dns_names:
        name = f"res_masakari_{_DNS_NAMES[record.kind]}_hostname"
        # hacluster finds the address by the blank before it.
        params = f'  params  fqdn="{record.hostname}" ip_address="{record.address}"'
        resources[name] = ("ocf:maas:dns", params)
        names.append(name)
    return names


def _legacy_names(vips: Iterable[Vip]) -> set[str]:
    """Names under which older charms may have created the same addresses."""
    return {
        _LEGACY_IPV6 if vip.address.version == 6 else f"res_masakari_{vip.interface}_vip"
        for vip in vips
        if vip.interface
    }


def _obsolete(published: Mapping[str, str]) -> set[str]:
    """What was published before, as resource or as to be deleted."""
    resources = _load(published, "json_resources")
    deleted = _load(published, "json_delete_resources")
    names = [
        *(resources if isinstance(resources, dict) else ()),
        *(deleted if isinstance(deleted, list) else ()),
    ]
    return {name for name in names if isinstance(name, str)}


def _load(published: Mapping[str, str], key: str) -> object:
    try:
        return json.loads(published.get(key, ""))
    except ValueError:
        return None
