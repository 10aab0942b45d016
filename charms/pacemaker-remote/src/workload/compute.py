"""What Nova does on this hypervisor that only the hypervisor knows, and a recovery depends on.

Nova's API tells neither where instances' disks are nor what happens after a boot. Whoever looks
beforehand whether all is ready for a disaster reads it from the cluster: `Compute` in
`masakari_fencing.cluster.computes`.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from instance_ha_common.machine import nova
from instance_ha_common.machine.host import Host

ATTRIBUTE = "instance-ha-compute"
"""Node attribute in the cluster that holds it, as JSON."""

_MOUNTS = "/proc/self/mounts"
_STATE = "/var/lib/nova"
_INSTANCES = "$state_path/instances"
_USERS = "compute_nodes"
"""File in Nova's directory of instances in which each nova-compute that has it writes its name and
a time, every 40 minutes (`register_storage_use` of nova.virt.storage_users)."""
_RECENT = 24 * 3600.0
"""Seconds after which Nova itself no longer heeds an entry there."""

_LOOK = 'readlink -m -- "$1" && if [ -f "$1/$2" ]; then cat -- "$1/$2"; fi'
"""Shell command that prints where a directory really is, and then the content of a file in it."""
_PATIENCE = 5
"""Seconds for that: the directory may be on NFS, and its server away."""


def found(host: Host, now: float | None = None) -> str | None:
    """What there is to know; empty while Nova is not configured.

    None where Nova's directory of instances does not answer: what was known before still holds.

    Args:
        host: this machine.
        now: seconds since the epoch; None asks the clock.
    """
    if host.read(nova.NOVA_CONF) is None:
        return ""
    options = {key: value for key, (value, _) in nova.defaults(host).items()}
    kind = nova.section(host, "libvirt").get("images_type", ("", ""))[0].lower()
    path = options.get("instances_path") or _INSTANCES
    path = path.replace("$state_path", options.get("state_path") or _STATE)
    seen = _look(host, path)
    if seen is None:
        return None
    real, users = seen
    content = {
        "resumes": nova.resumes_guests(host) or "",
        "disks": kind if kind in ("rbd", "lvm") else _filesystem(host, real),
        "sharing": _sharing(users, time.time() if now is None else now),
    }
    return json.dumps(content, separators=(",", ":"), sort_keys=True)


def _look(host: Host, path: str) -> tuple[Path, str] | None:
    """Where a directory really is, and what the file in it says; None where it does not answer.

    Another process looks. Whoever asks a server that is away does not come back.
    """
    argv = ["timeout", "--kill-after=1", str(_PATIENCE)]
    argv += ["sh", "-c", _LOOK, "sh", str(host.path(path)), _USERS]
    answer = host.runner.run(argv, timeout=2 * _PATIENCE, check=False)
    real, _, users = answer.stdout.partition("\n")
    return (Path(real), users) if answer.returncode == 0 and real else None


def _filesystem(host: Host, real: Path) -> str:
    """The type of the file system that a directory is on; empty where that cannot be told."""
    found = [line.split() for line in (host.read(_MOUNTS) or "").splitlines()]
    mounts = {words[1].rstrip("/"): words[2] for words in found if len(words) > 2}
    # What is mounted last over a directory is what is seen there; a directory may be a link.
    root = host.path("/").resolve()
    parts = real.relative_to(root).parts if real.is_relative_to(root) else ()
    above = (f"/{'/'.join(parts[:count])}".rstrip("/") for count in range(len(parts), -1, -1))
    return next((mounts[directory] for directory in above if directory in mounts), "")


def _sharing(text: str, now: float) -> list[str]:
    """The hosts whose nova-compute has said lately that it uses this very directory."""
    try:
        users = json.loads(text or "{}")
        return sorted(str(name) for name, when in users.items() if now - float(when) < _RECENT)
    except (ValueError, AttributeError, TypeError):
        return []
