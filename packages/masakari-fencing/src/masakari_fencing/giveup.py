"""Hands an interrupted recovery back to Masakari, as if its notification had just arrived.

Masakari never looks again at a notification that is `running`, so one whose engine died in the
middle would stay that way, and its host's guests down. Nothing but Masakari's own database can
tell it: this runs as a process of its own, with Masakari's configuration and objects.

The engines are told at once. Should that fail, one of them finds the notification by itself
within `process_unfinished_notifications_interval`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Any

LOG = logging.getLogger("masakari_fencing.giveup")

CONFIGURATION = "/etc/masakari/masakari.conf"


def give_up(context: Any, objects: Any, engines: Any, uuid: str) -> bool:
    """Turn a running notification into a new one.

    Args:
        context: an admin context of Masakari.
        objects: the module `masakari.objects`.
        engines: a `masakari.engine.rpcapi.EngineAPI`.
        uuid: the notification.

    Returns:
        whether it was running.
    """
    notification = objects.Notification.get_by_uuid(context, uuid)
    if notification.status != "running":
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
    # Masakari patches the standard library with its first import from here.
    import masakari.cmd  # noqa: F401
    from masakari import config, context, exception, objects
    from masakari.engine import rpcapi

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    config.parse_args(["masakari-fencing-giveup", "--config-file", CONFIGURATION])
    objects.register_all()
    try:
        done = give_up(context.get_admin_context(), objects, rpcapi.EngineAPI(), argv[0])
    except exception.NotFound:
        return 0
    if done:
        LOG.info("Notification %s was interrupted; it is started again", argv[0])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
