"""Pacemaker's commands over the model, with the exit codes and the output of 2.1.5.

The CIB is XML in libxml2, as in Pacemaker itself, so any XPath means the same. What `cibadmin`
does with it follows `cib_process_xpath` (lib/cib/cib_ops.c) and `add_cib_object`.
"""

from __future__ import annotations

import copy
import functools
import subprocess
from collections.abc import Sequence
from typing import Any

from lxml import etree

from simulation.core import kernel
from simulation.models.cib_xml import (
    EMPTY,
    NO_SUCH,
    change_at,
    change_in,
    compiled,
    flag,
    node,
    resource,
    text_of,
)
from simulation.models.cluster import Cluster, Event, Fencing, Remote, machine_of, zulu
from simulation.models.command_line import read
from simulation.world import KNOWN, Unit

DISCONNECTED, USAGE = 102, 64

NOTICED = 7.0
"""Seconds after which a member that was cut off knows: corosync's token and consensus timeouts."""


class CommandFailed(Exception):  # noqa: N818 - a fault that is injected
    """A command ends with this exit code instead of being carried out."""

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        super().__init__(text)


class Commands:
    """Runs argument vectors for one unit after the other.

    Args:
        cluster: the cluster.
        masakari: hands recoveries back, for `python -m masakari_fencing.notifier.requeue`.
    """

    def __init__(self, cluster: Cluster, masakari: Any) -> None:
        self.cluster = cluster
        self.masakari = masakari
        self._shown: dict[Any, tuple[Any, str]] = {}
        self._status = -1
        self._requests = 0
        cluster.cib = etree.fromstring(EMPTY)
        cluster.fencer = functools.partial(_Fencer, self)

    def configure(self) -> None:
        """Write what hacluster and this project's charms configure."""
        root = self.cluster.cib
        nodes, resources = root.find("configuration/nodes"), root.find("configuration/resources")
        for number, name in enumerate(self.cluster.members, start=1):
            node = etree.SubElement(nodes, "node", id=str(1000 + number), uname=name)
            block = etree.SubElement(node, "instance_attributes", id=f"nodes-{name}")
            home = self.cluster.members[name].unit.host
            machine = f"{machine_of(home)}/lxd/0" if home else str(10 + number)
            pair = {"id": f"m-{name}", "name": "juju-machine", "value": machine}
            etree.SubElement(block, "nvpair", pair)
        for remote in self.cluster.remotes.values():
            self.add_remote(remote)
            if remote.host.joined:
                self.cluster.record_machine(remote)
        etree.SubElement(resources, "primitive", {"id": "st-maas", "class": "stonith"})
        self.cluster.edition += 1

    def add_remote(self, remote: Remote) -> None:
        """Write a remote node's primitive."""
        resources = self.cluster.cib.find("configuration/resources")
        names = {"class": "ocf", "provider": "pacemaker", "type": "remote"}
        primitive = etree.SubElement(resources, "primitive", {"id": remote.name, **names})
        block = etree.SubElement(primitive, "instance_attributes", id=f"ia-{remote.name}")
        etree.SubElement(block, "nvpair", id=f"s-{remote.name}", name="server", value=remote.name)
        self.cluster.edition += 1

    # -- running ----------------------------------------------------------------------------
    def run(
        self,
        argv: Sequence[str],
        *,
        input: str | None = None,  # noqa: A002
        timeout: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        """Run one command in the current process."""
        task = kernel.current()
        if task is None or kernel.ACTIVE is None:
            raise RuntimeError(f"nobody runs {argv}")
        words = tuple(map(str, argv))
        name, label, options = read(words)
        unit = task.process.unit
        try:
            code, text = kernel.ACTIVE.call(
                "pacemaker",
                label,
                lambda: self._carry_out(name, words, options, unit, input, timeout),
            )
        except CommandFailed as failure:
            code, text = failure.code, str(failure)
        output, error = (text, "") if code == 0 else ("", text)
        return subprocess.CompletedProcess(words, code, output, error)

    def _carry_out(
        self,
        name: str,
        words: tuple[str, ...],
        options: dict[str, str],
        unit: Unit,
        text: str | None,
        timeout: float,
    ) -> tuple[int, str]:
        # Lab: test_a_member_whose_pacemaker_is_stopped
        if name == "requeue":
            return self.masakari.requeue(words[-1], unfinished="--unfinished" in words)
        if name.startswith("python"):
            return self.masakari.run_program(words)
        if not self.cluster.members[unit.name].up:
            _reads("status")
            return DISCONNECTED, f"{name}: Connection to cluster failed"
        program = getattr(self, "_" + name.replace("-", "_"), None)
        if program is None:
            raise NotImplementedError(f"the model has no {words}")
        if text and "xml-pipe" in options:
            options = {**options, "xml-text": text}
        answer: tuple[int, str] = program(options, unit, timeout)
        return answer

    # -- crm_mon ----------------------------------------------------------------------------
    def _crm_mon(self, options: dict[str, str], unit: Unit, timeout: float) -> tuple[int, str]:
        # Lab: test_what_the_cluster_shows_of_itself
        _reads("status")
        if unit.isolated:
            return 0, self._isolated(unit)[2 if self._unaware(unit) else 0]
        key = ("mon",)
        found = self._shown.get(key)
        if found is None or found[0] != self.cluster.version:
            found = (self.cluster.version, self.status_text(None))
            self._shown[key] = found
        return 0, found[1]

    def _unaware(self, unit: Unit) -> bool:
        """Whether a member was cut off, and does not know that yet."""
        # Lab: test_a_member_that_is_cut_off
        return unit.isolated and self.cluster.kernel.now - unit.isolated_since < NOTICED

    def _isolated(self, unit: Unit) -> tuple[str, Any, str]:
        """What a member shows that was cut off: the past, and, once it knows, no quorum.

        The last one is what crm_mon shows until then.
        """
        # Lab: test_a_member_that_is_cut_off
        key = ("isolated", unit.name)
        if key not in self._shown:
            self._renew_status()
            past = copy.deepcopy(self.cluster.cib)
            unit.isolated = False
            before = self.status_text(None)
            unit.isolated = True
            self._shown[key] = (self.status_text(unit), past, before)
            self.cluster.kernel.after(NOTICED, self.cluster.changed)
        text, past, before = self._shown[key]
        past.set("have-quorum", "1" if self._unaware(unit) else "0")
        return text, past, before

    def cut_off(self, unit: Unit) -> None:
        """Keep what a member shows from now on that was cut off."""
        self._isolated(unit)

    def rejoined(self, unit: Unit) -> None:
        """Forget what a member showed while it was cut off."""
        self._shown.pop(("isolated", unit.name), None)

    def status_text(self, alone: Unit | None) -> str:
        """Return crm_mon's XML; for one that is alone, with everybody else offline."""
        # Lab: test_what_the_cluster_shows_of_itself
        # Lab: test_a_node_that_is_lost_is_fenced_and_connected_to_again
        cluster = self.cluster
        dc = alone.name if alone else cluster.dc
        quorum = alone is None and bool(cluster.majority())
        there = {m.name for m in cluster.majority()} if alone is None else {alone.name}
        lines = [
            "<pacemaker-result api-version='2.25'><summary><current_dc present='true' "
            f"version='2.1.5-a3f44794f94' name='{dc}' with_quorum='{flag(quorum)}'/>"
            f"<cluster_options stonith-enabled='{flag(cluster.stonith)}' "
            "maintenance-mode='false'/></summary><nodes>"
        ]
        for name in cluster.members:
            lines.append(node(name, "member", name in there, False, name == dc))
        for remote in cluster.remotes.values():
            online = remote.role in ("Started", "Starting") and not remote.unclean
            lines.append(node(remote.name, "remote", online, remote.unclean, False))
        lines.append("</nodes><resources>")
        lines.extend(resource(remote) for remote in cluster.remotes.values())
        lines.append("</resources><failures>")
        for remote in cluster.remotes.values():
            for key, member, moment in remote.failures:
                lines.append(
                    f"<failure op_key='{key}' node='{member}' last-rc-change='{zulu(moment)}'/>"
                )
        lines.append("</failures><fence_history>")
        for remote in cluster.remotes.values():
            if (fencing := remote.fencing) is not None:
                lines.append(
                    f"<fence_event action='{fencing.action}' target='{remote.name}' "
                    f"client='{fencing.client}' origin='{fencing.origin}' status='pending'/>"
                )
        for event in cluster.history:
            lines.append(
                f"<fence_event action='{event.action}' target='{event.target}' "
                f"client='{event.client}' origin='{event.origin}' status='{event.status}' "
                f"completed='{zulu(event.completed)}'/>"
            )
        lines.append("</fence_history><status code='0'/></pacemaker-result>")
        return "".join(lines)

    # -- cibadmin ---------------------------------------------------------------------------
    def _cibadmin(self, options: dict[str, str], unit: Unit, timeout: float) -> tuple[int, str]:
        # Lab: test_changes_of_the_configuration
        # Lab: test_a_member_that_is_cut_off
        if "query" in options:
            return self._query(options, unit)
        if self._unaware(unit):
            return self._change_late(options, unit)
        if not self.cluster.has_quorum(unit):
            return self._change_alone(options, self._tree(unit))
        judged = self._judged(options.get("xml-text", ""))
        code = self._change(options)
        if code == 0 and judged:
            self.cluster.world.violate("taken from a living engine", judged)
        if code == 0:
            self.cluster.configured()
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
        if not unit.isolated or unit.isolated_since != since:
            return self._cibadmin(options, unit, 0.0)
        own = self._tree(unit)
        own.set("have-quorum", "1")
        code = self._change(options, own)
        self.cluster.configured()
        return code, "" if code == 0 else f"cibadmin: Call failed: {code}"

    def _change_alone(self, options: dict[str, str], own: Any) -> tuple[int, str]:
        """Change the copy of a member without quorum, which nobody of ours may want.

        Pacemaker asks nobody for quorum (based_common.c: `cib_op_can_run`), and the copy with more
        changes becomes everybody's (join_dc.c: `do_dc_join_filter_offer`).
        """
        # Lab: test_a_member_that_is_cut_off
        before = text_of(own.find("configuration"))
        code = self._change(options, own)
        self.cluster.configured()
        if text_of(own.find("configuration")) != before:
            self.cluster.world.violate("changed without quorum", str(options.get("xpath", "")))
        return code, "" if code == 0 else f"cibadmin: Call failed: {code}"

    def _judged(self, text: str) -> str:
        """Return whose recovery a change would take away that lives, and is reached."""
        from masakari_fencing.pacemaker import tools
        from masakari_fencing.records import recoveries

        given = tools.parse(text) if recoveries.PREFIX in text else None
        if given is None or given.tag != "cluster_property_set":
            return ""
        old = next(
            (
                r
                for r in recoveries.all_of(tools.parse(self._whole()))
                if r.host in given.get("id", "")
            ),
            None,
        )
        if old is None or old.end is not None or not old.engine:
            return ""
        if recoveries.parse(given).engine == old.engine:
            return ""
        return old.engine if self._is_reached(old.engine) else ""

    def owner_instead(self, host: str) -> str:
        """Return who recovers a host instead of the engine that runs now, empty if nobody does."""
        from masakari_fencing.pacemaker import tools
        from masakari_fencing.records import recoveries

        task = kernel.current()
        if task is None or not task.process.name.startswith("engine"):
            return ""
        for record in recoveries.all_of(tools.parse(self._whole())):
            if record.host != host.lower() or record.end is not None:
                continue
            name, _, pid, _ = (record.engine or "...").rsplit(".", 3)
            if (name, pid) != (task.process.unit.name, str(task.process.pid)):
                return record.engine or "nobody"
        return ""

    def _is_reached(self, engine: str) -> bool:
        """Whether a process lives on a member that has long been one; see `processes`."""
        name, _, pid, _ = engine.rsplit(".", 3)
        member = self.cluster.members[name]
        unit, now = member.unit, self.cluster.kernel.now
        stays = now - max(member.since, unit.isolated_since) > KNOWN
        alive = any(p.alive and str(p.pid) == pid for p in unit.processes)
        return alive and member.up and not unit.isolated and stays

    def _query(self, options: dict[str, str], unit: Unit) -> tuple[int, str]:
        # Lab: test_what_does_not_exist
        xpath, scope = options.get("xpath"), options.get("scope")
        key = ("cib", xpath, scope, unit.name if unit.isolated else "", self._unaware(unit))
        whole = scope != "configuration"
        edition = (self.cluster.edition, self.cluster.version if whole else 0)
        _reads("configuration", "status" if whole else None)
        found = self._shown.get(key)
        if found is None or found[0] != edition:
            found = (edition, self._answer(self._tree(unit), xpath, scope))
            self._shown[key] = found
        return (0, found[1]) if found[1] else (NO_SUCH, "cibadmin: No such device or address")

    def _tree(self, unit: Unit) -> Any:
        if unit.isolated:
            return self._isolated(unit)[1]
        self._renew_status()
        return self.cluster.cib

    def _whole(self) -> str:
        self._renew_status()
        return text_of(self.cluster.cib)

    @staticmethod
    def _answer(root: Any, xpath: str | None, scope: str | None) -> str:
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

    def _change(self, options: dict[str, str], copied: Any = None) -> int:
        # Lab: test_changes_of_the_configuration
        root = self.cluster.cib if copied is None else copied
        text = options.get("xml-text")
        given = etree.fromstring(text) if text else None
        xpath = options.get("xpath")
        if xpath:
            return change_at(compiled(xpath)(root), options, given)
        section = root.find(f".//{options.get('scope', 'configuration')}")
        if section is None or given is None:
            return NO_SUCH
        return change_in(section, options, given)

    def _renew_status(self) -> None:
        """Write the status section; its attributes are those of the lab's fixtures."""
        # Lab: test_when_a_node_was_connected
        # Lab: test_a_node_that_was_never_connected
        if self._status == self.cluster.version:
            return
        self._status = self.cluster.version
        self.cluster.cib.set("have-quorum", "1" if self.cluster.majority() else "0")
        section = self.cluster.cib.find("status")
        for child in list(section):
            section.remove(child)
        for remote in self.cluster.remotes.values():
            if remote.known or remote.noted:
                state = etree.SubElement(section, "node_state", remote_node="true", id=remote.name)
                state.set("uname", remote.name)
                state.set("in_ccm", flag(remote.role == "Started"))
                if remote.known:
                    state.set("node_fenced", str(remote.fenced))
            if remote.started:
                resource = etree.SubElement(section, "lrm_resource", id=remote.name)
                etree.SubElement(
                    resource,
                    "lrm_rsc_op",
                    {"id": f"{remote.name}_last_0", "operation": "start", "rc-code": "0"},
                ).set("last-rc-change", str(remote.started))

    # -- others -----------------------------------------------------------------------------
    def _crm_node(self, options: dict[str, str], unit: Unit, timeout: float) -> tuple[int, str]:
        # Lab: test_a_member_knows_its_name_and_its_quorum
        if "quorum" in options:
            return 0, "1\n" if self.cluster.has_quorum(unit) or self._unaware(unit) else "0\n"
        return 0, f"{unit.name}\n"

    def _corosync_quorumtool(
        self, options: dict[str, str], unit: Unit, timeout: float
    ) -> tuple[int, str]:
        # Lab: test_each_membership_has_a_ring_of_its_own
        _reads("status")
        quorum = self.cluster.has_quorum(unit) or self._unaware(unit)
        ring = self.cluster.ring
        if unit.isolated:
            ring = unit.ring if self._unaware(unit) else -unit.ring
        return 0, f"Ring ID: 1.{ring:x}\nQuorate: {'Yes' if quorum else 'No'}\n"

    def _crm_attribute(
        self, options: dict[str, str], unit: Unit, timeout: float
    ) -> tuple[int, str]:
        # Lab: test_a_property
        # Lab: test_what_does_not_exist
        name = options["name"]
        pair = self.cluster.cib.find(f"configuration/crm_config//nvpair[@name='{name}']")
        if "update" not in options:
            if name == "stonith-action" and self.cluster.action == "off":
                return 0, "off\n"
            return (
                (NO_SUCH, "no such attribute") if pair is None else (0, pair.get("value") + "\n")
            )
        if pair is None:
            group = self.cluster.cib.find("configuration/crm_config/cluster_property_set")
            pair = etree.SubElement(group, "nvpair", id=f"cib-bootstrap-options-{name}", name=name)
        pair.set("value", options["update"])
        self.cluster.configured()
        return 0, ""

    def _crm_resource(
        self, options: dict[str, str], unit: Unit, timeout: float
    ) -> tuple[int, str]:
        # Lab: test_what_does_not_exist
        # Lab: test_failures_that_are_cleaned_up
        name = options["resource"]
        if name not in self.cluster.remotes:
            return NO_SUCH, "no such resource"
        if "cleanup" in options:
            self.cluster.cleanup(name)
        elif options.get("set-parameter") == "is-managed":
            self.cluster.manage(name, options["parameter-value"] == "true")
        return 0, ""

    def _stonith_admin(
        self, options: dict[str, str], unit: Unit, timeout: float
    ) -> tuple[int, str]:
        # Lab: test_the_devices_that_can_fence_a_node
        # Lab: test_a_fence_that_two_ask_for_is_one
        if "list" in options:
            return (0, "st-maas\n") if self.cluster.lists else (1, "no devices found")
        names = [name for name in ("reboot", "fence", "unfence", "confirm") if name in options]
        target = options[names[0]] if names else ""
        remote = self.cluster.remotes.get(target)
        if remote is None:
            return 1, "stonith_admin: Couldn't fence: No such device"
        if "confirm" in options:
            self.cluster.confirm(target)
            return 0, ""
        task, running = kernel.current(), kernel.ACTIVE
        if task is None or running is None:
            return 1, "nobody"
        self._requests += 1
        client = f"stonith_admin.{self._requests}"
        action = "reboot" if "reboot" in options else "off"
        if "unfence" in options:
            return self._unfence(remote, client, unit)
        if unit.isolated:
            return self._fence_alone(remote, action, f"{client}@{unit.name}", unit)
        results: list[bool] = []

        def done(works: bool) -> None:
            results.append(works)
            running.wake(task)

        limit = float(options.get("timeout") or 120)
        self.cluster.fence(remote, action, client, unit.name, done)
        running.park(min(limit, timeout))
        if not results:
            return 124, "stonith_admin: Couldn't fence: Timer expired"
        return (0, "") if results[0] else (1, "stonith_admin: Couldn't fence: No data available")

    def _fence_alone(
        self, remote: Remote, action: str, client: str, unit: Unit
    ) -> tuple[int, str]:
        """An inquorate member's fencer still fences what its devices can reach."""
        # Source only: daemons/fenced/fenced_remote.c: initiate_remote_stonith_op
        task, running = kernel.current(), kernel.ACTIVE
        if task is None or running is None:
            return 1, "nobody"
        if running.now - unit.isolated_since > KNOWN:
            self.cluster.world.violate("fenced without quorum", f"{remote.name} by {unit.name}")
        running.sleep_exactly(task, 2.0)
        if not self.cluster.power_controller or remote.name not in self.cluster.lists:
            return 1, "stonith_admin: Couldn't fence: No data available"
        self.cluster.world.fence(remote.host, action, client)
        self.cluster.world.known_to_nobody(remote.host)
        fencing = Fencing(action, client.partition("@")[0], unit.name, running.now)
        self.cluster._alert(remote.name, fencing, alone=unit.name)
        return 0, ""

    def _unfence(self, remote: Remote, client: str, unit: Unit) -> tuple[int, str]:
        """The action `on`, with none of a fencing's consequences (`handle_fence_notification`)."""
        # Lab: test_a_node_that_is_switched_off_and_on
        # Lab: test_a_member_that_is_cut_off_switches_a_node_on
        task = kernel.current()
        if task is not None and kernel.ACTIVE is not None:
            kernel.ACTIVE.sleep_exactly(task, 1.0)
        if not self.cluster.power_controller or remote.name not in self.cluster.lists:
            return 1, "stonith_admin: Couldn't unfence: No data available"
        self.cluster.world.power_on(remote.host)
        moment = int(self.cluster.kernel.now)
        event = Event(remote.name, "on", client, unit.name, "success", moment)
        self.cluster.history.insert(0, event)
        self.cluster.changed()
        return 0, ""


class _Fencer:
    """Runs commands where a fencing is carried out that began with quorum.

    Args:
        commands: of all members.
        member: who carries it out; empty where that makes no difference.
    """

    def __init__(self, commands: Commands, member: str) -> None:
        self._commands = commands
        self._member = member

    def run(
        self,
        argv: list[str],
        *,
        input: str = "",  # noqa: A002 - subprocess.run's name
        **_: Any,
    ) -> subprocess.CompletedProcess[str]:
        code, text = 0, ""
        if argv[0] == "crm_mon":
            text = self._status()
        elif argv[0] == "crm_node":
            text = f"{self._member}\n" if "--name" in argv else "1\n"
        elif "--query" in argv:
            text = self._commands._whole()
        else:
            _, _, options = read(tuple(argv))
            code = self._commands._change({**options, "xml-text": input})
            self._commands.cluster.configured()
        return subprocess.CompletedProcess(argv, code, text, "")

    def _status(self) -> str:
        text = self._commands.status_text(None)
        return text.replace("with_quorum='false'", "with_quorum='true'")


def _reads(*sources: str | None) -> None:
    task = kernel.current()
    for source in sources:
        if task is not None:
            task.reads(source)
