"""Daemon on every masakari unit: reports completed fencings to Masakari until it accepts them.

The alert agent leaves each event in the spool and pokes a socket. The members of the cluster take
turns (`Status.order`): the first reports at once, each of the others a little later, and only if
nobody has. Events stay in the spool until they are dealt with, whatever dies in between.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import logging
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from masakari_fencing.commands import Runner, Subprocess
from masakari_fencing.notifier import membership
from masakari_fencing.notifier.auto_return import AutoReturn
from masakari_fencing.notifier.delivery import Delivery
from masakari_fencing.notifier.domain_lists import DomainLists
from masakari_fencing.notifier.membership import Membership
from masakari_fencing.notifier.presence import Presence
from masakari_fencing.notifier.ranking import Ranking
from masakari_fencing.notifier.reporter import IDLE, Reporter
from masakari_fencing.notifier.settings import (
    CONFIGURATION,
    ConfigurationError,
    Settings,
    read_configuration,
)
from masakari_fencing.notifier.watchers import unattended_recoveries
from masakari_fencing.notifier.watchers.dead_engines import DeadEngines
from masakari_fencing.notifier.watchers.device_lists import DeviceLists
from masakari_fencing.notifier.watchers.held_hosts import HeldHosts
from masakari_fencing.notifier.watchers.left_hosts import LeftHosts
from masakari_fencing.notifier.watchers.out_of_service import OutOfServiceHosts
from masakari_fencing.notifier.watchers.returned_hosts import ReturnedHosts
from masakari_fencing.notifier.watchers.spared_hosts import SparedHosts
from masakari_fencing.notifier.watchers.stopped_remotes import INTERVAL, StoppedRemotes
from masakari_fencing.notifier.watchers.unattended_recoveries import UnattendedRecoveries
from masakari_fencing.notifier.watchers.unfenced_hosts import UnfencedHosts
from masakari_fencing.notifier.watchers.unserved_hosts import UnservedHosts
from masakari_fencing.openstack import masakari_api, nova_api, rest
from masakari_fencing.pacemaker import cibadmin, crm_mon, tools
from masakari_fencing.pacemaker.shared_looks import SharedLooks
from masakari_fencing.records import recoveries, refusals
from masakari_fencing.records.recovery import Record
from masakari_fencing.records.spool import Spool

LOG = logging.getLogger("masakari_fencing.notifier")

RETRY_INTERVAL = 1.0
"""Seconds between two checks whether a hypervisor should be fenced and is not."""

SERVICE_INTERVAL = 20.0
"""Seconds between two checks which hypervisors are out of service."""

Found = TypeVar("Found")
Check = Callable[[], object]
"""A check of something; it may raise PacemakerError, ApiError and OSError."""

TOKEN_CHECK = 60.0
"""Seconds between two checks that the token is still good, so that a report need not get one."""


def open_socket(path: Path) -> socket.socket:
    """Return the socket that the alert agent pokes; members of our group may write to it.

    Raises:
        OSError: it cannot be created.
    """
    path.unlink(missing_ok=True)
    wake = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    wake.bind(str(path))
    path.chmod(0o660)
    wake.setblocking(False)
    return wake


def wait(wake: socket.socket, seconds: float) -> None:
    """Wait until somebody pokes, at most so long."""
    ready, _, _ = select.select([wake], [], [], seconds)
    if ready:
        with contextlib.suppress(BlockingIOError):
            while wake.recv(16):
                pass


def keep_token(session: Any) -> None:
    """Have a token ready before it is needed.

    Raises:
        ApiError: Keystone gives none.
    """
    try:
        session.get_token()
    except Exception as error:  # keystoneauth1 and requests have many of their own
        raise rest.ApiError(f"no token from Keystone: {rest.describe(error)}") from None


def main(argv: list[str] | None = None) -> int:
    """Run until SIGTERM.

    Returns:
        the exit code: 0, or 1 when it cannot run as it is configured.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--config-file", type=Path, default=CONFIGURATION)
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    # It tells of each question that it asks once more; what is in vain is told here.
    logging.getLogger("keystoneauth").setLevel(logging.ERROR)
    try:
        settings, keystone = read_configuration(arguments.config_file)
        wake = open_socket(settings.socket)
    except (ConfigurationError, OSError) as error:
        LOG.error("%s", error)
        return 1
    signal.signal(signal.SIGTERM, _stop)
    with contextlib.suppress(KeyboardInterrupt), wake:
        run(settings, rest.make_session(keystone, settings.timeout), keystone, wake)
    return 0


def run(settings: Settings, session: Any, keystone: dict[str, str], wake: socket.socket) -> None:
    """Look at the spool whenever somebody pokes, and once a second."""
    options = {
        "interface": keystone.get("interface", "internal"),
        **({"region_name": keystone["region_name"]} if keystone.get("region_name") else {}),
    }
    masakari = masakari_api.MasakariApi(session, settings.endpoints, settings.timeout, options)
    nova = nova_api.NovaApi(session, settings.timeout, options)
    delivery = Delivery(
        masakari, redrive_within=settings.redrive_within, has_instances=nova.has_instances
    )
    spool = Spool(settings.spool)
    ranking = Ranking(Subprocess())
    reporter = Reporter(spool, delivery, settings, ranking, ranking.back)
    runner = SharedLooks(Subprocess())
    configuration = functools.partial(cibadmin.configuration, runner)
    unserved = UnservedHosts(runner, configuration, ranking)
    limits = settings.domain_limits
    domains = DomainLists(runner, configuration, Ranking(runner), limits, nova.aggregates)
    tell = (unserved.update, domains.update)

    def records() -> list[Record]:
        return recoveries.all_of(configuration())

    out = OutOfServiceHosts(masakari, nova, settings.out_of_service, tell=tell, records=records)
    settled = functools.partial(refusals.forget_settled, refusals.DIRECTORY, records)
    returned = ReturnedHosts(runner, masakari, nova)
    own = AutoReturn(runner, masakari, nova, settings.auto_return, settings.auto_return_most)
    unattended = UnattendedRecoveries(
        runner, masakari, nova.stays_down, settings.records, settings.retries
    )
    status = functools.partial(crm_mon.status, runner)
    # What is to be fenced is looked at by itself, however long that takes.
    seen: dict[str, float] = {}
    spared = SparedHosts(Subprocess(), configuration, status, Ranking(runner), seen, nova.up_for)
    for checks, interval in (
        # The cluster's on their own, so that waiting for an API never delays them, nor these a
        # report.
        ((UnfencedHosts(runner, spared.spares, seen=seen).check,), RETRY_INTERVAL),
        ((Membership(Subprocess()).check,), membership.INTERVAL),
        (cluster_checks(runner), INTERVAL),
        # It waits for connections that may never come about.
        ((spared.check, HeldHosts(runner).check), INTERVAL),
        ((unattended.check,), unattended_recoveries.INTERVAL),
        ((own.check, returned.check, out.check, settled), SERVICE_INTERVAL),
    ):
        threading.Thread(target=keep_checking, args=(checks, interval), daemon=True).start()
    checked = 0.0
    told: dict[Check, str] = {}
    token = functools.partial(keep_token, session)
    while True:
        pause = attend(reporter.check, told)
        if time.monotonic() - checked > TOKEN_CHECK:
            attend(token, told)
            checked = time.monotonic()
        wait(wake, IDLE if pause is None else pause)


def cluster_checks(runner: Runner) -> tuple[Check, ...]:
    """Return what takes recoveries and hypervisors back, and keeps the fencer ready."""
    rank, configuration = Ranking(runner), functools.partial(cibadmin.configuration, runner)
    return (
        Presence(runner).check,
        # What instances wait for comes first.
        DeadEngines(runner, configuration).check,
        StoppedRemotes(runner, configuration, rank).check,
        LeftHosts(runner, configuration).check,
        DeviceLists(runner).refresh,
    )


def keep_checking(checks: Iterable[Check], interval: float) -> None:
    """Make all checks again and again, for ever."""
    told: dict[Check, str] = {}
    while True:
        for check in checks:
            attend(check, told)
        time.sleep(interval)


def attend(check: Callable[[], Found], told: dict[Check, str]) -> Found | None:
    """Make one check; its failure keeps no other from theirs, and is told once.

    Returns:
        what it found; None where it failed.
    """
    try:
        found = check()
    except Exception as error:  # or nobody would ever check again, in a service that seems to run
        expected = isinstance(error, tools.PacemakerError | rest.ApiError | OSError)
        text = str(error) if expected else repr(error)
        if told.get(check) != text:
            trace = None if expected else error
            LOG.warning("Cannot look after the cluster and its hosts: %s", text, exc_info=trace)
        told[check] = text
        return None
    told.pop(check, None)
    return found


def _stop(signum: int, frame: object) -> None:
    raise KeyboardInterrupt
