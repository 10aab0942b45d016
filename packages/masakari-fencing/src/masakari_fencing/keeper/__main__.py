"""Runs the keeper: `python -m masakari_fencing.keeper`, as its unit does."""

import logging
import time

from masakari_fencing.commands import Subprocess
from masakari_fencing.keeper.keeper import PERIOD, Keeper

logging.basicConfig(level=logging.INFO, format="%(message)s")
keeper = Keeper(Subprocess())
while True:
    keeper.check()
    time.sleep(PERIOD)
