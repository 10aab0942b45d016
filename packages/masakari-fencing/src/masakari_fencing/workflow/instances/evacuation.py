"""Bringing one instance of a dead host up elsewhere, in the state that it had.

Every step looks at what is so, and does what is missing, so that it does not matter how far an
earlier attempt has come, by whichever engine. The state that the instance had is not asked of
Nova, which an attempt changes: it was written down before the first one (see `records.recovery`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from masakari_fencing.openstack import instances
from masakari_fencing.openstack.instances import POWERING
from masakari_fencing.records.recovery import NOT_THERE, Instance
from masakari_fencing.workflow.instances.requests import (
    MIGRATING,
    NO_HOST,
    Failed,
    InstanceOfDeadHost,
    NoRoom,
    may_run,
    status_of,
    task_of,
    text_of,
)
from masakari_fencing.workflow.recovery_lock import regardless_of_proof

EVACUABLE = frozenset({"active", "stopped", "error"})
"""States in which Nova evacuates an instance (nova.compute.api.API.evacuate)."""

SHUTDOWN = 4
"""Nova's power state of an instance that is off (nova.compute.power_state)."""

ASKED = {
    "powering-off": "stopped",
    "rebooting_hard": "active",
    "reboot_pending_hard": "active",
    "reboot_started_hard": "active",
}
"""What an owner wants whose request its host has not carried out, or an instance's own recovery,
by Nova's task: a hard reboot starts what is stopped, too."""

RESIZING = "resize_migrating"
"""Nova's task while the disks are on their way, under other names: an instance that is evacuated
then gets new ones (`migrate_disk_and_power_off` of nova.virt.libvirt.driver)."""

UNDECIDED = 5.0
"""Seconds for which an instance may look as it did before it was asked for: while its new host
writes down what it has done, and until a request whose answer was lost has had its effect."""


def wanted(before: Instance) -> str:
    """Return the state in which an instance is to end.

    The same as with Masakari's own `EvacuateInstancesTask`, where all goes well: what Nova cannot
    bring back as it was, such as a paused instance, is stopped. But whom its owner has told to
    stop or start, without an answer of the dead host, ends so.
    """
    if before.task_state in ASKED:
        return ASKED[before.task_state]
    if before.vm_state == "active":
        return "active"
    if before.vm_state == "resized":
        return "stopped" if before.power_state == SHUTDOWN else "active"
    return "error" if before.vm_state == "error" else "stopped"


STAYS_LOCKED = "its evacuation may go on yet, so it stays locked; once that has ended, unlock it"
"""What is said where no further attempt would unlock it."""


class Evacuation(InstanceOfDeadHost):
    """One instance.

    Args:
        client: makes a novaclient with a limit on each of its requests (microversion 2.53).
        host: Nova's name of the dead host.
        before: the instance as it was.
        target: where to; None: where Nova's scheduler says.
        silent: raises where the host answers.
        options: see `InstanceOfDeadHost`.
    """

    def __init__(
        self,
        client: Callable[[], Any],
        host: str,
        before: Instance,
        *,
        target: str | None,
        silent: Callable[[], None] = lambda: None,
        **options: Any,
    ) -> None:
        super().__init__(client, host, before, **options)
        self._target = target
        self._silent = silent

    def run(self, *, fresh: bool) -> str:
        """Bring it up.

        Args:
            fresh: nobody has asked for its evacuation yet.

        Returns:
            the host that it is on, empty where its owner has deleted it.

        Raises:
            Failed: it is not up elsewhere.
            Exception: whatever `check` raises.
        """
        server = self._get()
        if server is not None and self._is_here(server):
            if RESIZING in (task_of(server), self._before.task_state):
                text = "it was being resized; Nova takes that back when its host is returned"
                raise Failed(text)
            asked = not fresh or task_of(server).startswith(("rebuild", MIGRATING))
            # An old request that waited for a host, and begins as that is back, shows no task.
            again = asked or self._goes_on(server)
            server = self._evacuate_again(server) if again else self._evacuate(server)
        if server is None:
            return ""
        if not self._is_here(server):
            # Whether its old host is dead matters no more; only whose recovery it is.
            self._check = partial(regardless_of_proof, self._check)
            server = server if fresh else self._outlast(server)
        elif instances.waits_for_host(server):
            return self._host
        if server is None:
            return ""
        self._settle(server)
        return instances.host_of(server)

    def release(self, *, patience: float = 0.0, over: bool = False) -> str:
        """Leave it to its owner as it is, where it is not recovered.

        One that may be running elsewhere stays locked: started here, it would run twice. So does
        one that is elsewhere and not yet as it was, or may yet get there so: its next attempt
        knows it by its lock.

        Args:
            patience: seconds in which it may still get there, and is recovered then, as there is
                no next attempt.
            over: nothing of its evacuation goes on, nor may it run elsewhere, as was just seen.

        Returns:
            where it may run, and what to do about that, or why else it stays locked; empty
            where nothing of that is known.

        Raises:
            Failed: Nova does not answer.
            Exception: whatever `check` raises.
        """
        # Be its host back or not: only whose recovery it is matters.
        self._check = partial(regardless_of_proof, self._check)
        server, end = self._get(), self._clock() + patience
        while server is not None and self._is_here(server) and self._clock() < end:
            if not self._goes_on(server):
                break
            self._sleep(self._limits.interval)
            server = self._get()
        if server is None:
            return ""
        if patience and not self._is_here(server):
            self._settle(server)
            return ""
        if self._is_here(server) and not over:
            if left_at := self._left_at(server):
                return may_run(left_at)
            as_it_arrives = _arrives(server) == wanted(self._before)
            if not as_it_arrives and self._goes_on(server, lost=bool(patience)):
                return STAYS_LOCKED if patience else ""
        elif not over and not _is_as_before(server, wanted(self._before)):
            return ""
        broken = _is_error(server)
        idle = self._is_here(server) and not task_of(server)
        if idle and broken and wanted(self._before) == "active":
            # Or nobody could start it where it is.
            self._order(self._call_active)
        self._unlock(server)
        return ""

    def _evacuate_again(self, server: Any) -> Any:
        """Let an evacuation end that has begun, and ask for one where it came to nothing.

        It is asked for where the earlier one may have left it running, unless it cannot have.
        """
        while self._goes_on(server):
            self._check()
            self._sleep(self._limits.interval)
            server = self._get()
            if server is None or not self._is_here(server):
                return server
        left_at = self._left_at(server)
        if left_at and task_of(server).startswith("rebuild"):
            # As long as it has a task of a rebuild, Nova does not say why the last one has failed.
            server = self._reset(server)
            if server is None or not self._is_here(server):
                return server
            left_at = self._left_at(server)
        if not left_at:
            return self._evacuate(server)
        why = may_run(left_at)
        if len(left_at) > 1:
            raise Failed(why)
        try:
            return self._evacuate(server, left_at[0])
        except Failed as error:
            raise Failed(f"{error}; {why}") from error

    def _outlast(self, server: Any) -> Any:
        """Let another request end that was taken for lost, and return the instance.

        Where one of two has brought it up, Nova calls it an error as the other fails.
        """
        broken = _is_error(server)
        while server is not None and not self._is_owners(server) and self._goes_on(server):
            self._check()
            self._sleep(self._limits.interval)
            server = self._get()
        if server is None or broken or not _is_error(server):
            return server
        self._order(self._call_active)
        return self._get()

    def _evacuate(self, server: Any, there: str = "") -> Any:
        """Ask for its evacuation, and return it from its new host, None if it was deleted."""
        if self._is_owners(server):
            # Its owner is kept from getting into the way, as Masakari does.
            self._lock()
            if (server := self._get()) is None:
                return None
        if instances.waits_for_host(server):
            # A moment before that, its owner has asked its host to start it.
            self._unlock(server)
            return server
        state, task = getattr(server, instances.STATE, ""), task_of(server)
        if task or state not in EVACUABLE:
            if self._reset(server) is None:
                return None
        elif state == "stopped" and wanted(self._before) == "active":
            # Nova has stopped it since its host failed, as it did not run there.
            self._order(self._call_active)

        answered, where = [True], there or self._target

        def ask(nova: Any) -> None:
            try:
                nova.servers.evacuate(server.id, host=where)
            except Exception as error:  # whatever a client library raises
                if status_of(error) in range(400, 500):
                    raise Failed(f"Nova refuses: {text_of(error)}") from error
                answered.clear()  # It may have been accepted all the same, or be so later.

        self._order(ask, self._silent)
        return self._arrival(where, answered=bool(answered))

    def _reset(self, server: Any) -> Any:
        """Have Nova call it an error, unless it has gone on with it since that was seen.

        Returns it as it is then; None where its owner has deleted it, which that would undo.
        """
        now = self._get()
        if now is not None:
            if task_of(now) != task_of(server) or not self._is_here(now):
                raise Failed(f"Nova has gone on with it: {task_of(now) or 'it has ended'}")
            self._order(self._call_error, late=self._take_back)
        return now and self._get()

    def _take_back(self) -> None:
        """Take back that Nova was told to call it an error, where it is up elsewhere by now.

        Nova does that whatever has become of the instance. Who has gone on with its recovery has
        ended it, and does not look again.
        """
        server = self._get()
        if server is None or self._is_here(server) or task_of(server):
            return
        if _is_error(server) and wanted(self._before) != "error":
            self._request(self._call_active)
            if wanted(self._before) != "active":
                self._request(self._stop)

    def _arrival(self, where: str | None, *, answered: bool) -> Any:
        """Return it from its new host; an error may be of before where Nova has not answered."""
        begun = same = self._clock()
        while True:
            self._sleep(self._limits.interval)
            server = self._get()
            if server is None:
                return None
            task = task_of(server)
            if not self._is_here(server):
                if not task:
                    return server
            elif answered and not task and _is_error(server):
                raise _not_there(where, _fault(server))
            now = self._clock()
            if now - begun >= UNDECIDED:
                self._request(self._steady)
            if task or not self._is_here(server):
                same = now
            if now - same >= UNDECIDED and not self._goes_on(server):
                raise _not_there(where, "Nova did not evacuate it")
            if now - begun >= self._limits.arrival:
                raise _not_there(where, f"not up elsewhere after {self._limits.arrival:g} s")

    def _settle(self, server: Any) -> None:
        """Put it into the state that it had, and unlock it, which is the last thing."""
        if self._is_owners(server):
            return
        goal = wanted(self._before)
        if not _is_settled(server, goal):
            if goal == "error" and _is_error(server):
                # Not by its recovery, which stops it first, but by an old request that has failed.
                self._order(self._call_active)
                if (server := self._get()) is None:
                    return
            self._power(server, *(("start", goal) if goal == "active" else ("stop", "stopped")))
        if goal == "error" and not _is_as_before(server, goal):
            self._order(self._call_error)
        self._unlock(server)


def _is_settled(server: Any, goal: str) -> bool:
    """Whether it runs, or does not, as it did before: one that was in ERROR does not."""
    state, power = getattr(server, instances.STATE, ""), getattr(server, instances.POWER, 0)
    done = state == goal and (goal != "error" or power == SHUTDOWN)
    done = done or (goal == "error" and state == "stopped")
    return done and task_of(server) not in POWERING


def _is_as_before(server: Any, goal: str) -> bool:
    """Whether it is in the state as well: one that was in ERROR is stopped first."""
    return _is_settled(server, goal) and (_is_error(server) or goal != "error")


def _is_error(server: Any) -> bool:
    return bool(getattr(server, instances.STATE, "") == "error")


def _arrives(server: Any) -> str:
    """Return the state in which an evacuation ends that was asked for in the state that it has."""
    return "stopped" if getattr(server, instances.STATE, "") == "stopped" else "active"


def _not_there(where: str | None, text: str) -> Failed:
    """Return what it means that Nova took an evacuation, and the instance did not arrive."""
    if NO_HOST in text.lower():
        return NoRoom(text)
    return Failed(f"{NOT_THERE} {where}: {text}" if where else text)


def _fault(server: Any) -> str:
    fault = getattr(server, "fault", None) or {}
    return str(fault.get("message") or "Nova gives no reason")
