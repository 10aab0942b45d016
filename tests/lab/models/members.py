"""Pacemaker as a side of the suite: what this project's own code reads of it.

Whatever the package asks a member, it asks here with the same functions: of a machine of the lab,
or of the model's commands. A difference that it cannot see does not matter.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from masakari_fencing.commands import Runner
from masakari_fencing.pacemaker import cibadmin, crm_mon
from masakari_fencing.pacemaker.tools import PacemakerError


class View(NamedTuple):
    """A remote node as a member shows it.

    Attributes:
        record: of its fence in the status section: none, fenced or not, or unknown where only
            the node's state is there.
        failures: operations that failed, without the node's name.
    """

    online: bool
    unclean: bool
    role: str
    failed: bool
    managed: bool
    record: str
    failures: tuple[str, ...]


class Entry(NamedTuple):
    """An entry of the fencing history.

    Attributes:
        client: the program that asked.
    """

    action: str
    status: str
    client: str
    dated: bool


class Outcome(NamedTuple):
    """What came of a command."""

    code: int
    output: str


class ClusterSide(Protocol):
    """A cluster of three members with remote nodes."""

    members: list[str]
    node: str
    """The remote node that everything happens to; its machine carries no member."""

    def runner(self, number: int = 0) -> Runner:
        """Return what runs commands on a member."""

    def lose(self) -> None:
        """Cut the node's power; a fence gives it back."""

    def stop_daemon(self, stopped: bool) -> None:
        """Stop or start its pacemaker_remote."""

    def power_controller(self, works: bool) -> None:
        """Have the power controller answer, or not."""

    def stop_members(self, numbers: Sequence[int], *, corosync: bool = False) -> None:
        """Stop Pacemaker on these members, and Corosync, which alone keeps the quorum."""

    def start_members(self, numbers: Sequence[int]) -> None: ...

    def isolate(self, number: int, isolated: bool) -> None:
        """Cut a member off from the others, or let it back in."""

    def together(self, functions: Sequence[Any]) -> list[Any]:
        """Call functions at the same time, and return their results."""

    def add_node(self, name: str) -> None:
        """Add a remote node that nobody answers for."""

    def remove_node(self, name: str) -> None: ...

    def wait(self, reached: Any, seconds: float) -> bool: ...

    def sleep(self, seconds: float) -> None: ...

    def now(self) -> float: ...


def run(
    side: ClusterSide, argv: Sequence[str], *, text: str | None = None, number: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run a command on a member."""
    return side.runner(number).run(argv, input=text, timeout=60, check=False)


def code(side: ClusterSide, *argv: str, text: str | None = None, number: int = 0) -> int:
    """Return a command's exit code."""
    return run(side, argv, text=text, number=number).returncode


def status(side: ClusterSide, number: int = 0) -> crm_mon.Status:
    """Return what a member's crm_mon shows."""
    return crm_mon.status(side.runner(number), timeout=30)


def view(side: ClusterSide, node: str = "", number: int = 0) -> View:
    """Return how a member shows a remote node."""
    name = node or side.node
    shown = status(side, number)
    found = next(n for n in shown.remotes if n.name == name)
    connection = shown.connection(name)
    assert connection is not None
    try:
        record = cibadmin.remote_record(side.runner(number), name, timeout=30)
        known = "fenced" if record.fenced is not None else "not fenced"
    except PacemakerError:
        known = "none"
    if known == "not fenced":
        for missing, path in (("none", ""), ("unknown", "[@node_fenced]")):
            xpath = f"//node_state[@uname='{name}']{path}"
            argv = ["cibadmin", "--query", "--xpath", xpath]
            if run(side, argv, number=number).returncode:
                known = missing
                break
    prefix = f"{name}_"
    return View(
        found.online,
        found.unclean,
        connection.role,
        connection.failed,
        connection.managed,
        known,
        tuple(
            sorted(
                {
                    failure.operation.removeprefix(prefix)
                    for failure in shown.failures
                    if failure.operation.startswith(prefix)
                }
            )
        ),
    )


def history(side: ClusterSide, number: int = 0) -> list[Entry]:
    """Return the fencing history of the node, the newest first."""
    return [
        Entry(event.action, event.status, event.client.split(".")[0], event.completed is not None)
        for event in status(side, number).fencing_of(side.node)
    ]
