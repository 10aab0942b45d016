"""Sees to it that a hypervisor stays cut off from its storage until it was started anew.

On each member, as root, who alone has the key to Ceph:

* What was cut off is handed to the notifier of this member, as the alert agent does it with what
  Pacemaker has fenced. A recovery of what is on that storage need not wait for the power.
* It is looked at all the time, and left where the engine sees it, whether Ceph keeps the clients
  out; where it does not, whoever let them in, they are shut out again, and the status says so.
* They are let in again once nothing can be left of them: the power was confirmed off since, by a
  device, or the hypervisor has recorded another boot than before. An operator's word that it is
  dead does not count here: where that is wrong, this is what keeps the disks whole.

The keepers of all members do this at the same time, and see the same a moment apart. So the one
that begins to let clients in writes that down first, and the one that shuts them out looks
afterwards whether somebody has: else an entry would stay of which nobody knows any more.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import logging
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

from masakari_fencing import alert, times
from masakari_fencing.ceph import hypervisors, monitors
from masakari_fencing.ceph.monitors import CephError, Connection, Monitors
from masakari_fencing.commands import Runner
from masakari_fencing.pacemaker import cibadmin, crm_mon, crm_node, tools
from masakari_fencing.records import storage_fences
from masakari_fencing.records.storage_fences import StorageFence

LOG = logging.getLogger("masakari_fencing.keeper")

PERIOD = 1.0
"""Seconds between two looks; less than `storage_fences.FRESH` by much."""

SETTLED = 5.0
"""Seconds since it was begun after which nobody shuts clients out any more of whom it is not
written down: a fence agent that ended in the middle has no request under way."""


@dataclasses.dataclass
class Keeper:
    """Looks after all of them.

    Attributes:
        runner: runs Pacemaker's commands.
        connect: connects to Ceph's monitors.
        directory: where the engine sees what is so.
        spool: where the notifier finds what was cut off.
        clock: seconds since the epoch.
    """

    runner: Runner
    connect: Callable[[], Connection] = monitors.connect
    directory: Path = storage_fences.DIRECTORY
    spool: Path = Path(alert.SPOOL)
    clock: Callable[[], float] = time.time
    _told: str = ""
    _handed: set[tuple[str, float]] = dataclasses.field(default_factory=set)

    def check(self) -> None:
        """Look once; what fails is told once, and tried again with the next look."""
        try:
            self._look()
        except (tools.PacemakerError, CephError, OSError, ValueError) as error:
            if str(error) != self._told:
                LOG.warning("%s", error)
            self._told = str(error)
        else:
            self._told = ""

    def _look(self) -> None:
        argv = ["cibadmin", "--query", "--xpath", f"//{_SETS}"]
        answer = self.runner.run(argv, timeout=15, check=False)
        if answer.returncode == tools.NO_SUCH:
            self._tidy(())
            return
        root = ET.Element("found")
        root.append(tools.parse(tools.output(argv, answer)))
        fences = storage_fences.all_of(root)
        self._tidy(fences)
        if fences:
            monitors.use(lambda ceph: self._tend(ceph, fences), self.connect)

    def _tidy(self, known: object) -> None:
        """Remove what is left of those that are not cut off any more."""
        if self.directory.is_dir():
            for path in self.directory.glob("*.json"):
                if path.stem not in known:  # type: ignore[operator]
                    path.unlink(missing_ok=True)

    def _tend(self, ceph: Monitors, fences: dict[str, StorageFence]) -> None:
        cib = cibadmin.cib(self.runner)
        status = crm_mon.status(self.runner)
        for fence in fences.values():
            if not (status.quorum and crm_node.has_quorum(self.runner)):
                continue  # it may be over, for the others
            reason = "" if fence.released else over(fence, cib, status, self.clock())
            if reason is not None:
                self._release(ceph, fence, reason)
                continue
            missing = ceph.missing(fence.addresses, self.clock())
            if not fence.time:
                continue  # the fence agent is at it
            storage_fences.attest(fence, missing, self.directory)
            if missing and not self._shut_out(ceph, fence, missing):
                continue
            self._hand_over(fence)

    def _shut_out(self, ceph: Monitors, fence: StorageFence, missing: list[str]) -> bool:
        """Shut clients out again that somebody let in; return whether they are to be out."""
        if not self._holds(fence):
            return False
        ceph.block(missing)
        if not self._holds(fence):
            now = storage_fences.read(self.runner, fence.node)
            for address in missing if now is None or now.released else ():
                ceph.unblock(address)
            return False
        for address in missing:
            LOG.error(
                "Ceph let the clients of %s at %s in again, although it was not started anew; "
                "they are shut out once more",
                fence.node,
                address,
            )
        storage_fences.write(self.runner, dataclasses.replace(fence, lifted=self.clock()))
        return True

    def _holds(self, fence: StorageFence) -> bool:
        """Whether a record is still what the cluster has of its node."""
        now = storage_fences.read(self.runner, fence.node)
        return now is not None and now.begun == fence.begun and not now.released

    def _release(self, ceph: Monitors, fence: StorageFence, reason: str) -> None:
        """Let clients in again; see the module for the order."""
        if not fence.released:
            if not self._holds(fence):
                return  # another member is at it, or it is cut off anew
            LOG.info("%s has its storage back: %s", fence.node, reason)
            released = dataclasses.replace(fence, released=self.clock())
            storage_fences.write(self.runner, released)
        for address in fence.addresses:
            ceph.unblock(address)
        now = storage_fences.read(self.runner, fence.node)
        if now is not None and now.begun != fence.begun:
            ceph.block(now.addresses)  # it is cut off anew
        elif now is not None:
            storage_fences.forget(self.runner, fence.node)

    def _hand_over(self, fence: StorageFence) -> None:
        """Leave it to the notifier, once; that keeps it until Masakari has been told."""
        key = (fence.node, fence.time)
        if key in self._handed:
            return
        digest = hashlib.sha256(f"{fence.node} {fence.time}".encode()).hexdigest()[:32]
        found: dict[str, str | float] = {
            # The same on all members, as that of a fencing.
            "id": f"storage-{digest}",
            "node": fence.node,
            "action": "off",
            "time": fence.time,
            "boot": alert.boot(),
            "uptime": times.uptime() - (self.clock() - fence.time),
        }
        self._handed.add(key)
        with contextlib.suppress(ConnectionError, FileNotFoundError):
            # The notifier looks by itself, too.
            alert.leave(str(self.spool), found, alert.SOCKET)


def over(fence: StorageFence, cib: ET.Element, status: crm_mon.Status, now: float) -> str | None:
    """Return why a hypervisor may have its storage back; None while it must not.

    Args:
        fence: how it is cut off.
        cib: the cluster's information base.
        status: the cluster.
        now: seconds since the epoch.
    """
    if 0 <= now - fence.begun < SETTLED:
        return None
    for state in cib.iterfind(f"status/node_state[@uname='{fence.node}']"):
        fenced = cibadmin.fenced_at(state)
        # Pacemaker cuts the fraction off.
        if (
            fenced is not None
            and fenced >= int(fence.begun)
            and not _by_word(status, fence, fenced)
        ):
            return "its power was confirmed off"
    boots = hypervisors.recorded(cib)
    if fence.boot and fence.node in boots and boots[fence.node].boot not in ("", fence.boot):
        return "it was started anew"
    if not fence.time and status.works(fence.node):
        return "it was not cut off after all, and works"
    return None


def _by_word(status: crm_mon.Status, fence: StorageFence, fenced: float) -> bool:
    """Whether a fence is, or may be, the word of an operator."""
    known = [event for event in status.fencing_of(fence.node) if event.confirmed]
    near = [event for event in known if event.completed and abs(event.completed - fenced) < 2]
    return not near or any(event.delegate == crm_mon.A_HUMAN for event in near)


_SETS = f"cluster_property_set[starts-with(@id,'{storage_fences.PREFIX}')]"
