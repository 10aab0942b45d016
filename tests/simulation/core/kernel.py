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

SOURCES = ("nova", "db", "status", "configuration", "hosts")
"""Where whoever polls looks, apart from its unit's files; `status`: of the cluster."""

_SOURCES = {"api": "db", "nova": "nova", "db": "db", "socket": "hosts"}
"""By the service that is called; for Pacemaker, by the command."""

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
            self.kernel.changed(self.unit)


class Task(greenlet.greenlet):
    """A greenthread or thread of a process."""

    process: Process
    poller = False
    quiet = 3
    seen: dict[Any, int] | None = None
    asleep: list[Any] | None = None
    pause = 0.0

    def nothing_new(self) -> bool:
        """Whether all that it has ever asked for is as it was when it began to look."""
        if self.seen is None:
            return False
        versions = self.process.kernel.versions
        for source, version in self.seen.items():  # noqa: SIM110 - a loop takes half the time
            if versions.get(source, 0) != version:
                return False
        return True

    def reads(self, source: Any) -> None:
        """Remember that it asks for this."""
        if self.seen is not None and source is not None and source not in self.seen:
            self.seen[source] = self.process.kernel.versions.get(source, 0)

    def look_again(self) -> None:
        """Remember what everything that it asks for is like at the begin of a look."""
        versions = self.process.kernel.versions
        seen = self.seen if self.seen is not None else (self.process.unit,)
        self.seen = {source: versions.get(source, 0) for source in seen}


class Lock:
    """A semaphore of one for the greenlets of one process."""

    def __init__(self) -> None:
        self.holder: Task | None = None
        self.waiting: list[Task] = []

    def acquire(self, blocking: bool = True) -> bool:
        """Take it; wait where somebody has it and `blocking` is set."""
        task = current()
        while self.holder is not None and task is not None:
            if not blocking:
                return False
            self.waiting.append(task)
            task.process.kernel.park()
        if task is not None:
            self.holder = task
        return True

    def release(self) -> None:
        """Give it back."""
        self.holder = None
        if self.waiting and ACTIVE is not None:
            ACTIVE.wake(self.waiting.pop(0))

    def __enter__(self) -> Lock:
        if self.holder is None:
            self.holder = current()
        else:
            self.acquire()
        return self

    def __exit__(self, *exc: object) -> None:
        self.release()


def current() -> Task | None:
    """Return the greenlet of a simulated process that runs, if any."""
    found = _getcurrent()
    return found if type(found) is Task else None


_getcurrent = greenlet.getcurrent


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
        self.versions: dict[Any, int] = {}
        self.pids = 0
        self.steps = 0
        self.tracing = tracing
        self.lines: list[str] = []
        self.order = 0
        self.closed = self.over = False
        self._until = START
        self._checked = 0
        self.faults: Any = None
        self.check: Callable[[], None] = lambda: None
        self._heap: list[list[Any]] = []
        self._count = itertools.count()
        self._pollers: dict[Task, None] = {}
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
        moment = self.now + seconds
        if self._goes_on(task.process, moment):
            return
        self.at(moment, task)
        self._switch()

    def _sleep_of_poller(self, task: Task, seconds: float) -> None:
        """Look less often where nothing has changed; what changes ends that."""
        task.quiet = task.quiet + 1 if task.nothing_new() else 0
        factor = min(self.IDLE_FACTOR, 2 ** max(0, task.quiet - 1))
        moment = self.now + seconds * factor
        if not self._goes_on(task.process, moment):
            task.pause = seconds
            task.asleep = self.at(moment, task)
            if factor > 1:
                self._pollers[task] = None
            self._switch()
            self._pollers.pop(task, None)
            task.asleep = None
        task.look_again()

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

    def changed(self, source: Any = None) -> None:
        """Something in the world is different now.

        Args:
            source: where one would have to look to see it: one of `SOURCES`, a unit for its
                files, or what nobody polls; None: anywhere.
        """
        self.version += 1
        if source is None:
            for known in SOURCES:
                self.versions[known] = self.version
        else:
            self.versions[source] = self.version
        for task in [t for t in self._pollers if source is None or source in (t.seen or ())]:
            del self._pollers[task]
            entry = task.asleep
            if entry is not None and entry[0] > self.now + task.pause:
                entry[2] = None
                task.asleep = self.at(self.now + task.pause * self.rng.random(), task)
                task.quiet = 1

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
        task = _getcurrent()
        if type(task) is not Task:
            return effect()
        if self.closed:
            raise Stopped
        process = task.process
        process.calls += 1
        if task.seen is not None:
            task.reads(_SOURCES.get(service))
        moment = self.now + 0.001 + 0.004 * self.rng.random()
        # What is sent has its effect, and has its answer, wherever its sender stands still.
        if not self._goes_on(process, moment, stands=True):
            heapq.heappush(self._heap, [moment, next(self._count), task, True])
            self._hub.switch()
            if self.closed:
                raise Stopped
        failure, after = self.faults.strike(process, service, name)
        try:
            if failure is not None:
                raise failure
            result = effect()
        finally:
            if process.stalled > self.now and not self.closed:
                self.sleep_exactly(task, 0.0)
        if after is not None:
            after()
        return result

    def _goes_on(self, process: Process, moment: float, *, stands: bool = False) -> bool:
        """Go on at a moment at once, where `run` had nothing to do before but come back.

        Args:
            process: which goes on.
            moment: in seconds since the epoch.
            stands: it may be stalled then.
        """
        if self._heap and self._heap[0][0] <= moment:
            return False
        if not process.alive or (process.stalled > moment and not stands):
            return False
        if moment > self._until or self.over or self.version != self._checked:
            return False
        self.now = moment
        self.steps += 1
        return True

    def sleep_exactly(self, task: Task, seconds: float) -> None:
        """Let a task sleep, also one that polls."""
        self.at(self.now + seconds, task)
        self._switch()

    # -- running ----------------------------------------------------------------------------
    def run(self, until: float) -> None:
        """Run everything that is due until a moment, or until `over` is set."""
        heap, pop = self._heap, heapq.heappop
        self._until, self._checked = until, self.version
        while heap and not self.over:
            entry = pop(heap)
            what = entry[2]
            if what is None:
                continue
            if entry[0] > until:
                heapq.heappush(heap, entry)
                break
            if entry[0] > self.now:
                self.now = entry[0]
            if type(what) is Task:
                process = what.process
                if not process.alive or what.dead:
                    continue
                if process.stalled > self.now and len(entry) == 3:
                    entry[0] = process.stalled
                    heapq.heappush(heap, entry)
                    continue
                self.steps += 1
                what.switch()
            else:
                what()
            if self.version != self._checked:
                self._checked = self.version
                self.check()

    def close(self) -> None:
        """Unwind what is left, without effects."""
        self.closed = True
        for task in self._all:
            if not task.dead:
                task.throw(Stopped)
        self._all.clear()
        self._heap.clear()
        # The garbage collector does not look into a dictionary that was given but greenlets that
        # run: they are none of its objects then.
        self._pollers.clear()

    def trace(self, who: str, what: str) -> None:
        """Note an event; the order of all of them identifies the interleaving."""
        self.order = hash((self.order, who, what))
        if self.tracing:
            self.lines.append(f"{self.now - START:10.3f}  {who:<14} {what}")
