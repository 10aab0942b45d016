"""What a unit waits for without an event of Juju to end it.

A daemon that begins to listen, a neighbour that is configured, a cluster that connects: they come
within seconds, but only update-status, minutes later, would look again. So, as long as a unit
waits for such a thing, and no longer, a small transient service looks for it, and has the charm
look as soon as it is there: it runs the hook update-status by `juju-exec`, Juju's own program on
every machine for what begins outside of a hook.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shlex
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from instance_ha_common.machine.commands import CommandError
from instance_ha_common.machine.host import Host

logger = logging.getLogger(__name__)

AGAIN = "again"
"""Nothing simpler than the charm can see it: it looks again, after 5, 10, 20, 40 and 60 s."""

LOOK = "INSTANCE_HA_LOOK"
"""Variable that tells a hook how many looks in a row it is the last of."""

_FIRST, _LONGEST = 5, 60
"""Seconds until the charm looks again for want of anything better: at first, and at most."""


def listens(port: int) -> str:
    """Something listens on a TCP port of this machine."""
    return f"ss -Hltn 'sport = :{port}' | grep -q ."


def runs(services: Iterable[str]) -> str:
    """All of these services are active."""
    return " && ".join(f"systemctl -q is-active {shlex.quote(s)}" for s in sorted(services))


def rests(services: Iterable[str]) -> str:
    """None of these services is active."""
    return f"! systemctl -q is-active {shlex.join(sorted(services))}"


def any_runs(services: Iterable[str]) -> str:
    """One of these services is active."""
    return f"systemctl -q is-active {shlex.join(sorted(services))}"


def succeeds(argv: Sequence[str]) -> str:
    """A command succeeds."""
    return shlex.join(argv)


def holds(path: str, pattern: str) -> str:
    """A file has a line that matches an extended regular expression."""
    return f"grep -Eqs {shlex.quote(pattern)} {shlex.quote(path)}"


class Watcher:
    """Looks for what one unit awaits.

    The service is transient: it leaves nothing on the disk, and does not outlive a reboot, after
    which Juju runs the hook `start`.
    """

    def __init__(self, host: Host, unit: str, charm_dir: Path) -> None:
        """Watch on `host` for a unit, such as `masakari/0`, whose charm is in `charm_dir`."""
        self._host = host
        self._unit = unit
        self._charm_dir = charm_dir
        self.service = f"{unit.replace('/', '-')}-awaits.service"

    def watch(self, awaited: Collection[str]) -> None:
        """Have the charm look as soon as one of these is there; for nothing, end.

        Where systemd does not start the service, update-status looks, as ever.

        Args:
            awaited: shell commands that succeed once it is there, and `AGAIN`.
        """
        if not awaited:
            self.end()
            return
        digest = hashlib.sha256("\n".join(sorted(awaited)).encode()).hexdigest()[:16]
        looks = int(os.environ.get(LOOK, "0"))
        if not looks and digest in self._running:
            return
        self.end()
        argv = ["systemd-run", "--quiet", "--collect", f"--unit={self.service}", "--nice=10"]
        argv += [f"--description={self._unit} awaits {digest}"]
        argv += [f"--property={entry}" for entry in _HARDENED]
        argv += ["/bin/sh", "-c", _SCRIPT, "sh", self._unit, str(self._charm_dir)]
        argv += [f"{LOOK}={looks + 1}"]
        # What there was to see may not be all that it takes: the next look takes its time.
        argv += [str(min(2**looks - 1, _LONGEST))]
        argv += [str(min(_FIRST * 2**looks, _LONGEST) if AGAIN in awaited else 0)]
        try:
            self._host.runner.run([*argv, *sorted(set(awaited) - {AGAIN})])
        except CommandError as error:
            logger.warning("nothing but update-status looks for what is awaited: %s", error)

    def end(self) -> None:
        """Look no more."""
        if self._running:  # or it has ended by itself this very moment
            self._host.runner.run(["systemctl", "stop", self.service], check=False)

    @property
    def _running(self) -> str:
        """The service as systemd keeps it while it runs; empty when it does not."""
        return self._host.read(f"/run/systemd/transient/{self.service}") or ""


_HARDENED = (
    "CapabilityBoundingSet=CAP_DAC_OVERRIDE",
    "NoNewPrivileges=yes",
    "PrivateTmp=yes",
    "ProtectHome=yes",
    "ProtectSystem=strict",
)

# The hook that it causes ends it, and begins another one if there is still something to await.
_SCRIPT = """\
unit=$1 home=$2 look=$3 pause=$4 again=$5
shift 5
sleep "$pause"
waited=$pause
there() {
    [ "$again" -gt 0 ] && [ "$waited" -ge "$again" ] && return 0
    for command; do
        timeout 15 /bin/sh -c "$command" </dev/null >/dev/null 2>&1 && return 0
    done
    return 1
}
while [ -d "$home" ]; do
    if there "$@"; then
        juju-exec "$unit" "$look JUJU_DISPATCH_PATH=hooks/update-status ./dispatch" && exit
    fi
    nap=$((1 + waited / 10))
    [ "$nap" -le 10 ] || nap=10
    sleep "$nap"
    waited=$((waited + nap))
done
"""
