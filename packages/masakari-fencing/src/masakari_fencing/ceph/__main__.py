"""Says as JSON whether Ceph could shut somebody out: `python3 -m masakari_fencing.ceph`.

For the charm, whose own Python has no library of Ceph.
"""

import json

from masakari_fencing.ceph import monitors

print(json.dumps(monitors.report()))
