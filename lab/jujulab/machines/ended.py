"""What happens when a machine powers itself off or reboots, from inside.

systemd-nspawn ends in both cases, and this runs as ``python -m jujulab.machines.ended HOME MACHINE
SUPERVISOR STATUS``. A reboot of a real machine loses its network configuration, and a node's
takes the containers on it along; so does this one.
"""

import contextlib
import sys
from pathlib import Path

from jujulab.machines.container import REBOOT
from jujulab.machines.lab import Lab


def main(home: str, machine_id: str, supervisor: str, status: str) -> None:
    """Tidy up, and start the machine again if it wants to."""
    # A machine that is destroyed while it shuts down needs nothing any more.
    with contextlib.suppress(KeyError):
        machine = Lab(Path(home)).machine(machine_id)
        if machine.ended(int(supervisor)) and int(status) == REBOOT:
            machine.power_on()


if __name__ == "__main__":
    main(*sys.argv[1:])
