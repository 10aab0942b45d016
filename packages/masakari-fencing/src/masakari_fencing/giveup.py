"""Hands an interrupted recovery back to Masakari, as if its notification had just arrived.

Masakari never looks again at a notification that is `running`, so one whose engine died in the
middle would stay that way, and its host's guests down. One that has failed it takes up again once,
and not soon; with `--failed` such a one is handed back. Nothing but Masakari's own database can
tell it: this runs as a process of its own, with Masakari's configuration and objects.

The engines are told at once. Should that fail, one of them finds the notification by itself
within `process_unfinished_notifications_interval`.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from typing import Any

LOG = logging.getLogger("masakari_fencing.giveup")

CONFIGURATION = "/etc/masakari/masakari.conf"


def give_up(context: Any, objects: Any, engines: Any, uuid: str, status: str = "running") -> bool:
    """Turn a running notification, or one that has failed, into a new one.

    Args:
        context: an admin context of Masakari.
        objects: the module `masakari.objects`.
        engines: a `masakari.engine.rpcapi.EngineAPI`.
        uuid: the notification.
        status: what it must be: `running` or `error`.

    Returns:
        whether it was that.
    """
    notification = objects.Notification.get_by_uuid(context, uuid)
    if notification.status != status:
        return False
    notification.status = "new"
    notification.save()
    engines.process_notification(context, notification)
    return True


def main(argv: Sequence[str]) -> int:
    """Give one notification up.

    Returns:
        the exit code.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--failed", dest="status", action="store_const", const="error", default="running"
    )
    parser.add_argument("notification")
    arguments = parser.parse_args(argv)
    # Masakari patches the standard library with its first import from here.
    import masakari.cmd  # noqa: F401
    from masakari import config, context, exception, objects
    from masakari.engine import rpcapi

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    config.parse_args(["masakari-fencing-giveup", "--config-file", CONFIGURATION])
    objects.register_all()
    admin, engines, uuid = context.get_admin_context(), rpcapi.EngineAPI(), arguments.notification
    try:
        done = give_up(admin, objects, engines, uuid, arguments.status)
    except exception.NotFound:
        return 0
    if done:
        what = "had failed" if arguments.status == "error" else "was interrupted"
        LOG.info("Notification %s %s; it is started again", uuid, what)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
