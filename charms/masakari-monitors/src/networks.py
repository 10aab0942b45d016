"""The networks that Consul watches: from which agents, and what their states call for."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from instance_ha_common.juju import problems, status
from instance_ha_common.juju.problems import Hindrance
from instance_ha_common.options import from_yaml
from network_matrix import matrix
from network_matrix.consul import Agent, parse_agents
from network_matrix.matrix import Matrix, MatrixError
from relations import consul_cluster
from relations.consul_cluster import ENDPOINTS

OPTIONS = {network: f"{endpoint}-agents" for network, endpoint in ENDPOINTS.items()}
"""Option of each of Masakari's networks."""


@dataclasses.dataclass(frozen=True)
class Watch:
    """What Consul watches.

    Attributes:
        agents: the agents of each network, in Masakari's order of the networks.
        matrix: which states call for a recovery.
    """

    agents: Mapping[str, tuple[Agent, ...]]
    matrix: Matrix


def parse_option(network: str, text: str) -> tuple[Agent, ...]:
    """Read the agents of a network from its option.

    Raises:
        ValueError: one of them is not an address; the text names the option.
    """
    try:
        return parse_agents(text)
    except ValueError as error:
        raise ValueError(f"{OPTIONS[network]}: {error}") from None


def watch(
    options: Mapping[str, str], matrix_text: str, bags: Mapping[str, Mapping[str, str]]
) -> Watch | None:
    """Put options and relations together; an option wins over the relation of its network.

    Args:
        options: the addresses of each network's agents, as the operator gave them.
        matrix_text: the operator's matrix, or nothing for the default.
        bags: application databag of each network whose endpoint is related.

    Returns:
        what to watch; None where nothing is to be watched.

    Raises:
        Hindrance: a provider has not answered yet.
        ValueError: an option or an answer is unusable; the text says which, and the cure.
    """
    agents: dict[str, tuple[Agent, ...]] = {}
    waiting = []
    for network, endpoint in ENDPOINTS.items():
        found = parse_option(network, options.get(network, ""))
        if not found and network in bags:
            try:
                found = consul_cluster.read(bags[network])
            except consul_cluster.UnreachableError as error:
                raise ValueError(f"{endpoint}: {error}: set {OPTIONS[network]}") from None
            if not found:
                waiting.append(endpoint)
        if found:
            agents[network] = found
    if waiting:
        raise Hindrance(problems.waiting(status.incomplete_relations(waiting)))
    if not agents:
        if matrix_text.strip():
            names = ", ".join(OPTIONS.values())
            raise ValueError(f"network-matrix: no network is watched: set {names}")
        return None
    return Watch(agents, _matrix(matrix_text, list(agents)))


def _matrix(text: str, networks: list[str]) -> Matrix:
    if not text.strip():
        return matrix.default(networks)
    data = from_yaml("network-matrix", text)
    try:
        return matrix.parse(data, networks)
    except MatrixError as error:
        raise ValueError(f"network-matrix: {error}") from None
