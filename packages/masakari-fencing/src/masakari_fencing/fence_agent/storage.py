"""Cuts a hypervisor off from its storage: what a dead power controller cannot prevent.

All clients of Ceph behind the hypervisor's addresses are put on Ceph's blocklist. From then on
nothing that runs there can write to a disk on that Ceph, whether it has power or not, so what is
there may be started elsewhere. It proves nothing about disks that are elsewhere, nor does it end
an instance's presence in the network: the power has to follow.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

from masakari_fencing.ceph import hypervisors, monitors
from masakari_fencing.ceph.monitors import CephError, Connection, Monitors
from masakari_fencing.commands import Runner
from masakari_fencing.pacemaker import cibadmin, crm_node
from masakari_fencing.records import storage_fences
from masakari_fencing.records.storage_fences import StorageFence

MODES = ("off", "after-power", "parallel")
"""Never; where the power could not be switched off; at the same time."""


def cut_off(
    runner: Runner,
    node: str,
    *,
    connect: Callable[[], Connection] = monitors.connect,
    clock: Callable[[], float] = time.time,
) -> StorageFence:
    """Cut a hypervisor off from its storage, unless it is.

    Args:
        runner: runs Pacemaker's commands.
        node: its name in the cluster.
        connect: connects to Ceph's monitors.
        clock: seconds since the epoch.

    Returns:
        what was written into the cluster.

    Raises:
        CephError: Ceph does not answer, refuses, or could not be written to by anybody.
        UnknownError: it is not known for certain which clients are the hypervisor's.
        PacemakerError: the cluster does not answer, or has no quorum.
    """
    return monitors.use(lambda ceph: _cut_off(runner, node, ceph, clock), connect)


def _cut_off(
    runner: Runner, node: str, ceph: Monitors, clock: Callable[[], float]
) -> StorageFence:
    if (text := ceph.obstacle()) is not None:
        raise CephError(text)
    ceph.check_permission()
    fence = storage_fences.read(runner, node)
    if fence is None or not fence.time or fence.released:
        known = hypervisors.recorded(cibadmin.configuration(runner))
        found, addresses = hypervisors.clients(known, node, ceph.addresses())
        fence = StorageFence(
            node,
            fence.begun if fence and not fence.released else clock(),
            # Those of an attempt that was broken off are to be let in again, too.
            tuple(sorted({*addresses, *(fence.addresses if fence else ())})),
            found.monitors,
            found.images,
            found.boot,
        )
        storage_fences.write(runner, fence)
    ceph.block(ceph.missing(fence.addresses, clock()))
    if missing := ceph.missing(fence.addresses, clock()):
        raise CephError(f"it does not keep out {', '.join(missing)}")
    if not crm_node.has_quorum(runner):
        raise CephError("this part of the cluster has lost its quorum")
    if not fence.time:
        fence = dataclasses.replace(fence, time=clock())
        storage_fences.write(runner, fence)
    return fence
