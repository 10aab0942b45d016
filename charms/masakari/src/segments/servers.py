"""Instances of one host as Nova has them now, and moving them while they run."""

from __future__ import annotations

import dataclasses
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any

from masakari_fencing import times
from masakari_fencing.openstack.rest import ApiError

from segments.cloud import Cloud

CANARY = "masakari-drill-"
"""How the names of a drill's instances begin; the drill's identifier and a number follow."""

_PAGE = 1000
"""Servers that are asked for at once; Nova's own `max_limit` by default."""
_DETAILS = "2.84"
"""The first microversion that tells why an instance's action failed."""
_RUNNING = ("active", "paused")
"""`vm_state`s that Nova migrates live (`live_migrate` of nova.compute.api)."""
_AT_REST = ("stopped", "suspended", "error", "shelved", "shelved_offloaded", "soft-delete")
"""Those of which no process runs."""


@dataclasses.dataclass(frozen=True)
class Server:
    """An instance.

    Attributes:
        uuid: Nova's.
        name: as its owner calls it.
        host: Nova's name of its host; empty where it has none.
        state: Nova's vm_state.
        task: Nova's task_state; empty while nothing is done with it.
        fault: what Nova says went wrong with it, if anything.
        launched: when its hypervisor had started it last, in seconds since the epoch, rounded
            down to a whole one; 0: never.
    """

    uuid: str
    name: str
    host: str
    state: str
    task: str = ""
    fault: str = ""
    launched: float = 0.0

    @property
    def movable(self) -> bool:
        """Whether Nova migrates it live, unless something is being done with it."""
        return self.state in _RUNNING

    @property
    def rests(self) -> bool:
        """Whether nothing of it runs, so that it may stay where it is."""
        return self.state in _AT_REST and not self.task

    def __str__(self) -> str:
        state = self.state + (f", {self.task}" if self.task else "")
        return f"{self.name} ({self.uuid}, {state})"


def on_host(cloud: Cloud, host: str) -> list[Server]:
    """The instances of a host.

    Raises:
        ApiError: Nova does not answer.
    """
    return list(_listed(cloud, f"host={urllib.parse.quote(host, safe='')}"))


def named(cloud: Cloud, prefix: str) -> list[Server]:
    """The instances whose names begin so, wherever they are.

    Raises:
        ApiError: Nova does not answer.
    """
    quoted = urllib.parse.quote(prefix, safe="")
    return [one for one in _listed(cloud, f"name={quoted}") if one.name.startswith(prefix)]


def migrate_live(cloud: Cloud, server: Server, host: str | None = None) -> None:
    """Have Nova move an instance, while it runs.

    Args:
        cloud: access to the APIs.
        server: the instance.
        host: where to, if Nova's scheduler accepts that; None: it picks.

    Raises:
        ApiError: it refuses.
    """
    body = {"os-migrateLive": {"host": host, "block_migration": "auto"}}
    cloud.tell_nova("POST", f"/servers/{server.uuid}/action", body)


def why_not_moved(cloud: Cloud, server: Server) -> str:
    """What Nova says about the last action on an instance, which failed; empty if nothing."""
    path = f"/servers/{server.uuid}/os-instance-actions"
    try:
        actions = cloud.ask_nova(path).get("instanceActions") or []
        latest = max(actions, key=lambda item: str(item.get("start_time")))
        request = urllib.parse.quote(str(latest.get("request_id", "")), safe="")
        found = cloud.ask_nova(f"{path}/{request}", _DETAILS).get("instanceAction") or {}
        told = [str(e["details"]) for e in found.get("events") or () if e.get("details")]
        return told[0] if told else str(found.get("message") or "")
    except (ApiError, AttributeError, TypeError, ValueError):  # no action, or no such version
        return ""


def _listed(cloud: Cloud, query: str) -> Iterator[Server]:
    path = f"/servers/detail?all_tenants=1&{query}&limit={_PAGE}"
    answer = cloud.ask_nova(path)
    while page := answer.get("servers"):
        yield from map(_read, page)
        if not answer.get("servers_links"):
            return
        answer = cloud.ask_nova(f"{path}&marker={page[-1]['id']}")


def _read(item: Mapping[str, Any]) -> Server:
    return Server(
        uuid=str(item.get("id", "")),
        name=str(item.get("name") or item.get("id", "")),
        host=str(item.get("OS-EXT-SRV-ATTR:host") or ""),
        state=str(item.get("OS-EXT-STS:vm_state") or ""),
        task=str(item.get("OS-EXT-STS:task_state") or ""),
        fault=str((item.get("fault") or {}).get("message") or ""),
        launched=times.epoch(item.get("OS-SRV-USG:launched_at")) or 0.0,
    )
