"""Virtual time: processes of greenlets, a clock that jumps, and a point at every external call.

A greenlet runs until it asks the outside world for something or sleeps; then whoever is due next
runs. So one seed gives one order of everything. A process that is killed is never switched to
again: none of its `except` and `finally` runs, as with SIGKILL.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from typing import Any

import greenlet

START = 1_795_000_000.0
"""The first moment, in seconds since the epoch."""

ACTIVE: Kernel | None = None
"""The simulation that is running in this operating system process."""


class Stopped(greenlet.GreenletExit):
    """The simulation has ended; what is left of its greenlets is unwound without any effect."""


class Process:
    """An operating system process of a unit.

    Attributes:
        name: what it is called in traces.
        unit: the unit, which has the clock and the files; None for what lives elsewhere.
        alive: it was not killed.
        stalled: until when it does not run, for example because its machine swaps.
        calls: external calls so far.
    """

    _pids = itertools.count(1000)

    def __init__(self, kernel: Kernel, name: str, unit: Any = None) -> None:
        kernel.pids += 1
        self.kernel = kernel
        self.name = name
        self.unit = unit
        self.pid = 1000 + kernel.pids
        self.born = int((kernel.now - START) * 100)
        self.alive = True
        self.stalled = 0.0
        self.calls = 0
        self.locks: dict[str, Lock] = {}
        self.tasks: list[Task] = []

    def kill(self) -> None:
        """SIGKILL."""
        if self.alive:
            self.alive = False
            self.kernel.trace(self.name, "killed")
            self.kernel.changed()


class Task(greenlet.greenlet):
    """A greenthread or thread of a process."""

    process: Process
    poller = False
    quiet = 3
    seen = -1
    asleep: list[Any] | None = None
    pause = 0.0


class Lock:
    """A semaphore of one for the greenlets of one process."""

    def __init__(self) -> None:
        self.holder: Task | None = None
        self.waiting: list[Task] = []

    def acquire(self, blocking: bool = True) -> bool:
        """Take it; wait where somebody has it and `blocking` is set."""
        task = current()
        if task is None:
            return True
        while self.holder is not None:
            if not blocking:
                return False
            self.waiting.append(task)
            task.process.kernel.park()
        self.holder = task
        return True

    def release(self) -> None:
        """Give it back."""
        self.holder = None
        if self.waiting and ACTIVE is not None:
            ACTIVE.wake(self.waiting.pop(0))

    def __enter__(self) -> Lock:
        self.acquire()
        return self

    def __exit__(self, *exc: object) -> None:
        self.release()


def current() -> Task | None:
    """Return the greenlet of a simulated process that runs, if any."""
    found = greenlet.getcurrent()
    return found if isinstance(found, Task) else None


class Kernel:
    """The scheduler.

    Args:
        seed: decides everything.
        tracing: keep a line for each event.
    """

    IDLE_FACTOR = 40
    """Whoever polls and has seen nothing new looks this much less often at most."""

    def __init__(self, seed: int | str, *, tracing: bool = False) -> None:
        self.rng = random.Random(seed)  # noqa: S311
        self.ids = random.Random(f"ids of {seed}")  # noqa: S311
        self.now = START
        self.version = 0
        self.pids = 0
        self.steps = 0
        self.tracing = tracing
        self.lines: list[str] = []
        self.order = 0
        self.closed = False
        self.faults: Any = None
        self.check: Callable[[], None] = lambda: None
        self._heap: list[list[Any]] = []
        self._count = itertools.count()
        self._pollers: set[Task] = set()
        self._hub = greenlet.getcurrent()
        self._all: list[Task] = []

    # -- time -------------------------------------------------------------------------------
    def at(self, moment: float, what: Any) -> list[Any]:
        """Have a function called, or a task resumed, at a moment."""
        entry = [moment, next(self._count), what]
        heapq.heappush(self._heap, entry)
        return entry

    def after(self, seconds: float, what: Callable[[], None]) -> list[Any]:
        """Have a function of the world called later."""
        return self.at(self.now + max(0.0, seconds), what)

    def sleep(self, seconds: float) -> None:
        """Let the current task sleep."""
        task = current()
        if task is None:
            return
        self._leave_if_closed()
        seconds = max(0.0, seconds)
        if task.poller:
            self._sleep_of_poller(task, seconds)
            return
        self.at(self.now + seconds, task)
        self._switch()

    def _sleep_of_poller(self, task: Task, seconds: float) -> None:
        """Look less often where nothing has changed; whatever changes ends that."""
        task.quiet = task.quiet + 1 if task.seen == self.version else 0
        task.seen = self.version
        factor = min(self.IDLE_FACTOR, 2 ** max(0, task.quiet - 2))
        task.pause = seconds
        task.asleep = self.at(self.now + seconds * factor, task)
        if factor > 1:
            self._pollers.add(task)
        self._switch()
        self._pollers.discard(task)
        task.asleep = None

    def park(self, seconds: float | None = None) -> None:
        """Wait until somebody wakes the current task, or at most so long."""
        task = current()
        if task is not None:
            self._leave_if_closed()
            task.asleep = self.at(self.now + seconds, task) if seconds is not None else None
            self._switch()
            task.asleep = None

    def wake(self, task: Task) -> None:
        """Let a parked task go on."""
        if task.asleep is not None:
            task.asleep[2] = None
        task.asleep = self.at(self.now, task)

    def changed(self) -> None:
        """Something in the world is different now."""
        self.version += 1
        if self._pollers:
            for task in sorted(self._pollers, key=lambda t: t.name):
                entry = task.asleep
                if entry is not None and entry[0] > self.now + task.pause:
                    entry[2] = None
                    task.asleep = self.at(self.now + task.pause * self.rng.random(), task)
                    task.quiet = 1
            self._pollers.clear()

    # -- processes --------------------------------------------------------------------------
    def spawn(self, process: Process, run: Callable[..., Any], *args: Any, **kwargs: Any) -> Task:
        """Start a greenlet of a process."""

        def body() -> None:
            try:
                run(*args, **kwargs)
            except Stopped:
                raise
            except Exception as error:
                if not self.closed:
                    self.trace(process.name, f"thread ended by {type(error).__name__}: {error}")

        task = Task(body, parent=self._hub)
        task.process = process
        task.name = f"{process.name}/{len(process.tasks)}"
        process.tasks.append(task)
        self._all.append(task)
        self.at(self.now, task)
        return task

    def _switch(self) -> None:
        self._hub.switch()
        self._leave_if_closed()

    def _leave_if_closed(self) -> None:
        if self.closed:
            raise Stopped

    def call(self, service: str, name: str, effect: Callable[[], Any]) -> Any:
        """Ask the outside world: the point at which other processes run, and faults strike.

        Args:
            service: `nova`, `db`, `api`, `broker`, `pacemaker`, `files`.
            name: what is asked.
            effect: does it, in no time or by sleeping.
        """
        task = current()
        if task is None:
            return effect()
        self._leave_if_closed()
        process = task.process
        process.calls += 1
        self.sleep_exactly(task, 0.001 + 0.004 * self.rng.random())
        failure, after = self.faults.strike(process, service, name)
        if failure is not None:
            raise failure
        result = effect()
        if after is not None:
            after()
        return result

    def sleep_exactly(self, task: Task, seconds: float) -> None:
        """Let a task sleep, also one that polls."""
        self.at(self.now + seconds, task)
        self._switch()

    # -- running ----------------------------------------------------------------------------
    def run(self, until: float, ended: Callable[[], bool] = lambda: False) -> None:
        """Run everything that is due until a moment, or until `ended` says so."""
        heap = self._heap
        version = self.version
        while heap and not ended():
            entry = heapq.heappop(heap)
            what = entry[2]
            if what is None:
                continue
            if entry[0] > until:
                heapq.heappush(heap, entry)
                break
            self.now = max(self.now, entry[0])
            if isinstance(what, Task):
                process = what.process
                if not process.alive or what.dead:
                    continue
                if process.stalled > self.now:
                    entry[0] = process.stalled
                    heapq.heappush(heap, entry)
                    continue
                self.steps += 1
                what.switch()
            else:
                what()
            if self.version != version:
                version = self.version
                self.check()
        self.now = max(self.now, min(until, self.now))

    def close(self) -> None:
        """Unwind what is left, without effects."""
        self.closed = True
        for task in self._all:
            if not task.dead:
                task.throw(Stopped)
        self._all.clear()
        self._heap.clear()

    def trace(self, who: str, what: str) -> None:
        """Note an event; the order of all of them identifies the interleaving."""
        self.order = hash((self.order, who, what))
        if self.tracing:
            self.lines.append(f"{self.now - START:10.3f}  {who:<14} {what}")
