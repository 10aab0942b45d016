"""Has Masakari begin a recovery again, as if its notification had just arrived.

Masakari never looks again at a notification that is `running`, so one whose engine died in the
middle would stay that way, and its host's instances down. One that has failed it takes up again
once, and not soon. Nothing but Masakari's own database can tell it: this runs as a process of its
own, with Masakari's configuration and objects.

The engines are told at once. Should that fail, one of them finds the notification by itself
within `retry_notification_new_status_interval`.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Collection, Sequence
from typing import Any

from masakari_fencing.commands import Runner
from masakari_fencing.pacemaker import tools

LOG = logging.getLogger("masakari_fencing.notifier.requeue")

CONFIGURATION = "/etc/masakari/masakari.conf"

INTERRUPTED = ("running",)
"""States of a notification that nobody works on any more although Masakari says so."""

UNFINISHED = ("running", "error", "failed", "finished", "ignored")
"""States of one whose recovery is known, by its own record, not to be over. Masakari ignores what
is begun again while the segment is disabled."""


def hand_back(runner: Runner, uuid: str, *, unfinished: bool) -> None:
    """Have a recovery begun again, by a process of its own.

    Args:
        runner: runs the process.
        uuid: the notification.
        unfinished: its recovery is known not to be over, whatever Masakari says.

    Raises:
        PacemakerError: it failed.
        ValueError: `uuid` cannot be the identifier of a notification.
    """
    tools.check_name(uuid)
    argv = [sys.executable or "python3", "-m", "masakari_fencing.notifier.requeue"]
    argv += ["--unfinished", uuid] if unfinished else [uuid]
    tools.run(runner, argv, timeout=60)


def requeue(
    context: Any, objects: Any, engines: Any, uuid: str, states: Collection[str] = INTERRUPTED
) -> bool:
    """Turn a notification into a new one.

    Args:
        context: an admin context of Masakari.
        objects: the module `masakari.objects`.
        engines: a `masakari.engine.rpcapi.EngineAPI`.
        uuid: the notification.
        states: in one of which it must be.

    Returns:
        whether it was, and its segment is enabled: Masakari would ignore it from then on.
    """
    notification = objects.Notification.get_by_uuid(context, uuid)
    if notification.status not in states:
        return False
    host = objects.Host.get_by_uuid(context, notification.source_host_uuid)
    # Releases before Wallaby cannot disable one.
    if not getattr(host.failover_segment, "enabled", True):
        return False
    notification.status = "new"
    notification.save()
    engines.process_notification(context, notification)
    return True


def main(argv: Sequence[str]) -> int:
    """Requeue one notification.

    Returns:
        the exit code.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--unfinished", dest="states", action="store_const", const=UNFINISHED, default=INTERRUPTED
    )
    parser.add_argument("notification")
    arguments = parser.parse_args(argv)
    # Masakari patches the standard library with its first import from here.
    import masakari.cmd  # noqa: F401
    from masakari import config, context, exception, objects
    from masakari.engine import rpcapi

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    config.parse_args(["masakari-fencing-requeue", "--config-file", CONFIGURATION])
    objects.register_all()
    admin, engines, uuid = context.get_admin_context(), rpcapi.EngineAPI(), arguments.notification
    try:
        done = requeue(admin, objects, engines, uuid, arguments.states)
    except exception.NotFound:
        return 0
    if done:
        LOG.info("Notification %s is not over; it is begun again", uuid)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
