"""Where nothing is fenced or recovered for a while, because an operator works there.

Planned work on networks or power looks like many failures. An operator says in the cluster's own
configuration where and until when none of them counts; it ends by itself. Whoever fences, lets
fence or recovers asks here: the fence agent, the notifier, the engines.

What fails meanwhile is written down beside it, and stays as it is when the work is over: nobody
knows whether a host that was cut off has died. Somebody has to ask for its recovery, or it answers
again. Pacemaker wants to fence it all the while; the guard before the power says no.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass

from masakari_fencing.commands import Runner
from masakari_fencing.pacemaker import cibadmin, fenceable, properties, tools
from masakari_fencing.pacemaker.crm_mon import Status
from masakari_fencing.times import day_time

DISARMED = "masakari-fencing-disarmed-"
"""Cluster property, with the segment's identifier or `CLOUD` behind it: JSON of a `Disarmed`."""

LEFT = "masakari-fencing-left-"
"""Cluster property, with the name of a node behind it: JSON of what is known of it; see `Left`."""

CLOUD = "cloud"
"""In the place of a segment's identifier: all hypervisors."""

SETS = ("masakari-fencing-disarmed", "masakari-fencing-left")
"""Identifiers of the sets of both."""

NEVER = 4102444800.0
"""The end of what cannot be read, in seconds since the epoch: the year 2100."""

WHILE = "disarmed until"
"""Begins the reason of what is refused meanwhile."""


@dataclass(frozen=True)
class Disarmed:
    """A part of the cloud in which nothing is fenced or recovered.

    Attributes:
        scope: the segment's identifier, or `CLOUD`.
        segment: the segment's name; empty for the whole cloud.
        hosts: its hosts; none for the whole cloud.
        since: when it began, in seconds since the epoch.
        until: when it ends by itself.
        reason: in the operator's words.
    """

    scope: str
    segment: str
    hosts: tuple[str, ...]
    since: float
    until: float
    reason: str

    def covers(self, host: str) -> bool:
        """Whether a host belongs to that part, whatever the case of its name."""
        return not self.hosts or host.lower() in {name.lower() for name in self.hosts}

    def __str__(self) -> str:
        where = f"segment {self.segment} " if self.segment else ""
        return f"{where}{WHILE} {day_time(self.until)} ({self.reason})"


@dataclass(frozen=True)
class Left:
    """A host that failed meanwhile.

    Attributes:
        node: its name in the cluster.
        lost: when Pacemaker had lost it, or it was reported, in seconds since the epoch.
        back: when the cluster was connected to it again; 0: it is not.
        reported: somebody has reported it, while the cluster was connected to it.
    """

    node: str
    lost: float
    back: float = 0.0
    reported: bool = False


def read(runner: Runner, *, timeout: float = 15) -> ET.Element:
    """Ask the cluster for all that is said here, and no more.

    Raises:
        PacemakerError: the cluster does not answer.
    """
    path = " | ".join(f"//cluster_property_set[@id='{own}']" for own in SETS)
    argv = ["cibadmin", "--query", "--xpath", path]
    answer = runner.run(argv, timeout=timeout, check=False)
    if answer.returncode == tools.NO_SUCH:
        return ET.Element("crm_config")
    return tools.parse(tools.output(argv, answer))


def in_force(configuration: ET.Element, host: str | None, now: float) -> Disarmed | None:
    """Return what keeps a host from being fenced and recovered now, or anything for None.

    Args:
        configuration: the cluster's, or all of its information base.
        host: the host.
        now: seconds since the epoch.
    """
    found = (one for one in all_of(configuration) if now < one.until)
    return next((one for one in found if host is None or one.covers(host)), None)


def withheld(configuration: ET.Element, host: str, now: float) -> str | None:
    """Return why a lost host is neither fenced nor recovered; None: it may be.

    Args:
        configuration: the cluster's, or all of its information base.
        host: the host.
        now: seconds since the epoch.
    """
    pause = in_force(configuration, host, now)
    if pause is not None:
        return str(pause)
    entry = left_of(configuration, host)
    return None if entry is None or entry.back or entry.reported else _left(entry)


def waits(configuration: ET.Element, host: str, now: float) -> bool:
    """Whether no recovery of a host is begun again until an operator says so.

    Args:
        configuration: the cluster's, or all of its information base.
        host: the host.
        now: seconds since the epoch.
    """
    entry = left_of(configuration, host)
    return in_force(configuration, host, now) is not None or bool(entry and not entry.back)


def unreported(configuration: ET.Element, host: str, generated: float) -> str | None:
    """Return why a report about a host, of this time, does not count any more; None: it does.

    Args:
        configuration: the cluster's, or all of its information base.
        host: the host.
        generated: when it was reported, in seconds since the epoch.
    """
    entry = left_of(configuration, host)
    return _left(entry) if entry and entry.reported and generated <= entry.lost else None


def _left(entry: Left) -> str:
    verb = "reported failed" if entry.reported else "lost"
    return (
        f"{verb} at {day_time(entry.lost)}, when that was disarmed; to have it recovered:"
        f" recover-host host={entry.node}"
    )


def counting(
    status: Status, cib: ET.Element, gone: Collection[str], target: str, window: float, now: float
) -> set[str]:
    """Return those of the lost hypervisors that count for the limit, the target among them.

    One that nobody may fence is no part of a mass power-off, and may lie there for days: where an
    operator works, or it was never connected, it does not count. One that Masakari does not look
    after, or whose record is not there yet, counts as long as one that was fenced: until then, it
    may be a part of what has just gone with the others.

    Args:
        status: the cluster.
        cib: all of its information base.
        gone: those that are lost.
        target: the one that is to be fenced.
        window: seconds for which a fenced hypervisor counts.
        now: seconds since the epoch.
    """
    others = set(gone) - {target}
    each = cibadmin.of_each(cib, others, {properties.UNSERVED, *SETS})

    def counts(name: str, own: ET.Element) -> bool:
        if withheld(own, name, now) or not fenceable.connected_once(own, name):
            return False
        lost = status.lost_at(name)
        return lost is None or abs(now - lost) < window or fenceable.obstacle(own, name) is None

    return {target} | {name for name in others if counts(name, each[name])}


def all_of(configuration: ET.Element) -> list[Disarmed]:
    """Return what was disarmed, ended or not; what cannot be read counts for the whole cloud.

    Args:
        configuration: the cluster's, or all of its information base.
    """
    return [_disarmed(name, text) for name, text in _pairs(configuration, DISARMED)]


def left(configuration: ET.Element) -> list[Left]:
    """Return the hosts that failed meanwhile, by name.

    Args:
        configuration: the cluster's, or all of its information base.
    """
    found = [_entry(name, text) for name, text in _pairs(configuration, LEFT)]
    return sorted(found, key=lambda entry: entry.node)


def left_of(configuration: ET.Element, host: str) -> Left | None:
    """Return what is known of one that failed meanwhile, whatever the case of its name."""
    found = (_entry(*pair) for pair in _pairs(configuration, LEFT, host))
    return next(found, None)


def disarm(runner: Runner, wanted: Disarmed) -> None:
    """Write it into the cluster's configuration, in the place of what was said for that part.

    Raises:
        PacemakerError: the cluster does not answer, or refused.
    """
    content = {key: value for key, value in asdict(wanted).items() if key != "scope"}
    _write(runner, SETS[0], f"{DISARMED}{wanted.scope}", content)


def arm(runner: Runner, scopes: Iterable[str]) -> None:
    """End it, for these parts.

    Raises:
        PacemakerError: the cluster does not answer, or refused.
    """
    for scope in scopes:
        _delete(runner, f"{DISARMED}{scope}")


def leave(runner: Runner, configuration: ET.Element, entry: Left) -> None:
    """Write down that a host has failed; one that has done so before stays as it was.

    Raises:
        PacemakerError: the cluster does not answer, or refused.
    """
    known = left_of(configuration, entry.node)
    if known is None or known.back or (known.reported and not entry.reported):
        _save(runner, entry)


def mark_back(runner: Runner, entry: Left, now: float) -> None:
    """Write down that the cluster is connected again to one that was lost.

    Raises:
        PacemakerError: the cluster does not answer, or refused.
    """
    _save(runner, Left(entry.node, entry.lost, now))


def forget(runner: Runner, entry: Left) -> None:
    """An operator has seen to it: it may be fenced and recovered, as any other.

    Raises:
        PacemakerError: the cluster does not answer, or refused.
    """
    _delete(runner, f"{LEFT}{entry.node}")


def _pairs(
    configuration: ET.Element, prefix: str, host: str | None = None
) -> Iterator[tuple[str, str]]:
    for pair in configuration.iter("nvpair"):
        name = pair.get("name", "")
        of = name.removeprefix(prefix)
        if name.startswith(prefix) and (host is None or of.lower() == host.lower()):
            yield of, pair.get("value", "")


def _disarmed(scope: str, text: str) -> Disarmed:
    try:
        data = json.loads(text)
        data["hosts"] = tuple(str(name) for name in data["hosts"])
        data["since"], data["until"] = float(data["since"]), float(data["until"])
        return Disarmed(scope, **data)
    except (ValueError, TypeError, KeyError, RecursionError):
        # Somebody wanted that nothing is fenced; `arm` takes it away.
        return Disarmed(scope, "", (), 0.0, NEVER, "unreadable; run arm")


def _entry(node: str, text: str) -> Left:
    try:
        data = json.loads(text)
        lost, back = float(data["lost"]), float(data["back"])
        return Left(node, lost, back, data["reported"] is True)
    except (ValueError, TypeError, KeyError, RecursionError):
        return Left(node, 0.0)


def _save(runner: Runner, entry: Left) -> None:
    content = {key: value for key, value in asdict(entry).items() if key != "node"}
    _write(runner, SETS[1], f"{LEFT}{entry.node}", content)


def _write(runner: Runner, own: str, name: str, content: dict[str, object]) -> None:
    config = ET.Element("crm_config")
    text = json.dumps(content, separators=(",", ":"))
    pair = {"id": name, "name": name, "value": text}
    ET.SubElement(ET.SubElement(config, "cluster_property_set", {"id": own}), "nvpair", pair)
    cibadmin.put(runner, config)


def _delete(runner: Runner, name: str) -> None:
    cibadmin.delete(runner, f"//nvpair[@id='{name}']")
