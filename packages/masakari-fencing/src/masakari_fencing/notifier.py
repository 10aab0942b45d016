"""Daemon on every masakari unit: reports completed fencings to Masakari until it accepts them.

The alert agent leaves each event in the spool and pokes a socket. The members of the cluster take
turns: the designated controller reports at once, each of the others a little later, and only if
nobody has. Events stay in the spool until they are dealt with, whatever dies in between.
"""

from __future__ import annotations

import argparse
import configparser
import contextlib
import functools
import logging
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from masakari_fencing import api, outofservice, pacemaker, rest, unattended, unserved
from masakari_fencing.comeback import Comeback
from masakari_fencing.commands import Runner, Subprocess
from masakari_fencing.configuration import Configuration
from masakari_fencing.delivery import Delivery, Outcome
from masakari_fencing.devicelists import DeviceLists
from masakari_fencing.readmission import INTERVAL, Readmission
from masakari_fencing.reprieve import Reprieve
from masakari_fencing.retry import Retry
from masakari_fencing.spool import NO_SEGMENT, Event, Spool
from masakari_fencing.unattended import DeadEngines, Unattended

LOG = logging.getLogger("masakari_fencing.notifier")

CONFIGURATION = Path("/etc/masakari/fencing-notifier.conf")

IDLE = 1.0
"""Seconds after which the spool is looked at although nobody poked."""

RETRY_INTERVAL = 1.0
"""Seconds between two looks at whether a hypervisor should be fenced and is not."""

SERVICE_INTERVAL = 20.0
"""Seconds between two looks at which hypervisors are out of service."""

Found = TypeVar("Found")
Look = Callable[[], object]
"""A look at something; it may raise PacemakerError, ApiError and OSError."""

TOKEN_CHECK = 60.0
"""Seconds between two checks that the token is still good, so that a report need not get one."""

FIRST_RETRY = 1.0
"""Seconds before the first retry; each further one waits twice as long."""

EXPLAIN_AFTER = 3
"""Failures in a row after which the charm's status says why; many are over by then."""


class ConfigurationError(Exception):
    """The configuration file is missing something."""


@dataclass(frozen=True)
class Settings:
    """The `[notifier]` and `[api]` sections; times in seconds.

    Attributes:
        turns: whether the engines' recoveries of hosts have records; Masakari's own have none.
    """

    spool: Path = Path("/var/lib/masakari-fencing/spool")
    socket: Path = Path("/run/masakari-fencing/wake")
    out_of_service: Path = outofservice.RECORD
    rank_delay: float = 4.0
    expiry: float = 14400
    retry_max: float = 30
    redrive_within: float = 86400
    turns: bool = True
    endpoints: tuple[str, ...] = ("http://127.0.0.1:15848/v1", api.CATALOG)
    timeout: float = 10


@dataclass
class Progress:
    """What is remembered about an event between two attempts.

    Attributes:
        due: when the next attempt is due, by the notifier's timer.
        first: this member is first in rank and has not tried yet.
        failures: attempts that failed in a row.
        told: why the last one failed, as it is in the log.
    """

    due: float
    first: bool
    failures: int = 0
    told: str = ""


@dataclass
class Notifier:
    """The loop's body: one look at the spool.

    Attributes:
        spool: the events.
        delivery: reports one event.
        settings: the operator's choices.
        rank: returns which place this member has among those that report, 0 being the first,
            and whether a node is one to report about.
        back: whether the cluster talks to a node.
        clock: seconds since the epoch.
        timer: seconds, only ever compared with each other.
    """

    spool: Spool
    delivery: Delivery
    settings: Settings
    rank: Callable[[str], int | None]
    back: Callable[[str], bool]
    clock: Callable[[], float] = time.time
    timer: Callable[[], float] = time.monotonic
    _progress: dict[str, Progress] = field(default_factory=dict)

    def look(self) -> float:
        """Work on every event that is due.

        Returns:
            seconds until the next attempt is due, at most `IDLE`.
        """
        events = self.spool.events()
        self._progress = {
            event.id: self._progress[event.id] for event in events if event.id in self._progress
        }
        for event in events:
            self._work_on(event)
        dues = [progress.due for progress in self._progress.values()]
        return max(0.0, min([IDLE, *(due - self.timer() for due in dues)]))

    def _work_on(self, event: Event) -> None:
        if event.age(self.clock()) > self.settings.expiry:
            LOG.error(
                "NOT REPORTED: the fencing of %s (%s) is older than %g s; its guests are not "
                "recovered by it (%s)",
                event.node,
                event.id,
                self.settings.expiry,
                event.reason or "nobody was there to report it",
            )
            self._done(event)
            return
        progress = self._progress.get(event.id) or self._begin(event)
        if progress is not None and self.timer() >= progress.due:
            self._attempt(event, progress)

    def _begin(self, event: Event) -> Progress | None:
        rank = self.rank(event.node)
        if rank is None:
            LOG.info("Fenced node %s is not a hypervisor", event.node)
            self._done(event)
            return None
        LOG.info("%s was fenced (%s); this member is number %d", event.node, event.id, rank + 1)
        progress = Progress(self.timer() + rank * self.settings.rank_delay, first=rank == 0)
        self._progress[event.id] = progress
        return progress

    def _attempt(self, event: Event, progress: Progress) -> None:
        first, progress.first = progress.first, False
        try:
            outcome = self._deliver(event, first)
        except Exception as error:  # whatever it is: an event must not be lost, nor stop others
            wait = self._failed(event, progress, error)
        else:
            if outcome is Outcome.DONE:
                self._done(event)
                return
            progress.failures, progress.told, wait = 0, "", 2 * FIRST_RETRY
            self._explain(event, "")
        progress.due = self.timer() + wait

    def _deliver(self, event: Event, first: bool) -> Outcome:
        if event.reason == NO_SEGMENT and self.back(event.node):
            self.delivery.adopt(event)
            return Outcome.DONE
        return self.delivery.deliver(event, first=first)

    def _failed(self, event: Event, progress: Progress, error: Exception) -> float:
        """Say why an attempt failed, once; return in how many seconds the next one is due."""
        progress.failures += 1
        unknown = isinstance(error, api.UnknownHost)
        reason = NO_SEGMENT if unknown else str(error) or type(error).__name__
        if reason != progress.told:
            unexpected = None if isinstance(error, api.ApiError) else error
            LOG.warning("%s is not reported yet: %s", event.node, reason, exc_info=unexpected)
            progress.told = reason
        if unknown or progress.failures >= EXPLAIN_AFTER:
            self._explain(event, reason)
        return min(self.settings.retry_max, FIRST_RETRY * 2 ** min(progress.failures - 1, 16))

    def _explain(self, event: Event, reason: str) -> None:
        try:
            self.spool.explain(event, reason)
        except OSError as error:
            LOG.error("The status will not say that %s is not reported: %s", event.node, error)

    def _done(self, event: Event) -> None:
        self._progress.pop(event.id, None)
        self.spool.remove(event)


class Ranking:
    """Gives every member its turn: the controller first, the others by their names.

    Args:
        runner: runs Pacemaker's commands.
        timeout: seconds for one of them.
    """

    def __init__(self, runner: Runner, timeout: float = 5) -> None:
        self._runner = runner
        self._timeout = timeout
        self._name = ""

    def __call__(self, node: str) -> int | None:
        """Return this member's place, or None where the node is a cluster member itself."""
        try:
            self._name = self._name or pacemaker.local_name(self._runner)
            status = pacemaker.status(self._runner, timeout=self._timeout)
        except pacemaker.PacemakerError as error:
            LOG.warning("The cluster cannot be asked who reports first: %s", error)
            return 3
        if any(found.kind == "member" for found in status.named(node)):
            return None
        members = [found for found in status.nodes if found.kind == "member" and found.online]
        order = sorted(members, key=lambda member: (not member.is_dc, member.name))
        names = [member.name for member in order]
        return names.index(self._name) if self._name in names else len(names)

    def back(self, node: str) -> bool:
        """Whether the cluster talks to a node; not where it cannot be asked."""
        try:
            return pacemaker.status(self._runner, timeout=self._timeout).connected(node)
        except pacemaker.PacemakerError as error:
            LOG.warning("The cluster cannot be asked whether %s is back: %s", node, error)
            return False


def read_configuration(path: Path) -> tuple[Settings, dict[str, str]]:
    """Read the configuration file.

    Returns:
        the settings, and the `[keystone]` section.

    Raises:
        ConfigurationError: the file or something in it is missing or malformed.
    """
    parser = configparser.ConfigParser(interpolation=None)
    try:
        with path.open(encoding="utf-8") as stream:
            parser.read_file(stream)
        keystone = dict(parser["keystone"])
        for name in ("auth_url", "username", "password", "project_name"):
            keystone[name]
        return _settings(parser), keystone
    except KeyError as error:
        raise ConfigurationError(f"{path}: {error} is missing") from None
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path}: {error}") from None
    except configparser.Error as error:
        # The message of a parser error holds the offending line, which may be the password.
        raise ConfigurationError(f"{path}: {type(error).__name__}") from None


def _settings(parser: configparser.ConfigParser) -> Settings:
    defaults = Settings()
    own = parser["notifier"] if parser.has_section("notifier") else {}
    where = parser["api"] if parser.has_section("api") else {}
    endpoints = where.get("endpoints", ",".join(defaults.endpoints))
    return Settings(
        spool=Path(own.get("spool", str(defaults.spool))),
        socket=Path(own.get("socket", str(defaults.socket))),
        out_of_service=Path(own.get("out_of_service", str(defaults.out_of_service))),
        rank_delay=float(own.get("rank_delay", defaults.rank_delay)),
        expiry=float(own.get("expiry", defaults.expiry)),
        retry_max=float(own.get("retry_max", defaults.retry_max)),
        redrive_within=float(own.get("redrive_within", defaults.redrive_within)),
        turns=parser.getboolean("notifier", "turns", fallback=defaults.turns),
        endpoints=tuple(part.strip() for part in endpoints.split(",") if part.strip()),
        timeout=float(where.get("timeout", defaults.timeout)),
    )


def make_session(keystone: dict[str, str], timeout: float) -> Any:
    """Return a keystoneauth1 session for the `[keystone]` section; the timeout is in seconds."""
    from keystoneauth1 import session
    from keystoneauth1.identity import v3

    auth = v3.Password(
        auth_url=keystone["auth_url"],
        username=keystone["username"],
        password=keystone["password"],
        project_name=keystone["project_name"],
        user_domain_name=keystone.get("user_domain_name", "default"),
        project_domain_name=keystone.get("project_domain_name", "default"),
    )
    # Requests have limits of their own, logins only this one.
    return session.Session(auth=auth, verify=keystone.get("cafile") or True, timeout=timeout)


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
        raise api.ApiError(f"no token from Keystone: {rest.describe(error)}") from None


def main(argv: list[str] | None = None) -> int:
    """Run until SIGTERM.

    Returns:
        the exit code: 0, or 1 when it cannot run as it is configured.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--config-file", type=Path, default=CONFIGURATION)
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    logging.getLogger("keystoneauth").setLevel(logging.WARNING)
    try:
        settings, keystone = read_configuration(arguments.config_file)
        wake = open_socket(settings.socket)
    except (ConfigurationError, OSError) as error:
        LOG.error("%s", error)
        return 1
    signal.signal(signal.SIGTERM, _stop)
    with contextlib.suppress(KeyboardInterrupt), wake:
        run(settings, make_session(keystone, settings.timeout), keystone, wake)
    return 0


def run(settings: Settings, session: Any, keystone: dict[str, str], wake: socket.socket) -> None:
    """Look at the spool whenever somebody pokes, and once a second."""
    options = {
        "interface": keystone.get("interface", "internal"),
        **({"region_name": keystone["region_name"]} if keystone.get("region_name") else {}),
    }
    masakari = api.MasakariApi(session, settings.endpoints, settings.timeout, options)
    delivery = Delivery(masakari, redrive_within=settings.redrive_within)
    spool = Spool(settings.spool)
    ranking = Ranking(Subprocess())
    notifier = Notifier(spool, delivery, settings, ranking, ranking.back)
    nova = api.NovaApi(session, settings.timeout, options)
    unlooked = unserved.List(Subprocess(), Configuration(Subprocess()), ranking)
    watch = outofservice.Watch(masakari, nova, settings.out_of_service, tell=unlooked.update)
    comeback = Comeback(Subprocess(), masakari, nova)
    for looks, interval in (
        # The cluster's on their own, so that waiting for an API never delays them, nor these a
        # report.
        ((Retry(Subprocess()).look,), RETRY_INTERVAL),
        (cluster_looks(Subprocess()), INTERVAL),
        # It waits for connections that may never come about.
        ((reprieve(Subprocess()).look,), INTERVAL),
        (
            (Unattended(Subprocess(), masakari, settings.turns).look,),
            unattended.INTERVAL,
        ),
        ((comeback.look, watch.look), SERVICE_INTERVAL),
    ):
        threading.Thread(target=keep_looking, args=(looks, interval), daemon=True).start()
    checked = 0.0
    told: dict[Look, str] = {}
    token = functools.partial(keep_token, session)
    while True:
        pause = attend(notifier.look, told)
        if time.monotonic() - checked > TOKEN_CHECK:
            attend(token, told)
            checked = time.monotonic()
        wait(wake, IDLE if pause is None else pause)


def cluster_looks(runner: Runner) -> tuple[Look, ...]:
    """Return what takes recoveries and hypervisors back, and keeps the fencer ready."""
    rank, configuration = Ranking(runner), Configuration(runner)
    return (
        # What guests wait for comes first.
        DeadEngines(runner, configuration).look,
        Readmission(runner, configuration, rank).look,
        DeviceLists(runner).refresh,
    )


def reprieve(runner: Runner) -> Reprieve:
    """Return what takes hypervisors back whose fencing was objected to."""
    return Reprieve(runner, Configuration(runner), Ranking(runner))


def keep_looking(looks: Iterable[Look], interval: float) -> None:
    """Take all looks again and again, for ever."""
    told: dict[Look, str] = {}
    while True:
        for look in looks:
            attend(look, told)
        time.sleep(interval)


def attend(look: Callable[[], Found], told: dict[Look, str]) -> Found | None:
    """Take one look; its failure keeps no other from theirs, and is told once.

    Returns:
        what it found; None where it failed.
    """
    try:
        found = look()
    except Exception as error:  # or nobody would ever look again, in a service that seems to run
        expected = isinstance(error, pacemaker.PacemakerError | api.ApiError | OSError)
        text = str(error) if expected else repr(error)
        if told.get(look) != text:
            trace = None if expected else error
            LOG.warning("Cannot look after the cluster and its hosts: %s", text, exc_info=trace)
        told[look] = text
        return None
    told.pop(look, None)
    return found


def _stop(signum: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    raise SystemExit(main())
