"""Runs seeds on all processors, counts what was seen, and tells what failed."""

from __future__ import annotations

import argparse
import collections
import json
import multiprocessing
import os
import pathlib
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from simulation.coverage import Counter
from simulation.scenarios import names

REGRESSIONS = pathlib.Path(__file__).with_name("regressions.txt")

CHUNK = 4

TOLD = 10
"""Failures of each kind that are told as they come; the end names four of each."""


LEFT, ENOUGH = 0.15, 100
"""The share of mixed runs that may end with an instance which a status leaves to the operator,
once so many were made: 3.5 % of 400 did, and 7 % of those that once failed, where no host was
left, or something may run elsewhere. A protocol that recovers nothing and says so would break no
other rule."""

LINES = 150
"""Of the trace of the first run that fails, from its end."""


@dataclass(frozen=True)
class Job:
    """One run: a situation, a seed, and what strikes it besides (see `explore`).

    Attributes:
        strikes: at which external call, counted from 0, in which way, and for how many seconds.
    """

    situation: str
    seed: int
    strikes: tuple[tuple[int, str, float], ...] = ()

    @property
    def line(self) -> str:
        """Situation, seed, and what strikes it besides as JSON, with tabs between them."""
        strikes = [json.dumps(self.strikes)] if self.strikes else []
        return "\t".join([self.situation, str(self.seed), *strikes])

    def __str__(self) -> str:
        strikes = f" --strikes {shlex.quote(json.dumps(self.strikes))}" if self.strikes else ""
        return f"{self.situation!r} {self.seed}{strikes}"


@dataclass
class Result:
    """What one run has shown."""

    job: Job
    violations: list[tuple[str, str]]
    states: list[int]
    order: int
    seconds: float
    calls: list[tuple[str, str, str, int]] = field(default_factory=list)
    left: bool = False


def prepare(check_database: bool = False) -> None:
    """Make a process ready to simulate; it takes some seconds.

    Args:
        check_database: hold each answer of the tables in memory against Masakari's own functions.
    """
    import gc

    from simulation.core import seams

    seams.install()
    if check_database:
        from simulation.models.masakari import database

        database.check()
    gc.freeze()
    gc.disable()


def one(job: Job, *, tracing: bool = False, logging: bool = False) -> tuple[Result, list[str]]:
    """Carry a job out in this process."""
    from simulation.scenarios import mixed
    from simulation.scenarios.situations import SITUATIONS
    from simulation.simulation import Simulation

    begin = time.process_time()
    _collect()
    if job.situation in (names.MIXED, names.CONVERGED):
        situation = mixed.situation(job.situation, job.seed)
    else:
        situation = SITUATIONS[job.situation]
    run = Simulation(situation, job.seed, job.strikes, tracing=tracing, logging=logging)
    found = [(v.kind, str(v)) for v in run.run()]
    result = Result(
        job, found, list(run.states), run.kernel.order, time.process_time() - begin,
        run.faults.log or [], bool(run.judgement.unwell()),
    )  # fmt: skip
    return result, run.kernel.lines


_RUNS = [0]


def _collect() -> None:
    """Collect garbage between two runs, now and then, instead of all the time in them."""
    import gc

    _RUNS[0] += 1
    if _RUNS[0] % 16 == 1:
        # What has outlasted the runs before stays: it is looked at rarely.
        gc.collect(2 if _RUNS[0] % 512 == 1 else 0)


def _chunk(jobs: list[Job], mutation: str = "", logging: bool = False) -> list[Result]:
    from simulation.mutation import mutations

    results = []
    with mutations.applied(mutation):
        for job in jobs:
            result, _ = one(job, logging=logging)
            results.append(result)
            if mutation and result.violations:
                break
    return results


def _carry_out(argument: tuple[list[Job], str, bool]) -> list[Result]:
    return _chunk(*argument)


def _begin(check_database: bool) -> None:
    """Make a worker ready that ends with the process that has started it.

    A pool's workers hold both ends of their queue: where their parent is killed, they would wait
    for ever.
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()
    prepare(check_database)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


class Workers:
    """Processes that simulate."""

    def __init__(self, jobs: int, check_database: bool = False) -> None:
        context = multiprocessing.get_context("spawn")
        # One that cannot be prepared ends all, instead of being started for ever.
        self._pool = ProcessPoolExecutor(
            jobs, mp_context=context, initializer=_begin, initargs=(check_database,)
        )

    def run(
        self, jobs: Iterable[Job], mutation: str = "", logging: bool = False, chunk: int = CHUNK
    ) -> Iterator[Result]:
        """Yield the results in the jobs' order."""
        listed = list(jobs)
        parts = [listed[i : i + chunk] for i in range(0, len(listed), chunk)]
        arguments = [(part, mutation, logging) for part in parts]
        for results in self._pool.map(_carry_out, arguments):
            yield from results

    def each(self, jobs: Iterable[tuple[Job, str]]) -> Iterator[Result]:
        """Yield the results of jobs, each with a fault put back."""
        arguments = [([job], mutation, False) for job, mutation in jobs]
        for results in self._pool.map(_carry_out, arguments):
            yield from results

    def close(self) -> None:
        """End them."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class Report:
    """Counts what was seen, and tells as it goes."""

    def __init__(self) -> None:
        self.runs = 0
        self.seconds = 0.0
        self.states, self.orders = Counter(), Counter()
        self.kinds: dict[str, list[Job]] = collections.defaultdict(list)
        self.failed = self.missed = self.mixed = self.left = 0
        self._courses: dict[Job, int] = {}
        self._begin = self._told = time.monotonic()

    def add(self, result: Result) -> None:
        """Count one."""
        self.runs += 1
        self.seconds += result.seconds
        self.states.add(result.states)
        self.orders.add([result.order])
        if self.runs <= 8:
            self._courses[result.job] = result.order
        if result.job.situation in (names.MIXED, names.CONVERGED):
            self.mixed += 1
            self.left += result.left
        first = bool(result.violations) and not self.failed
        self.failed += bool(result.violations)
        for kind in {kind for kind, _ in result.violations}:
            if len(self.kinds[kind]) < TOLD:
                text = next(text for found, text in result.violations if found == kind)
                print(f"FAILED {result.job}: {text}", flush=True)
            self.kinds[kind].append(result.job)
        if first:
            show(result.job)
        if time.monotonic() - self._told > 30:
            self._told = time.monotonic()
            print(f"  {self.runs} runs, {self.failed} failed", flush=True)

    def compare(self, again: Iterable[Result]) -> None:
        """Look whether seeds have the same course again, in other processes, after other seeds.

        Raises:
            RuntimeError: one has not: its violations could not be looked into.
        """
        for result in again:
            if self._courses[result.job] != result.order:
                raise RuntimeError(f"{result.job} is not the same again")

    def end(self, expected: bool) -> int:
        """Tell all; return the exit code."""
        for kind, jobs in sorted(self.kinds.items(), key=lambda item: -len(item[1])):
            shown = "; ".join(str(job) for job in jobs[:4])
            print(f"{len(jobs):7}  {kind}: {shown}")
        took = time.monotonic() - self._begin
        each = 1000 * self.seconds / max(1, self.runs)
        print(f"time: {took:.0f} s, {each:.0f} ms of processor a seed")
        print(f"seeds: {self.runs}")
        print(f"states: {self.states.total()} distinct, {self.orders.total()} interleavings")
        print(f"left to the operator: instances in {self.left} of {self.mixed} mixed runs")
        refuses = self.mixed >= ENOUGH and self.left > LEFT * self.mixed
        if refuses:
            print(
                f"FAILED more than {LEFT:.0%} of the mixed runs leave an instance to the operator"
            )
        print(f"violations: {self.failed}")
        return 0 if expected or not (self.failed or self.missed or refuses) else 1


def regressions() -> list[Job]:
    """Return what once failed; each line is what `Job.line` returns."""
    found = []
    for line in REGRESSIONS.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            name, seed, *strikes = line.split("\t")
            found.append(Job(name, int(seed), _strikes(*strikes)))
    return found


def _strikes(text: str = "[]") -> tuple[tuple[int, str, float], ...]:
    return tuple((call, kind, seconds) for call, kind, seconds in json.loads(text))


def short() -> list[Job]:
    """Return what each commit runs: what once failed, and two seeds of each other situation."""
    found = regressions()
    others = [name for name in names.STANDS if name not in {job.situation for job in found}]
    return found + [Job(name, seed) for name in others for seed in (1, 2)]


def show(job: Job) -> None:
    """Print how the trace of a run that has failed ends, and what to do with it."""
    words = shlex.split(str(job))
    # A process of its own: one that runs seeds has no logs to show.
    answer = subprocess.run(
        [sys.executable, "-m", "simulation", "--trace", *words],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = (answer.stdout + answer.stderr).splitlines()
    print("\n".join(lines[-LINES:]))
    print(f"  the last {min(LINES, len(lines))} of {len(lines)} lines; all of them by")
    print(f"    PYTHONPATH=tests {sys.executable} -m simulation --trace {job}")
    print(f"  its line for {'/'.join(REGRESSIONS.parts[-3:])}, once it is mended:")
    print(job.line)
    sys.stdout.flush()


def tell(job: Job) -> int:
    """Run one seed, and print what happens."""
    from simulation.core import seams

    prepare()
    seams.show_logs()
    result, lines = one(job, tracing=True)
    print("\n".join(lines))
    for _, text in result.violations:
        print("VIOLATION", text)
    return 1 if result.violations else 0


def run(arguments: argparse.Namespace) -> int:
    """Do what the command line asks for."""
    if arguments.trace:
        name, seed = arguments.trace
        return tell(Job(name, int(seed), _strikes(arguments.strikes)))
    from simulation import explore
    from simulation.mutation import mutations

    workers, report = Workers(arguments.jobs, arguments.check_database), Report()
    try:
        if arguments.mutations:
            return mutations.find_all(workers, arguments.only, arguments.within)
        jobs: list[Job] = []
        if arguments.regressions:
            jobs += short()
        first = arguments.first
        for name in (arguments.only,) if arguments.only else names.STANDS:
            jobs += [Job(name, seed) for seed in range(first, first + arguments.directed)]
        seeds = range(first, first + arguments.seeds)
        jobs += [Job(arguments.scenario or names.scenario(seed), seed) for seed in seeds]
        for result in workers.run(jobs):
            report.add(result)
        if arguments.regressions:
            report.compare(workers.run(jobs[:8], chunk=1))
            report.missed = mutations.find_known(workers)
        if arguments.explore:
            explore.breadth_first(workers, report, arguments)
    finally:
        workers.close()
    sys.stdout.flush()
    return report.end(arguments.expect_violations)
