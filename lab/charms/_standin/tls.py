"""What stand-ins ask of vault over `certificates`, by its older protocol."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import workload
from standin import Unit

NETWORKS = ("public", "internal", "admin")


def certificate(unit: Unit) -> dict[str, str]:
    """Ask for a certificate for this unit's addresses.

    Returns:
        ``cert`` and ``key``, PEM; empty until vault has issued them.
    """
    if not unit.related("certificates"):
        return {}
    client, name = unit.name.replace("/", "_"), socket.getfqdn()
    sans = sorted({unit.address(network) for network in NETWORKS})
    request = {"unit_name": client, "cert_requests": json.dumps({name: {"sans": sans}})}
    unit.publish("certificates", request)
    issued = json.loads(unit.answer("certificates", f"{client}.processed_requests") or "{}")
    return dict(issued.get(name, {}))


def serve(unit: Unit, project: str) -> list[str]:
    """Put a certificate where Debian's start script of an API looks for one.

    With it the script has the API speak TLS, and without it clear text.

    Args:
        unit: this unit.
        project: name of the API's directory in /etc and of its group, such as `nova`.

    Returns:
        The files, below the root directory; none without a certificate.
    """
    files = {
        "cert": f"etc/{project}/ssl/public/charm.crt",
        "key": f"etc/{project}/ssl/private/charm.pem",
    }
    pair = certificate(unit)
    for part, path in files.items():
        if pair:
            workload.write(unit.root / path, pair[part], group=project, mode=0o640)
        else:
            Path(unit.root / path).unlink(missing_ok=True)
    return list(files.values()) if pair else []
