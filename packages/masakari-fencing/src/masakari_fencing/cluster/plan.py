"""Changes on their way into the cluster's configuration."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field

from masakari_fencing.commands import Runner
from masakari_fencing.pacemaker import cibadmin

PREFIX = "masakari-fencing-"
"""Identifiers of what is ours begin with this."""


@dataclass
class Plan:
    """Changes on their way into the cluster."""

    cib: ET.Element
    configuration: ET.Element = field(default_factory=lambda: ET.Element("configuration"))
    deletions: list[str] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)

    def section(self, name: str) -> ET.Element:
        """Return the section of the change, created on first use."""
        found = self.configuration.find(name)
        return ET.SubElement(self.configuration, name) if found is None else found

    def want(self, section: str, element: ET.Element, change: str) -> None:
        """Have an element of ours exist as given."""
        current = self.cib.find(f"configuration/{section}/*[@id='{element.get('id')}']")
        if current is None or not _contains(current, element):
            self.section(section).append(element)
            self.changes.append(change)

    def drop(self, section: str, tag: str, keep: set[str]) -> None:
        """Delete our elements of a section that are not to be kept."""
        for element in self.cib.findall(f"configuration/{section}/{tag}"):
            name = element.get("id", "")
            if name.startswith(PREFIX) and name not in keep:
                self.delete(tag, "id", name)

    def delete(self, tag: str, attribute: str, value: str) -> None:
        """Delete an element, once."""
        xpath = f"//{tag}[@{attribute}='{value}']"
        if xpath not in self.deletions:
            self.deletions.append(xpath)
            self.changes.append(f"removed {value}")

    def clear(self, tag: str) -> None:
        """Delete everything of ours that is not within something else of ours."""
        configuration = self.cib.find("configuration")
        found = [] if configuration is None else list(_outermost(configuration))
        for element in found:
            if element.tag == tag:
                attribute = "id" if identifier(element).startswith(PREFIX) else "name"
                self.delete(tag, attribute, element.get(attribute, ""))

    def carry_out(self, runner: Runner) -> list[str]:
        """Make the changes, and return them in words.

        Raises:
            NoQuorum: nothing was changed.
            PacemakerError: the cluster did not answer or refused.
        """
        if len(self.configuration):
            cibadmin.put(runner, self.configuration)
        for xpath in self.deletions:
            cibadmin.delete(runner, xpath)
        return self.changes


def _outermost(parent: ET.Element) -> Iterator[ET.Element]:
    """Yield what is ours, by its id or, in the cluster's options, by its name; nothing within."""
    for child in parent:
        if identifier(child).startswith(PREFIX) or child.get("name", "").startswith(PREFIX):
            yield child
        else:
            yield from _outermost(child)


def members_of(cib: ET.Element) -> list[str]:
    """Return the names of the cluster's members."""
    return [
        node.get("uname", "") or identifier(node)
        for node in cib.iterfind("configuration/nodes/node")
        if node.get("type") != "remote"
    ]


def remotes_of(cib: ET.Element) -> list[ET.Element]:
    """Return the connections to the hypervisors."""
    return [
        primitive
        for primitive in cib.iterfind("configuration/resources//primitive")
        if primitive.get("provider") == "pacemaker" and primitive.get("type") == "remote"
    ]


def identifier(element: ET.Element) -> str:
    """Return the `id` of an element."""
    return element.get("id", "")


def _contains(current: ET.Element, wanted: ET.Element) -> bool:
    """Whether an element has all attributes and children of another."""
    if any(current.get(key) != value for key, value in wanted.items()):
        return False
    return all(
        any(child.tag == other.tag and _contains(other, child) for other in current)
        for child in wanted
    )
