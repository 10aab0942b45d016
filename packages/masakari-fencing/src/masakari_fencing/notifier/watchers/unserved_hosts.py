"""Which hypervisors Masakari does not look after: their segment is disabled, or they are in none.

What is off is off: Pacemaker is not let fence them, and nobody has them fenced, until somebody
asks for it. The list changes only with the segments, which nobody can have changed while Masakari
does not answer. Without any list, all are looked after.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable

from masakari_fencing.notifier.watchers.watcher import ClusterList
from masakari_fencing.openstack.masakari_api import Host
from masakari_fencing.pacemaker import properties


class UnservedHosts(ClusterList):
    """Keeps the list up to date."""

    SET = properties.UNSERVED

    def _wanted(self, configuration: ET.Element, hosts: Iterable[Host]) -> dict[str, str]:
        return properties.unserved_by(configuration, {host.name: host.enabled for host in hosts})
