"""The cluster's configuration and status as XML: what cibadmin changes, what crm_mon prints."""

from __future__ import annotations

import copy
import functools
from typing import Any

from lxml import etree

from simulation.models.pacemaker.records import Remote

NO_SUCH, EXISTS, INVALID, DISCONNECTED = 105, 108, 78, 102

EMPTY = (
    "<cib admin_epoch='0' epoch='0' have-quorum='1' dc-uuid='1'><configuration><crm_config>"
    "<cluster_property_set id='cib-bootstrap-options'>"
    "<nvpair id='o-1' name='stonith-enabled' value='true'/>"
    "<nvpair id='o-2' name='dc-version' value='2.1.5-a3f44794f94'/>"
    "</cluster_property_set></crm_config>"
    "<nodes/><resources/><constraints/><fencing-topology/></configuration><status/></cib>"
)


def change_in(section: Any, options: dict[str, str], given: Any) -> int:
    # Lab: test_changes_of_the_configuration
    if "modify" in options and _update(section, given):
        return 0
    there = section.find(f"{given.tag}[@id='{given.get('id')}']")
    if "create" in options:
        if there is not None:
            return EXISTS
        section.append(given)
    elif "delete" in options:
        if there is not None:
            section.remove(there)
    elif there is None:
        if "allow-create" not in options:
            return NO_SUCH
        section.append(given)
    else:
        section.replace(there, given)
    return 0


def change_at(matches: list[Any], options: dict[str, str], given: Any) -> int:
    # Lab: test_changes_of_the_configuration
    if "create" in options:
        # The path is taken for a section's name, and the schema knows none (`cib_process_create`).
        return INVALID
    if not matches:
        return 0 if "delete" in options else NO_SUCH
    match = matches[0]
    if "delete" in options:
        match.getparent().remove(match)
    elif "replace" in options:
        match.getparent().replace(match, given)
    elif "modify" in options and not any(_update(one, given) for one in matches):
        return NO_SUCH
    return 0


def _update(there: Any, given: Any) -> bool:
    """Do as `update_xml_child`: change the first that is the one that is given, or is below it."""
    # Lab: test_changes_of_the_configuration
    if there.tag == given.tag and there.get("id") == given.get("id"):
        _merge(there, given)
        return True
    return any(_update(child, given) for child in there)


def _merge(there: Any, given: Any) -> None:
    """Do as `pcmk__xml_update`: attributes are set, children matched by tag and id."""
    # Lab: test_changes_of_the_configuration
    for name, value in given.attrib.items():
        more = {f"{name}++": 1, f"{name}+=10": 10}.get(value)  # `expand_plus_plus`
        there.set(name, str(int(there.get(name, "0")) + more) if more else value)
    for child in given:
        identity = child.get("id")
        found = there.find(f"{child.tag}[@id='{identity}']" if identity else child.tag)
        if found is None:
            there.append(copy.deepcopy(child))
        else:
            _merge(found, child)


def version(root: Any) -> tuple[int, int]:
    """Return by what members judge whose copy is the newest, but for the counter of updates."""
    return int(root.get("admin_epoch")), int(root.get("epoch"))


def is_version(text: str) -> bool:
    """Whether what is to be changed is a copy's version alone."""
    return text.startswith("<cib ") and "<configuration" not in text


def count_change(root: Any, times: int = 1) -> None:
    """Pacemaker counts what has changed something; here whatever was asked for counts."""
    # Lab: test_changes_of_the_configuration
    root.set("epoch", str(int(root.get("epoch")) + times))


@functools.lru_cache(500)
def compiled(path: str) -> Any:
    return etree.XPath(path)


def flag(value: bool) -> str:
    return "true" if value else "false"


def text_of(element: Any) -> str:
    return str(etree.tostring(element, encoding="unicode", with_tail=False))


def node(name: str, kind: str, online: bool, unclean: bool, is_dc: bool) -> str:
    return (
        f"<node name='{name}' id='{name}' online='{flag(online)}' unclean='{flag(unclean)}' "
        f"maintenance='false' is_dc='{flag(is_dc)}' type='{kind}'/>"
    )


def resource(remote: Remote) -> str:
    start = (
        f"<resource id='{remote.name}' resource_agent='ocf:pacemaker:remote' "
        f"role='{remote.role}' managed='{flag(remote.managed)}' failed='{flag(remote.failed)}'"
    )
    if remote.role == "Stopped" or not remote.member:
        return start + "/>"
    return start + f"><node name='{remote.member}'/></resource>"
