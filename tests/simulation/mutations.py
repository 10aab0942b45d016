"""Faults put back, one at a time: each must be found."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

MUTATIONS: dict[str, Callable[[], Callable[[], None]]] = {}
"""Name to what puts the fault in and returns what takes it out again."""


def mutation(name: str) -> Callable[[Any], Any]:
    """Register a fault."""

    def register(put: Callable[[], Callable[[], None]]) -> Callable[[], Callable[[], None]]:
        MUTATIONS[name] = put
        return put

    return register


def replaced(module: str, path: str, new: Callable[..., Any]) -> Callable[[], None]:
    """Replace an attribute, such as `Turn.held`, of a module of this project."""
    place: Any = sys.modules[f"masakari_fencing.{module}"]
    *owners, last = path.split(".")
    for owner in owners:
        place = getattr(place, owner)
    old = place.__dict__[last]
    setattr(place, last, new)
    return lambda: setattr(place, last, old)


@contextlib.contextmanager
def applied(name: str) -> Iterator[None]:
    """Have a fault in the code for some time; none for an empty name."""
    if not name:
        yield
        return
    undo = MUTATIONS[name]()
    try:
        yield
    finally:
        undo()


def reset() -> None:
    """Nothing is kept between two runs."""


def _fails(workers: Any, job: Any) -> bool:
    """Whether a run fails without any fault put back, too: then it finds nothing."""
    return any(result.violations for result in workers.run([job]))


def find_all(workers: Any, only: str | None, within: int) -> int:
    """Look for each fault in the directed situations and then in mixed seeds.

    Returns:
        the exit code: 0 when each was found.
    """
    from simulation import names
    from simulation.runner import Job

    missed = 0
    for name in MUTATIONS if only is None else [only]:
        jobs = [Job(situation, 1) for situation in names.DIRECTED]
        jobs += [Job("mixed", seed) for seed in range(1, within - len(jobs) + 1)]
        runs, found = 0, None
        for result in workers.run(jobs, mutation=name, chunk=8):
            runs += 1
            if result.violations and not _fails(workers, result.job):
                found = result
                break
        if found is None:
            missed += 1
        text = f"found by {found.job}: {found.violations[0][1]}" if found else "NOT FOUND"
        print(f"{name:40} {runs:5} seeds  {text[:150]}", flush=True)
    print(f"mutations: {len(MUTATIONS)}, not found: {missed}")
    return 1 if missed or not MUTATIONS else 0
