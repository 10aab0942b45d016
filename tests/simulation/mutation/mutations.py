"""Faults put back, one at a time: each must be found."""

from __future__ import annotations
import __future__

import contextlib
import importlib
import inspect
import sys
import textwrap
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

PACKAGE = "masakari_fencing"

TRIED = 16
"""Seeds of the situation that is known to find a fault."""


class Missing(LookupError):  # noqa: N818 - a state of the code
    """The code that a fault is put into is not what it was."""


@dataclass(frozen=True)
class Edit:
    """A change of a function's source.

    Attributes:
        module: below the package.
        name: of the function, such as `RecoveryLock.check`.
        old: what is replaced, wherever it is in the function.
        new: by what.
    """

    module: str
    name: str
    old: str
    new: str

    def apply(self) -> list[Callable[[], None]]:
        """Make the change.

        Returns:
            what takes it back.

        Raises:
            Missing: there is no such code.
        """
        module = importlib.import_module(f"{PACKAGE}.{self.module}")
        *owners, last = self.name.split(".")
        owner: Any = module
        try:
            for name in owners:
                owner = getattr(owner, name)
            function = vars(owner)[last]
        except (AttributeError, KeyError):
            raise Missing(f"{self.module} has no {self.name}") from None
        changed = self._changed(module, last, function)
        # Others may have imported it by its name.
        places = [owner] if owners else _modules()
        found = [place for place in places if vars(place).get(last) is function]
        for place in found:
            setattr(place, last, changed)
        return [lambda place=place: setattr(place, last, function) for place in found]  # type: ignore[misc]

    def _changed(self, module: types.ModuleType, name: str, function: Any) -> Any:
        # A second change of the same function is one of the first's result.
        source = getattr(function, "changed_source", None)
        source = source or textwrap.dedent(inspect.getsource(function))
        if self.old not in source:
            raise Missing(f"{self.module}: {self.name} no longer has {self.old!r}")
        source = source.replace(self.old, self.new)
        flags = __future__.annotations.compiler_flag
        code = compile(source, f"<{self.name}>", "exec", flags=flags, dont_inherit=True)
        namespace: dict[str, Any] = {}
        exec(code, vars(module), namespace)  # noqa: S102 - the project's own source
        namespace[name].changed_source = source
        return namespace[name]


@dataclass(frozen=True, init=False)
class Mutant:
    """A fault: one or more changes.

    Attributes:
        name: what it does, in a few words.
        seen: the situation one of whose first seeds is known to find it.
        edits: the changes.
    """

    name: str
    seen: str
    edits: tuple[Edit, ...]

    def __init__(self, name: str, seen: str, *edits: Edit) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "seen", seen)
        object.__setattr__(self, "edits", edits)


def _modules() -> list[types.ModuleType]:
    return [
        module
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] == PACKAGE and module is not None
    ]


def mutants() -> dict[str, Mutant]:
    """Return all, by their names."""
    from simulation.mutation.mutants import MUTANTS

    return {mutant.name: mutant for mutant in MUTANTS}


@contextlib.contextmanager
def applied(name: str) -> Iterator[None]:
    """Have a fault in the code for some time; none for an empty name.

    Raises:
        Missing: the code is not what it was.
    """
    undo: list[Callable[[], None]] = []
    try:
        for edit in mutants()[name].edits if name else ():
            undo += edit.apply()
        yield
    finally:
        for take_back in reversed(undo):
            take_back()


def _fails(workers: Any, job: Any) -> bool:
    """Whether a run fails without any fault put back, too: then it finds nothing."""
    return any(result.violations for result in workers.run([job]))


def find_known(workers: Any) -> int:
    """Put each fault back where it is known to be found.

    Returns:
        the exit code: 0 when each was found, and nothing is without it.
    """
    from simulation.runner import Job

    left = list(mutants().values())
    for seed in range(1, TRIED + 1):
        jobs = [Job(mutant.seen, seed) for mutant in left]
        sound = {result.job for result in workers.run(set(jobs)) if not result.violations}
        results = workers.each(
            [(job, mutant.name) for job, mutant in zip(jobs, left, strict=True)]
        )
        left = [
            mutant
            for mutant, result in zip(left, results, strict=True)
            if result.job not in sound or not result.violations
        ]
    for mutant in left:
        print(f"MUTATION not found by {mutant.seen!r}: {mutant.name}", flush=True)
    print(f"mutations: {len(mutants())}, not found: {len(left)}")
    return 1 if left else 0


def find_all(workers: Any, only: str | None, within: int) -> int:
    """Look for each fault in the directed situations and then in mixed seeds.

    Returns:
        the exit code: 0 when each was found.
    """
    from simulation.runner import Job
    from simulation.scenarios import names

    missed = []
    jobs = [Job(situation, 1) for situation in names.STANDS]
    jobs += [Job(names.scenario(seed), seed) for seed in range(1, within - len(jobs) + 1)]
    chosen = [name for name in mutants() if only is None or only in name]
    for name in chosen:
        runs, found = 0, None
        for result in workers.run(jobs, mutation=name, chunk=8):
            runs += 1
            if result.violations and not _fails(workers, result.job):
                found = result
                break
        if found is None:
            missed.append(name)
        text = f"{found.job}: {found.violations[0][1]}" if found else "NOT FOUND"
        print(f"{name:60} {runs:5} seeds  {text[:110]}", flush=True)
    print(f"mutations: {len(chosen)}, not found: {len(missed)}")
    return 1 if missed or not chosen else 0
