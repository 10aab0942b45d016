"""What must hold after any fault, judged from records: each function returns what went wrong.

None of the records is written by this project's programs: they are Nova's migrations and compute
services, the journal of the MAAS look-alike, Pacemaker's history of fencing, the log of Ceph's
monitor, and the heartbeat of the guests on their own disks. What is older than `since`, in epoch
seconds, is left out of them.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from jujulab.cloud.heartbeat import Boot, overlaps

SILENCE = 5.0
"""Seconds without a heartbeat after which a guest counts as silent; it beats twice a second."""

Fences = Mapping[str, Iterable[tuple[str, float]]]
"""Who says so -> the hypervisors that were fenced, each with the time in epoch seconds."""


@dataclass(frozen=True)
class Evacuation:
    """Nova's record of an evacuation.

    Attributes:
        guest: its name.
        source: the hypervisor that it was on.
        begun: epoch seconds, whole ones, cut off.
    """

    guest: str
    source: str
    begun: float


@dataclass(frozen=True)
class Sighting:
    """A guest as it was found at the end.

    Attributes:
        guest: its name.
        home: the hypervisor on which it was booted.
        host: the hypervisor on which Nova has it now.
        restarts: how often it was started again.
        silent: seconds since its last heartbeat.
        state: Nova's `vm_state`, with its `task_state` behind it where there is one.
        locked: nobody but an administrator can do anything with it. No trial locks one.
    """

    guest: str
    home: str
    host: str
    restarts: int
    silent: float
    state: str = "active"
    locked: bool = False


def read_evacuations(
    migrations: Iterable[Mapping[str, Any]], names: Mapping[str, str], since: float
) -> list[Evacuation]:
    """Read `GET /os-migrations?migration_type=evacuation`, of guests by UUID -> name."""
    found = []
    for record in migrations:
        begun = datetime.fromisoformat(record["created_at"].removesuffix("Z"))
        seconds = begun.replace(tzinfo=timezone.utc).timestamp()
        guest = names.get(record["instance_uuid"])
        if guest is not None and seconds >= int(since):
            found.append(Evacuation(guest, record["source_compute"], seconds))
    return found


def read_power_cuts(
    entries: Iterable[Mapping[str, Any]], domain: str, since: float
) -> list[tuple[str, float]]:
    """Read the journal of the MAAS look-alike: which of a domain's hosts it cut off, and when."""
    return [
        (f"{entry['node']}.{domain}", float(entry["time"]))
        for entry in entries
        if (entry["action"], entry["result"]) == ("power_off", "off") and entry["time"] >= since
    ]


_CARRIED_OUT = re.compile(
    r"^(?P<time>\S+) mon\.\S+ .* cmd='\[(?P<command>\{.*\})\]': finished$", re.MULTILINE
)


def read_shut_out(log: str, hosts: Mapping[str, str], since: float) -> list[tuple[str, float]]:
    """Read the audit log of Ceph 16's monitors: which hosts they shut out, and when.

    The hosts are known by their addresses in the storage network.
    """
    found = []
    for match in _CARRIED_OUT.finditer(log):
        if '"osd blocklist"' not in match["command"]:
            continue
        command = json.loads(match["command"])
        host = hosts.get(str(command.get("addr", "")).partition(":0/0")[0])
        at = datetime.strptime(match["time"], "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()
        if command.get("blocklistop") == "add" and host is not None and at >= since:
            found.append((host, at))
    return found


def ran_twice(lives: dict[str, list[Boot]]) -> list[str]:
    """Return a sentence for each guest that ran twice at once; an empty list is the good news."""
    problems = []
    for guest, boots in lives.items():
        for older, younger in overlaps(boots):
            problems.append(
                f"{guest} ran twice at once: life {older.number} still wrote at "
                f"{_clock(older.last.second_of_day)}, life {younger.number} began at "
                f"{_clock(younger.first.second_of_day)}"
            )
    return problems


def too_early(
    evacuations: Iterable[Evacuation], fences: Fences, enough: Iterable[tuple[str, float]] = ()
) -> list[str]:
    """Every evacuation must come after a fence of its source that everybody has on record.

    One that is `enough` is as good as those on all the records.
    """
    problems, enough = [], list(enough)
    for evacuation in evacuations:
        other = _first(enough, evacuation.source)
        if other is not None and int(other) <= evacuation.begun:
            continue
        for source, records in fences.items():
            first = _first(records, evacuation.source)
            if first is None or int(first) > evacuation.begun:
                when = "never" if first is None else f"at {first:.0f}"
                problems.append(
                    f"{evacuation.guest} was evacuated at {evacuation.begun:.0f}, but "
                    f"{evacuation.source} was fenced {when}, says {source}"
                )
    return problems


def _first(records: Iterable[tuple[str, float]], host: str) -> float | None:
    return min((time for node, time in records if node == host), default=None)


def without_cause(fences: Fences, lost: Collection[str]) -> list[str]:
    """Every lost hypervisor must be fenced, and no other."""
    problems = []
    for source, records in fences.items():
        fenced = {node for node, _ in records}
        problems += [f"{source}: {n} was fenced without cause" for n in sorted(fenced - {*lost})]
        problems += [f"{source}: {node} was not fenced" for node in sorted({*lost} - fenced)]
    return problems


def out_of_service(services: Iterable[Mapping[str, Any]], lost: Collection[str]) -> list[str]:
    """No hypervisor but the lost ones may be disabled or forced down in Nova."""
    return [
        f"nova-compute of {service['host']} is {service['status']}"
        + (" and forced down" if service["forced_down"] else "")
        for service in services
        if service["host"] not in lost
        and (service["status"] != "enabled" or service["forced_down"])
    ]


def disturbed(
    sightings: Iterable[Sighting], lost: Collection[str], interrupted: Collection[str] = ()
) -> list[str]:
    """Guests of lost hypervisors must beat elsewhere; all others as if nothing had happened.

    Those of interrupted hypervisors may have stopped, or been started again.
    """
    problems = []
    for seen in sightings:
        if seen.home in lost:
            if seen.host == seen.home:
                problems.append(f"{seen.guest} is still on {seen.home}")
        elif seen.host != seen.home:
            problems.append(f"{seen.guest} was moved from {seen.home} to {seen.host}")
        if seen.locked:
            problems.append(f"{seen.guest} was left locked")
        if seen.home in interrupted:
            continue
        if seen.state != "active":
            problems.append(f"{seen.guest} is {seen.state}")
        if seen.restarts and seen.home not in lost:
            problems.append(f"{seen.guest} was restarted")
        if seen.silent > SILENCE:
            problems.append(f"{seen.guest} has been silent for {seen.silent:.0f} s")
    return problems


def _clock(second_of_day: int) -> str:
    return f"{second_of_day // 3600:02}:{second_of_day // 60 % 60:02}:{second_of_day % 60:02}"
