"""The lab's Ceph, as its administrator sees it."""

import json
import subprocess

from jujulab.cloud import disks
from jujulab.machines.lab import Lab, Machine
from jujulab.waiting import poll


class Ceph:
    """Asks the monitor of a lab whose storage is Ceph, and tells it."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def command(self, *words: str) -> str:
        """Run `ceph` on the monitor's machine, and return what it prints.

        Raises:
            OSError: no machine has the administrator's key yet.
            subprocess.SubprocessError: it fails, or takes longer than a minute.
        """
        return disks.monitor(self._lab).run(["ceph", *words], timeout=60).stdout

    def shut_out(self) -> set[str]:
        """Return the addresses all of whose clients are on the blocklist; see `command`."""
        answer = self.command("osd", "blocklist", "ls", "--format", "json")
        entries, _ = json.JSONDecoder().raw_decode(answer.strip())
        suffix = ":0/0"
        found = (str(entry["addr"]) for entry in entries)
        return {address.removesuffix(suffix) for address in found if address.endswith(suffix)}

    def let_in(self, address: str) -> None:
        """Take all clients of an address off the blocklist, as somebody might by hand."""
        self.command("osd", "blocklist", "rm", f"{address}:0/0")

    def await_empty(self, timeout: float) -> bool:
        """Wait until all hypervisors have their storage again; whether they have, in seconds."""

        def empty() -> bool:
            try:
                return not self.shut_out()
            except subprocess.SubprocessError:
                return False  # asked again

        return poll(empty, timeout, 2)


def address(machine: Machine) -> str:
    """Return the address from which a hypervisor's clients come."""
    return str(machine.addresses["storage"].ip)
