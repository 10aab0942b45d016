"""`python -m simulation`: runs many seeds, or one of them with its trace.

python -m simulation --seeds 2000 --first 7
python -m simulation --directed 1000 --only 'early boot'
python -m simulation --trace 'early boot' 3
python -m simulation --explore 200
python -m simulation --regressions
"""

from __future__ import annotations

import argparse
import os
import sys


def main() -> int:
    """Read the command line, and do it."""
    parser = argparse.ArgumentParser(prog="simulation", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=0, help="how many of the mixed scenario")
    parser.add_argument("--scenario", help="only this: mixed or hyperconverged")
    parser.add_argument("--first", type=int, default=1, help="the first of all seeds")
    parser.add_argument(
        "--directed", type=int, default=0, metavar="N", help="N seeds of each situation"
    )
    parser.add_argument("--explore", type=int, default=0, metavar="N", help="N runs of each")
    parser.add_argument("--only", help="only this situation")
    parser.add_argument("--trace", nargs=2, metavar=("SITUATION", "SEED"), help="tell one run")
    parser.add_argument("--strikes", default="[]", help="of that: what `explore` names")
    parser.add_argument(
        "--regressions",
        action="store_true",
        help="what once failed, each situation, and known mutations",
    )
    parser.add_argument("--mutations", action="store_true", help="faults put back, one by one")
    parser.add_argument("--within", type=int, default=1000, help="seeds for each of those")
    parser.add_argument("--check-database", action="store_true", help="by Masakari's on SQLite")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--expect-violations", action="store_true", help="end with 0 all the same")
    arguments = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":
        # The same seed must give the same order of everything.
        environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONWARNINGS": "ignore"}
        os.execve(sys.executable, [sys.executable, "-m", "simulation", *sys.argv[1:]], environment)  # noqa: S606
    from simulation import runner

    return runner.run(arguments)


if __name__ == "__main__":
    sys.exit(main())
