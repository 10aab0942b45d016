"""Has ops load its client of Pebble when it is used, which a machine's charm does not.

It takes a third of what ops takes to load: HTTP, TLS, web sockets and e-mail. Each charm imports
this module before ops.
"""

from __future__ import annotations

import sys

from instance_ha_common.unloaded import Unloaded

if "ops" not in sys.modules:
    # Both are named when ops is loaded, to say what a mapping holds.
    Unloaded("ops.pebble", CheckInfo=object, ServiceInfo=object)
