#!/usr/bin/python3 -IS
"""STONITH plugin ``external/maas``: switches machines on and off through the API of MAAS.

cluster-glue calls it with an action, for most of them also a host, and hands over the resource's
parameters ``url``, ``apikey`` and ``hostnames`` as environment variables.

It does what the plugin of charm-hacluster does, including what an operator can trip over:

* ``status`` asks for the version of MAAS, which MAAS tells anybody: with a wrong API key the
  device looks healthy until something has to be fenced;
* ``off`` ends when MAAS has accepted the request; ``reset`` alone waits for the power to be off;
* that wait takes 10 s at most, and fails after that, so that Pacemaker tries again;
* the host is looked up by the first label of its name, which MAAS knows it by;
* each connection begins with a look at what the API can do, which takes no key;
* what it does is written to a file in /tmp that everybody can read.

The real one loads so much that any action costs it a second of processor. `COSTS` makes up for it.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import sys
import syslog
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

POLLS, POLL_INTERVAL = 20, 0.5
"""How often, and after how many seconds each time, `reset` looks whether the power is off."""

TIMEOUT = 10.0
"""Seconds for one request."""

COSTS: dict[str, float] = {}
"""Seconds of processor that an action takes, by its name; `default` for any other."""

LOG = Path("/tmp/maas.log")  # noqa: S108 - where the real one writes
"""What was done, for everybody."""

NAMES = ("hostnames", "url", "apikey")

PARAMETERS = """\
<parameters>
  <parameter name="hostnames" unique="1">
    <content type="string"/>
    <shortdesc lang="en">Hosts</shortdesc>
    <longdesc lang="en">The hosts that this device can fence, separated by spaces</longdesc>
  </parameter>
  <parameter name="url" unique="1">
    <content type="string"/>
    <shortdesc lang="en">MAAS URL</shortdesc>
    <longdesc lang="en">Where the API of MAAS is, such as http://10.0.0.2:5240/MAAS</longdesc>
  </parameter>
  <parameter name="apikey" unique="1">
    <content type="string"/>
    <shortdesc lang="en">API key</shortdesc>
    <longdesc lang="en">The API key of a MAAS user: consumer:token:secret</longdesc>
  </parameter>
</parameters>"""


class MaasError(Exception):
    """MAAS refused, did not answer, or does not know the host; the text says which."""


class Maas:
    """The few calls to the API of MAAS that fencing takes.

    Args:
        url: the MAAS URL; ``/api/2.0/`` is added unless it names an API version.
        apikey: ``consumer:token:secret``.

    Raises:
        MaasError: the key does not have three parts, or MAAS does not answer.
    """

    def __init__(self, url: str, apikey: str) -> None:
        url = url.rstrip("/")
        self._base = url if "/api/" in url else f"{url}/api/2.0"
        parts = apikey.split(":")
        if len(parts) != 3:
            raise MaasError("apikey is not of the form consumer:token:secret")
        self._consumer, self._token, self._secret = parts
        self._call("GET", "describe/", signed=False)

    def authorization(self) -> str:
        """Return an ``Authorization`` header, signed as OAuth 1.0 PLAINTEXT."""
        fields = {
            "oauth_nonce": secrets.token_hex(16),
            "oauth_timestamp": str(int(time.time())),
            "oauth_version": "1.0",
            "oauth_signature_method": "PLAINTEXT",
            "oauth_consumer_key": self._consumer,
            "oauth_token": self._token,
            # The consumer's secret, which MAAS leaves empty, and the token's.
            "oauth_signature": f"&{quote(self._secret, safe='')}",
        }
        quoted = (f'{name}="{quote(text, safe="")}"' for name, text in fields.items())
        return "OAuth " + ", ".join(quoted)

    def version(self) -> str:
        """Return the version of MAAS."""
        return self._call("GET", "version/")["version"]

    def machine(self, host: str) -> dict[str, Any]:
        """Return the record of the one machine with this host name.

        Raises:
            MaasError: there is none, or more than one.
        """
        query = urlencode({"hostname": host.split(".")[0]})
        found = self._call("GET", f"machines/?{query}")
        if len(found) != 1:
            raise MaasError(f"MAAS knows {len(found)} machines by the name {host}")
        return found[0]

    def power(self, system_id: str, state: str) -> None:
        """Ask MAAS to switch a machine ``on`` or ``off``."""
        mode = "&stop_mode=hard" if state == "off" else ""
        self._call("POST", f"machines/{quote(system_id)}/?op=power_{state}{mode}")

    def _call(self, method: str, path: str, *, signed: bool = True) -> Any:
        # Half of this program's start; most of its actions do without.
        from urllib.request import ProxyHandler, Request, build_opener

        headers = {"Accept": "application/json"}
        if signed:
            headers["Authorization"] = self.authorization()
        data = b"" if method == "POST" else None
        # A power API is reached directly: a proxy of the cluster's environment cannot know it.
        opener = build_opener(ProxyHandler({}))
        try:
            request = Request(  # noqa: S310  # the operator gives the URL
                f"{self._base}/{path}", method=method, data=data, headers=headers
            )
            with opener.open(request, timeout=TIMEOUT) as answer:
                return json.load(answer)
        except (OSError, ValueError) as error:
            raise MaasError(f"{method} {path.split('?')[0]}: {error}") from error


def switch(maas: Maas, host: str, state: str) -> None:
    """Switch a host on or off, without a look at what becomes of it."""
    log(syslog.LOG_INFO, f"{host}: power {state}")
    maas.power(maas.machine(host)["system_id"], state)


def reset(maas: Maas, host: str) -> None:
    """Switch a host off, wait until it is, and on.

    Raises:
        MaasError: it was still on after 10 s, or MAAS would not.
    """
    machine = maas.machine(host)
    if machine["power_state"] != "off":
        switch(maas, host, "off")
    for _ in range(POLLS):
        if maas.machine(host)["power_state"] == "off":
            break
        time.sleep(POLL_INTERVAL)
    else:
        raise MaasError(f"{host} is still on after {POLLS * POLL_INTERVAL:.0f} s")
    log(syslog.LOG_INFO, f"{host} is off; power on")
    maas.power(machine["system_id"], "on")


def log(level: int, text: str) -> None:
    """Write to the system's log, and to the file."""
    syslog.syslog(syslog.LOG_DAEMON | level, text)
    with contextlib.suppress(OSError), LOG.open("a") as file:
        file.write(f"{text}\n")


def main(arguments: list[str]) -> int:
    """Run an action; 0 when it succeeded, else 1."""
    syslog.openlog("external/maas", syslog.LOG_PID)
    action, host = [*arguments, "", ""][:2]
    cost = COSTS.get(action, COSTS.get("default", 0))
    while time.process_time() < cost:
        pass
    hostnames, url, apikey = (os.environ.get(name, "") for name in NAMES)
    texts = {
        "gethosts": "\n".join(hostnames.split()),
        "getconfignames": " ".join(NAMES),
        "getinfo-devid": "MAAS STONITH device",
        "getinfo-devname": "MAAS STONITH device",
        "getinfo-devdescr": "Switches the power of machines through the API of MAAS",
        "getinfo-devurl": "https://maas.io/",
        "getinfo-xml": PARAMETERS,
    }
    if action in texts:
        print(texts[action])
        return 0
    actions: dict[str, Callable[[Maas], object]] = {
        "status": Maas.version,
        "on": lambda maas: switch(maas, host, "on"),
        "off": lambda maas: switch(maas, host, "off"),
        "reset": lambda maas: reset(maas, host),
    }
    if action not in actions:
        log(syslog.LOG_ERR, f"unknown action {action!r}")
        return 1
    try:
        actions[action](Maas(url, apikey))
    except MaasError as error:
        log(syslog.LOG_ERR, f"{action} {host}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
