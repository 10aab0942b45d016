"""Which instances of a host are to be recovered, by their HA key and the state before the failure.

What the operator excludes by rules (`recover-only`, `recover-never`) is `openstack.scope`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from masakari_fencing import times
from masakari_fencing.openstack import instances
from masakari_fencing.openstack.instances import POWER, STATE, TASK
from masakari_fencing.openstack.restart_order import Place
from masakari_fencing.openstack.scope import TRUE
from masakari_fencing.records.recovery import Instance
from masakari_fencing.workflow.instances.evacuation import SHUTDOWN, wanted

SKEW = 60.0
"""Seconds by which the clocks of Nova's database and of the cluster may be off."""

TAKEN = 5.0
"""Seconds within which a nova-compute that runs takes what it is asked for."""

WAITS = "its start waits for its host, which carries it out when it is back"
"""Why an instance is left alone; see `instances.UNGATED`."""

ANYWHERE = Place()
"""The place of an instance of which nothing is said."""


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
    there = [s for s in servers if not instances.is_going(s)]
    there = [s for s in there if instances.was_launched(s) and not instances.waits_for_host(s)]
    chosen = [s for s in there if not (skip_errors and getattr(s, STATE, "") == "error")]
    marked = [s for s in chosen if _says_yes(getattr(s, "metadata", None), key)]
    return marked + [s for s in chosen if everyone and s not in marked]


def _says_yes(metadata: object, key: str) -> bool:
    value = metadata.get(key) if isinstance(metadata, Mapping) else None
    return str(value).strip().lower() in TRUE


def why_left(server: Any, key: str) -> str:
    """Return why an instance is none of `to_recover`.

    Args:
        server: novaclient's server.
        key: metadata key of instances that are to be recovered.
    """
    if not instances.was_launched(server):
        return "it was never started, and Nova evacuates none of these"
    if instances.waits_for_host(server):
        return WAITS
    if getattr(server, STATE, "") == "error":
        return "it is in ERROR, and ignore-instances-in-error-state is set"
    return f"it has no {key}=True, and evacuate-all-instances is not set"


def awaits_host(
    client: Any, server: Any, since: float, fenced: float, reported: float = 0.0
) -> bool:
    """Whether its host has been asked to start one, of which its task says nothing any more.

    A nova-compute that starts carries out by itself what an instance's task says, and then takes
    what has waited for it, which says the same. If it dies in between, that waits on: evacuated,
    the instance would run twice once its host is back. And if it does not, the instance runs.

    Nova writes down with an action when a nova-compute begins to carry it out, also of one that it
    finds as it starts (`action_event_start` of nova.db.main.api; 26.x to 2025.2 by their source).
    It begins to report only after it takes what waits for it (`start` of nova.service).

    Args:
        client: a novaclient.
        server: one of its servers.
        since: when the host failed, in seconds since the epoch; what was asked for before that it
            has taken.
        fenced: when it was fenced last; what nova-compute has begun since then, it has done.
        reported: when it had reported last before that; 0: nobody knows.
    """
    changed = times.epoch(getattr(server, "updated", None))
    if changed is not None and changed < since - SKEW:
        return False
    for action in client.instance_action.list(server):
        if action.action in instances.STARTS and _begun(action) >= since - SKEW:
            begun = _carried_out(client.instance_action.get(server, action.request_id))
            # What came by the broker is begun at once, or once more.
            taken = len(begun) > 1 or any(when - _begun(action) < TAKEN for when in begun)
            taken = taken or reported > max(begun, default=reported) + TAKEN
            if not taken or max(begun) > fenced - TAKEN:
                return True
    return False


def _carried_out(action: Any) -> list[float]:
    """Return when a nova-compute has begun with an action, in seconds since the epoch."""
    return [
        times.epoch(event.get("start_time")) or 0.0
        for event in action.events or ()
        if str(event.get("event")).startswith("compute_")
    ]


def before(server: Any, *, running: bool, place: Place = ANYWHERE) -> Instance:
    """Return what is to be remembered of an instance.

    Args:
        server: novaclient's server.
        running: it ran, whatever Nova says by now.
        place: its place in the order.
    """
    return Instance(
        uuid=str(server.id),
        vm_state="active" if running else str(getattr(server, STATE, "") or ""),
        task_state="" if running else str(getattr(server, TASK, None) or ""),
        power_state=int(getattr(server, POWER, 0) or 0),
        locked=bool(getattr(server, "locked", False)),
        priority=place.priority,
        group=place.group,
    )


def before_failure(
    client: Any,
    server: Any,
    since: float,
    place: Place = ANYWHERE,
    halfway: Instance | None = None,
) -> Instance:
    """Return an instance as it was before the failure.

    Nova stops an instance that does not run although it should. A host that boots after its
    fencing, before they are listed, has many of those.

    Args:
        client: a novaclient.
        server: one of its servers.
        since: when the host failed, in seconds since the epoch.
        place: its place in the order.
        halfway: as another host's recovery knows it, which had brought it here.
    """
    if halfway is not None and getattr(server, "locked", False):
        # Else that recovery is long over, or somebody has seen to it since.
        return replace(halfway, outcome="", priority=place.priority, group=place.group)
    stopping = getattr(server, TASK, None) == "powering-off"
    off = stopping or (_seems_off(server) and not _untouched(server, since))
    actions = deeds(client, server) if off else ()
    ran = off and (_ran(server, actions, since) or (stopping and _restarts(client, actions)))
    return before(server, running=ran, place=place)


def deeds(client: Any, server: Any) -> list[Any]:
    """Return novaclient's actions of an instance, but for those that only lock and unlock it."""
    found = client.instance_action.list(server)
    return [action for action in found if action.action not in instances.LOCKING]


def _restarts(client: Any, actions: Iterable[Any]) -> bool:
    """Whether the stop that an instance waits for is a recovery's: it is started after that.

    So one is recovered whose own process had died (`instance_tasks`); its host was lost meanwhile.
    What a host's recovery stops it does elsewhere, and knows it by its lock.
    """
    last = max(actions, key=_begun, default=None)
    own = client.client.session.get_user_id()
    return last is not None and last.action == "stop" and last.user_id == own


def is_down(client: Any, server: Any, since: float, fenced: float) -> bool:
    """Whether an instance ran when its host was fenced, and does not now.

    Nova looks every ten minutes, by default, and stops what does not run; before, it takes it for
    running. What anybody has done with it since the fence has started it, or was meant not to.

    Args:
        client: a novaclient.
        server: one of its servers.
        since: when the host was fenced first, in seconds since the epoch.
        fenced: when it was fenced last; 0: nobody knows that it was, and what Nova takes for
            running is taken for that.
    """
    off, active = _seems_off(server), wanted(before(server, running=False)) == "active"
    task, state = getattr(server, TASK, None), getattr(server, STATE, "")
    stopping = task == "powering-off" and state in ("active", "resized", "paused")
    # A paused one is stopped then: its process is gone.
    if not (stopping or (task is None and (active or off or state == "paused"))):
        return False
    actions = deeds(client, server)
    if stopping:
        # Nova was about to stop it, as it does not run, and has lost that.
        return powered_off(actions, since)
    if off:
        return not was_started(actions, fenced or since) and _ran(server, actions, since)
    # Nova may have begun to stop it since it was listed.
    untouched = not any(_begun(action) >= fenced for action in actions)
    stopped = powered_off(actions, fenced) and not was_started(actions, fenced)
    return bool(fenced) and (untouched or stopped)


def was_started(actions: Iterable[Any], since: float) -> bool:
    """Whether anybody has started one since a moment: then it was shut down from inside."""
    return any(one.action in ("start", "reboot") and _begun(one) >= since for one in actions)


def _untouched(server: Any, since: float) -> bool:
    """Whether Nova has changed nothing of a stopped one since its host failed: it was off before.

    So Nova need not be asked once more for each of those that have been off for long.
    """
    changed = times.epoch(getattr(server, "updated", None))
    stopped = getattr(server, STATE, "") == "stopped"
    return stopped and changed is not None and changed < since - SKEW


def _seems_off(server: Any) -> bool:
    """Whether Nova shows it as off, which it does with what its host does not run."""
    state = getattr(server, STATE, "")
    return state == "stopped" or (state == "resized" and getattr(server, POWER, 0) == SHUTDOWN)


def _ran(server: Any, actions: Iterable[Any], since: float) -> bool:
    """Whether one that Nova shows as off ran when its host failed, and nobody touched it since.

    One that waits for its resize to be confirmed is not stopped, only shown as off: it ran, unless
    it was stopped before it was resized.
    """
    if getattr(server, STATE, "") != "resized":
        return powered_off(actions, since)
    dated = sorted((_begun(action), action.action) for action in actions)
    if dated and dated[-1][0] >= since:
        return False
    last = [name for _, name in dated if name not in ("resize", "migrate")][-1:]
    return last != ["stop"]


def powered_off(actions: Iterable[Any], since: float) -> bool:
    """Whether Nova by itself has stopped an instance, and nobody has touched it after that.

    Nova does so with `compute_api.stop` in `_sync_instance_power_state` of its compute manager,
    in a context without a user.

    Args:
        actions: see `deeds`.
        since: seconds since the epoch; it may have been shut down from inside before.
    """
    last = max(actions, key=_begun, default=None)
    if last is None or last.action != "stop" or last.user_id:
        return False
    return _begun(last) >= since


def last_touch(actions: Iterable[Any], since: float, own: str | None) -> tuple[float, str]:
    """Return when a user has done something last with an instance, and what; empty: nothing.

    Args:
        actions: see `deeds`.
        since: seconds since the epoch.
        own: the user of what recoveries do, which does not count.
    """
    theirs = [one for one in actions if one.user_id and one.user_id != own]
    found = [(_begun(one), str(one.action)) for one in theirs if _begun(one) >= since]
    return max(found, default=(since, ""))


def _begun(action: Any) -> float:
    return times.epoch(action.start_time) or 0.0
