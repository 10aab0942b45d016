"""The certificates relation, as Vault speaks it: only the authority to trust is of interest."""

from __future__ import annotations

from collections.abc import Mapping

from instance_ha_common.juju.databag import Bag
from instance_ha_common.options import pem_certificates


def authority(bags: Mapping[str, Bag]) -> str | None:
    """Root and intermediate certificates (PEM) from the first unit that has sent its root."""
    for unit in sorted(bags):
        root = pem_certificates(bags[unit].get("ca", ""))
        if root:
            return root + (pem_certificates(bags[unit].get("chain", "")) or "")
    return None
