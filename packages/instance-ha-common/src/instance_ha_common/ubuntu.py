"""Which releases of Ubuntu the charms have been made for."""

from __future__ import annotations

import re

from instance_ha_common.machine.host import Host

SUPPORTED = ("22.04", "24.04")
"""What each `charmcraft.yaml` lists; `docs/releases.md` says what was seen on which."""


def unsupported(host: Host) -> str | None:
    """Return why nothing is done on a machine; None where its release is known.

    Only Ubuntu is judged: Juju itself puts the charms on nothing else, unless somebody who
    experiments has it so.
    """
    text = host.read("/etc/os-release") or ""
    values = dict(re.findall(r'^(ID|VERSION_ID)="?([^"\n]+)', text, re.MULTILINE))
    version = values.get("VERSION_ID", "")
    if values.get("ID") != "ubuntu" or not version or version in SUPPORTED:
        return None
    known = " and ".join(SUPPORTED)
    return (
        f"Ubuntu {version} is not supported, only {known} are: nothing on this machine is touched"
    )
