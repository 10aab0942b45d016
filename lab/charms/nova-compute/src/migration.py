"""Live migration between the lab's hypervisors, over their migration network and without TLS.

The real charm has libvirt reach the other hypervisors by ssh with keys of its own; the memory of
an instance goes in the clear there, too. What is different here has two causes, both of which come
from hypervisors that are containers of one machine: libvirt takes the hardware's identifier for
the host's, and would see every host as itself; and it does not know the shared directory of disks
for shared, as its file system is a local one. That is said to libvirt for each migration
(`VIR_MIGRATE_UNSAFE`): all hypervisors have one kernel with one page cache.
"""

from __future__ import annotations

import workload
from standin import Unit

SOCKET = "libvirtd-tcp.socket"
LIBVIRT = "etc/libvirt/libvirtd.conf"
HOOK = "usr/local/lib/juju-lab/sitecustomize.py"
DROP_IN = "etc/systemd/system/nova-compute.service.d/lab-migration.conf"
FILES = (HOOK, DROP_IN)
"""What nova-compute reads when it starts, beside its own configuration."""

_LIBVIRT = """\
auth_tcp = "none"
host_uuid_source = "machine-id"
"""
_HOOK = '''\
"""Read by nova-compute's Python as it starts: see the stand-in charm's migration.py."""
import libvirt

_migrate = libvirt.virDomain.migrateToURI3


def migrate(self, uri, params=None, flags=0):
    return _migrate(self, uri, params=params, flags=flags | libvirt.VIR_MIGRATE_UNSAFE)


libvirt.virDomain.migrateToURI3 = migrate
'''
_DROP_IN = "[Service]\nEnvironment=PYTHONPATH=/usr/local/lib/juju-lab\n"


def prepare(unit: Unit) -> None:
    """Have libvirt listen for other hypervisors; before it is started."""
    workload.write(unit.root / LIBVIRT, _LIBVIRT)
    workload.write(unit.root / HOOK, _HOOK)
    if workload.write(unit.root / DROP_IN, _DROP_IN):
        workload.run("systemctl", "daemon-reload")
    unit.keep("listens for migrations", _listen)


def settings(unit: Unit) -> dict[str, object]:
    """Options of nova-compute's section `libvirt`."""
    return {
        "live_migration_uri": "qemu+tcp://%s/system",
        "live_migration_inbound_addr": unit.address("migration"),
    }


def _listen() -> None:
    # systemd gives a socket only to a daemon that does not run yet.
    workload.run("systemctl", "stop", "libvirtd.service")
    workload.run("systemctl", "enable", "--now", "--quiet", SOCKET)
