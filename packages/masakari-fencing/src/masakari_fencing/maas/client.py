"""The machines of MAAS: their power states, and switching them off for certain."""

from __future__ import annotations

import time
import urllib.parse
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from masakari_fencing.maas.api import Api, MaasError, PassingError, SettingsError

__all__ = ["Maas", "MaasError", "Machine", "SettingsError"]

PATIENCE = 10.0
"""Seconds for all requests of a client, unless it is given another limit: a fence has
`fence_agent.agent.POWER_TIMEOUT`."""

POLL = 0.2
"""Seconds between two looks at a machine that is being switched off."""

ASK_AGAIN = 20.0
"""Seconds after which a machine that is still on is switched off once more."""

PAGE = 50
"""Names in one request: host names have at most 63 characters, and an URL of 4 KiB passes every
proxy and web server."""


@dataclass(frozen=True)
class Machine:
    """A machine of MAAS.

    Attributes:
        identifier: its `system_id`.
        hostname: its host name without a domain, in lower case.
        power: what MAAS last saw: `on`, `off`, `unknown` or `error`.
        fqdn: its host name with the domain, in lower case; empty where MAAS does not tell.
        power_type: how MAAS reaches its power controller; `manual`: it has none.
    """

    identifier: str
    hostname: str
    power: str
    fqdn: str = ""
    power_type: str = ""

    def is_named(self, host: str) -> bool:
        """Whether a host's name is this machine's: all of it, as far as both have a domain."""
        wanted = _plain(host)
        if "." in wanted and self.fqdn:
            return self.fqdn == wanted
        return self.hostname == _label(host)


def by_host(machines: Iterable[Machine], hosts: Iterable[str]) -> dict[str, list[Machine]]:
    """Return the machines that are named as each host; see `Machine.is_named`."""
    labelled: dict[str, list[Machine]] = {}
    for machine in machines:
        for label in {machine.hostname, _label(machine.fqdn)}:
            labelled.setdefault(label, []).append(machine)
    return {
        host: [machine for machine in labelled.get(_label(host), ()) if machine.is_named(host)]
        for host in hosts
    }


class Maas:
    """Requests to the MAAS API, all within one limit of time.

    The arguments, and what they raise, are those of `Api`.
    """

    def __init__(
        self,
        url: str,
        apikey: str,
        *,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._api = Api(url, apikey, patience, clock, sleep)

    def machines(self, hosts: Iterable[str]) -> list[Machine]:
        """Look machines up by the first label of their names, which is what MAAS searches for.

        There may be others among them, whose names only begin alike; see `Machine.is_named`. Each
        further page has as much time as the first one.

        Raises:
            MaasError: MAAS does not answer, or refuses the key.
        """
        labels = sorted({_label(host) for host in hosts})
        found: list[Machine] = []
        for first in range(0, len(labels), PAGE):
            if first:  # As long as MAAS answers, many machines may take longer than one.
                self._api.end_in(self._api.patience)
            pairs = [("hostname", label) for label in labels[first : first + PAGE]]
            answer = self._api.ask("GET", f"machines/?{urllib.parse.urlencode(pairs)}")
            if not isinstance(answer, list) or not all(isinstance(one, dict) for one in answer):
                raise MaasError("MAAS did not answer with a list of machines")
            found += [_machine(one) for one in answer]
        return found

    def machine(self, host: str) -> Machine:
        """Return the one machine of that name.

        Raises:
            SettingsError: there is none or more than one.
            MaasError: MAAS does not answer.
        """
        found = self.machines([host])
        named = [machine for machine in found if machine.is_named(host)]
        if len(named) != 1:
            others = sorted({machine.fqdn or machine.hostname for machine in found})
            known = f"; it knows {', '.join(others)}" if others and not named else ""
            raise SettingsError(f"MAAS knows {len(named)} machines by the name {host}{known}")
        return named[0]

    def power_state(self, machine: Machine) -> str:
        """Have MAAS ask the machine's power controller: `on`, `off`, `unknown` or `error`.

        Raises:
            MaasError: MAAS or the controller does not answer.
        """
        return _state(self._api.ask("GET", self._path(machine, "query_power_state")))

    def power_off(self, machine: Machine, *, look: Callable[[], None] = lambda: None) -> None:
        """Switch a machine off, and return only when its power controller says that it is.

        Args:
            machine: the machine.
            look: called before each request to do so; raises where it must not be made any more.

        Raises:
            MaasError: it is not off before the time is up.
            Exception: whatever `look` raises.
        """
        asked: float | None = None
        attempt, state = 0, ""
        while True:
            failed = ""
            if asked is None or self._api.clock() - asked >= ASK_AGAIN:
                look()
            try:
                if asked is None or self._api.clock() - asked >= ASK_AGAIN:
                    self._api.send("POST", self._path(machine, "power_off"), attempt)
                    asked = self._api.clock()
            except PassingError as error:
                failed = str(error)  # it may have been carried out all the same
            try:
                answer = self._api.send("GET", self._path(machine, "query_power_state"), attempt)
                state = _state(answer)
                if state == "off":
                    return
            except PassingError as error:
                failed = str(error)
            more = self._api.pause(attempt) if failed else self._api.wait(POLL)
            attempt = attempt + 1 if failed else 0
            if not more:
                said = failed or f"its power is {state or 'unknown'}"
                text = f"{machine.hostname} is not known to be off after {self._api.patience:g} s"
                raise MaasError(f"{text}: {said}")

    def power_on(self, machine: Machine, *, within: float | None = None) -> None:
        """Ask MAAS to switch a machine on; it need not be on when this returns.

        Args:
            machine: the machine.
            within: seconds for which it is tried; None: as long as the client has.

        Raises:
            MaasError: MAAS does not answer in time, or refuses.
        """
        if within is not None:
            self._api.end_in(within)
        self._api.ask("POST", self._path(machine, "power_on"))

    @staticmethod
    def _path(machine: Machine, operation: str) -> str:
        return f"machines/{urllib.parse.quote(machine.identifier, safe='')}/?op={operation}"


def _machine(data: dict[str, object]) -> Machine:
    return Machine(
        identifier=str(data.get("system_id") or ""),
        hostname=str(data.get("hostname") or "").lower(),
        power=str(data.get("power_state") or ""),
        fqdn=_plain(str(data.get("fqdn") or "")),
        power_type=str(data.get("power_type") or ""),
    )


def _state(answer: object) -> str:
    return str(answer.get("state") or "") if isinstance(answer, dict) else ""


def _plain(name: str) -> str:
    return name.lower().rstrip(".")


def _label(name: str) -> str:
    return _plain(name).split(".")[0]
