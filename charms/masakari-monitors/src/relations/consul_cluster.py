"""The relations to Consul, interface `consul-cluster`; everything is in the provider's app bag.

The endpoints are JSON text or `null`. A provider on Kubernetes has no external endpoint today, and
its internal one is a name that only the cluster's own DNS knows. The requirer publishes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from network_matrix.consul import Agent, parse_agents

ENDPOINTS = {
    "manage": "consul-management",
    "tenant": "consul-tenant",
    "storage": "consul-storage",
}
"""Endpoint of each of Masakari's networks."""

_ANSWERS = ("external_http_endpoint", "internal_http_endpoint")
_CLUSTER_ONLY = (".svc", ".svc.cluster.local")


class UnreachableError(Exception):
    """The provider has answered, but with nothing that a hypervisor could reach."""


def read(bag: Mapping[str, str]) -> tuple[Agent, ...]:
    """Return where the provider's agents answer; empty while it has not said.

    Raises:
        UnreachableError: nowhere that can be reached from here.
    """
    if not any(bag.get(key) for key in _ANSWERS):
        return ()
    for key in _ANSWERS:
        agents = _agents(bag.get(key, ""))
        if agents and not agents[0].host.endswith(_CLUSTER_ONLY):
            return agents
    raise UnreachableError(
        "the provider's HTTP endpoint cannot be reached from outside its cluster"
    )


def _agents(text: str) -> tuple[Agent, ...]:
    """Read an endpoint, which is JSON text; some providers leave the quotes out."""
    try:
        value = json.loads(text or "null")
    except ValueError:
        value = text
    try:
        return parse_agents(value) if isinstance(value, str) else ()
    except ValueError:
        return ()
