"""Lets the tests import the modules beside them, and the charms their own package."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

sys.path[:0] = [str(HERE), str(HERE.parents[1] / "packages" / "instance-ha-common" / "src")]
