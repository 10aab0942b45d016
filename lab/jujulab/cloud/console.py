"""What the lab's longer programs print, and the Juju commands that they run and show."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jujulab.files import REPOSITORY
from jujulab.juju.client import Client
from jujulab.juju.errors import JujuError
from jujulab.juju.names import REAL_JUJU
from jujulab.progress import step

JUJU = REPOSITORY / "lab" / "juju"

MANNERS = os.environ.get("LAB_HACLUSTER", "")
"""The manners of the stand-in for hacluster, where others than its own are asked for."""

SLOWER = 4.0 if MANNERS == "real" else 1.0
"""How many times as long a change of the configuration may take: with the real charm's manners a
leader's hook takes minutes, and the other units of its machine wait for it."""

_WORDS = 40
"""Lines of a unit's log that say why it is not ready."""


class StepError(Exception):
    """A step did not reach its goal; the text says which, and what to look at."""


class Console:
    """Prints steps with the time since the start, or nothing where it is `quiet`.

    A command that fails, or what does not come within its timeout in seconds, is a StepError; the
    timeouts of units are those of the quick manners of hacluster, see `SLOWER`.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._started = time.monotonic()
        self._quiet = quiet

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def say(self, text: str) -> None:
        """Print one line (or several) under the current step."""
        if self._quiet:
            return
        for line in text.splitlines():
            print(f"[{self.elapsed:6.1f} s]   {line}", flush=True)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Announce a step, and how long it took when it is done."""
        print(f"\n[{self.elapsed:6.1f} s] {title}", flush=True)
        started = time.monotonic()
        yield
        self.say(f"done in {time.monotonic() - started:.1f} s")

    def juju(self, *arguments: str, timeout: float = 600, show: bool = True) -> str:
        """Run a Juju command in the lab, shown or not, and return its standard output."""
        if show:
            shown = [a.replace(f"{REPOSITORY}/", "./") for a in arguments]
            self.say("$ juju " + " ".join(shown))
        result = self._run(*arguments, timeout=timeout)
        if result.returncode:
            complaint = result.stderr.strip() or result.stdout.strip()
            raise StepError(f"`juju {' '.join(arguments)}` failed:\n{complaint}")
        if show and result.stdout.strip():
            self.say(result.stdout.rstrip())
        return result.stdout

    def _run(self, *arguments: str, timeout: float) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [str(JUJU), *arguments], cwd=REPOSITORY, text=True, timeout=timeout, check=False,
                stdin=subprocess.DEVNULL, capture_output=True,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise StepError(f"`juju {arguments[0]}` took more than {timeout:g} s") from None

    def status(self) -> dict[str, Any]:
        """Return `juju status --format json`."""
        return dict(json.loads(self.juju("status", "--format", "json", show=False)))

    def run_action(self, unit: str, action: str, *parameters: str) -> dict[str, Any]:
        """Run an action and return its results."""
        self.say(f"$ juju run {unit} {action} {' '.join(parameters)}".rstrip())
        # One that the unit still works on may come before it.
        wait = ["--wait=5m", "--format", "json"]
        result = self._run("run", unit, action, *parameters, *wait, timeout=600)
        tasks = json.loads(result.stdout) if result.stdout.strip() else {}
        # What fails by the charm's own word, or cannot be asked of a unit, ends well for Juju.
        if result.returncode or {task["status"] for task in tasks.values()} != {"completed"}:
            messages = [str(task.get("message")) for task in tasks.values()]
            reason = "; ".join(messages) or result.stderr.strip()
            raise StepError(f"the action {action} of {unit} failed: {reason}")
        (task,) = tasks.values()
        return dict(task.get("results", {}))

    def wait_active(self, what: str, timeout: float) -> None:
        """Wait until every unit is active and idle, showing what it waits for."""
        self._wait(what, "active", timeout)

    def wait_idle(self, what: str, timeout: float) -> None:
        """Wait until no unit has a hook to run, whatever its status, which may be an old one."""
        self._wait(what, "idle", timeout)

    def _wait(self, what: str, goal: str, timeout: float) -> None:
        def left() -> tuple[list[str], int]:
            lines = unit_lines(self.status(), any_status=goal == "idle")
            return [line for line in lines if not line.endswith(" ok")], len(lines)

        timeout *= SLOWER
        deadline, begun = time.monotonic() + timeout, time.time()
        waiting, total = left()
        if not waiting:
            return
        text = f"[{self.elapsed:6.1f} s]   {what}: until every unit is {goal}"
        with step(text, stream=sys.stdout, name=f"{what}: {goal}") as line:
            while waiting:
                stalled = stall_lines(begun)
                busy = [unit for unit in waiting if "(running " in unit]
                line.detail = f"{len(waiting)} of {total} units left, {[*busy, *waiting][0]}"
                if stalled:
                    line.detail = f"{stalled[-1]}; {line.detail}"
                if time.monotonic() > deadline:
                    said = [text for unit in waiting for text in last_words(unit.split(":")[0])]
                    details = "\n  ".join([*waiting, *stalled, *said])
                    raise StepError(f"{what} was not {goal} within {timeout:g} s:\n  {details}")
                time.sleep(2)  # each look is a process, beside hooks that want the processor
                waiting, total = left()
        for stall in stall_lines(begun):
            self.say(stall)


def stall_lines(since: float) -> list[str]:
    """Return a line for each time since then in which nothing ran and units were not ready."""
    if REAL_JUJU:
        return []  # only the lab's own sees each hook
    with contextlib.suppress(JujuError, OSError):
        return [
            f"nothing ran for {stall['seconds']:.0f} s while "
            + "; ".join(f"{unit} was {status}" for unit, status in sorted(stall["units"].items()))
            for stall in Client().call("stalls")
            if stall["since"] >= since
        ]
    return []


def last_words(unit: str) -> list[str]:
    """Return the end of a unit's log, under a line that names it; nothing of a real Juju's."""
    log = Client().home / "logs" / f"unit-{unit.replace('/', '-')}.log"
    if REAL_JUJU or not log.exists():
        return []
    with log.open(encoding="utf-8", errors="replace") as stream:
        return [f"the end of {log}:", *(f"  {line.rstrip()}" for line in deque(stream, _WORDS))]


def unit_lines(status: dict[str, Any], *, any_status: bool = False) -> list[str]:
    """Return one line a unit: `name: workload (agent) message`, ending in ` ok` when ready.

    Args:
        status: `juju status`.
        any_status: a unit is ready when it has no hook to run, whether it is active or not.
    """
    lines = []
    for name, unit in sorted(units(status)):
        workload, agent = unit["workload-status"], unit["juju-status"]
        # update-status comes round all the time; any other hook may still change something.
        quiet = agent["current"] == "idle" or "update-status" in agent.get("message", "")
        ready = quiet and (any_status or workload["current"] == "active")
        message = f" {workload['message']}" if workload.get("message") else ""
        running = agent.get("message") if agent["current"] == "executing" else ""
        line = f"{name}: {workload['current']} ({running or agent['current']}){message}"
        lines.append(line + (" ok" if ready else ""))
    return lines


def machines_of(status: dict[str, Any], application: str) -> dict[str, str]:
    """Return unit -> Juju's identifier of its machine, of a principal application."""
    units = status["applications"][application]["units"]
    return {name: str(unit["machine"]) for name, unit in units.items()}


def first_machine(status: dict[str, Any], application: str) -> str:
    """Return Juju's identifier of the machine of an application's first unit."""
    return min(machines_of(status, application).items())[1]


def units(status: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return the name and the entry of each unit in a status, subordinates among them."""
    for application in status["applications"].values():
        for name, unit in (application.get("units") or {}).items():
            yield name, unit
            yield from (unit.get("subordinates") or {}).items()
