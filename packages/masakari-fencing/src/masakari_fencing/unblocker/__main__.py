"""Runs the unblocker: `python -m masakari_fencing.unblocker`, as its unit does."""

import logging
import time

from masakari_fencing.commands import Subprocess
from masakari_fencing.unblocker.unblocker import PERIOD, Unblocker

logging.basicConfig(level=logging.INFO, format="%(message)s")
unblocker = Unblocker(Subprocess())
while True:
    time.sleep(PERIOD)
    unblocker.check()
