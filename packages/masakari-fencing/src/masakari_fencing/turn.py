"""One recovery of a host at a time, over the engines of all units.

Masakari excludes two recoveries of a host only within one engine. Where two reports of the same
failure both get in, for example because the first one's message was stuck in a broker that had
just lost a unit, two engines would evacuate the same guests at once. So a recovery takes its turn
in the cluster's own configuration, whose changes are atomic over all members, and need quorum.

The turn is not given back at the end: it is free as soon as the notification that holds it is no
longer being worked on. It stays until the host is in service again, for `comeback`; which engine
works on it stands beside it, for `orphans`.
"""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass

from masakari_fencing import pacemaker
from masakari_fencing.commands import Runner

PREFIX = "masakari-fencing-recovery-"

EXISTS = 108
"""Exit code of Pacemaker's tools for something that exists already."""

INTERVAL = 1.0
"""Seconds between two attempts."""


@dataclass(frozen=True)
class Taken:
    """A turn that was taken, as everybody can see it.

    Attributes:
        host: the host, in lower case.
        holder: the notification that has or had it.
        engine: the process that took it; see `orphans.engine`.
    """

    host: str
    holder: str
    engine: str


class Busy(Exception):  # noqa: N818 - a state, not an accident
    """Another recovery of the host has the turn."""


class Turn:
    """The turn to recover one host.

    Args:
        runner: runs Pacemaker's commands.
        host: the host.
        owner: identifier of the notification that wants it; a retry of it has the turn still.
        active: whether another notification is being worked on.
        engine: identifies this process; see `orphans.engine`.
        timeout: seconds for one of Pacemaker's commands.

    Raises:
        ValueError: one of the texts cannot be put into the configuration.
    """

    def __init__(
        self,
        runner: Runner,
        host: str,
        owner: str,
        active: Callable[[str], bool],
        engine: str,
        timeout: float = 15,
    ) -> None:
        for text in (host, owner, engine):
            pacemaker.check_name(text)
        self._runner = runner
        self._name = f"{PREFIX}{host.lower()}"
        self._owner = owner
        self._active = active
        self._engine = engine
        self._timeout = timeout

    def take(
        self,
        patience: float,
        *,
        waiting: Callable[[str], None] = lambda holder: None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Return with the turn.

        Args:
            patience: seconds to wait for another recovery to end, or for the cluster to answer.
            waiting: told whose end is awaited, once for each.
            sleep: waits for so many seconds.
            clock: seconds, only ever compared with each other.

        Raises:
            Busy: the other one has not ended.
            PacemakerError: the cluster does not answer.
        """
        end = clock() + patience
        told = ""
        while True:
            try:
                holder = self._try()
            except pacemaker.PacemakerError:
                if clock() >= end:
                    raise
            else:
                if holder is None:
                    return
                if clock() >= end:
                    raise Busy(holder)
                if holder != told:
                    waiting(holder)
                    told = holder
            sleep(INTERVAL)

    def held(self) -> bool:
        """Whether this notification has the turn, and in this engine.

        Raises:
            PacemakerError: the cluster does not answer.
        """
        return self._entry() == (self._owner, self._engine)

    def _try(self) -> str | None:
        """Take the turn if it is free; return who has it instead."""
        if self._create():
            return None
        holder = self._holder()
        if holder not in (None, self._owner) and self._active(holder):
            return holder
        # Only what was seen to be free is removed: who comes second removes nothing. A turn of
        # our own is taken anew, since another engine may have had it; one without a holder only
        # as long as it has none.
        _delete(self._runner, self._name, holder, self._timeout)
        if self._create():
            return None
        return self._holder() or "another recovery"

    def _create(self) -> bool:
        text = (
            f'<cluster_property_set id="{self._name}"><nvpair id="{self._name}-by" '
            f'name="{self._name}" value="{self._owner}"/><nvpair id="{self._name}-engine" '
            f'name="{self._name}-engine" value="{self._engine}"/></cluster_property_set>'
        )
        argv = ["cibadmin", "--create", "--scope", "crm_config", "--xml-text", text]
        answer = self._runner.run(argv, timeout=self._timeout, check=False)
        if answer.returncode == EXISTS:
            return False
        pacemaker.output(argv, answer)
        return True

    def _holder(self) -> str | None:
        return self._entry()[0]

    def _entry(self) -> tuple[str | None, str | None]:
        """Return the notification that has the turn, and its engine."""
        argv = ["cibadmin", "--query", "--xpath", f"//cluster_property_set[@id='{self._name}']"]
        answer = self._runner.run(argv, timeout=self._timeout, check=False)
        if answer.returncode == pacemaker.NO_SUCH:
            return None, None
        found = pacemaker.parse(pacemaker.output(argv, answer))
        values = {pair.get("name"): pair.get("value") for pair in found.iter("nvpair")}
        holder = values.get(self._name)
        if holder is not None and not pacemaker.NODE_NAME.fullmatch(holder):
            raise pacemaker.PacemakerError(f"unreadable turn to recover: {self._name}")
        return holder, values.get(f"{self._name}-engine")


def taken(configuration: ET.Element) -> list[Taken]:
    """Return the turn of each host's last recovery, from the cluster's configuration."""
    found = []
    for group in configuration.iter("cluster_property_set"):
        name = group.get("id", "")
        if not name.startswith(PREFIX):
            continue
        values = {pair.get("id", ""): pair.get("value", "") for pair in group.iter("nvpair")}
        holder, engine = values.get(f"{name}-by"), values.get(f"{name}-engine")
        if holder and engine:
            found.append(Taken(name.removeprefix(PREFIX), holder, engine))
    return found


def claim(runner: Runner, entry: Taken, engine: str, *, timeout: float = 15) -> bool:
    """Have another process answer for a recovery, if nobody has changed its turn meanwhile.

    Args:
        runner: runs Pacemaker's commands.
        entry: the turn as it was seen.
        engine: identifies the process; see `orphans.engine`.
        timeout: seconds for the command.

    Returns:
        whether it was still so: of several that try, one succeeds.

    Raises:
        PacemakerError: the cluster does not answer.
        ValueError: one of the texts cannot be in the configuration.
    """
    for text in (entry.host, entry.holder, entry.engine, engine):
        pacemaker.check_name(text)
    name = f"{PREFIX}{entry.host}"
    holder = f"[nvpair[@name='{name}'][@value='{entry.holder}']]"
    pair = f"nvpair[@id='{name}-engine'][@value='{entry.engine}']"
    path = f"//cluster_property_set[@id='{name}']{holder}/{pair}"
    text = f'<nvpair id="{name}-engine" value="{engine}"/>'
    argv = ["cibadmin", "--modify", "--xpath", path, "--xml-text", text]
    answer = runner.run(argv, timeout=timeout, check=False)
    if answer.returncode == pacemaker.NO_SUCH:
        return False
    pacemaker.output(argv, answer)
    return True


def forget(runner: Runner, host: str, holder: str, *, timeout: float = 15) -> None:
    """Remove the last trace of a recovery, unless there has been another one since.

    Args:
        runner: runs Pacemaker's commands.
        host: the host.
        holder: the notification that had the turn.
        timeout: seconds for the command.

    Raises:
        PacemakerError: the cluster does not answer.
        ValueError: one of the texts cannot be in the configuration.
    """
    for text in (host, holder):
        pacemaker.check_name(text)
    _delete(runner, f"{PREFIX}{host.lower()}", holder, timeout)


def _delete(runner: Runner, name: str, holder: str | None, timeout: float) -> None:
    pair = f"nvpair[@name='{name}']"
    match = f"[{pair}[@value='{holder}']]" if holder else f"[not({pair})]"
    argv = ["cibadmin", "--delete", "--xpath", f"//cluster_property_set[@id='{name}']{match}"]
    pacemaker.run(runner, argv, timeout=timeout)
