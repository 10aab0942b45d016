"""The lab beside the models of the simulation."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

# The suite's own modules, the simulation, and what that has of this project's package.
PACKAGES = HERE.parents[2] / "packages"
sys.path[:0] = [str(HERE), str(HERE.parents[1]), str(PACKAGES / "masakari-fencing" / "src")]

from clusters import both, module  # noqa: E402, F401 - it is beside this file
