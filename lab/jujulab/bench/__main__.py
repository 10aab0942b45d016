"""The benchmark: how soon instances come back.

Next to it is what the upstream charms' settings give, and the floor, which is what the parts need
with nobody's code between them (see `floor`). It can be interrupted and goes on where it was: each
run is kept as soon as it is over.
"""

import argparse
import sys
from pathlib import Path

from jujulab.bench import results as benchresults
from jujulab.bench.bench import Bench
from jujulab.bench.results import Results, ResultsError
from jujulab.bench.scenarios import ALL, SCENARIOS
from jujulab.cloud.connection import CloudError
from jujulab.cloud.console import Console, StepError
from jujulab.errors import LabError
from jujulab.files import REPOSITORY
from jujulab.juju import pack
from jujulab.machines.lab import Lab


def report(results: Results) -> list[str]:
    """Print the table, and return what must not have happened."""
    print("\nSeconds since the fault: median (least-most).\n")
    print(benchresults.table(results, SCENARIOS))
    for run in results.runs:
        for problem in run.problems:
            print(f"{run.scenario}, {run.mode}: {problem}")
    return results.problems()


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="of each fault (default 5)")
    parser.add_argument(
        "--only", nargs="+", choices=SCENARIOS, default=list(SCENARIOS), help="these faults"
    )
    parser.add_argument("--mode", nargs="+", choices=ALL, default=list(ALL), help="these only")
    parser.add_argument(
        "--output",
        type=Path,
        default=REPOSITORY / ".cache" / "bench.json",
        help="the figures, which are added to (default .cache/bench.json)",
    )
    return parser.parse_args(argv)


def main() -> None:
    """Measure; the exit status is 0 when every guest recovered, none twice or before the fence."""
    options = arguments()
    console = Console()
    try:
        results = Results(options.output)
    except ResultsError as error:
        sys.exit(str(error))
    lab = Lab()
    bench = Bench(lab, console, results)
    ending = ""
    try:
        with lab.claim():
            bench.prepare()
            bench.measure(options.only, options.mode, options.runs)
    except (StepError, CloudError, LabError, pack.PackError) as error:
        ending = f"FAILED after {console.elapsed:.0f} s: {error}"
    except KeyboardInterrupt:
        ending = "interrupted; the same command goes on from here"
    finally:
        bench.close()
    problems = report(results)
    if ending or problems:
        sys.exit("\n" + "\n  ".join([ending or "FAILED:", *problems]))


if __name__ == "__main__":
    main()
