"""Runs a packed charm with a directory for a machine. Everything else is as Juju runs it.

It is started by `hooks.py` in the charm's directory, with the charm's own Python.
"""

import os
import sys
from pathlib import Path

import charm
from instance_ha_common.juju.charm import hook
from instance_ha_common.machine.commands import Runner
from instance_ha_common.machine.host import Host
from instance_ha_common.machine.packages import Apt
from instance_ha_common.machine.services import Systemd


class Anybody:
    """Owners of files: a benchmark cannot give files away."""

    def set(self, fd: int, path: Path, user: str, group: str) -> None:
        """Leave it."""

    def matches(self, path: Path, user: str, group: str) -> bool:
        """It is as it should be."""
        return True


def main() -> None:
    """Handle the event that the environment names."""
    runner = Runner()
    root = Path(os.environ["BENCH_ROOT"])
    host = Host(root, runner, Apt(runner), Systemd(runner), Anybody())
    if sys.argv[1] == "masakari":
        import reconcile

        charm.make_workload = lambda: reconcile.Workload(host, probe=lambda port: True)
        hook(charm.MasakariCharm)
    elif sys.argv[1] == "masakari-monitors":
        charm.MasakariMonitorsCharm.make_host = staticmethod(lambda: host)
        hook(charm.MasakariMonitorsCharm)
    else:
        from workload.pacemaker_remote import PacemakerRemote

        remote = charm.PacemakerRemoteCharm
        remote.make_host = staticmethod(lambda: host)
        remote.make_remote = staticmethod(
            lambda host: PacemakerRemote(host, accepts=lambda address, port, wait=0.0: True)
        )
        hook(remote)


main()
