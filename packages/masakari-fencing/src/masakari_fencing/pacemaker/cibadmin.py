"""What the cluster's information base records, and changes of its configuration."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from masakari_fencing.commands import Runner
from masakari_fencing.pacemaker.tools import (
    NO_SUCH,
    PacemakerError,
    check_name,
    output,
    parse,
    run,
)

QUORUM = "/cib[@have-quorum='1'][@dc-uuid]"
"""XPath of the information base where this part of the cluster has quorum. Pacemaker itself asks
for none: a member that was cut off changes its own copy, and says that it is done
(`cib_op_can_run` of 2.1.5); see `outdate_others` for what becomes of its copy.

A member that was cut off just now takes a change for about 7 s more: its copy says that there is
no quorum once its part has a controller (`crm_update_quorum`). `crm_node.has_quorum` says what
Corosync knows by then.

A member that starts has on its disk what was so when it stopped, the quorum as well, but not the
controller: `readCibXmlFile` leaves that out (2.1.2 to 3.0.1, by their source)."""

_THERE = f"{QUORUM}//nvpair[@name='dc-version']"
"""Something that is in each configuration once a controller was elected."""


_COUNTER = "admin_epoch"
"""The part of a copy's version that counts first."""


class NoQuorum(PacemakerError):  # noqa: N818 - says what is so
    """This member's part of the cluster has no quorum: what it knows is old, and changes none."""


@dataclass(frozen=True)
class RemoteRecord:
    """What the cluster's replicated status section records about a remote node.

    Attributes:
        fenced: when it was fenced, in seconds since the epoch; None when it was never fenced, or
            has been connected to again since. Pacemaker writes the time with the confirmed fence
            and clears it with the next successful connection.
    """

    fenced: float | None


def cib(runner: Runner) -> ET.Element:
    """Ask the cluster for all of its information base.

    Raises:
        PacemakerError: the cluster does not answer.
    """
    return _whole(run(runner, ["cibadmin", "--query"], timeout=30), "cib")


def configuration(runner: Runner, *, timeout: float = 30) -> ET.Element:
    """Ask the cluster for its `configuration` element: all but its status.

    Raises:
        PacemakerError: the cluster does not answer.
    """
    argv = ["cibadmin", "--query", "--scope", "configuration"]
    return _whole(run(runner, argv, timeout=timeout), "configuration")


def find(runner: Runner, *paths: str, timeout: float = 15) -> ET.Element | None:
    """Ask for what this member knows together with those that it needs for a quorum.

    Args:
        runner: runs the command.
        paths: XPath of elements of the information base, from its root on (`//...`).
        timeout: seconds.

    Returns:
        an element with what was found somewhere in it; None where there is nothing.

    Raises:
        NoQuorum: there is none.
        PacemakerError: the cluster does not answer.
    """
    # In one command, so that both are of the same moment.
    xpath = " | ".join([*(f"{QUORUM}{path}" for path in paths), _THERE])
    argv = ["cibadmin", "--query", "--xpath", xpath]
    answer = runner.run(argv, timeout=timeout, check=False)
    if answer.returncode == NO_SUCH:
        raise NoQuorum("this unit's part of the cluster has no quorum; bring other members back")
    found = parse(output(argv, answer))
    return None if found.get("name") == "dc-version" else found


def check_quorum(runner: Runner) -> None:
    """Return where this member's part of the cluster has quorum.

    Raises:
        NoQuorum: it has none.
        PacemakerError: the cluster does not answer.
    """
    find(runner)


def put(runner: Runner, section: ET.Element, *, timeout: float = 30) -> None:
    """Have the configuration say what is given; what else it says stays.

    Args:
        runner: runs the command.
        section: `configuration`, or one of the sections in it.
        timeout: seconds.

    Raises:
        NoQuorum: nothing was changed.
        PacemakerError: the cluster does not answer, or refuses.
    """
    path = "" if section.tag == "configuration" else f"/{section.tag}"
    if not modify(runner, f"/configuration{path}", section, timeout=timeout):
        raise PacemakerError(f"the cluster's configuration has no {section.tag}")


def create(runner: Runner, element: ET.Element, *, timeout: float = 15) -> bool:
    """Add an element to the cluster's options, as `record` does; return whether it was added.

    Raises:
        NoQuorum: nothing was changed.
        PacemakerError: the cluster does not answer, or refuses.
    """
    missing = f"not(configuration/crm_config/{element.tag}[@id='{element.get('id')}'])"
    # Not --create, which takes no XPath: it adds to the root, which the schema refuses.
    return record(runner, missing, element, timeout=timeout)


def record(runner: Runner, where: str, element: ET.Element, *, timeout: float = 15) -> bool:
    """Have the cluster's options say something that no member undoes which is not there.

    The copies of those are outdated by the same change; see `outdate_others`. That does so as soon
    as somebody has noticed who is there, and this may come before.

    Args:
        runner: runs the command.
        where: XPath from the information base on; nothing is changed where it finds nothing.
        element: what is to be there, such as a set of properties.
        timeout: seconds.

    Returns:
        whether it was found, and changed.

    Raises:
        NoQuorum: nothing was changed.
        PacemakerError: the cluster does not answer, or refuses.
    """
    root = ET.Element("cib", {_COUNTER: f"{_COUNTER}++"})
    ET.SubElement(ET.SubElement(root, "configuration"), "crm_config").append(element)
    return modify(runner, f"[{where}]", root, timeout=timeout)


def modify(runner: Runner, path: str, element: ET.Element, *, timeout: float = 15) -> bool:
    """Change an element where it is as a path (`//...`) says; return whether it is so.

    Raises:
        NoQuorum: nothing was changed.
        PacemakerError: the cluster does not answer, or refuses.
    """
    # Not --replace, after which the members elect a controller anew.
    argv = ["cibadmin", "--modify", "--xpath", f"{QUORUM}{path}", "--xml-pipe"]
    return _change(runner, argv, element, timeout)


def outdate_others(runner: Runner, *, timeout: float = 15) -> None:
    """Have this part's copy count for more than that of any member that is not in it.

    When members come together, the copy with the highest `admin_epoch`, then `epoch`, then
    `num_updates` becomes everybody's (`do_dc_join_filter_offer`, 2.1.2 to 3.0.1). What is done
    without quorum raises the last two (each cleanup of a resource does), but never the first,
    which is there to make the copies of those who are away obsolete. Pacemaker takes a change of
    it for no change of the configuration: no transition is aborted.

    It counts for more than what a member records that was cut off just now; see `QUORUM`.

    Raises:
        NoQuorum: nothing was changed.
        PacemakerError: the cluster does not answer, or refuses.
    """
    # Pacemaker counts to a million (`expand_plus_plus`).
    newer = ET.Element("cib", {_COUNTER: f"{_COUNTER}+=10"})
    if not modify(runner, "", newer, timeout=timeout):
        raise NoQuorum("this unit's part of the cluster had no quorum a moment ago")


def delete(runner: Runner, path: str, *, timeout: float = 30) -> None:
    """Delete what is at a path (`//...`), if it is there.

    Raises:
        NoQuorum: there is none, or none any more; it may be there yet.
        PacemakerError: the cluster does not answer, or refuses.
    """
    run(runner, ["cibadmin", "--delete", "--xpath", f"{QUORUM}{path}"], timeout=timeout)
    # Where nothing is at the path, Pacemaker says that it is done.
    check_quorum(runner)


def _change(runner: Runner, argv: list[str], element: ET.Element, timeout: float) -> bool:
    text = ET.tostring(element, encoding="unicode")
    answer = runner.run(argv, input=text, timeout=timeout, check=False)
    if answer.returncode == NO_SUCH:
        check_quorum(runner)
        return False
    output(argv, answer)
    return True


def _whole(text: str, tag: str) -> ET.Element:
    """Read what was asked for, and not something else.

    Raises:
        PacemakerError: it is something else.
    """
    root = parse(text)
    if root.tag != tag:
        raise PacemakerError(f"cibadmin answered with {root.tag} when asked for {tag}")
    return root


def of_each(cib: ET.Element, nodes: Iterable[str], sets: Collection[str]) -> dict[str, ET.Element]:
    """Return, for each of some remote nodes, an information base that knows this node alone.

    Whoever goes through all hypervisors would search all of it for each, which takes a time that
    grows with the square of their number. There are no resources and no constraints in it.

    Args:
        cib: all of it.
        nodes: their names in the cluster.
        sets: the identifiers of the sets of properties that it has.
    """
    options = ET.Element("crm_config")
    found = cib.iterfind("configuration/crm_config/*")
    options.extend(own for own in found if own.get("id", "") in sets)
    known = defaultdict[str, list[ET.Element]](list)
    for node in cib.iterfind("configuration/nodes/node"):
        known[node.get("uname", "") or node.get("id", "")].append(node)
    states = defaultdict[str, list[ET.Element]](list)
    for state in cib.iterfind("status/node_state"):
        states[state.get("uname", "")].append(state)
    histories = defaultdict[str, list[ET.Element]](list)
    for history in cib.iterfind("status/node_state/lrm/lrm_resources/lrm_resource"):
        histories[history.get("id", "")].append(history)
    each = {}
    for name in nodes:
        root = ET.Element("cib", cib.attrib)
        configuration = ET.SubElement(root, "configuration")
        configuration.append(options)
        ET.SubElement(configuration, "nodes").extend(known[name])
        status = ET.SubElement(root, "status")
        status.extend(states[name])
        member = ET.SubElement(status, "node_state")
        lrm = ET.SubElement(member, "lrm")
        ET.SubElement(lrm, "lrm_resources").extend(histories[name])
        each[name] = root
    return each


def node_attributes(cib: ET.Element, name: str) -> Iterator[tuple[str, str]]:
    """Yield each node that has a permanent attribute of that name, and its value.

    Args:
        cib: the cluster's information base, or its `configuration` alone.
        name: the attribute's.
    """
    nodes = cib.find("configuration/nodes")
    for node in cib.iterfind("nodes/node") if nodes is None else nodes.iterfind("node"):
        pair = node.find(f"instance_attributes/nvpair[@name='{name}']")
        if pair is not None:
            yield node.get("uname", "") or node.get("id", ""), pair.get("value", "")


def remote_record(runner: Runner, node: str, *, timeout: float = 15) -> RemoteRecord:
    """Ask the cluster for its record of a remote node.

    Raises:
        PacemakerError: there is no answer, or more than one.
        ValueError: `node` cannot be the name of a node.
    """
    check_name(node)
    argv = ["cibadmin", "--query", "--xpath", f"//node_state[@uname='{node}']"]
    result = runner.run(argv, timeout=timeout, check=False)
    if result.returncode == NO_SUCH:
        return RemoteRecord(None)
    return parse_record(output(argv, result), node)


def parse_record(text: str, node: str) -> RemoteRecord:
    """Read a `node_state` element, alone or among others in an `xpath-query` element.

    Raises:
        PacemakerError: it is not exactly one record of that remote node.
    """
    root = parse(text)
    found = [state for state in root.iter("node_state") if state.get("uname") == node]
    if len(found) != 1 or found[0].get("remote_node") != "true":
        raise PacemakerError(f"the cluster has no single record of a remote node {node}")
    return RemoteRecord(fenced_at(found[0]))


def fenced_at(state: ET.Element) -> float | None:
    """Return when a node was fenced, from its `node_state`; see `RemoteRecord`."""
    return _epoch(state.get("node_fenced"))


CONNECTS = ("start", "migrate_from")
"""Operations of a connection's resource that end well once it is made."""


def connected_since(runner: Runner, node: str, *, timeout: float = 15) -> float | None:
    """Return when the connection to a remote node was last made, in seconds since the epoch.

    Raises:
        PacemakerError: the cluster does not answer.
        ValueError: `node` cannot be the name of a node.
    """
    check_name(node)
    query = f"//lrm_resource[@id='{node}']/lrm_rsc_op"
    argv = ["cibadmin", "--query", "--xpath", query]
    result = runner.run(argv, timeout=timeout, check=False)
    if result.returncode == NO_SUCH:
        return None
    return connected_at(parse(output(argv, result)).iter("lrm_rsc_op"))


def connected_at(operations: Iterable[ET.Element]) -> float | None:
    """Return when a connection was last made, from its operations; see `connected_since`."""
    times = [
        _epoch(operation.get("last-rc-change"))
        for operation in operations
        if operation.get("operation") in CONNECTS and operation.get("rc-code") == "0"
    ]
    return max((time for time in times if time is not None), default=None)


def _epoch(text: str | None) -> float | None:
    try:
        value = float(text or 0)
    except ValueError:
        return None
    return value if value > 0 else None
