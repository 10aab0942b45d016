"""Run by systemd when masakari-engine has ended: `python3 -m masakari_fencing.workflow.ended`.

However it ended, its recoveries go to others at once, and on a unit that is paused, too, where no
notifier looks whether it lives.
"""

from __future__ import annotations

import logging
import sys

from masakari_fencing import commands, processes
from masakari_fencing.commands import Runner
from masakari_fencing.pacemaker import cibadmin
from masakari_fencing.pacemaker.tools import PacemakerError
from masakari_fencing.records import recoveries

LOG = logging.getLogger("masakari_fencing.ended")


def main(runner: Runner) -> int:
    """Strike this machine's dead engines out of the records of recoveries.

    Returns:
        an exit code; the notifier tries again where it is not 0.
    """
    try:
        for host in recoveries.strike_out(runner, cibadmin.configuration(runner), _dead):
            LOG.info("The engine that recovered %s has ended", host)
    except PacemakerError as error:
        LOG.warning("Recoveries of this engine, if any, wait for the notifier: %s", error)
        return 1
    return 0


def _dead(engine: str) -> bool:
    return processes.lives(engine) is False


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    sys.exit(main(commands.Subprocess()))
