"""Has Python look for no garbage while it loads a charm: what it loads, stays.

Each charm imports this module before ops, and calls `sweep` once all is loaded.
"""

from __future__ import annotations

import gc
import sys

if "ops" not in sys.modules:
    gc.disable()


def sweep() -> None:
    """Look for garbage from now on, as ever, though not among what is there already."""
    gc.freeze()
    gc.enable()
