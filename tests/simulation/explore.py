"""Breadth first: each situation as it is, then with one fault at each of its calls, then two.

A fault is one more of `names.KINDS` at one external call of an engine, a notifier or an API,
before it or after it: the call fails, or its process dies or stalls, or its machine stands still,
for each of `SECONDS`. In are calls of Nova, Masakari's database and API, and the broker, and
Pacemaker's commands where an engine asks. Out are Pacemaker's commands of the notifiers, and
connections to hypervisors; whatever is done by nova-compute, Pacemaker or the fence agent, which
are parts of the model and have no such calls; lost messages, and outages. What else happens is the
situation's, by one seed.

A run is a row of faults, each at a later call than the one before. Calls of a run that are alike,
and made in the same state, are struck once. A run that has gone through the same states as one
before it, or has failed, is not followed further. What a process has in its own memory is no part
of a state: what differs there alone is taken for the same. Where a level has more runs than may be
made, as many of them are chosen by chance, of the whole level, and it is the last.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import replace
from typing import Any

from simulation.scenarios import names

PROCESSES = ("engine", "notifier", "api")

SECONDS = (5.0, 60.0, 400.0)

FAULTS = tuple(
    (how, seconds)
    for how in names.KINDS
    for seconds in (SECONDS if not how.startswith("error") else (0.0,))
)


def breadth_first(workers: Any, report: Any, arguments: argparse.Namespace) -> None:
    """Follow every situation, with at most so many runs for each."""
    from simulation.runner import Job

    for name in (arguments.only,) if arguments.only else names.STANDS:
        job = Job(name, arguments.first)
        text = Exploration(workers, report, job, arguments.explore).run()
        print(f"  {name!r}: {text}", flush=True)


class Exploration:
    """What follows from one situation.

    Args:
        workers: which simulate.
        report: which counts, and tells what fails.
        root: the run without a further fault.
        limit: how many runs there are at most.
    """

    def __init__(self, workers: Any, report: Any, root: Any, limit: int) -> None:
        self._workers = workers
        self._report = report
        self._root = root
        self._limit = limit
        self._chance = random.Random(f"{root}")  # noqa: S311 - no secret
        self._states: set[int] = set()
        self._courses: set[int] = set()
        self._orders: set[int] = set()

    def run(self) -> str:
        """Make the runs, one level after the other; return what was seen."""
        level, cut, made, left = [self._root], 0, 0, 0
        levels = []
        while level:
            levels.append(f"{len(level)} of {len(level) + cut}")
            made += len(level)
            level, cut = self._next(level, self._limit - made)
            left += cut
        return (
            f"{len(levels) - 1} faults deep, {made} runs ({', '.join(levels)}), "
            f"{len(self._states)} states, {len(self._courses)} courses, "
            f"{len(self._orders)} interleavings; {left} runs left"
        )

    def _next(self, level: list[Any], room: int) -> tuple[list[Any], int]:
        """Make the runs of a level; return those of the next, and how many have no room there."""
        places = []
        for result in self._workers.run(level, logging=True):
            self._report.add(result)
            self._states.update(result.states)
            self._orders.add(result.order)
            course = hash(frozenset(result.states))
            if course not in self._courses and not result.violations:
                places += [(result.job, number) for number in _calls(result)]
            self._courses.add(course)
        number = len(places) * len(FAULTS)
        chosen = self._chance.sample(range(number), max(0, min(number, room)))
        return [_child(places, one) for one in sorted(chosen)], number - len(chosen)


def _calls(result: Any) -> list[int]:
    """Return the calls at which a run is struck next: those after its last fault, once each."""
    last = result.job.strikes[-1][0] if result.job.strikes else -1
    alike, found = set(), []
    for number, (process, service, name, state) in enumerate(result.calls):
        if number <= last:
            continue
        kind = process.split()[0]
        if kind not in PROCESSES or service == "socket":
            continue
        if kind == "notifier" and service == "pacemaker":
            continue
        call = (process, service, name, state)
        if call not in alike:
            alike.add(call)
            found.append(number)
    return found


def _child(places: list[tuple[Any, int]], number: int) -> Any:
    """Return one of the runs that have one more fault."""
    job, call = places[number // len(FAULTS)]
    return replace(job, strikes=(*job.strikes, (call, *FAULTS[number % len(FAULTS)])))
