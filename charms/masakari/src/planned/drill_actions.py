"""The actions `drill` and `show-drill`: a drill outlives the action that begins it.

A drill lasts minutes, and the failure that it makes causes hooks, which would wait for an action
that lasts as long. So the action only looks whether the host may be drilled, and begins a
transient service, which carries the drill out and leaves a report.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from instance_ha_common.machine.commands import CommandError

from planned import canaries, judging, readiness
from planned.draining import Drain
from planned.drills import FULL, PHASES, Drill, Drills
from planned.shared import Known, SharedDrill
from preflight.actions import fencing_of
from preflight.findings import counted
from segments import access
from segments.cloud import Cloud
from segments.lookup import ActionError, Lookup
from segments.results import Results
from workload.trust import BUNDLE

if TYPE_CHECKING:
    from reconcile import Workload
    from state import State

SECRETS = "/run/masakari-drill.json"
"""How the service reaches the APIs; it removes the file as soon as it has read it."""


def drill(state: State, workload: Workload, params: Mapping[str, Any]) -> Results:
    """Begin a drill, or go on with one that was interrupted, on whichever unit.

    Raises:
        ActionError: the host must not be drilled; the text says why.
        ApiError: an API does not answer.
        PacemakerError: the cluster does not answer.
    """
    host, mode = params["host"], params["mode"]
    if mode == FULL and params.get("confirm") != host:
        raise ActionError(
            f"this moves the instances of {host} away and cuts its power: add confirm={host}"
        )
    drills = Drills(workload.host, state.unit, workload.clock)
    if drills.running:
        known = drills.find()
        raise ActionError(f"a drill is going on: {known and known.id}; see show-drill")
    cloud = access.cloud(state, workload)  # also of one that goes on, before it is taken over
    shared = SharedDrill(workload.host.runner, state.unit)
    there = shared.read() if state.clustered else None
    if there is not None:
        made, outcome = _interrupted(there, state.unit, host, workload, params), "resumed"
    else:
        found = _look(state, workload, cloud, params)
        made, outcome = dataclasses.replace(found, id=drills.new_id()), "begun"
    shared.take(made)
    drills.keep(made)
    _start(state, workload, drills, made)
    return _begun(made, outcome)


def show_drill(state: State, workload: Workload, params: Mapping[str, Any]) -> Results:
    """How far a drill is, or what came of it.

    Raises:
        ActionError: this unit has run none, or not that one.
        PacemakerError: the cluster does not answer.
    """
    drills = Drills(workload.host, state.unit, workload.clock)
    found = drills.find(str(params.get("id") or ""))
    if found is None:
        raise ActionError("this unit has run no such drill; each unit has the reports of its own")
    if found.over:
        return {**found.report, **({"svg": judging.draw(found)} if params["svg"] else {})}
    running = drills.running
    shared = SharedDrill(workload.host.runner, state.unit)
    if not running and not shared.owns(found):
        raise ActionError(f"another unit went on with drill {found.id}: its report is there")
    return {
        "drill": found.id,
        "outcome": "running" if running else "interrupted",
        "host": found.host,
        "phase": f"{found.phase}: {PHASES[found.phase]}",
        **({"problems": "\n".join(found.problems)} if found.problems else {}),
        "next": "look again" if running else f"run drill host={found.host} again, which goes on",
    }


def _interrupted(
    there: Known, unit: str, host: str, workload: Workload, params: Mapping[str, Any]
) -> Drill:
    """The drill to go on with.

    Raises:
        ActionError: it is another host's, or another unit may be at it.
    """
    known = there.drill
    if known.host != host:
        raise ActionError(
            f"a drill of {known.host} was interrupted: run drill host={known.host} first,"
            " which goes on with it"
        )
    if there.unit == unit:
        return known
    if not params["take-over"]:
        raise ActionError(
            f"{there.unit} rehearses it: see show-drill there. If that says interrupted, run drill"
            " there again, which goes on; if that unit is gone, add take-over=true"
        )
    if known.mode == FULL and "cut" not in known.marks:
        against = [*readiness.shared(workload.host.runner, host, _machine())]
        if against:
            raise ActionError(f"{host} is not drilled: {'; '.join(against)}")
    return known


def _machine() -> str:
    return os.environ.get("JUJU_MACHINE_ID", "").partition("/")[0]


def _look(state: State, workload: Workload, cloud: Cloud, params: Mapping[str, Any]) -> Drill:
    """What is to be done.

    Raises:
        ActionError: the host must not be drilled; the text says why.
    """
    host, mode = params["host"], params["mode"]
    fencing = fencing_of(state, workload)
    if fencing is None or not state.clustered:
        raise ActionError("there is no drill where nothing is fenced")
    cut, resting = mode == FULL, params["evacuate-stopped"]
    against = [*readiness.obstacles(cloud, fencing, host, cut=cut, resting=resting)]
    if cut:
        against += readiness.shared(workload.host.runner, host, _machine())
    if not against:
        kind = canaries.choose(cloud, params)
        planned = Drain(cloud).plan(host)
        if planned["would-not-move"]:
            against.append(
                f"{counted(planned['would-not-move'], 'instance', 'instances')} would not move:"
                f" see drain-host host={host}"
            )
    if against:
        raise ActionError(f"{host} is not drilled: {'; '.join(against)}")
    return Drill(
        id="",
        host=host,
        mode=mode,
        kind=kind,
        patience=params["timeout"],
        reserved=Lookup(cloud).find_host(host).reserved,
    )


def _begun(drill: Drill, outcome: str) -> Results:
    return {
        "outcome": outcome,
        "drill": drill.id,
        "host": drill.host,
        "next": "it goes on by itself, and the status shows it: see show-drill",
    }


def _start(state: State, workload: Workload, drills: Drills, drill: Drill) -> None:
    """Have the service begin.

    Raises:
        ActionError: systemd does not start it.
    """
    host = workload.host
    assert state.identity is not None  # noqa: S101 - access.cloud has seen it
    secrets = {
        "identity": dataclasses.asdict(state.identity),
        "region": state.config.region,
        "internal": state.config.use_internal_endpoints,
        "ca_bundle": str(host.path(BUNDLE)),
        "metadata": state.config.host_ha_metadata_key,
        "unit": state.unit,
    }
    host.write(SECRETS, json.dumps(secrets), mode=0o600)
    argv = ["systemd-run", "--quiet", "--collect", f"--unit={drills.service}"]
    argv += [f"--description=drill of {drill.host}"]
    argv += [f"--setenv=PYTHONPATH={os.pathsep.join(filter(None, sys.path))}"]
    argv += [sys.executable, "-m", "planned", drill.id]
    try:
        host.runner.run(argv)
    except CommandError as error:
        host.remove(SECRETS)
        raise ActionError(f"the drill does not begin: {error}") from error
