"""Whether the power controller (BMC) of each hypervisor answers: asked for real, but seldom.

MAAS shows what it saw last, for a machine whose BMC has been dead for weeks, too. So MAAS is made
to ask (`op=query_power_state` of its API 2.0), each machine about once an hour, a few at a time,
and none while a hypervisor is being fenced: a BMC has few sessions, and the fence needs one.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from masakari_fencing.maas.client import Maas, MaasError, Machine

INTERVAL = 3600.0
"""Seconds after which a controller is asked again."""

LOOKS = 12
"""Looks over which the machines are spread: Juju's update-status comes every five minutes."""

AT_ONCE = 4
"""Controllers that are asked at the same time."""

PATIENCE = 20.0
"""Seconds in which a controller has to answer; those that are slow need ten."""

LONGEST, ALL = 30.0, 120.0
"""Seconds after which no further controller is asked in one look, and in one at all of them."""

IN_A_ROW = 2
"""Bad answers in a row of which the status speaks: a single one may get lost."""

DEAD = "its power controller (BMC) does not answer"
ON_THE_DAY = "until then it cannot be switched off for certain, nor its instances recovered"
CHECK = f"check the BMC, its network, and its power settings in MAAS; {ON_THE_DAY}"
UNKNOWN = "MAAS cannot tell its power state"
MANUAL = f"give the machine a power type in MAAS that can be queried; {ON_THE_DAY}"
ELSEWHERE = "MAAS says that its power is off, but it is connected to the cluster"
ADDRESS = "check its power address in MAAS: fencing it would switch off another machine"


@dataclass(frozen=True)
class Answer:
    """What a power controller has answered last.

    Attributes:
        time: when it was asked, in seconds since the epoch.
        state: `on`, `off`, `unknown` or `error`; empty where nothing was answered.
        seconds: that it took.
        error: why there was no answer; never holds a secret.
        bad: how many answers in a row were no use.
    """

    time: float
    state: str
    seconds: float
    error: str
    bad: int


class Controllers:
    """The power controllers of the hypervisors, and what they have answered.

    Args:
        answers: as `dump` gave it; what cannot be read is as good as never asked.
        every: ask all, those of long ago first; otherwise those that are due, as many as in one
            look of `LOOKS`.
        maas: makes a client for a URL and a key.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        answers: Mapping[str, Any] | None = None,
        *,
        every: bool = False,
        maas: Callable[[str, str], Maas] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._every = every
        self._maas = maas or functools.partial(Maas, patience=PATIENCE)
        self._clock = clock
        self.answers = dict(_read(answers or {}))

    def dump(self) -> dict[str, Any]:
        """What there is to remember, as JSON."""
        return {host: asdict(answer) for host, answer in self.answers.items()}

    def ask(self, url: str, key: str, machines: Mapping[str, Machine], live: set[str]) -> None:
        """Ask the controllers that are due.

        Args:
            url: the MAAS URL.
            key: the MAAS key.
            machines: the machine of each hypervisor.
            live: hypervisors that the cluster is connected to.
        """
        end = self._clock() + (ALL if self._every else LONGEST)

        def one(host: str) -> None:
            if self._clock() < end:
                self.answers[host] = self._query(url, key, host, machines[host], host in live)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(one, self._due(machines)))

    def judge(self, host: str) -> tuple[str, str] | None:
        """What is wrong with a hypervisor's controller, and the cure; None where nothing is."""
        answer = self.answers.get(host)
        if answer is None or answer.bad < IN_A_ROW:
            return None
        if answer.state == "off":
            return ELSEWHERE, ADDRESS
        if answer.state == "unknown":
            return UNKNOWN, MANUAL
        return f"{DEAD}: {answer.error or 'it reports an error'}", CHECK

    def _due(self, hosts: Mapping[str, Machine]) -> list[str]:
        """Those to ask now: what was no use at once again, then the longest ago first."""
        now = self._clock()
        asked = {host: self.answers.get(host) for host in hosts}
        oldest = sorted(
            asked, key=lambda host: (found.time if (found := asked[host]) else 0.0, host)
        )
        if self._every:
            return oldest
        again = [host for host in oldest if (found := asked[host]) and found.bad]
        others = [
            host
            for host in oldest
            if (found := asked[host]) is None
            or (not found.bad and not 0 <= now - found.time < INTERVAL)
        ]
        return [*again, *others[: math.ceil(len(hosts) / LOOKS)]]

    def _query(self, url: str, key: str, host: str, machine: Machine, live: bool) -> Answer:
        begin, tick = self._clock(), time.monotonic()
        state = error = ""
        try:
            state = self._maas(url, key).power_state(machine)
        except MaasError as failure:
            error = str(failure)
        seconds = round(time.monotonic() - tick, 1)
        useless = state not in ("on", "off") or (state == "off" and live)
        before = self.answers.get(host)
        bad = (before.bad if before else 0) + 1 if useless else 0
        return Answer(begin, state, seconds, error, bad)


def _read(answers: Mapping[str, Any]) -> Iterable[tuple[str, Answer]]:
    for host, entry in answers.items():
        try:
            yield host, Answer(**entry)
        except TypeError:
            continue
