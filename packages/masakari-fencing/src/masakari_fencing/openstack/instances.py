"""How an instance is asked of Nova."""

from __future__ import annotations

from typing import Any

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


POWERING = frozenset(
    {
        "powering-off",
        "powering-on",
        "rebooting_hard",
        "reboot_pending_hard",
        "reboot_started_hard",
    }
)
"""Nova's tasks of an instance that it was told to stop or start."""

UNGATED = frozenset({"powering-on", "resuming", "rescuing", "unrescuing"})
"""Nova's tasks of an instance whose nova-compute starts a process without asking whether it still
has that task, nor whether it still has the instance (`start_instance`, `resume_instance`,
`rescue_instance` and `unrescue_instance` of nova.compute.manager, 26.x to 2025.2 by their source;
the first two were seen so with 26.2.2). The request waits in the broker for as long as
nova-compute is away: evacuated, the instance would run twice once its host is back."""

STARTS = frozenset({"start", "resume", "rescue", "unrescue", "unshelve"})
"""Nova's actions that begin with those tasks; the last one where it was not offloaded yet
(`unshelve_instance` of nova.conductor.manager)."""

LOCKING = frozenset({"lock", "unlock"})
"""Nova's actions after which an instance is and does what it did before. Each is on record, also
where it changes nothing (seen with 26.2.2), but for the lock of one that is locked by whose
project owns it (`lock` of nova.compute.api)."""

LAUNCHED = "OS-SRV-USG:launched_at"
"""Nova's attribute of a server that says when it was started first; None: never."""

POWER_RETRY = 90.0
"""Seconds after which a request to stop or start is made once more that has had no effect: the
broker has lost it, and Nova waits for ever; twice does no harm."""

_GOING = frozenset({"deleting", "soft-deleting"})
_GONE = frozenset({"deleted", "soft-delete"})


def is_going(server: Any) -> bool:
    """Whether an owner has deleted an instance, and Nova is about to, be its host dead or alive.

    A deletion that a dead nova-compute was asked for is carried out when it is started again
    (`_init_instance` of nova.compute.manager), unless the task is reset before. Between that and
    the moment from which Nova knows no such instance, it shows one that is `deleted`
    (`_delete_instance`, seen with 26.2.2).
    """
    return getattr(server, TASK, None) in _GOING or getattr(server, STATE, "") in _GONE


def waits_for_host(server: Any) -> bool:
    """Whether its nova-compute, however long that is away, will start it; see `UNGATED`."""
    return getattr(server, TASK, None) in UNGATED


def was_launched(server: Any) -> bool:
    """Whether an instance has ever run; Nova evacuates none that has not."""
    return getattr(server, LAUNCHED, "") is not None


def of_host(client: Any, host_name: str, *, every: bool = True) -> Any:
    """Return everybody's instances on a host, as novaclient's servers.

    Args:
        client: a `novaclient.client.Client`, which says what is raised.
        host_name: Nova's name of the host.
        every: not only those of the first page, which needs a request more.
    """
    options = {"host": host_name, "all_tenants": True}
    limit = -1 if every else None
    return client.servers.list(detailed=True, search_opts=options, limit=limit)


def host_of(server: Any) -> str:
    """Return Nova's name of the host that an instance is on."""
    return str(getattr(server, HOST, "") or "")


_ARRIVED = frozenset({"done", "completed", "finished", "confirmed"})
"""States of Nova's record of an evacuation, a live migration or a resize that has brought an
instance; `completed` says so of an instance that Nova has there."""


def has_moved(nova: Any, host: str, other: str, instance: str) -> bool:
    """Whether an instance has come from one host to another.

    Args:
        nova: a novaclient (microversion 2.53), which says what is raised.
        host: the one.
        other: the other, on which Nova has it.
        instance: its identifier.
    """
    way = [host.lower(), other.lower()]
    return any(
        [str(m.source_compute).lower(), str(m.dest_compute).lower()] == way
        and m.status in _ARRIVED
        for m in nova.migrations.list(instance_uuid=instance)
    )
