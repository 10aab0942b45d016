"""What the status says about recoveries that did not end well, and hosts out of service.

From the notifier's records on this unit.
"""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import time
from collections.abc import Callable, Sequence

from instance_ha_common.juju.problems import Problem, blocked, waiting
from instance_ha_common.machine import awaited
from instance_ha_common.machine.awaited import AGAIN
from instance_ha_common.machine.host import Host
from masakari_fencing import alert
from masakari_fencing.records import awaited_returns, out_of_service, refusals, spool
from masakari_fencing.records.out_of_service import OutOfService
from masakari_fencing.records.refusals import Refusal
from masakari_fencing.records.spool import EXPIRED, NO_SEGMENT

from workload.fencing_package import REFUSALS, SPOOL

_MISNAMED = (
    "not recovered if it fails, because Masakari's, Nova's and the hypervisor's own name must be"
    " the same (run remove-hosts, make its nova-compute use one name, run add-hosts)"
)
_NAMED = 5
"""Hosts that a status names; it is one line of a table."""


class Recoveries:
    """The notifier's records on one machine, in words for the status."""

    def __init__(self, host: Host, clock: Callable[[], float] = time.time) -> None:
        self._host = host
        self._clock = clock

    @property
    def hosts(self) -> Sequence[str]:
        """The hosts of all segments."""
        return self._out_of_service().hosts

    def unknown(self) -> list[Problem]:
        """The notifier has asked Masakari and Nova, and they have not answered for long.

        Where it does not run, there is neither its record nor its socket, which it makes first.
        """
        seen = out_of_service.seen(self._host.path(str(out_of_service.RECORD)))
        with contextlib.suppress(OSError):
            seen = seen or self._host.path(alert.SOCKET).stat().st_mtime
        if seen is None or 0 <= self._clock() - seen < out_of_service.MAX_AGE:
            return []
        text = (
            "Masakari or Nova do not answer this unit, so that nothing could be recovered: see"
            " journalctl -u masakari-fencing-notifier"
        )
        return [waiting(text, AGAIN)]

    def misnamed(self) -> list[Problem]:
        """Hosts of segments that Nova knows by other names, with the cure."""
        found = self._out_of_service().misnamed
        return [blocked(f"{_enumerate(found)}: {_MISNAMED}")] if found else []

    def refusals(self) -> list[Problem]:
        """Recoveries that were refused on this unit, or failed."""
        return [
            blocked(
                f"Recovery of {refusal.host} {refusal.outcome}: {refusal.reason} (when it works"
                f" again, run return-host host={refusal.host})",
                f"! test -e {shlex.quote(f'{REFUSALS}/{refusal.host.lower()}.json')}",
            )
            for refusal in self._refusals()
        ]

    def _refusals(self) -> list[Refusal]:
        return refusals.read(self._host.path(REFUSALS))

    def undelivered(self) -> list[Problem]:
        """Fencings that this unit could not report to Masakari, by host, each with its cure."""
        found = spool.undelivered(self._host.path(SPOOL))
        reasons = {event.node: event.reason for event in found}
        return [blocked(_undelivered(node, why), AGAIN) for node, why in reasons.items()]

    def failures(self) -> list[Problem]:
        """Recoveries that Masakari has given up, other than those refused on this unit."""
        refused = {refusal.host for refusal in self._refusals()}
        return [
            blocked(
                f"Recovery of {name} failed: see `openstack notification list` (when it works"
                f" again, run return-host host={name})",
                _left([name]),
            )
            for name in self._out_of_service().failed
            if name not in refused
        ]

    def out_of_service(self) -> tuple[str, str]:
        """The hypervisors that take no instances, and the cure, in words; empty when all do.

        Returns:
            The words, and what ends them; see `awaited`.
        """
        found = self._out_of_service()
        parts = [
            f"{what}: {_enumerate(names)}"
            for what, names in (
                ("in maintenance", found.maintenance),
                ("forced down", found.forced_down),
                ("drained in part", found.drained),
            )
            if names
        ]
        if not parts:
            return "", ""
        text = f"{', '.join(parts)}; when it works again, run return-host"
        said = awaited_returns.read(self._host.path(str(awaited_returns.FILE)), self._clock())
        for name, why in sorted(said.items())[:_NAMED]:
            text += f"; {name}: {why}"
        return text, _left([*found.maintenance, *found.forced_down, *found.drained])

    def _out_of_service(self) -> OutOfService:
        return out_of_service.read(self._host.path(str(out_of_service.RECORD)), self._clock())

    def returned(self, hypervisor: str) -> None:
        """The operator has taken a hypervisor back: nothing is to be said about it any more.

        Raises:
            OSError: that cannot be written down.
        """
        refusals.forget(self._host.path(REFUSALS), hypervisor)
        spool.forget(self._host.path(SPOOL), hypervisor)
        out_of_service.forget(self._host.path(str(out_of_service.RECORD)), hypervisor)


def _undelivered(node: str, reason: str) -> str:
    """What is said of a fencing that was not reported, with its cure."""
    cures = {
        NO_SEGMENT: "put it into one with add-hosts",
        EXPIRED: "if it is down, have it fenced once more by `sudo stonith_admin --reboot"
        f" {node}` on a unit; if it works, start those that do not run, then run return-host"
        f" host={node} on each unit that says so",
    }
    if reason not in cures:
        return f"The fencing of {node} cannot be reported to Masakari yet: {reason}"
    return f"{node} was fenced, but {reason}: its instances are not recovered ({cures[reason]})"


def _left(names: Sequence[str]) -> str:
    """What succeeds once one of the hypervisors is out of service no more; see `awaited`."""
    record = str(out_of_service.RECORD)
    # It names all hosts in another list.
    lists = r'"(maintenance|forced_down|drained)": \[[^]]*'
    patterns = (f"{lists}{re.escape(json.dumps(name))}" for name in names)
    return " || ".join(f"! {awaited.holds(record, pattern)}" for pattern in patterns)


def _enumerate(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
