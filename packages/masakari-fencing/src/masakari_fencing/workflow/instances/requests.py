"""Requests to Nova about one instance, each made until Nova answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from masakari_fencing import times
from masakari_fencing.openstack import evacuations, instances
from masakari_fencing.openstack.compute_service import MustNot
from masakari_fencing.openstack.instances import POWER_RETRY, POWERING
from masakari_fencing.records.recovery import NO_ROOM, Instance
from masakari_fencing.times import uptime

MIGRATING = "migrating"
"""Nova's task of a live migration. It may run at its end already where Nova does not look."""

FRESH = 5.0
"""Seconds that may pass between the look at whose recovery it is and a request that changes
something; less than a machine that is gone from the cluster is given (`dead_engines.GRACE`)."""

NO_HOST = "no valid host"
"""What Nova's fault of an instance says for which its scheduler found none (`NoValidHost`)."""

SECOND = 1.0
"""Seconds by which Nova's times of actions are cut off. It lists the latest first."""

RETRY = 1.0
"""Seconds before a request is sent again that Nova did not answer."""


def may_run(hosts: Sequence[str]) -> str:
    """Say where an instance may run, and what to do about that."""
    text = f"it may run on {' or '.join(hosts)}, where its evacuation or migration broke off"
    return f"{text}: stop it there before it is started or unlocked"


class Failed(Exception):  # noqa: N818 - an outcome
    """The instance could not be recovered now; the text says why."""


class NoRoom(Failed):
    """No host was found for it, of those that were asked for."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{NO_ROOM}: {text}")


@dataclass(frozen=True)
class Limits:
    """Seconds to wait for what Nova does.

    Attributes:
        request: for an answer, over repeated requests.
        arrival: for the instance on its new host.
        power: for it to be stopped, or started.
        rebuild: for an evacuation that somebody else has begun.
        interval: between two looks.
    """

    request: float = 60
    arrival: float = 90
    power: float = 180
    rebuild: float = 1800
    interval: float = 1


class InstanceRequests:
    """One instance in Nova.

    Args:
        client: makes a novaclient with a limit on each of its requests (microversion 2.53).
        uuid: its identifier.
        check: raises where this recovery must not go on.
        limits: for how long to wait.
        sleep: waits for so many seconds.
        clock: seconds, only ever compared with each other.
    """

    def __init__(
        self,
        client: Callable[[], Any],
        uuid: str,
        check: Callable[[], None],
        limits: Limits,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._uuid = uuid
        self._check = check
        self._limits = limits
        self._sleep = sleep
        self._clock = clock
        self._looked_at = 0.0

    def _get(self) -> Any:
        """Return the instance, None where it is gone, or is about to go.

        Raises:
            Failed: Nova does not answer.
        """
        try:
            server = self._request(lambda nova: nova.servers.get(self._uuid), gone=True)
        except LookupError:
            return None
        return None if instances.is_going(server) else server

    def _order(
        self,
        send: Callable[[Any], Any],
        also: Callable[[], None] = lambda: None,
        *,
        late: Callable[[], None] = lambda: None,
    ) -> Any:
        """Send a request that nobody but whose recovery it is may make, and never late.

        A machine that stood still in between has been given up, and another goes on in its place.

        Args:
            send: sends it.
            also: raises where this one must not be sent.
            late: called where the machine stood still just as it was sent.

        Raises:
            Failed: Nova refuses, or does not answer in time.
            Exception: whatever `check` and `also` raise.
        """
        answer = self._request(lambda nova: send(self._looked(nova, also)))
        if uptime() - self._looked_at > FRESH:
            late()
        return answer

    def _looked(self, nova: Any, also: Callable[[], None]) -> Any:
        nova.servers.get(self._uuid)  # Or its token would be fetched after the look.
        begun = uptime()
        try:
            self._check()
            also()
        except Exception as error:
            raise MustNot(error) from error
        if uptime() - begun > FRESH:
            raise TimeoutError(f"the cluster took longer than {FRESH:g} s to answer")
        self._looked_at = begun
        return nova

    def _call_error(self, nova: Any) -> None:
        nova.servers.reset_state(self._uuid, "error")

    def _call_active(self, nova: Any) -> None:
        nova.servers.reset_state(self._uuid, "active")

    def _stop(self, nova: Any) -> None:
        nova.servers.stop(self._uuid)

    def _start(self, nova: Any) -> None:
        """Nova starts none that it was told to call active, but reboots it."""
        nova.servers.reboot(self._uuid, reboot_type="HARD")

    def _power(self, server: Any, verb: str, goal: str) -> None:
        state, task = getattr(server, instances.STATE, ""), task_of(server)
        if goal == "active" and state != "stopped" and task not in POWERING:
            text = f"on {instances.host_of(server)}, but {state}"
            if state == "error":
                text += ": see whether it runs there, then call it active"
                text += f" (`openstack server set --state active {server.id}`)"
            raise Failed(text)
        if not task:
            # Never by a plain start, which waits for a host that dies then; see `UNGATED`.
            self._order(getattr(self, f"_{verb}"))
        self._await_power(verb, goal)

    def _await_power(self, verb: str, goal: str) -> None:
        begun = asked = self._clock()
        while True:
            found = self._get()
            if found is None:
                return
            if getattr(found, instances.STATE, "") == goal and task_of(found) not in POWERING:
                return
            now = self._clock()
            if now - begun >= self._limits.power:
                raise Failed(f"not {goal} after {self._limits.power:g} s")
            if now - asked >= POWER_RETRY and task_of(found) in POWERING:
                asked = now
                self._order(self._call_active)
                self._order(getattr(self, f"_{verb}"))
            self._sleep(self._limits.interval)

    def _request(self, send: Callable[[Any], Any], *, gone: bool = False) -> Any:
        """Send a request again and again until Nova answers it.

        Raises:
            Failed: it refuses, or does not answer in time.
            LookupError: there is no such instance, where that is an answer.
        """
        end = self._clock() + self._limits.request
        while True:
            try:
                return send(self._client())
            except Failed:
                raise
            except MustNot as error:
                raise error.reason from None
            except Exception as error:  # whatever a client library raises
                code = status_of(error)
                if gone and code == 404:
                    raise LookupError from error
                if code == 409 and self._clock() < end:
                    pass  # Something else is going on with it.
                elif code in range(400, 500) or self._clock() >= end:
                    raise Failed(text_of(error)) from error
            self._sleep(RETRY)


class InstanceOfDeadHost(InstanceRequests):
    """One instance, and what Nova says of its way from a dead host.

    Args:
        client: makes a novaclient with a limit on each of its requests (microversion 2.53).
        host: Nova's name of the dead host.
        before: the instance as it was.
        check: raises where this recovery must not go on.
        limits: for how long to wait.
        sleep: waits for so many seconds.
        clock: seconds, only ever compared with each other.
        now: seconds since the epoch.
        steady: returns for how long all that takes a request further has been there; see
            `evacuations.Steadiness`, which has to look from time to time.
        fenced: returns when a host was fenced last, in seconds since the epoch; 0: nobody knows.
    """

    def __init__(
        self,
        client: Callable[[], Any],
        host: str,
        before: Instance,
        *,
        check: Callable[[], None],
        limits: Limits,
        fenced: Callable[[str], float] = lambda host: 0.0,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        steady: Callable[[Any], float] | None = None,
    ) -> None:
        super().__init__(client, before.uuid, check, limits, sleep=sleep, clock=clock)
        self._host = host
        self._before = before
        self._now = now
        self._fenced = fenced
        self._steady = steady or evacuations.Steadiness(clock).seconds

    def _is_here(self, server: Any) -> bool:
        return instances.host_of(server) == self._host

    def _is_owners(self, server: Any) -> bool:
        """Whether an earlier attempt was done with it; what becomes of it since is its owner's."""
        return not self._before.locked and not getattr(server, "locked", False)

    def _goes_on(self, server: Any, *, lost: bool = True) -> bool:
        """Whether its evacuation goes on, which looked like that a moment ago.

        Args:
            server: the instance.
            lost: a request that nobody has taken up for a while is over.
        """
        steady = self._steady if lost else (lambda nova: 0.0)
        limit, there, task = self._limits.rebuild, "", task_of(server)
        if not self._is_here(server):
            # It cannot be started any more, but it may still be about to fail.
            limit, there = evacuations.GATED_LIMIT, instances.host_of(server)
        found = self._request(
            lambda nova: evacuations.goes_on(
                nova, self._host, self._uuid,
                now=self._now(), limit=limit, task=task, steady=steady, fenced=self._fenced,
                there=there,
            )
        )  # fmt: skip
        return bool(found)

    def _left_at(self, server: Any) -> list[str]:
        migrating = self._before.task_state == MIGRATING
        found = self._request(
            lambda nova: evacuations.left_at(
                nova,
                self._host,
                server,
                now=self._now(),
                fenced=self._fenced,
                migrating=migrating,
            )
        )
        return list(found)

    def _lock(self) -> None:
        self._order_lock("lock", undo="unlock")

    def _unlock(self, server: Any) -> None:
        if not self._before.locked and getattr(server, "locked", False):
            self._order_lock("unlock", undo="lock")

    def _order_lock(self, name: str, *, undo: str) -> None:
        late = partial(self._take_back_lock, self._now(), undo)
        self._order(lambda nova: getattr(nova.servers, name)(self._uuid), late=late)

    def _take_back_lock(self, begun: float, undo: str) -> None:
        """Do the opposite, where another recovery has done that before this one's came.

        Args:
            begun: when it was about to be asked for, in seconds since the epoch.
            undo: the opposite, `lock` or `unlock`.

        Raises:
            Exception: whatever `check` raises.
        """
        try:
            self._check()
        except Exception:
            found = self._request(lambda nova: nova.instance_action.list(self._uuid))
            oldest_first = found[::-1]
            since = [
                action.action
                for action in sorted(oldest_first, key=lambda one: str(one.start_time))
                if action.action in instances.LOCKING
                and (times.epoch(action.start_time) or 0.0) >= begun - SECOND
            ]
            # The last one is this one's.
            if since[-2:-1] == [undo]:
                self._request(lambda nova: getattr(nova.servers, undo)(self._uuid))
            raise


def task_of(server: Any) -> str:
    """Return what Nova is doing with an instance; empty: nothing."""
    return str(getattr(server, instances.TASK, None) or "")


def status_of(error: Exception) -> int:
    """Return the HTTP status in an exception of novaclient or keystoneauth1; 0 without one."""
    for name in ("http_status", "code", "status_code"):
        value = getattr(error, name, None)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return 0


def text_of(error: Exception) -> str:
    """Return what a client library says was wrong."""
    return str(error) or type(error).__name__
