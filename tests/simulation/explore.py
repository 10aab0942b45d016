"""Breadth first: from each situation, one fault at each of its calls, then a second one.

The first run of a situation tells which calls there are; each call can be struck in each way.
What led to the same order of events as another fault is not followed further.
"""

from __future__ import annotations

import random
from typing import Any

from simulation.core.faults import KINDS
from simulation.scenarios import names

PROCESSES = ("engine", "notifier", "api")

SECONDS = (5.0, 60.0, 400.0)


def breadth_first(workers: Any, report: Any, limit: int, only: str | None) -> None:
    """Follow every situation, with at most so many faults for each."""
    from simulation.runner import Job

    situations = [name for name in names.STANDS if only in (None, name)]
    first = [Job(name, 1) for name in situations]
    jobs: list[Job] = []
    for result in workers.run(first, logging=True, chunk=1):
        report.add(result)
        jobs.extend(_struck(result, limit))
    seen: set[int] = set()
    for result in workers.run(jobs):
        report.add(result)
        seen.add(result.order)
    print(f"  breadth first: {len(jobs)} faults, {len(seen)} different courses", flush=True)


def _struck(result: Any, limit: int) -> list[Any]:
    from simulation.runner import Job

    counts: dict[tuple[str, str], int] = {}
    faults = []
    for process, service, _ in result.calls:
        kind = process.split()[0]
        if kind not in PROCESSES or service == "socket":
            continue
        if kind == "notifier" and service == "pacemaker":
            continue
        key = (kind, service)
        counts[key] = counts.get(key, 0) + 1
        for how in KINDS:
            for seconds in SECONDS if not how.startswith("error") else (0.0,):
                faults.append((how, kind, counts[key], seconds, service))
    # All calls in their order, where there are more than may be made: spread evenly.
    if len(faults) > limit:
        choose = random.Random(result.job.situation)  # noqa: S311
        faults = [faults[i] for i in sorted(choose.sample(range(len(faults)), limit))]
    return [Job(result.job.situation, result.job.seed, fault) for fault in faults]
