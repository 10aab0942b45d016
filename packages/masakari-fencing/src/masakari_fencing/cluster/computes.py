"""What hypervisors have recorded about their own Nova, of which its API tells nothing.

Each writes that into an attribute of its node in the cluster (`pacemaker-remote` does).
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import dataclass

from masakari_fencing.pacemaker import cibadmin

ATTRIBUTE = "instance-ha-compute"
"""Node attribute: JSON with the fields of `Compute`."""

_SHARED = (
    *("rbd", "ceph", "fuse.ceph", "nfs", "nfs4", "cifs", "smb3", "fuse.glusterfs", "lustre"),
    *("gfs2", "ocfs2", "gpfs", "beegfs", "quobyte", "fuse.quobyte", "afs"),
)
"""Where disks are that other hypervisors reach, too: `images_type`s, and types of file systems."""

_LOCAL = ("ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "jfs", "f2fs")
"""Types of file systems of which no two hypervisors can have the same one at a time."""


@dataclass(frozen=True)
class Compute:
    """A hypervisor's Nova.

    Attributes:
        resumes: the file that has it start instances by itself after a boot; empty if none does.
        disks: where it keeps disks that are no volumes: `rbd`, `lvm`, or the type of the file
            system; empty where that is not known.
        sharing: hosts that use the same directory for them, itself among them; none where Nova
            has not written that down.
    """

    resumes: str = ""
    disks: str = ""
    sharing: frozenset[str] = frozenset()

    def shared(self, host: str, others: frozenset[str]) -> bool | None:
        """Whether other hosts have these disks as well; None where that cannot be told.

        Args:
            host: its own name.
            others: the other hosts that instances may be evacuated to.
        """
        if self.disks in _SHARED:
            return True
        if self.disks == "lvm":
            return False
        if others and others <= self.sharing:
            return True
        # One that has just begun may not have written its name down yet.
        alone = self.sharing == {host} and self.disks in _LOCAL
        return False if alone else None


def recorded(cib: ET.Element) -> dict[str, Compute]:
    """Return what is recorded, by node; what cannot be read is left out.

    Args:
        cib: the cluster's information base.
    """
    found = {}
    for node, value in cibadmin.node_attributes(cib, ATTRIBUTE):
        compute = _parse(value)
        if compute is not None:
            found[node] = compute
    return found


def _parse(text: str) -> Compute | None:
    try:
        data = json.loads(text)
        sharing = frozenset(map(str, data["sharing"]))
        return Compute(str(data["resumes"]), str(data["disks"]), sharing)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
