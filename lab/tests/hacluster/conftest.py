"""What the tests of the stand-in hacluster share."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent)]
