"""What the charms do alike with Juju: react, tell their status, and go."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterable
from typing import ClassVar

import ops
from ops.log import JujuLogHandler

from instance_ha_common import ubuntu, unswept, untraced
from instance_ha_common.juju import databag
from instance_ha_common.juju.problems import Severity, Verdict, waiting
from instance_ha_common.juju.status import READY, told
from instance_ha_common.machine.awaited import AGAIN, Watcher
from instance_ha_common.machine.host import Host

logger = logging.getLogger(__name__)

_ROOT_LINES = {("root", "_main"), ("root", "storage")}
"""Logger and module of what ops logs without a logger of its own, its security events apart."""

_STATUSES = {
    Severity.BLOCKED: ops.BlockedStatus,
    Severity.MAINTENANCE: ops.MaintenanceStatus,
    Severity.WAITING: ops.WaitingStatus,
}


class Charm(ops.CharmBase):
    """A charm with one reaction to all events, which ends well.

    A unit that is going away reacts to nothing any more, writes nothing, asks nothing and has no
    status: its relations vanish under its hooks, and a subordinate's agent may end while the hook
    `stop` still runs. It cleans up as soon as it learns that it goes, because Juju 4 does not run
    the hook `remove` of subordinates.

    Attributes:
        tie: endpoint that ties a subordinate to its principal; when that breaks, it goes.
        more: where to find the problems that a status has no room for, in brackets.
        going: whether the unit of this hook is going away.
    """

    tie: ClassVar[str] = ""
    more: ClassVar[str] = ""
    going: ClassVar[bool] = False

    def __init__(self, framework: ops.Framework, host: Host) -> None:
        super().__init__(framework)
        self.host = host
        self.watcher = Watcher(host, self.unit.name, self.charm_dir)
        self._mark = f"/var/lib/{self.meta.name}-charm/{self.unit.name.replace('/', '-')}-goes"
        Charm.going = host.path(self._mark).exists()
        self._gone_relation = False
        self._refused: str | None = None
        self._traced = untraced.mark(self.unit.name)
        if ops.tracing is not None and untraced.collected(os.environ, host.path("/")):
            self.tracing = ops.tracing.Tracing(self, untraced.ENDPOINT)
        on = self.on
        for event in (
            on.install,
            on.upgrade_charm,
            on.config_changed,
            on.start,
            on.update_status,
            on.secret_changed,
            on.stop,
            on.remove,
            *(
                getattr(on[endpoint], f"relation_{kind}")
                for endpoint in self.meta.relations
                # Without `joined`: nothing is known then, and `changed` follows in any case.
                for kind in ("created", "changed", "departed", "broken")
            ),
        ):
            framework.observe(event, self.react)
        framework.observe(on.collect_unit_status, self._on_collect_status)

    # What a charm defines.

    def reconcile(self, event: ops.EventBase) -> None:
        """Bring the unit to what Juju asks for."""
        raise NotImplementedError

    def judge(self) -> Verdict | None:
        """What the unit's status is made of; None leaves it as it was."""
        raise NotImplementedError

    def cleaning(self, event: ops.EventBase) -> Iterable[Callable[[], object]]:
        """What a unit that goes away does, each step by itself.

        Args:
            event: the first that tells so, or `stop` or `remove`.
        """
        raise NotImplementedError

    # What they have in common.

    def react(self, event: ops.EventBase) -> None:
        """Do what the event calls for; actions call this, too."""
        if isinstance(event, ops.InstallEvent):  # a unit of this name went before
            self.host.remove(self._mark)
            Charm.going = False
        if isinstance(event, ops.RelationEvent) and event.relation.name == untraced.ENDPOINT:
            if isinstance(event, ops.RelationBrokenEvent):
                self.host.remove(self._traced)
            else:
                self.host.write(self._traced, "")
        if isinstance(event, ops.StopEvent | ops.RemoveEvent):
            Charm.going = True
            self._go(event, final=True)
        elif not self.going and self._is_end(event):
            Charm.going = True
            self.host.write(self._mark, "")
            self._go(event, final=False)
        if self.going:
            return
        self._refused = ubuntu.unsupported(self.host)
        if self._refused is not None:
            return
        try:
            self.reconcile(event)
        except ops.ModelError as error:
            self._bear(error)

    def _is_end(self, event: ops.EventBase) -> bool:
        """Whether an event tells that this unit is going away."""
        if isinstance(event, ops.RelationDepartedEvent):
            return event.departing_unit == self.unit
        if not isinstance(event, ops.RelationBrokenEvent) or event.relation.name != self.tie:
            return False
        principal = ops.JujuContext.from_environ().principal_unit or ""
        return event.relation.app is None or event.relation.app.name == principal.split("/")[0]

    def _bear(self, error: ops.ModelError) -> None:
        """Bear with a relation that is gone already: its own hook, or another look, is to come.

        Raises:
            ModelError: it is about something else.
        """
        if not databag.gone(error):
            raise error
        logger.warning("a relation is gone: %s", error)
        self._gone_relation = True

    def _go(self, event: ops.EventBase, *, final: bool) -> None:
        """Clean up; what Juju does not answer any more keeps nothing else from being done.

        Raises:
            Exception: a step failed at a final event, after all steps; the hook is tried again.
        """
        failed = []
        for step in (self.watcher.end, *self.cleaning(event)):
            try:
                step()
            except ops.ModelError as error:
                logger.info("going away: %s", error)
            except Exception as error:
                logger.warning("going away: %s", error)
                failed.append(error)
        if failed and final:
            raise failed[0]
        if final:
            self.host.remove(self._mark)
            self.host.remove(self._traced)

    def _on_collect_status(self, event: ops.CollectStatusEvent) -> None:
        if self.going:
            return
        if self._refused is not None:
            event.add_status(ops.BlockedStatus(self._refused))
            return
        verdict: Verdict | None = None
        try:
            verdict = self.judge()
        except ops.ModelError as error:
            self._bear(error)
        if self._gone_relation:
            verdict = Verdict([waiting("A relation is going away", AGAIN)])
        if verdict is None:
            return
        for severity, status in _STATUSES.items():
            texts = [p.text for p in verdict.problems if p.severity is severity]
            if texts:
                event.add_status(status(told(texts, verdict.note, self.more)))
        if not verdict.problems:
            event.add_status(ops.ActiveStatus(told([READY], verdict.note)))
        self.watcher.watch({verdict.until, *(p.until for p in verdict.problems)} - {""})


def run(charm: type[Charm], main: Callable[[type[Charm]], None] = ops.main) -> None:
    """Run a charm in its hook.

    ops itself asks Juju for the leader and more, before and after every event. In a unit that is
    going away no answer to that is needed.

    Args:
        charm: the charm.
        main: what runs it.
    """
    Charm.going = os.environ.get("JUJU_DISPATCH_PATH") in ("hooks/stop", "hooks/remove")
    _tend_logging()
    try:
        main(charm)
    except (ops.ModelError, FileNotFoundError) as error:  # or the tools are gone already
        if not Charm.going:
            raise
        print(f"going away: {error}", file=sys.stderr)


def hook(charm: type[Charm]) -> None:  # pragma: no cover - in tests a process of its own
    """Run a charm in its hook, and end the process.

    Python takes apart all that it has loaded before it ends, which takes a tenth of the time of a
    hook and is of use to nobody. What is to be done at the end, is done.
    """
    unswept.sweep()
    run(charm)
    if threading.active_count() == 1:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _tend_logging() -> None:
    """Have a line that Juju's log does not take keep nothing else from being done.

    And have ops not log what Juju does itself: each line is a process. Where traces are collected
    the trace's number stands in such a line.
    """
    write = JujuLogHandler.emit
    all_lines = untraced.collected(os.environ)

    def emit(handler: JujuLogHandler, record: logging.LogRecord) -> None:
        if all_lines or not _repeats_juju(record):
            with contextlib.suppress(ops.ModelError, FileNotFoundError):
                write(handler, record)

    setattr(JujuLogHandler, "emit", emit)  # noqa: B010 - mypy takes emit for a method


def _repeats_juju(record: logging.LogRecord) -> bool:
    """Whether ops tells which hook runs, on what storage, or what became of the status."""
    if record.levelno > logging.DEBUG:
        return False
    return record.name == "ops.charm" or (record.name, record.module) in _ROOT_LINES
