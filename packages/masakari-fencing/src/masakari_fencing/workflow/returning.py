"""Starting the instances of a host that is back in service, where they are.

They are those that could not be evacuated, as where no other host had room, and those that ran
when the host was fenced, where nobody came to evacuate them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from masakari_fencing.openstack.instances import STATE
from masakari_fencing.records.recovery import Instance, Record
from masakari_fencing.workflow.attempt import Attempt, NoAnswer
from masakari_fencing.workflow.instances import recovery, selection
from masakari_fencing.workflow.instances.reading import Reading
from masakari_fencing.workflow.instances.restart import Restart


def restart(
    this: Attempt, record: Record, *, tell: Callable[[str, float], None]
) -> list[Instance]:
    """Have the instances run, and return those that do not.

    Args:
        this: the attempt.
        record: the recovery, which says since when they are down.
        tell: told what is done.

    Raises:
        NoAnswer: Nova does not list them.
        Superseded: the recovery is somebody else's.
        PacemakerError: the cluster does not answer.
    """
    try:
        client = this.client()
        own = client.client.session.get_user_id()
        down = (*record.left, *_others(this, client, record))
    except Exception as error:  # whatever a client library raises
        raise NoAnswer(f"Nova does not list its instances: {error}") from error
    record = this.update(record, instances=down)
    stopped: list[Exception] = []

    def start(item: Instance) -> str:
        return recovery.task_of(this, record, item, None, Restart).run_here(
            record.down, record.fenced_last, own
        )

    def one(item: Instance) -> tuple[Instance, str]:
        return recovery.done_with(item, start, stopped)

    done = recovery.side_by_side(down, one, tell)
    this.update(record, instances=tuple(done))
    if stopped:
        raise stopped[0]
    return [item for item in done if not item.done]


def _others(this: Attempt, client: Any, record: Record) -> list[Instance]:
    """Return those that ran when the host was fenced, and that no attempt has left behind.

    What an attempt has started there is down again where the host was fenced once more since. One
    that was paused has lost what it was doing, and is stopped, as Nova does it.
    """
    left = {item.uuid for item in record.left}
    found, _ = recovery.chosen(client, this.host, Reading(client))
    return [
        selection.before(server, running=getattr(server, STATE, "") != "paused")
        for server in found
        if server.id not in left
        and selection.is_down(client, server, record.down, record.fenced_last)
    ]
