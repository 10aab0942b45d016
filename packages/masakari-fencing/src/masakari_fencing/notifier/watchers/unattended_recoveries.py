"""Recoveries that nobody works on, and that are not over: they are begun again.

What is known of each is in its record (see `records.recovery`); this only reads the records, and
asks for the next step:

* The record is open and names nobody, since its engine died (see `dead_engines`), or says that
  instances are left behind, be it on a host that was taken back since, or that the host was not
  fenced and it is now: the first member in order has the notification begun again.
* Masakari calls a notification `running` a moment before its engine writes a record. One that
  dies in between leaves no trace but that. So do recoveries of an instance or a process, which
  have no record: what is known of one whose engine died is how long it takes.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from masakari_fencing import retries
from masakari_fencing.notifier.requeue import hand_back
from masakari_fencing.notifier.watchers.watcher import Since, Watcher
from masakari_fencing.openstack.masakari_api import Host, MasakariApi, Notification
from masakari_fencing.openstack.rest import ApiError
from masakari_fencing.pacemaker import cibadmin, crm_mon, tools
from masakari_fencing.records import disarmed, recoveries
from masakari_fencing.records.recoveries import Records, Superseded
from masakari_fencing.records.recovery import FAILED, FRUITLESS, REFUSED, Record
from masakari_fencing.retries import Retries

LOG = logging.getLogger(__name__)

INTERVAL = 2.0
"""Seconds between two looks."""

DEFAULT = retries.parse(retries.DEFAULT)

PATIENCE = 8.0
"""Seconds that an engine may need from `running` to its record; it is less than one."""

OTHERS_PATIENCE = 360.0
"""Seconds that the recovery of an instance or a process may take. Masakari waits at most 180 s for
one to stop and 60 s for it to start, by default; to stop or start it once more does no harm."""

INSTANCES_INTERVAL = 20.0
"""Seconds between two looks at the recoveries of instances that have failed."""

INSTANCES_AGE = 14400.0
"""Seconds since its failure after which an instance is left as it is."""

AGAIN = 30.0
"""Seconds after which one is handed back once more that nobody has taken up."""


@dataclass
class UnattendedRecoveries(Watcher):
    """Has recoveries begun again; only the first member in order does.

    Attributes:
        masakari: says which recoveries it takes for running.
        stays_down: whether an instance waits for its recovery; see `NovaApi.stays_down`.
        own_workflow: whether recoveries of hosts have records. Those of Masakari's own workflow
            have none, and wait for minutes: nothing tells one that goes on from one that was left.
        retries: of what has failed. What was refused, or interrupted, has not.
        clock: seconds, only ever compared with each other.
        now: seconds since the epoch.
    """

    masakari: MasakariApi
    stays_down: Callable[[str], bool]
    own_workflow: bool = True
    retries: Retries = DEFAULT
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    _next_look: float = 0.0
    _failed: dict[tuple[str, float], str] = field(default_factory=dict)
    _attempts: Counter[str] = field(default_factory=Counter)
    _since: Since = field(init=False)
    _handed: dict[tuple[str, float], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._since = Since(self.clock)

    def check(self) -> list[str]:
        """Hand every one that is due back to Masakari.

        Returns:
            the notifications.

        Raises:
            PacemakerError: the cluster does not answer, or one could not be handed back.
            ApiError: Masakari does not answer.
        """
        status = crm_mon.status(self.runner)
        if not self.controls(status):
            self._since.keep(())
            return []
        configuration = cibadmin.configuration(self.runner)
        found = recoveries.all_of(configuration)
        left = {
            (record.notification, float(record.token)): (pause, record)
            for record in found
            if not disarmed.waits(configuration, record.host, self.now())
            and (pause := self._pause(record, status)) is not None
        }
        handed: list[str] = []
        failures: list[Exception] = []
        hosts = self._lists()
        for key in self._due({key: pause for key, (pause, _) in left.items()}):
            try:
                record = left[key][1]
                if self._is_owed(record, hosts):
                    handed.append(self._hand_back(key, unfinished=True))
            except (tools.PacemakerError, ApiError) as error:
                failures.append(error)  # The others do not wait for it.
        strays = self._strays(found) | self._failed_instances()
        for key in self._due(strays):
            instance = self._failed.get(key)
            try:
                if instance is None or self._is_wanted(key, instance):
                    handed.append(self._hand_back(key, unfinished=instance is not None))
            except (tools.PacemakerError, ApiError) as error:
                failures.append(error)
        known = {*left, *strays}
        self._since.keep(known)
        self._handed = {key: when for key, when in self._handed.items() if key in known}
        if failures:
            raise failures[0]
        return handed

    def _failed_instances(self) -> dict[tuple[str, float], float]:
        """Return the recoveries of instances that have failed, which Masakari tries but twice."""
        if self.clock() >= self._next_look:
            since = self.now() - INSTANCES_AGE
            listed = self.masakari.failed_instances(since)
            self._failed = {(item.uuid, item.updated): item.instance for item in listed}
            self._next_look = self.clock() + INSTANCES_INTERVAL
        pauses = {key: self.retries.pause(self._attempts[key[0]] + 1) for key in self._failed}
        return {key: pause for key, pause in pauses.items() if pause is not None}

    def _is_wanted(self, key: tuple[str, float], instance: str) -> bool:
        self._attempts[key[0]] += 1
        self._handed[key] = self.clock()
        return self.stays_down(instance)

    def _due(self, found: dict[tuple[str, float], float]) -> list[tuple[str, float]]:
        """Return those that have been seen for longer than they are to be let be."""
        now = self.clock()
        return [
            key
            for key, pause in found.items()
            if self._since.seconds(key) >= pause
            and now - self._handed.get(key, now - AGAIN) >= AGAIN
        ]

    def _hand_back(self, key: tuple[str, float], *, unfinished: bool) -> str:
        hand_back(self.runner, key[0], unfinished=unfinished)
        self._handed[key] = self.clock()
        LOG.info("Nobody was left to end notification %s; it is begun again", key[0])
        return key[0]

    def _lists(self) -> Callable[[], dict[str, Host]]:
        """Return what gives the hosts of all segments by their names, and asks but now and then.

        After a large outage there are many whose recovery has failed, and all hosts take two
        requests for each segment.
        """
        known: dict[str, Host] = {}
        asked: float | None = None
        error: ApiError | None = None

        def hosts() -> dict[str, Host]:
            nonlocal asked, error
            if asked is None or self.clock() - asked >= INTERVAL:
                known.clear()
                error = None
                try:
                    known.update((host.name.lower(), host) for host in self.masakari.hosts())
                except ApiError as found:
                    error = found
                asked = self.clock()
            if error is not None:
                raise error
            return known

        return hosts

    def _is_owed(self, record: Record, listed: Callable[[], dict[str, Host]]) -> bool:
        """Whether a recovery is to go on: its host is out of service, and nobody took it back.

        Nor while its segment is disabled, when Masakari ignores it. One that is off for its
        recovery cannot have been. Where it is in no segment any more, nobody goes on with it, and
        it is switched on (see `HeldHosts`).
        """
        if record.end is None or record.down:
            with suppress(ApiError):
                found = listed().get(record.host)
                return found is None or found.enabled
            return True
        hosts = listed()
        off = record.held and not record.lets_go
        if record.host in hosts:
            found = hosts[record.host]
            return found.enabled and (off or found.on_maintenance)
        if off:
            with suppress(Superseded):
                Records(self.runner).write(record, replace(record, fruitless=FRUITLESS))
        return False

    def _pause(self, record: Record, status: crm_mon.Status) -> float | None:
        """Return for how many seconds it is let be; None where nothing is to be done."""
        if record.end is None:
            # Of an older release: it ends when its notification does.
            return 0.0 if not record.engine and record.token else None
        if record.returned or record.end.outcome not in (FAILED, REFUSED):
            return None
        if record.down:
            # Its host was taken back: that its instances are started there is no retry.
            return self.retries.pause(record.attempts) if record.attempts else 0.0
        if record.end.outcome == FAILED:
            return self.retries.pause(record.attempts)
        return DEFAULT.pause(record.attempts) if self._fenced_since(record, status) else None

    def _fenced_since(self, record: Record, status: crm_mon.Status) -> bool:
        """Whether a host is proven dead now whose recovery was refused for want of that."""
        nodes = status.named(record.host)
        if len(nodes) != 1:
            return False
        fenced = cibadmin.remote_record(self.runner, nodes[0].name).fenced
        return fenced is not None and fenced != record.used

    def _strays(self, found: list[Record]) -> dict[tuple[str, float], float]:
        """Return those that Masakari calls running, without a record that says who does it."""
        running = self.masakari.running()
        hosts = [item for item in running if item.kind == "COMPUTE_HOST" and self.own_workflow]
        others = [item for item in running if item.kind != "COMPUTE_HOST"]
        # One that was updated since has been taken up anew.
        return {
            (item.uuid, item.updated): patience
            for items, patience in (
                (self._without_record(hosts, found), PATIENCE),
                (others, OTHERS_PATIENCE),
            )
            for item in items
        }

    def _without_record(
        self, begun: list[Notification], found: list[Record]
    ) -> list[Notification]:
        """Return the recoveries of hosts that nobody has begun, nor waits to begin."""
        attended = {record.notification: record.host for record in found if record.end is None}
        lone = [item for item in begun if item.uuid not in attended]
        if not lone:
            return []
        busy = set(attended.values())
        names = {host.uuid: host.name.lower() for host in self.masakari.hosts()}
        # Whoever waits for another recovery of its host to end has no record of its own.
        return [item for item in lone if names.get(item.host, "") not in busy]
