"""`nrpe-external-master`: the check that NRPE runs for Nagios.

The protocol is that of charmhelpers' `contrib.charmsupport.nrpe`: the check stands in a file of
NRPE's own, and the unit's databag names it, in YAML under the key `monitors`, for Nagios.
"""

from __future__ import annotations

KEYS = ("monitors",)

CHECK = "masakari"


def publish() -> dict[str, str]:
    """What a unit publishes, once the file is there."""
    # As YAML would write it, which is slow to load.
    return {"monitors": f"monitors: {{remote: {{nrpe: {{{CHECK}: {{command: check_{CHECK}}}}}}}}}"}
