#!/usr/bin/python3 -IS
"""Pacemaker alert agent: hands a completed fencing of a node to the notifier.

Pacemaker runs this file on every member, as user hacluster, for every fencing event. It must be
quick and must never disturb the cluster: it writes one small file, pokes the notifier, and always
ends with 0. It imports nothing of its package, because it runs with only the standard library.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sys
import time

SPOOL = "/var/lib/masakari-fencing/spool"
SOCKET = "/run/masakari-fencing/wake"

# "Operation reboot of node1 by ha1 for pacemaker-controld.7@ha2: OK (ref=9f7c...)"
DESCRIPTION = re.compile(r"Operation (\S+) of .*\(ref=([0-9A-Za-z-]{1,64})\)\s*\Z", re.DOTALL)


def event(environ: dict[str, str], now: float) -> dict[str, str | float] | None:
    """Read the event from the environment that Pacemaker sets.

    Args:
        environ: the environment.
        now: the time that is used when Pacemaker gives none, in seconds since the epoch.

    Returns:
        the event for the spool, or None when it is not a node that was powered off or restarted.
    """
    match = DESCRIPTION.match(environ.get("CRM_alert_desc", ""))
    if (
        environ.get("CRM_alert_kind") != "fencing"
        or environ.get("CRM_alert_task") != "st_notify_fence"
        or environ.get("CRM_alert_rc") != "0"
        or not environ.get("CRM_alert_node")
        or match is None
        or match.group(1) not in ("off", "reboot")
    ):
        return None
    try:
        moment = float(environ["CRM_alert_timestamp_epoch"])
        moment += int(environ.get("CRM_alert_timestamp_usec") or 0) / 1e6
    except (KeyError, ValueError):
        moment = now
    return {
        "id": match.group(2),
        "node": environ["CRM_alert_node"],
        "action": match.group(1),
        "time": moment,
        # How old the event is, by a clock that nobody sets.
        "boot": boot(),
        "uptime": time.clock_gettime(time.CLOCK_BOOTTIME),
    }


def boot() -> str:
    """Return what stands for this boot of the machine; empty where the kernel does not say."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:  # noqa: PTH123
            return stream.read().strip()
    except OSError:
        return ""


def spool(directory: str, found: dict[str, str | float]) -> int:
    """Write the event so that the notifier sees it either as a whole or not at all.

    Returns:
        the open file, not yet synchronised to the disk: the notifier need not wait for that.
    """
    path = os.path.join(directory, f"{found['id']}.json")  # noqa: PTH118 - pathlib loads slowly
    temporary = f"{path}.{os.getpid()}.new"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
    os.write(handle, json.dumps(found).encode())
    os.rename(temporary, path)  # noqa: PTH104
    return handle


def wake(path: str) -> None:
    """Poke the notifier; it looks by itself every second where this does not reach it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as poke:
        poke.setblocking(False)
        poke.sendto(b"1", path)


def leave(directory: str, found: dict[str, str | float], wakes: str) -> None:
    """Leave an event for the notifier, and have it look at once.

    Raises:
        OSError: it cannot be written.
    """
    handle = spool(directory, found)
    try:
        wake(wakes)
    finally:
        os.fsync(handle)


def main(environ: dict[str, str]) -> int:
    """Handle one event. Whatever happens, the cluster is told that all is well."""
    try:
        found = event(environ, time.time())
        if found is not None:
            directory = environ.get("MASAKARI_FENCING_SPOOL", SPOOL)
            leave(directory, found, environ.get("MASAKARI_FENCING_SOCKET", SOCKET))
    except Exception as error:
        # Pacemaker logs what an agent prints.
        print(f"masakari-fencing alert: {error}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(dict(os.environ)))
