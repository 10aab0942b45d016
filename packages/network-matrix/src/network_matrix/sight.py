"""One network, as seen through its Consul agents and by knocking at its members' doors.

Masakari's driver believes one agent, and takes every member that is not alive for one whose
network is down. But an agent that is itself cut off sees everybody else failed, and a member
whose agent was merely stopped looks like one whose network died. Either would cost healthy
hypervisors. So agents are asked together, those on the wrong side of a split do not count, and
who is reported gone is tried once more before it is believed.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from network_matrix.consul import (
    Agent,
    AgentError,
    Answer,
    Member,
    Status,
    knock,
    members,
)
from network_matrix.matrix import DOWN, UNKNOWN, UP

HUNG = "hung"
"""A member whose machine accepts connections, while the agents have given it up: nothing runs
there any more, or its network is back, which they notice up to half a minute later
(`ReconnectInterval` of Serf)."""

WITNESSES = 8
"""Other members that are tried first, to tell a host that is cut off from oneself that is."""

KNOCKS = 32
"""Members that are tried at once where many are."""

PATIENCE = 2.0
"""Seconds after which no further members are tried: the cluster waits for the answer."""


class Blind(Exception):  # noqa: N818 - a state, not an accident
    """Nothing can be said about the network at this moment; the text says why."""


@dataclass(frozen=True)
class View:
    """A network at one moment.

    Attributes:
        members: every member, by name; `status` is ALIVE or FAILED.
        silent: members whose agent is gone, although their machine answers in that network.
        deaf: agents that did not answer or did not count, and why; others did.
    """

    members: dict[str, Member]
    silent: frozenset[str] = frozenset()
    deaf: tuple[str, ...] = ()


class Sight:
    """Looks at one network.

    Args:
        agents: who is asked.
        ask: asks one; see `consul.members`.
        knock: tries a member; see `consul.knock`.
    """

    def __init__(
        self,
        agents: Sequence[Agent],
        *,
        ask: Callable[[Agent], dict[str, Member]] = members,
        knock: Callable[[Member], Answer] = knock,
    ) -> None:
        self._agents = tuple(agents)
        self._ask = ask
        self._knock = knock
        self._lock = threading.Lock()
        self._known: dict[str, Member] = {}
        self._heard: set[str] = set()

    def look(self) -> View:
        """Ask the agents who is there.

        Raises:
            Blind: none of them answers, or none that is not itself cut off.
        """
        views, deaf = self._ask_all()
        if not views:
            raise Blind("; ".join(deaf))
        names = dict.fromkeys(name for view in views for name in view)
        merged = _without_old_names(
            [_merge([view[name] for view in views if name in view]) for name in names]
        )
        gone = [member for member in merged if member.status is not Status.ALIVE]
        answers = self._knock_all(gone)
        silent = {m.name for m in gone if answers[m.name] is Answer.REFUSED}
        found = {
            m.name: replace(m, status=Status.ALIVE) if m.name in silent else m for m in merged
        }
        with self._lock:
            self._known = found
        return View(found, frozenset(silent), tuple(deaf))

    def state(self, host: str) -> str:
        """Return whether a host can be reached in this network right now.

        For a decision that cannot wait until the agents have noticed a failure.

        Returns:
            `UP`, `UNKNOWN`, or where others were reached `DOWN`, if it was not, or `HUNG`.
        """
        with self._lock:
            known = dict(self._known)
        target = next((m for name, m in known.items() if name.lower() == host.lower()), None)
        if target is None:
            return UNKNOWN
        end = time.monotonic() + PATIENCE
        others = self._others(known.values(), target)
        answers = self._knock_all([target, *others[:WITNESSES]])
        answer = answers.pop(target.name)
        # The kernel of a hung machine still accepts connections, so where the agents have given
        # a member up, only a refusal shows that there is life.
        if answer is Answer.REFUSED or (
            answer is Answer.ACCEPTED and target.status is Status.ALIVE
        ):
            return UP
        # Those that were tried may share a failure, as of a rack: then the next ones are.
        batches = [others[i : i + KNOCKS] for i in range(WITNESSES, len(others), KNOCKS)]
        while not (heard := {n for n, other in answers.items() if other is not Answer.SILENT}):
            if not batches or time.monotonic() >= end:
                return UNKNOWN
            answers = self._knock_all(batches.pop(0))
        with self._lock:
            self._heard = heard
        return HUNG if answer is Answer.ACCEPTED else DOWN

    def _others(self, known: Iterable[Member], target: Member) -> list[Member]:
        """Return the living members beside one: first those that answered last, the rest mixed."""
        others = [m for m in known if m is not target and m.status is Status.ALIVE]
        random.shuffle(others)
        return sorted(others, key=lambda member: member.name not in self._heard)

    def _ask_all(self) -> tuple[list[dict[str, Member]], list[str]]:
        def ask(agent: Agent) -> dict[str, Member] | str:
            try:
                view = self._ask(agent)
            except AgentError as error:
                return str(error)
            counted = [m for m in view.values() if m.status is not Status.LEFT]
            alive = sum(m.status in (Status.ALIVE, Status.LEAVING) for m in counted)
            if alive * 2 < len(counted) or not counted:
                return f"{agent} sees only {alive} of {len(counted)} members: it is cut off"
            return view

        with ThreadPoolExecutor(max(1, len(self._agents))) as pool:
            answers = list(pool.map(ask, self._agents))
        views = [answer for answer in answers if not isinstance(answer, str)]
        return views, [answer for answer in answers if isinstance(answer, str)]

    def _knock_all(self, members: Iterable[Member]) -> dict[str, Answer]:
        found = list(members)
        if not found:
            return {}
        with ThreadPoolExecutor(min(KNOCKS, len(found))) as pool:
            answers = pool.map(self._knock, found)
            return {m.name: answer for m, answer in zip(found, answers, strict=True)}


def _without_old_names(members: list[Member]) -> list[Member]:
    """Leave out members that are there under another name.

    An agent that was given another name is gone for good by its old one, while something accepts
    connections at its address.
    """
    alive = {m.address for m in members if m.status is Status.ALIVE}
    return [m for m in members if m.status is Status.ALIVE or m.address not in alive]


def _merge(opinions: list[Member]) -> Member:
    """Return what the majority of the agents think of a member; a tie counts as alive."""
    gone = sum(m.status not in (Status.ALIVE, Status.LEAVING) for m in opinions)
    status = Status.FAILED if gone * 2 > len(opinions) else Status.ALIVE
    return replace(opinions[0], status=status)
