"""What the unit publishes on each relation, computed from the state."""

from __future__ import annotations

import endpoints
from relations import (
    ceph,
    certificates,
    cos_agent,
    database,
    hacluster,
    keystone,
    messaging,
    nrpe,
    peers,
)
from state import State

OWNED = {
    "identity-service": keystone.KEYS,
    "shared-db": database.KEYS,
    "amqp": messaging.KEYS,
    "ha": hacluster.KEYS,
    "certificates": (*certificates.KEYS, *certificates.LEGACY_KEYS),
    "cos-agent": cos_agent.KEYS,
    "nrpe-external-master": nrpe.KEYS,
    "ceph": ceph.KEYS,
    "cluster": peers.KEYS,
}
"""Keys of each relation that this charm writes, and deletes when they have no value."""


def compute(
    state: State, *, tls: bool, serving: bool, fencing: bool, power_key: str = ""
) -> dict[str, dict[str, str] | None]:
    """Databag of this unit for each endpoint.

    Args:
        state: the state.
        tls: this unit serves with TLS.
        serving: HAProxy has this charm's configuration.
        fencing: the programs are installed that the cluster runs on every member.
        power_key: what stands for the MAAS key in this unit's file.

    Returns:
        By endpoint; None leaves what was published before as it is.
    """
    return {
        "identity-service": _identity(state, tls) if serving else None,
        "shared-db": database.request(state.database_hostname),
        "amqp": messaging.request(),
        "ha": _ha(state) if serving else None,
        "certificates": certificates.request(state.unit, state.certificate_names),
        "cos-agent": _cos_agent(state),
        "nrpe-external-master": nrpe.publish(),
        "ceph": ceph.request(state.application),
        "cluster": peers.publish(
            state.cluster_address, state.own_addresses, fencing=fencing, power_key=power_key
        ),
    }


def _identity(state: State, tls: bool) -> dict[str, str] | None:
    """The endpoints; nothing while they could still be others on other units.

    Keystone handles each unit's databag by itself, so units that publish different URLs rewrite
    each other's endpoints.
    """
    if state.wants_ha and not state.clustered:
        return None
    if "certificates" in state.related and not tls:
        return None
    hosts = endpoints.hosts(
        state.config,
        state.application,
        state.bindings,
        state.own_addresses,
        state.peers,
        state.unit,
    )
    urls = endpoints.service_urls("https" if tls else "http", hosts)
    return keystone.request(state.config.region, urls, state.config.roles)


def _ha(state: State) -> dict[str, str] | None:
    config = state.config
    if not config.vips and not config.dns_ha:
        return None
    vips = [
        hacluster.Vip(
            vip,
            endpoints.interface_for(vip, state.local),
            config.vip_iface,
            config.vip_cidr,
        )
        for vip in config.vips
    ]
    names = config.hostnames(state.application) if config.dns_ha else {}
    dns_names = [
        hacluster.DnsName(kind, name, state.own_addresses[kind]) for kind, name in names.items()
    ]
    return hacluster.request(
        vips,
        dns_names,
        interface=state.cluster_interface or config.vip_iface,
        published=state.published_ha,
    )


def _cos_agent(state: State) -> dict[str, str] | None:
    if "cos-agent" not in state.related:
        return None
    topology = cos_agent.Topology(state.model, state.model_uuid, state.application)
    return cos_agent.publish(topology)
