"""Brings a unit to the state that Juju asks for, and says what is missing."""

from __future__ import annotations

import dataclasses
import functools
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from instance_ha_common.juju.pause import PauseFlag
from instance_ha_common.juju.problems import Problem, blocked, waiting
from instance_ha_common.juju.responders import Responders
from instance_ha_common.machine.awaited import AGAIN
from instance_ha_common.machine.host import Host
from instance_ha_common.machine.memory import Memory
from instance_ha_common.machine.templates import Templates
from masakari_fencing.cluster.desired import Postponed
from masakari_fencing.pacemaker.tools import PacemakerError, Unsupported
from masakari_fencing.records import foresight
from masakari_fencing.records.foresight import Foresight

import databags
import power_key
import problems
import state as state_module
from planned.drills import Drill, Drills
from planned.shared import SharedDrill
from power_key import PowerKey
from preflight.watch import Watch
from recoveries.disarm import Disarm
from relations import hacluster, peers
from relations.certificates import Certificate
from state import State
from storage.access import Access
from workload import (
    fencing_package,
    haproxy,
    masakari,
    masakari_conf,
    packages,
    release,
    services,
    trust,
)
from workload.cluster import ANSWERS, Cluster
from workload.recovery_status import Recoveries

logger = logging.getLogger(__name__)

_MEMORY = "/var/lib/masakari-charm"
_START_TIMEOUT = 30.0  # seconds until the API answers


@dataclasses.dataclass
class Result:
    """Outcome of a run.

    Attributes:
        databags: what to publish, by endpoint; None leaves it as it is.
        migration: for the leader to publish, if it is new.
        problems: why the unit is not ready; empty when it is.
        note: what the operator should know although it keeps no unit from being ready.
        until: what ends the note; see `Problem.until`.
    """

    databags: dict[str, dict[str, str] | None] = dataclasses.field(default_factory=dict)
    migration: peers.Migration | None = None
    problems: list[Problem] = dataclasses.field(default_factory=list)
    note: str = ""
    until: str = ""


class Workload:
    """This unit's workload; one `reconcile` per hook."""

    def __init__(
        self,
        host: Host,
        *,
        probe: Callable[[int], bool] = services.listening,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Work on `host`; the rest stands in for the outside world in tests."""
        self.host = host
        self.clock = clock
        memory = Memory(host, "masakari")
        templates = Templates(host, memory, Path(__file__).parent / "templates")
        self.responders = Responders(memory)
        self.packages = packages.Packages(host)
        self.services = services.Services(host, memory, probe, sleep)
        self.release = release.Release(host, self.packages, self.services)
        self.masakari = masakari.Masakari(host, templates, sleep)
        self.haproxy = haproxy.HAProxy(host, templates)
        self.fencing = fencing_package.Installation(host)
        self.cluster = Cluster(host, memory, clock)
        self.ceph = Access(host)
        self.power_key = PowerKey(host)
        self.recoveries = Recoveries(host, clock)
        self.disarm = Disarm(host, clock)
        self.preflight = Watch(memory, clock)
        self.paused = PauseFlag(host, "masakari")

    def managed_services(self, *, ha: bool) -> tuple[str, ...]:
        """The services that the charm starts and stops; `ha` is whether that is related."""
        if not ha:
            return (services.API, services.ENGINE, services.HAPROXY)
        if self.fencing.joined:
            return services.MASAKARI
        return (services.API, services.ENGINE)

    def ending(self) -> list[Callable[[], object]]:
        """What ends the unit's services, each by itself and without a question to Juju."""
        names = (
            services.MASAKARI if self.cluster.joined else (*services.MASAKARI, services.HAPROXY)
        )
        return [functools.partial(self.services.stop, [name]) for name in names]

    def removal(self, application: str) -> list[Callable[[], object]]:
        """What removes that which the charm has put on the machine; no secret must stay.

        Args:
            application: name of this application, after which its trusted authorities are called.
        """
        return [
            self.masakari.remove,
            self.haproxy.remove,
            self.ceph.remove,
            self.power_key.remove,
            self.fencing.remove,
            functools.partial(trust.install, self.host, application, ""),
            functools.partial(shutil.rmtree, self.host.path(_MEMORY), ignore_errors=True),
            self.host.systemd.daemon_reload,
        ]

    def reconcile(self, state: State, machine: str, *, check: bool = False) -> Result:
        """Bring the unit to `state`.

        Args:
            state: what Juju knows.
            machine: Juju's id of this unit's machine.
            check: have the cluster's health checked now.

        Raises:
            CommandError, OSError: the machine itself is in trouble; the hook is tried again.
        """
        if unknown := self.packages.unsupported:
            return Result(problems=[blocked(unknown)])
        result = Result()
        tls = self._configure_haproxy(state, result)
        serving = tls is not None and self.haproxy.is_ours
        result.problems += problems.relation_problems(state)
        self._run_masakari(state, result)
        result.problems += self.ceph.tend(state.ceph, related="ceph" in state.related)
        key = self.power_key.tend(state.config.power, clustered=state.clustered)
        result.databags = databags.compute(
            state, tls=bool(tls), serving=serving, fencing=self.fencing.ready, power_key=key
        )
        self._supervise(state, result, check)
        result.problems += self.fencing.tell_nrpe(related="nrpe-external-master" in state.related)
        self._tend_cluster(state, machine, result, check)
        _tell_drill(self.host, state.unit, self.clock, result)
        _tell_metrics(self, state, check)
        return result

    def _configure_haproxy(self, state: State, result: Result) -> bool | None:
        """Configure HAProxy; say whether it serves with TLS, None if it does not serve."""
        trust.install(
            self.host,
            state.application,
            (state.authorities or "") + (state.config.authorities or ""),
        )
        certificates = state.certificates
        awaited = "certificates" in state.related and not state.certified
        if awaited:  # until all are there, TLS goes on with those in use, and clear text without
            served = self.haproxy.certificates()
            certificates = _supplement(certificates, served, state) if served else ()
        serve = not awaited or self.haproxy.serves
        units = {state.unit: state.cluster_address}
        units |= {peer.name: peer.address for peer in state.peers}
        try:
            digest = self.haproxy.configure(state.config, units, certificates, serve=serve)
        except haproxy.BadConfiguration:
            result.problems.append(
                blocked("HAProxy refuses its configuration: check ssl_cert and ssl_key, see log")
            )
            return None
        if not self.paused or state.wants_ha:
            self.services.ensure_reloaded(services.HAPROXY, digest, managed=state.wants_ha)
        if not self.paused and state.wants_ha:
            self.services.let_pacemaker_start(services.HAPROXY)
        return bool(certificates) and not awaited

    def _run_masakari(self, state: State, result: Result) -> None:
        """Configure Masakari, migrate its database and have its services run."""
        missing = [name for name in state_module.MANDATORY if name not in state.related]
        identity, database, messaging = state.identity, state.database, state.messaging
        # The other units wait for this, so it does not wait for what Masakari needs.
        fencing_digest = self.fencing.install()
        clustered = self._join_cluster(state)
        if missing:
            self.services.stop(services.MASAKARI)
            return
        if identity is None or database is None or messaging is None:
            return  # services that run go on with what they have
        settings = masakari_conf.Settings(state.config, identity, database, messaging, _cores())
        configurations = self.masakari.configure(
            settings, clustered=clustered, fencing_digest=fencing_digest
        )
        if self._migrate(state, result) and not self.paused:
            self._start(configurations, clustered)

    def _join_cluster(self, state: State) -> bool:
        return "ha" in state.related and self.fencing.join_cluster()

    def _migrate(self, state: State, result: Result) -> bool:
        """Have the leader migrate the database; say whether the services can work with it."""
        version = self.packages.version
        wanted = peers.Migration(state.database_fingerprint, version)
        left = state.migration
        if left == wanted:
            return True
        same = left is not None and left.database == wanted.database
        if left and same and left.release > wanted.release:
            return True  # nor may an older leader touch it: it does not know the newer schema
        if not state.leader:
            if left and left.serves(wanted.database, version):
                return True
            if same:  # newer than the database: apt may have started it all the same
                self.services.stop(services.MASAKARI)
            result.problems.append(waiting("Waiting for the leader to migrate the database"))
            return False
        try:
            self.masakari.migrate()
        except masakari.MigrationFailed as error:
            result.problems.append(
                waiting(f"Database migration failed, to be retried: {error}", AGAIN)
            )
            return False
        result.migration = wanted
        return True

    def _start(self, configurations: Mapping[str, str], clustered: bool) -> None:
        started = set()
        for name in services.MASAKARI:
            if name == services.NOTIFIER and not clustered:
                self.services.stop([name])
            elif self.services.ensure(name, configurations[name]):
                started.add(name)
        if services.API in started:  # they load side by side
            self.services.wait_for_port(haproxy.API_PORT, _START_TIMEOUT)

    def _supervise(self, state: State, result: Result, check: bool) -> None:
        """Report services and ports that are not as they should be."""
        if self.paused or result.problems:
            return
        ha = "ha" in state.related
        managed = self.managed_services(ha=ha)
        result.problems += problems.service_problems(self.services, managed, ha=ha)
        awaits_haproxy = any(p.text == problems.AWAITS_HAPROXY for p in result.problems)
        if awaits_haproxy and check and state.clustered:
            self._recheck_haproxy()

    def _recheck_haproxy(self) -> None:
        try:
            self.cluster.recheck(hacluster.HAPROXY_RESOURCE)
        except PacemakerError as error:
            logger.warning("Pacemaker cannot be asked to look at HAProxy: %s", error)

    def _tend_cluster(self, state: State, machine: str, result: Result, check: bool) -> None:
        """Keep the cluster's configuration as it must be, and report what fencing lacks."""
        config = state.config
        result.problems += self.recoveries.refusals() + self.recoveries.undelivered()
        if state.leader:
            result.problems += self.recoveries.unknown()
            result.problems += self.recoveries.failures() + self.recoveries.misnamed()
            result.note, result.until = self.recoveries.out_of_service()
            self._look_ahead(state, result, check)
        if "ha" not in state.related:
            self.cluster.forget_machine()
        if not state.clustered:
            return
        try:
            if state.leader:
                _tell_disarmed(self.disarm, result)
            result.problems += self._configure_cluster(state, machine, check)
            if not config.allow_recovery_without_fencing:
                hosts = self.recoveries.hosts
                found = self.cluster.problems(
                    hosts, leader=state.leader, fresh=check, units=1 + len(state.peers)
                )
                result.problems += [blocked(text, AGAIN) for text in found]
        except Unsupported as error:
            result.problems.append(blocked(str(error), AGAIN))
        except PacemakerError as error:
            result.problems.append(waiting(f"Pacemaker does not answer: {error}", ANSWERS))

    def _look_ahead(self, state: State, result: Result, check: bool) -> None:
        """Say whether the next failure would be recovered, as far as the cloud shows."""
        if state.identity is None or not self.recoveries.hosts or self.paused:
            return
        if check and not self.services.not_running([services.API]):
            self.preflight.check(state, self.host)
        result.problems += [blocked(text, AGAIN) for text in self.preflight.blocks()]
        result.note = "; ".join(filter(None, (result.note, *self.preflight.notes())))

    def _configure_cluster(self, state: State, machine: str, check: bool) -> Iterator[Problem]:
        """Have the cluster configured as it must be, unless a hypervisor is just being fenced."""
        try:
            self.cluster.record_machine(machine, check=check)
            if state.config.kdump_fencing_timeout:
                yield from self.packages.install_kdump()
            if state.leader:
                # Where one unit lacks them, Pacemaker could not even start what they are for.
                programs = self.fencing.ready and all(peer.fencing for peer in state.peers)
                lack = power_key.lacking(state.config.power, state.peers)
                yield from power_key.problems(lack)
                for change in self.cluster.apply(state.config, programs=programs, keyed=not lack):
                    logger.info("cluster: %s", change)
        except Postponed as error:
            yield waiting(str(error), AGAIN)


def _tell_metrics(workload: Workload, state: State, check: bool) -> None:
    """Leave for the exporter what only the leader knows, and it alone shows."""
    path = str(foresight.FILE)
    if not state.leader or not workload.fencing.joined:
        workload.host.remove(path)
    elif check:
        checked, found = workload.cluster.checked()
        surveyed, rooms = workload.preflight.rooms()
        controllers = {host: not a.bad for host, a in workload.cluster.power_answers().items()}
        known = Foresight(checked, tuple(found), surveyed, rooms, controllers)
        workload.host.write(path, json.dumps(known.dump(), sort_keys=True))


def _tell_drill(host: Host, unit: str, clock: Callable[[], float], result: Result) -> None:
    def owns(drill: Drill) -> bool:
        try:
            return SharedDrill(host.runner, unit).owns(drill)
        except PacemakerError:
            return True  # until it is known that another unit has it

    note, until = Drills(host, unit, clock).note(owns)
    if note:
        result.note = "; ".join(filter(None, (note, result.note)))
        result.until = AGAIN if result.until else until


def _tell_disarmed(disarm: Disarm, result: Result) -> None:
    found, notes = disarm.status()
    result.problems += found
    if notes:
        result.note = "; ".join([*notes, *filter(None, [result.note])])
        result.until = AGAIN


def _supplement(
    issued: Sequence[Certificate], served: Sequence[Certificate], state: State
) -> tuple[Certificate, ...]:
    """The certificates issued so far, and those in use that they do not replace.

    Those for names that are needed come first, in their order: HAProxy's default is the first.
    """
    known = {haproxy.file_name(c.name): c for c in (*served, *issued)}
    first = (haproxy.file_name(name) for name in state.certificate_names)
    return tuple(known[name] for name in dict.fromkeys((*first, *known)) if name in known)


def _cores() -> int:
    return len(os.sched_getaffinity(0))
