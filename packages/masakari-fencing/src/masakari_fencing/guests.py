"""How the engine asks Nova for a host's instances, and which of them are to be recovered."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from masakari_fencing.recovery_record import Instance

REQUEST_TIMEOUT = 20
"""Seconds that one request to Nova may take."""

STATE = "OS-EXT-STS:vm_state"
"""Nova's attribute of a server that says what the instance is meant to do: `active`, ..."""

TASK = "OS-EXT-STS:task_state"
"""Nova's attribute of a server that says what is being done with it; None: nothing."""

POWER = "OS-EXT-STS:power_state"
"""Nova's attribute of a server that says what its hypervisor has seen of it last; a number."""

HOST = "OS-EXT-SRV-ATTR:host"
"""Nova's attribute of a server that names its nova-compute. `hypervisor_hostname` beside it may
differ, and is what the hypervisor calls itself."""

_TRUE = frozenset({"1", "t", "true", "on", "y", "yes"})
"""What oslo.utils, and so Masakari, takes for true."""


def of_host(client: Any, host_name: str) -> Any:
    """Return everybody's instances on a host, as novaclient's servers.

    Args:
        client: a `novaclient.client.Client`, which says what is raised.
        host_name: Nova's name of the host.
    """
    options = {"host": host_name, "all_tenants": True}
    return client.servers.list(detailed=True, search_opts=options)


def host_of(server: Any) -> str:
    """Return Nova's name of the host that an instance is on."""
    return str(getattr(server, HOST, "") or "")


def to_recover(
    servers: Iterable[Any], *, key: str, everyone: bool, skip_errors: bool
) -> list[Any]:
    """Return those that are to be recovered, in Masakari's order: those with its key first.

    Args:
        servers: novaclient's servers of the host.
        key: metadata key of instances that are to be recovered.
        everyone: whether all others are, too.
        skip_errors: whether instances in ERROR are not.
    """
    chosen = [s for s in servers if not (skip_errors and getattr(s, STATE, "") == "error")]
    marked = [s for s in chosen if str(s.metadata.get(key, "")).strip().lower() in _TRUE]
    return marked + [s for s in chosen if everyone and s not in marked]


def before(server: Any, *, running: bool) -> Instance:
    """Return what is to be remembered of an instance.

    Args:
        server: novaclient's server.
        running: it ran, whatever Nova says by now.
    """
    return Instance(
        uuid=str(server.id),
        vm_state="active" if running else str(getattr(server, STATE, "") or ""),
        task_state="" if running else str(getattr(server, TASK, None) or ""),
        power_state=int(getattr(server, POWER, 0) or 0),
        locked=bool(getattr(server, "locked", False)),
    )
