"""What cibadmin asks of the CIB, and changes in it.

The CIB is XML in libxml2, as in Pacemaker itself, so any XPath means the same. What `cibadmin`
does with it follows `cib_process_xpath` (lib/cib/cib_ops.c) and `add_cib_object`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lxml import etree

from simulation.core import kernel
from simulation.models.pacemaker.commands.cib_xml import (
    DISCONNECTED,
    NO_SUCH,
    change_at,
    change_in,
    compiled,
    count_change,
    is_version,
    text_of,
)
from simulation.models.pacemaker.commands.part import Part, reads
from simulation.models.pacemaker.commands.views import NOTICED
from simulation.world import Unit

if TYPE_CHECKING:
    from simulation.models.pacemaker.commands.commands import Commands


class Cibadmin(Part):
    """`cibadmin`."""

    def __init__(self, commands: Commands) -> None:
        super().__init__(commands)
        self._shown: dict[Any, tuple[Any, str]] = {}

    def run(self, options: dict[str, str], unit: Unit, timeout: float) -> tuple[int, str]:
        """Ask for a part of the CIB, or change one."""
        # Lab: test_changes_of_the_configuration
        # Lab: test_a_member_that_is_cut_off
        if "query" in options:
            return self._query(options, unit)
        if self.commands.views.unaware(unit):
            return self._change_late(options, unit)
        if not self.cluster.membership.has_quorum(unit):
            return self._change_alone(options, self.commands.views.tree(unit))
        judged = self.commands.owners.judged(options.get("xml-text", ""))
        code = self.change(options)
        if code == 0 and judged:
            self.cluster.world.violate("taken from a living engine", judged)
        if code == 0 and not is_version(options.get("xml-text", "")):
            self.cluster.configured()
            if "instance_attributes" in options.get("xpath", "") + options.get("xml-text", ""):
                self.cluster.changed()  # crm_mon shows them
        return code, "" if code == 0 else f"cibadmin: Call failed: {code}"

    def _change_late(self, options: dict[str, str], unit: Unit) -> tuple[int, str]:
        """Change what a member has that was cut off a moment ago: it waits until that is known.

        Then it is the first that is done, before the new controller of this part has written that
        there is no quorum (`crm_update_quorum`).
        """
        # Lab: test_a_member_that_is_cut_off
        task, running, since = kernel.current(), kernel.ACTIVE, unit.isolated_since
        if task is None or running is None:
            return 1, "nobody"
        running.sleep_exactly(task, since + NOTICED - running.now)
        if not self.cluster.members[unit.name].up:
            return DISCONNECTED, "cibadmin: Connection to cluster failed"
        if not unit.isolated or unit.isolated_since != since:
            return self.run(options, unit, 0.0)
        own = self.commands.views.tree(unit)
        own.set("have-quorum", "1" if unit.had_quorum else "0")
        code = self.change(options, own)
        self.cluster.configured()
        return code, "" if code == 0 else f"cibadmin: Call failed: {code}"

    def _change_alone(self, options: dict[str, str], own: Any) -> tuple[int, str]:
        """Change the copy of a member without quorum, which nobody of ours may want.

        Pacemaker asks nobody for quorum (based_common.c: `cib_op_can_run`), and the copy with more
        changes becomes everybody's (join_dc.c: `do_dc_join_filter_offer`).
        """
        # Lab: test_a_member_that_is_cut_off
        before = text_of(own.find("configuration"))
        code = self.change(options, own)
        self.cluster.configured()
        if text_of(own.find("configuration")) != before:
            self.cluster.world.violate("changed without quorum", str(options.get("xpath", "")))
        return code, "" if code == 0 else f"cibadmin: Call failed: {code}"

    def _query(self, options: dict[str, str], unit: Unit) -> tuple[int, str]:
        # Lab: test_what_does_not_exist
        xpath, scope = options.get("xpath"), options.get("scope")
        own = unit.name if unit.isolated else ""
        key = (xpath, scope, own, self.commands.views.unaware(unit))
        whole = scope != "configuration"
        edition = (self.cluster.edition, self.cluster.version if whole else 0)
        reads("configuration", "status" if whole else None)
        found = self._shown.get(key)
        if found is None or found[0] != edition:
            found = (edition, self.select(self.commands.views.tree(unit), xpath, scope))
            self._shown[key] = found
        return (0, found[1]) if found[1] else (NO_SUCH, "cibadmin: No such device or address")

    @staticmethod
    def select(root: Any, xpath: str | None, scope: str | None) -> str:
        """Return the text of what is asked for; empty where there is none."""
        # Lab: test_several_matches_are_in_one_element
        # Lab: test_a_section_is_shown_with_its_own_element
        if xpath:
            matches = compiled(xpath)(root)
            if not matches:
                return ""
            if len(matches) == 1:
                return text_of(matches[0])
            return f"<xpath-query>{''.join(text_of(match) for match in matches)}</xpath-query>"
        if scope == "configuration":
            return text_of(root.find("configuration"))
        section = root.find(f".//{scope}") if scope else root
        return text_of(section) if section is not None else ""

    def change(self, options: dict[str, str], copied: Any = None) -> int:
        """Change the CIB, or a copy of it; return the exit code."""
        # Lab: test_changes_of_the_configuration
        root = self.cluster.cib if copied is None else copied
        text = options.get("xml-text")
        given = etree.fromstring(text) if text else None
        xpath = options.get("xpath")
        section = root.find(f".//{options.get('scope', 'configuration')}")
        if xpath:
            code = change_at(compiled(xpath)(root), options, given)
        elif section is None or given is None:
            code = NO_SUCH
        else:
            code = change_in(section, options, given)
        # Of the versions alone there is no new one.
        if code == 0 and not is_version(text or ""):
            count_change(root)
        return code
