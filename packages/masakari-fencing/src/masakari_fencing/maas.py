"""The machines of MAAS: their power states, and switching them off for certain."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass

TIMEOUT = 10.0
"""Seconds for one request."""

POLL = 0.2
"""Seconds between two looks at a machine that is being switched off."""


class MaasError(Exception):
    """MAAS does not answer, or does not let us in. The text never holds the key."""


@dataclass(frozen=True)
class Machine:
    """A machine of MAAS.

    Attributes:
        identifier: its `system_id`.
        hostname: its host name without a domain, in lower case.
        power: what MAAS last saw: `on`, `off`, `unknown` or `error`.
    """

    identifier: str
    hostname: str
    power: str


class Maas:
    """Requests to the MAAS API.

    Args:
        url: the MAAS URL, with or without `/api/2.0`.
        apikey: `consumer:token:secret`.

    Raises:
        MaasError: the key does not have three parts.
    """

    def __init__(self, url: str, apikey: str) -> None:
        base = url.rstrip("/")
        self._base = base if "/api/" in base else f"{base}/api/2.0"
        parts = apikey.split(":")
        if len(parts) != 3:
            raise MaasError("the API key is not of the form consumer:token:secret")
        self._consumer, self._token, self._secret = parts

    def machines(self, hosts: Iterable[str]) -> list[Machine]:
        """Look machines up by the first label of their names, which is what MAAS knows.

        Raises:
            MaasError: MAAS does not answer, or refuses the key.
        """
        labels = sorted({host.split(".")[0].lower() for host in hosts})
        query = urllib.parse.urlencode([("hostname", label) for label in labels])
        found = self._send("GET", f"machines/?{query}")
        if not isinstance(found, list):
            raise MaasError("MAAS answered with something else than machines")
        return [
            Machine(
                identifier=str(machine.get("system_id", "")),
                hostname=str(machine.get("hostname", "")).lower(),
                power=str(machine.get("power_state", "")),
            )
            for machine in found
        ]

    def machine(self, host: str) -> Machine:
        """Return the one machine of that name.

        Raises:
            MaasError: there is none or more than one, or MAAS does not answer.
        """
        found = self.machines([host])
        if len(found) != 1 or found[0].hostname != host.split(".")[0].lower():
            raise MaasError(f"MAAS knows {len(found)} machines by the name {host}")
        return found[0]

    def power_state(self, machine: Machine) -> str:
        """Have MAAS ask the machine's power controller: `on`, `off`, `unknown` or `error`.

        Raises:
            MaasError: MAAS or the controller does not answer.
        """
        answer = self._send("GET", self._path(machine, "query_power_state"))
        return str(answer.get("state", "")) if isinstance(answer, dict) else ""

    def power_off(
        self,
        machine: Machine,
        timeout: float,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Switch a machine off, and return only when its power controller says that it is.

        Args:
            machine: the machine.
            timeout: seconds after which to give up.
            sleep: waits for so many seconds.
            clock: seconds, only ever compared with each other.

        Raises:
            MaasError: it is not off.
        """
        end = clock() + timeout
        self._send("POST", self._path(machine, "power_off"))
        while (state := self.power_state(machine)) != "off":
            if clock() >= end:
                raise MaasError(f"{machine.hostname} is still {state} after {timeout:g} s")
            sleep(POLL)

    def power_on(self, machine: Machine) -> None:
        """Ask MAAS to switch a machine on; it need not be on when this returns.

        Raises:
            MaasError: MAAS does not answer, or refuses.
        """
        self._send("POST", self._path(machine, "power_on"))

    @staticmethod
    def _path(machine: Machine, operation: str) -> str:
        return f"machines/{urllib.parse.quote(machine.identifier, safe='')}/?op={operation}"

    def _send(self, method: str, path: str) -> object:
        if urllib.parse.urlsplit(self._base).scheme not in ("http", "https"):
            raise MaasError("the MAAS URL is not an http or https URL")
        request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
            f"{self._base}/{path}",
            headers={"Authorization": self._authorization(), "Accept": "application/json"},
            data=b"" if method == "POST" else None,
            method=method,
        )
        # A power API is reached directly, as the plugin reaches it.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=TIMEOUT) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code in (401, 403):
                raise MaasError("MAAS refuses the API key") from None
            raise MaasError(f"MAAS answers with HTTP {error.code}") from None
        except (OSError, ValueError) as error:
            raise MaasError(f"MAAS does not answer: {error}") from None

    def _authorization(self) -> str:
        """Sign as OAuth 1.0 with PLAINTEXT; MAAS leaves the consumer's secret empty."""
        values = {
            "oauth_version": "1.0",
            "oauth_signature_method": "PLAINTEXT",
            "oauth_nonce": uuid.uuid4().hex,
            "oauth_timestamp": str(int(time.time())),
            "oauth_consumer_key": self._consumer,
            "oauth_token": self._token,
            "oauth_signature": f"&{urllib.parse.quote(self._secret, safe='')}",
        }
        pairs = (f'{key}="{urllib.parse.quote(text, safe="")}"' for key, text in values.items())
        return "OAuth " + ", ".join(pairs)
