"""How the engine's tasks ask Nova for a host's guests."""

from __future__ import annotations

from typing import Any

REQUEST_TIMEOUT = 20
"""Seconds that one request to Nova may take."""

STATE = "OS-EXT-STS:vm_state"
"""Nova's attribute of a server that says what the guest is meant to do: `active`, `error`, ..."""

TASK = "OS-EXT-STS:task_state"
"""Nova's attribute of a server that says what is being done with it; None: nothing."""


def of_host(client: Any, host_name: str) -> Any:
    """Return everybody's guests on a host, as novaclient's servers.

    Args:
        client: a `novaclient.client.Client`, which says what is raised.
        host_name: Nova's name of the host.
    """
    options = {"host": host_name, "all_tenants": True}
    return client.servers.list(detailed=True, search_opts=options)
