"""Could every hypervisor be cut off from its storage, and what became of those that are?"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator

from masakari_fencing.ceph import hypervisors
from masakari_fencing.ceph.hypervisors import UnknownError
from masakari_fencing.cluster.health import Problem
from masakari_fencing.cluster.plan import identifier, remotes_of
from masakari_fencing.commands import Runner
from masakari_fencing.pacemaker import cibadmin
from masakari_fencing.pacemaker.fencing_limit import AGENT
from masakari_fencing.records import storage_fences

ASK = ("env", "PYTHONPATH=/usr/share/masakari-fencing", "/usr/bin/python3", "-m")
PROGRAM = "masakari_fencing.ceph"
TIMEOUT = 30
"""Seconds; the library gives up by itself before."""

MONITORS = "until then no hypervisor can be cut off from it; see `ceph status`"
KEY = "juju remove-relation, and juju integrate it with ceph-mon again"
RECORD = "see that pacemaker-remote on it is ready, and that it reaches Ceph's monitors"
POWER = "once it is off for certain, run confirm-host-dead; it has its storage back when it has"
POWER += " been switched off by MAAS or started anew"
REMOVE = "if nobody means that: ceph osd blocklist rm"
LIFTED = "never take entries off the blocklist yourself; check its instances' disks"


def inspect(runner: Runner) -> list[Problem]:
    """Look for what stands in the way, and what is to be done about those that are cut off.

    Args:
        runner: runs commands, as root.

    Returns:
        the problems, Ceph's own first.

    Raises:
        PacemakerError: the cluster does not answer.
    """
    cib = cibadmin.cib(runner)
    problems = list(_cut_off(cib))
    if not _wanted(cib):
        return problems
    answer = runner.run([*ASK, PROGRAM], timeout=TIMEOUT, check=False)
    try:
        said = json.loads(answer.stdout)
        error, monitors = said.get("error", ""), list(said.get("monitors") or ())
        shut_out = set(said.get("shut_out") or ())
    except (ValueError, AttributeError, TypeError):
        error, monitors = f"it cannot be asked (exit code {answer.returncode})", []
    if error:
        cure = KEY if "key" in error else MONITORS
        return [Problem("", f"Ceph: {error}", cure), *problems]
    return [*problems, *_unknown(cib, monitors), *_forgotten(cib, shut_out)]


def _wanted(cib: ET.Element) -> bool:
    """Whether a guard of the cluster is to cut hypervisors off."""
    pairs = cib.iterfind(f"configuration//primitive[@type='{AGENT}']//nvpair[@name='storage']")
    return any(pair.get("value", "off") != "off" for pair in pairs)


def _unknown(cib: ET.Element, monitors: list[str]) -> Iterator[Problem]:
    """Say of whom it is not known which clients are its own."""
    known = hypervisors.recorded(cib)
    for node in sorted(identifier(primitive) for primitive in remotes_of(cib)):
        try:
            hypervisors.clients(known, node, monitors)
        except UnknownError as error:
            yield Problem(node, f"it could not be cut off from Ceph: {error}", RECORD)


def _forgotten(cib: ET.Element, shut_out: set[str]) -> Iterator[Problem]:
    """Say who is on the blocklist although nobody here keeps it there."""
    kept = storage_fences.all_of(cib)
    for node, hypervisor in sorted(hypervisors.recorded(cib).items()):
        found = sorted({*hypervisor.addresses, *hypervisor.sources} & shut_out)
        if found and node not in kept:
            entries = " and ".join(f"{address}:0/0" for address in found)
            yield Problem(
                node, f"Ceph shuts its clients at {', '.join(found)} out", f"{REMOVE} {entries}"
            )


def _cut_off(cib: ET.Element) -> Iterator[Problem]:
    for node, fence in sorted(storage_fences.all_of(cib).items()):
        if fence.holds:
            yield Problem(
                node, "it is cut off from Ceph, and its power is not confirmed off", POWER
            )
        if fence.lifted:
            yield Problem(node, "somebody let its clients write to Ceph meanwhile", LIFTED)
