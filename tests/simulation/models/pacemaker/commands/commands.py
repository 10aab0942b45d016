"""How a command of Pacemaker is run in the name of a unit; the small ones are here."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Sequence
from typing import Any

from lxml import etree

from simulation.core import kernel
from simulation.models.pacemaker.cluster import Cluster
from simulation.models.pacemaker.commands.cib_xml import DISCONNECTED, EMPTY, NO_SUCH
from simulation.models.pacemaker.commands.cibadmin import Cibadmin
from simulation.models.pacemaker.commands.command_line import read
from simulation.models.pacemaker.commands.crm_mon import CrmMon
from simulation.models.pacemaker.commands.fencer import Fencer
from simulation.models.pacemaker.commands.owners import Owners
from simulation.models.pacemaker.commands.part import reads
from simulation.models.pacemaker.commands.stonith_admin import StonithAdmin
from simulation.models.pacemaker.commands.views import Views
from simulation.models.pacemaker.records import Remote, machine_of
from simulation.world import Unit


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
        cluster.cib = etree.fromstring(EMPTY)
        cluster.fencer = functools.partial(Fencer, self)
        self.views = Views(self)
        self.crm_mon = CrmMon(self)
        self.cibadmin = Cibadmin(self)
        self.stonith_admin = StonithAdmin(self)
        self.owners = Owners(self)
        self._programs = {
            "cibadmin": self.cibadmin.run,
            "corosync-quorumtool": self._corosync_quorumtool,
            "crm_attribute": self._crm_attribute,
            "crm_mon": self.crm_mon.run,
            "crm_node": self._crm_node,
            "crm_resource": self._crm_resource,
            "stonith_admin": self.stonith_admin.run,
        }

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
            reads("status")
            return DISCONNECTED, f"{name}: Connection to cluster failed"
        program = self._programs.get(name)
        if program is None:
            raise NotImplementedError(f"the model has no {words}")
        if text and "xml-pipe" in options:
            options = {**options, "xml-text": text}
        answer: tuple[int, str] = program(options, unit, timeout)
        return answer

    def _crm_node(self, options: dict[str, str], unit: Unit, timeout: float) -> tuple[int, str]:
        # Lab: test_a_member_knows_its_name_and_its_quorum
        if "quorum" in options:
            quorum = self.cluster.membership.has_quorum(unit) or self.views.assumes_quorum(unit)
            return 0, "1\n" if quorum else "0\n"
        return 0, f"{unit.name}\n"

    def _corosync_quorumtool(
        self, options: dict[str, str], unit: Unit, timeout: float
    ) -> tuple[int, str]:
        # Lab: test_each_membership_has_a_ring_of_its_own
        reads("status")
        quorum = self.cluster.membership.has_quorum(unit) or self.views.assumes_quorum(unit)
        ring = self.cluster.ring
        if unit.isolated:
            ring = unit.ring if self.views.unaware(unit) else -unit.ring
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
            self.cluster.connections.cleanup(name)
        elif options.get("set-parameter") == "is-managed":
            self.cluster.connections.manage(name, options["parameter-value"] == "true")
        return 0, ""
