"""The one record of a host's failure, in the cluster's own configuration.

Everything that is known about the recovery of a host is here: who carries it out, what proves the
host dead, in which state its instances were before, and how it ended. The configuration is the
same on all members, and its changes are atomic; none is made, and nothing is read, in a part of
the cluster without quorum.

Each change names the owner and the token of the record that it replaces, and makes a new token,
which is higher by one. So a change that was prepared for an older record changes nothing: of two
engines that want the same recovery one gets it, and whoever has lost it can write nothing more.

The record stays when the recovery has ended: it says which fence is used up.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

from masakari_fencing.commands import Runner
from masakari_fencing.openstack.restart_order import DEFAULT
from masakari_fencing.pacemaker import cibadmin, tools
from masakari_fencing.records import storage_fences
from masakari_fencing.records.recovery import End, Instance, Proof, Record
from masakari_fencing.records.storage_fences import StorageFence

PREFIX = "masakari-fencing-recovery-"
"""Identifiers of the records in the configuration begin with this, and end with the host."""

APART = ("host", "notification", "engine", "token", "reported")
"""What of a record is not in its content."""

VERSION = 1
"""Of the record's content; one of a later version is left alone."""


class Unreadable(tools.PacemakerError):
    """A record is cut short, or of a later version: only an operator can do something about it."""


class Superseded(Exception):  # noqa: N818 - a state, not an accident
    """Somebody else has changed the record: what was about to be done must not be done."""


class Records:
    """The records of all hosts.

    Args:
        runner: runs Pacemaker's commands.
        timeout: seconds for one of them.
    """

    def __init__(self, runner: Runner, timeout: float = 15) -> None:
        self._runner = runner
        self._timeout = timeout

    def read(self, host: str) -> Record | None:
        """Return the record of a host, None where it has never been recovered.

        Raises:
            PacemakerError: the cluster does not answer, or has something unreadable.
            ValueError: `host` cannot be the name of a host.
        """
        name = _name(host)
        answer = self._find(f"//cluster_property_set[@id='{name}']")
        return None if answer is None else parse(_only(answer, name))

    def held(self, record: Record) -> tuple[bool, float | None]:
        """Whether a record is still as it was.

        Args:
            record: as it was written last.

        Returns:
            whether it is, and when the node was fenced as `cibadmin.RemoteRecord` has it.

        Raises:
            PacemakerError: the cluster does not answer.
        """
        node = record.node
        tools.check_name(node)
        # One command for all three: an instance waits for it.
        own = f"//cluster_property_set[@id='{_name(record.host)}']"
        answer = self._find(own, f"//node_state[@uname='{node}']")
        if answer is None:
            return False, None
        found = list(answer.iter("cluster_property_set"))
        fenced = [cibadmin.fenced_at(state) for state in answer.iter("node_state")]
        mine = len(found) == 1 and parse(found[0]) == record
        return mine, next((moment for moment in fenced if moment is not None), None)

    def halfway(self, host: str) -> dict[str, Instance]:
        """Return the instances of other hosts that are not recovered, by identifier.

        One of them may be on this host already; not those of a host whose operator sees to them.

        Raises:
            PacemakerError: the cluster does not answer.
        """
        answer = self._find(f"//cluster_property_set[starts-with(@id, '{PREFIX}')]")
        others = [] if answer is None else all_of(answer)
        open_ = [one for one in others if one.down or not one.returned]
        return {i.uuid: i for other in open_ if other.host != host.lower() for i in other.left}

    def storage_fence(self, node: str) -> StorageFence | None:
        """Return what is known about a node that is cut off from its storage.

        Raises:
            PacemakerError: the cluster does not answer.
        """
        return storage_fences.read(self._runner, node, timeout=self._timeout)

    def create(self, record: Record) -> bool:
        """Write the first record of a host; return whether there was none.

        Raises:
            PacemakerError: the cluster does not answer.
            ValueError: one of its texts cannot be in the configuration.
        """
        failure: tools.PacemakerError | None = None
        try:
            if cibadmin.create(self._runner, _xml(record), timeout=self._timeout):
                return True
        except tools.PacemakerError as error:
            failure = error
        # Whatever it says, it may have been done: an answer can be lost.
        if self.read(record.host) == record:
            return True
        if failure is not None:
            raise failure
        return False

    def write(self, old: Record, new: Record) -> Record:
        """Replace a record.

        Args:
            old: as it was read or written last.
            new: what is to be there; its token is set here.

        Returns:
            the record as it is now.

        Raises:
            Superseded: somebody else has replaced it.
            PacemakerError: the cluster does not answer.
            ValueError: one of the texts cannot be in the configuration.
        """
        new = replace(new, token=old.token + 1)
        path = _path(old)
        failure: tools.PacemakerError | None = None
        try:
            if cibadmin.record(self._runner, path, _xml(new), timeout=self._timeout):
                return new
        except tools.PacemakerError as error:
            failure = error
        found = self.read(old.host)
        if found == new:
            return new
        if failure is not None and found == old:
            raise failure
        raise Superseded(f"the recovery of {old.host} has been taken over")

    def _find(self, *paths: str) -> ET.Element | None:
        return cibadmin.find(self._runner, *paths, timeout=self._timeout)


def mark_returned(runner: Runner, host: str, returned: bool) -> None:
    """Write down that a host is being taken back into service, or that it is not after all.

    Where its recovery goes on, nothing is written: it has to end first.

    Raises:
        PacemakerError: the cluster does not answer, or a recovery of the host has just begun.
        ValueError: `host` cannot be the name of a host.
    """
    store = Records(runner)
    record = store.read(host)
    if record is None or record.end is None or record.returned is returned:
        return
    new = record.taken_back() if returned else record.not_taken_back()
    try:
        store.write(record, new)
    except Superseded as error:
        raise tools.PacemakerError(str(error)) from None


def all_of(configuration: ET.Element) -> list[Record]:
    """Return the records in the cluster's configuration; unreadable ones are left out."""
    found = []
    for element in configuration.iter("cluster_property_set"):
        if element.get("id", "").startswith(PREFIX):
            try:
                found.append(parse(element))
            except tools.PacemakerError:
                continue
    return found


def strike_out(
    runner: Runner, configuration: ET.Element, dead: Callable[[str], bool]
) -> Iterator[str]:
    """Strike engines that are dead out of the records, so that their recoveries go to others.

    Yields:
        the hosts whose recoveries they carried out.

    Raises:
        PacemakerError: the cluster does not answer.
    """
    for record in all_of(configuration):
        if record.end is None and record.engine and dead(record.engine):
            # Whoever was quicker has done what this would.
            with suppress(Superseded):
                Records(runner).write(record, replace(record, engine=""))
                yield record.host


def unreadable(configuration: ET.Element) -> list[str]:
    """Return the hosts whose record is cut short or of a later version."""
    sets = configuration.iter("cluster_property_set")
    names = {element.get("id", "") for element in sets}
    hosts = {name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX)}
    return sorted(hosts - {record.host for record in all_of(configuration)})


def parse(element: ET.Element) -> Record:
    """Read a record.

    Raises:
        Unreadable: it is cut short, or of a later version.
    """
    name = element.get("id", "")
    pairs = {pair.get("id", ""): pair.get("value", "") for pair in element.iter("nvpair")}
    try:
        by, engine = pairs[f"{name}-by"], pairs[f"{name}-engine"]
        if f"{name}-token" not in pairs:
            return Record(name.removeprefix(PREFIX), by, engine, token=0)
        data = json.loads(pairs[f"{name}-record"])
        if data.pop("version") != VERSION:
            raise ValueError("of another version")
        return Record(
            host=name.removeprefix(PREFIX),
            notification=by,
            engine=engine,
            token=int(pairs[f"{name}-token"]),
            reported=float(pairs.get(f"{name}-reported") or 0),
            **_content(data),
        )
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        text = f"unreadable record of a recovery: {name} ({type(error).__name__})"
        raise Unreadable(text) from None


def _content(data: dict[str, Any]) -> dict[str, Any]:
    found = dict(data)
    if found.get("proof"):
        found["proof"] = Proof(**found["proof"])
    if found.get("end"):
        found["end"] = End(**found["end"])
    if found.get("instances") is not None:
        found["instances"] = tuple(_instance(item) for item in found["instances"])
    if "reserved" in found:
        found["reserved"] = tuple(str(item) for item in found["reserved"])
    return found


def _instance(values: list[Any]) -> Instance:
    found = Instance(*values)
    if not (isinstance(found.priority, int) and isinstance(found.group, str)):
        raise TypeError("no place in an order")
    return found


def _xml(record: Record) -> ET.Element:
    for text in (record.host, record.notification, *filter(None, [record.engine])):
        tools.check_name(text)
    name = _name(record.host)
    content = {
        key: value
        for key, value in asdict(record).items()
        if key not in APART and value not in (None, False)
    }
    if record.proof is not None and not record.proof.storage:
        content["proof"].pop("storage")  # unknown to older releases
    if record.instances is not None:
        content["instances"] = [_values(item) for item in record.instances]
    text = json.dumps({"version": VERSION, **content}, separators=(",", ":"))
    element = ET.Element("cluster_property_set", id=name)
    for suffix, title, value in (
        # What releases before this record look for, so that they wait for it.
        ("by", name, record.notification),
        ("engine", f"{name}-engine", record.engine),
        ("token", f"{name}-token", str(record.token)),
        ("record", f"{name}-record", text),
        # Unknown to older releases, which pass over it.
        ("reported", f"{name}-reported", str(record.reported)),
    ):
        ET.SubElement(element, "nvpair", id=f"{name}-{suffix}", name=title, value=value)
    return element


def _values(item: Instance) -> list[Any]:
    """Return an instance's values, without an order that nobody asked for.

    So releases that know of none can read the record of a recovery that has none.
    """
    values = list(vars(item).values())
    return values if (item.priority, item.group) != (DEFAULT, "") else values[:-2]


def _path(record: Record) -> str:
    """Return an XPath of a record as it is.

    The token alone does not tell two records apart: a member that was cut off a moment ago may
    have counted in a copy of its own (see `cibadmin`).
    """
    name = _name(record.host)
    for text in filter(None, (record.notification, record.engine)):
        tools.check_name(text)
    owner = (
        f"[nvpair[@id='{name}-by'][@value='{record.notification}']]"
        f"[nvpair[@id='{name}-engine'][@value='{record.engine}']]"
    )
    token = f"nvpair[@id='{name}-token']"
    # Releases before this record wrote no tokens.
    match = f"[{token}[@value='{record.token}']]" if record.token else f"[not({token})]"
    return f"configuration/crm_config/cluster_property_set[@id='{name}']{owner}{match}"


def _name(host: str) -> str:
    tools.check_name(host)
    return f"{PREFIX}{host.lower()}"


def _only(answer: ET.Element, name: str) -> ET.Element:
    found: Iterable[ET.Element] = answer.iter("cluster_property_set")
    matching = [element for element in found if element.get("id") == name]
    if len(matching) != 1:
        raise tools.PacemakerError(f"the cluster has {len(matching)} records {name}")
    return matching[0]
