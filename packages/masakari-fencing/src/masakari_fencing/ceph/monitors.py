"""Ceph's monitors: whether the cluster works, and which clients may not write.

A client on the blocklist is refused by every OSD that knows of it, whatever it is doing, and its
watches, which keep a dead client's lock on an image, end at once. An entry `IP:0/0` stands for all
clients behind that address (`OSDMap::is_blocklisted`), as there is no telling their ports and
nonces. The commands are those of `src/mon/MonCommands.h` from Pacific (16) on; earlier releases
call them by another name.

The library of Ceph itself (python3-rados) asks within a hundredth of a second, the program `ceph`
needs most of one.
"""

from __future__ import annotations

import datetime
import ipaddress
import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, TypeVar

CONFIGURATION = Path("/etc/masakari-fencing/ceph/ceph.conf")
"""Written by the charm, beside the key; both for root alone."""

NAME = "client.masakari"
"""Used where the configuration does not say otherwise; the charm writes its own."""

TIMEOUT = 5
"""Seconds for each of connecting and a command."""

FOREVER = 10 * 365 * 24 * 3600.0
"""Seconds for which an entry is made. Ceph's default is an hour, and nothing may rely on one that
can run out while its host might live; Ceph has no entry without an end."""

LASTING = FOREVER / 2
"""Seconds for which an entry must be good to be relied on: another's may run out."""

AT_ONCE = 16
"""Commands under way at the same time."""

_NOBODY = "192.0.2.1:0/1"
"""No client ever has this address (RFC 5737): to take it off the blocklist changes nothing, and
needs the same permission as to put one on it."""

_ALL = ":0/0"
"""Ends an entry that stands for all clients behind an address."""

_EACCES = 13
_FULL = ("OSD_FULL", "POOL_FULL")
"""Checks of Ceph's health that mean that nobody can write, neither the old nor the new."""


class CephError(Exception):
    """Ceph does not answer, or refuses; the text says what, without any secret."""


class DeniedError(CephError):
    """The key may not do it."""


class Connection(Protocol):
    """What this needs of `rados.Rados`."""

    def mon_command(
        self, cmd: str, inbuf: bytes, timeout: int = 0
    ) -> tuple[int, bytes, str]:  # pragma: no cover
        """Run a command; see librados."""

    def shutdown(self) -> None:  # pragma: no cover
        """End the connection."""


def connect(configuration: Path = CONFIGURATION) -> Connection:
    """Connect to the monitors.

    Raises:
        CephError: none answers, the key is wrong, or nothing is configured.
    """
    if not configuration.exists():
        raise CephError("no Ceph is configured")
    try:
        import rados
    except ImportError:
        raise CephError("python3-rados is not installed") from None
    limits = {"client_mount_timeout": str(TIMEOUT), "rados_mon_op_timeout": str(TIMEOUT)}
    name = (configuration.parent / "name").read_text(encoding="utf-8").strip() or NAME
    try:
        found = rados.Rados(name=name, conffile=str(configuration), conf=limits)
        found.connect(timeout=TIMEOUT)
    except rados.Error as error:
        raise CephError(f"its monitors do not let this unit in: {error}") from None
    return found


class Monitors:
    """A connection to the monitors; they answer only while they have a quorum.

    Args:
        connection: to them.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def fsid(self) -> str:
        """Return the cluster's identifier.

        Raises:
            CephError: they do not answer.
        """
        return str(self._read("fsid")[0]["fsid"])

    def addresses(self) -> list[str]:
        """Return the monitors' own addresses.

        Raises:
            CephError: they do not answer.
        """
        known = self._read("mon dump")[0].get("mons") or []
        found = set()
        for monitor in known:
            several = (monitor.get("public_addrs") or {}).get("addrvec") or []
            for text in [monitor.get("addr", ""), *(item.get("addr", "") for item in several)]:
                host = str(text).partition("/")[0].rpartition(":")[0].strip("[]")
                if host:
                    found.add(str(ipaddress.ip_address(host)))
        return sorted(found)

    def obstacle(self) -> str | None:
        """Return why a new client could not write, be the old one shut out or not.

        Raises:
            CephError: they do not answer.
        """
        checks = self._read("health")[0].get("checks") or {}
        found = [name for name in _FULL if name in checks]
        return f"it is full ({', '.join(found)})" if found else None

    def check_permission(self) -> None:
        """Return where this key may change the blocklist; changes nothing.

        Raises:
            DeniedError: it may not.
            CephError: they do not answer.
        """
        self._blocklist("rm", _NOBODY)

    def blocked(self) -> dict[str, float]:
        """Return what is on the blocklist: until when, in seconds since the epoch, by entry.

        Entries are as Ceph writes them; see `entry`.

        Raises:
            CephError: they do not answer.
        """
        return {
            str(item["addr"]): _epoch(str(item["until"]))
            for part in self._read("osd blocklist ls")
            for item in part
            if "addr" in item
        }

    def missing(self, addresses: Iterable[str], now: float) -> list[str]:
        """Return those of some addresses whose clients may write, now or before long.

        Args:
            addresses: the addresses.
            now: seconds since the epoch.

        Raises:
            CephError: they do not answer.
        """
        known = self.blocked()
        return [address for address in addresses if known.get(entry(address), 0.0) < now + LASTING]

    def block(self, addresses: Iterable[str]) -> None:
        """Shut out all clients behind some addresses.

        All at once: the monitors agree on changes about once a second, on all that have come.

        Raises:
            CephError: they refuse, or do not answer; then it may have been done.
        """

        def one(address: str) -> None:
            self._blocklist("add", entry(address), expire=FOREVER)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(one, addresses))

    def unblock(self, address: str) -> None:
        """Let the clients behind an address in again.

        Raises:
            CephError: they refuse, or do not answer.
        """
        self._blocklist("rm", entry(address))

    def close(self) -> None:
        """End the connection."""
        self._connection.shutdown()

    def _blocklist(self, operation: str, address: str, **more: float) -> None:
        self._ask(prefix="osd blocklist", blocklistop=operation, addr=address, **more)

    def _read(self, prefix: str) -> list[Any]:
        """Return all that a command prints.

        That of the blocklist is two documents, one after the other.
        """
        text, found = self._ask(prefix=prefix, format="json").decode().strip(), []
        decoder = json.JSONDecoder()
        try:
            while text:
                item, end = decoder.raw_decode(text)
                found.append(item)
                text = text[end:].lstrip()
        except ValueError:
            raise CephError(f"unreadable answer to {prefix!r}") from None
        if not found:
            raise CephError(f"no answer to {prefix!r}")
        return found

    def _ask(self, **command: object) -> bytes:
        try:
            code, out, said = self._connection.mon_command(json.dumps(command), b"", TIMEOUT)
        except Exception as error:  # the library's own, of which there are many
            raise CephError(f"its monitors do not answer: {error}") from None
        if abs(code) == _EACCES:
            raise DeniedError(f"the key may not run {command['prefix']!r} ({said})")
        if code:
            raise CephError(f"{command['prefix']!r} ended with {abs(code)}: {said}")
        return out


Found = TypeVar("Found")


def use(action: Callable[[Monitors], Found], connect: Callable[[], Connection] = connect) -> Found:
    """Do something with a connection of its own, and end that.

    Args:
        action: what to do.
        connect: makes the connection.

    Raises:
        CephError: there is none, or what the action raises.
    """
    monitors = Monitors(connect())
    try:
        return action(monitors)
    finally:
        monitors.close()


def report(connect: Callable[[], Connection] = connect) -> dict[str, Any]:
    """Return whether Ceph could shut somebody out, and whom it does.

    That is: `monitors`, their addresses, and `shut_out`, addresses all of whose clients are; or
    `error`, why it could not.

    Args:
        connect: makes the connection.
    """

    def ask(ceph: Monitors) -> dict[str, Any]:
        if (text := ceph.obstacle()) is not None:
            return {"error": text}
        ceph.check_permission()
        whole = (name.removesuffix(_ALL) for name in ceph.blocked() if name.endswith(_ALL))
        return {"monitors": ceph.addresses(), "shut_out": sorted(n.strip("[]") for n in whole)}

    try:
        return use(ask, connect)
    except CephError as error:
        return {"error": str(error)}


def entry(address: str) -> str:
    """Return the entry of the blocklist for all clients behind an address.

    Raises:
        ValueError: it is no IP address.
    """
    found = ipaddress.ip_address(address)
    return f"[{found}]{_ALL}" if found.version == 6 else f"{found}{_ALL}"


def _epoch(text: str) -> float:
    """Read a time as Ceph writes it, such as `2036-11-25T18:52:08.680500+0000`."""
    try:
        return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()
    except ValueError:
        return 0.0
