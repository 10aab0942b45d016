"""The actions `check` and `plan-recovery`: one list of findings, as a table and as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from masakari_fencing.cluster import computes, storage_health
from masakari_fencing.maas import access as maas_access
from masakari_fencing.openstack import restart_order
from masakari_fencing.openstack.rest import ApiError, NotFound
from masakari_fencing.pacemaker import cibadmin, properties
from masakari_fencing.pacemaker.tools import PacemakerError

from preflight import capacity, checks, findings, plan, rehearsal, survey, volumes
from preflight.capacity import Survival
from preflight.demand import Instance
from preflight.findings import Finding, Level
from preflight.rehearsal import Rules
from preflight.survey import Survey
from segments import access
from segments.cloud import Cloud
from segments.lookup import ActionError
from segments.results import Results

if TYPE_CHECKING:
    from masakari_fencing.cluster.computes import Compute
    from masakari_fencing.cluster.health import Problem
    from masakari_fencing.cluster.power import Answer

    from reconcile import Workload
    from state import State


_RECENT = 50
"""Past failures of hosts among which ended recoveries are looked for."""


@dataclasses.dataclass(frozen=True)
class Fencing:
    """What the cluster says about fencing.

    Attributes:
        inspect: what stands in its way, given the hosts of all segments, and whether each power
            controller is to be asked now.
        storage: what stands in the way of cutting a host off from its storage.
        answers: what the power controllers answered.
        computes: what hypervisors have recorded about their own Nova, by name.
        devices: those that can fence a host.
        noticed: seconds in which a lost host is noticed; 0 where that is not known.
        disarmed: what an operator has said that keeps a host, or any, from being fenced now.
        exposed: whether a MAAS key that is in a file is in the cluster's configuration, too.
        outsiders: the hypervisors of the cluster that are in no segment, as the notifiers say,
            given the hosts that are in one by now.
    """

    inspect: Callable[[Sequence[str], bool], Iterable[Problem]]
    storage: Callable[[], Iterable[Problem]]
    answers: Callable[[], Mapping[str, Answer]]
    computes: Callable[[], Mapping[str, Compute]]
    devices: Callable[[str], Sequence[str]]
    noticed: int
    disarmed: Callable[[str | None], object | None]
    exposed: Callable[[], bool] = lambda: False
    outsiders: Callable[[frozenset[str]], Iterable[str]] = lambda known: ()


def run(state: State, workload: Workload, params: Mapping[str, Any]) -> Results:
    """What would go wrong on the day; with a `host` among the parameters, what if that died.

    Raises:
        ActionError: this unit or the cluster cannot do it.
        ApiError: an API does not answer.
        ValueError: the host's name is none.
    """
    cloud = access.cloud(state, workload)
    rules = rehearsal.rules(state.config, cloud.own_project())
    cluster = fencing_of(state, workload)
    if "host" not in params:
        return check(cloud, cluster, rules, state.config.segment_host_failures)
    try:
        return plan_recovery(cloud, cluster, rules, params["host"])
    except PacemakerError as error:
        raise ActionError(f"Pacemaker does not answer: {error}") from error


def fencing_of(state: State, workload: Workload) -> Fencing | None:
    """What this unit's cluster says about fencing; None where there need be none."""
    config, cluster = state.config, workload.cluster
    if config.allow_recovery_without_fencing:
        return None
    interval, units = config.remote_monitor_interval, 1 + len(state.peers)
    return Fencing(
        inspect=lambda hosts, every: cluster.inspect(hosts, every=every, units=units),
        computes=lambda: computes.recorded(cibadmin.cib(workload.host.runner)),
        storage=lambda: storage_health.inspect(workload.host.runner),
        answers=cluster.power_answers,
        devices=cluster.devices,
        noticed=interval + config.remote_monitor_timeout if interval else 0,
        disarmed=workload.disarm.in_force,
        exposed=lambda: maas_access.exposed(cibadmin.cib(workload.host.runner)),
        outsiders=lambda known: properties.outsiders(cibadmin.cib(workload.host.runner), known),
    )


def check(cloud: Cloud, fencing: Fencing | None, rules: Rules, wanted: int) -> Results:
    """Look for all that would go wrong.

    Args:
        cloud: access to the APIs.
        fencing: the cluster; None where hosts are recovered without fencing.
        rules: what is recovered.
        wanted: failures that each segment has to survive; 0: capacity does not matter.
    """
    found: list[Finding] = []
    survivals: list[Survival] = []
    hosts: list[str] = []
    known: frozenset[str] = frozenset()
    said = _said(fencing)
    try:
        there = survey.take(cloud)
    except ApiError as error:
        found.append(_unanswered("the cloud", str(error)))
    else:
        hosts = _enabled(there)
        known = there.known
        found += checks.of_cloud(there, said)
        found += volumes.findings(cloud, there)
        survivals = capacity.survivals(there, rules, max(wanted, capacity.FAILURES))
        for one in survivals:
            found += capacity.findings(one, wanted)
    found += checks.of_computes(said, hosts)
    if fencing is not None:
        found += _of_fencing(fencing, hosts)
        found += _of_outsiders(fencing, known) if known else []
    results: Results = {
        "outcome": findings.outcome(found),
        "count": len(found),
        "table": findings.table(found),
        "findings": findings.as_json(found),
    }
    if survivals:
        results["capacity"] = "\n".join(map(capacity.described, survivals))
    return results


def plan_recovery(cloud: Cloud, fencing: Fencing | None, rules: Rules, host: str) -> Results:
    """Say what would happen if a host died now.

    Args:
        cloud: access to the APIs.
        fencing: the cluster; None where hosts are recovered without fencing.
        rules: what is recovered.
        host: its name.

    Raises:
        ActionError: it is in no segment.
        ApiError: an API does not answer.
        PacemakerError: the cluster does not answer.
        ValueError: it cannot be the name of a host.
    """
    there = survey.take(cloud)
    place = plan.place(there, host)
    notes: list[str] = []
    try:
        rules = _with_images(cloud, rules, there.instances.get(host, ()))
    except ApiError as error:
        notes.append(f"properties of images: {error}")
    against = list(checks.of_programs(there))
    problems: Iterable[Problem] = ()
    devices: Sequence[str] = ("nothing, as allow-recovery-without-fencing is set",)
    if fencing is not None:
        against += disarmed(fencing, host)
        devices = fencing.devices(host)
        problems = [p for p in fencing.inspect(_enabled(there), False) if p.node in ("", host)]
    return plan.make(
        there,
        place,
        rules=rules,
        findings=[*checks.of_cluster(problems), *against],
        notes=notes,
        devices=devices,
        noticed=fencing.noticed if fencing else 0,
        ended=[one for one in cloud.host_failures(_RECENT) if one.get("status") == "finished"],
    )


def _with_images(cloud: Cloud, rules: Rules, instances: Iterable[Instance]) -> Rules:
    """The rules with the properties of the images of some instances.

    Raises:
        ApiError: Glance does not answer.
    """
    wanted = restart_order.IMAGE in rules.order_from or rules.scope.asks_for("image", "image-tag")
    images: dict[str, Mapping[str, object]] = {}
    for uuid in sorted({one.image for one in instances if one.image}) if wanted else ():
        try:
            images[uuid] = cloud.ask("Glance", f"/v2/images/{quote(uuid, safe='')}")
        except NotFound:
            images[uuid] = {}  # It was deleted, and says nothing any more.
    return dataclasses.replace(rules, images=images)


def _said(fencing: Fencing | None) -> Mapping[str, Compute]:
    """What hypervisors have recorded; nothing where there is no cluster, or it does not answer."""
    try:
        return {} if fencing is None else fencing.computes()
    except PacemakerError:
        return {}


def _of_fencing(fencing: Fencing, hosts: Sequence[str]) -> list[Finding]:
    try:
        found = checks.of_cluster(fencing.inspect(hosts, True)) + disarmed(fencing, None)
        found += checks.of_storage(fencing.storage())
        found += checks.of_key(fencing.exposed())
    except PacemakerError as error:
        return [_unanswered("the cluster", str(error))]
    return [*found, *checks.of_power(fencing.answers())]


def _of_outsiders(fencing: Fencing, known: frozenset[str]) -> list[Finding]:
    try:
        return list(checks.of_outsiders(fencing.outsiders(known)))
    except PacemakerError:
        return []  # It is said already.


def disarmed(fencing: Fencing, host: str | None) -> list[Finding]:
    """What an operator has said that keeps a host, or any, from being fenced now.

    Raises:
        PacemakerError: the cluster does not answer.
    """
    said = fencing.disarmed(host)
    if said is None:
        return []
    why = "nothing that fails there is fenced or recovered meanwhile"
    cure = "run arm when the work is done; it ends by itself, too"
    return [Finding(Level.BLOCKS, "an operator's word", str(said), why, cure)]


def _enabled(there: Survey) -> list[str]:
    return [host.name for segment, hosts in there.segments if segment.enabled for host in hosts]


def _unanswered(where: str, what: str) -> Finding:
    return Finding(
        Level.BLOCKS,
        where,
        f"does not answer: {what}",
        "nothing is recovered without it, and the rest of this check is missing",
        "see that it runs and can be reached, then run check again",
    )
