"""What keeps the unit from being ready, seen from its relations and its services.

What the status says about hypervisors is in `workload.recovery_status` (out of service, not
recovered) and `masakari_fencing.cluster.health` (cannot be fenced).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from instance_ha_common.juju import status
from instance_ha_common.juju.problems import Problem, blocked, waiting
from instance_ha_common.machine import awaited

import state as state_module
from state import State
from workload import haproxy
from workload.services import Services

AWAITS_HAPROXY = "Waiting for Pacemaker to start HAProxy"


def relation_problems(state: State) -> Iterator[Problem]:
    """What is missing on the relations."""
    config = state.config
    answers = {
        "identity-service": state.identity,
        "shared-db": state.database,
        "amqp": state.messaging,
        "ha": state.clustered,
        "certificates": state.issued or config.certificate,
        "ceph": state.ceph and (state.ceph.limited or state.ceph.refusal),
    }
    if state.issued and not state.certified:
        yield waiting(
            f"Waiting for a certificate for {', '.join(state.issued.missing)} (vault may refuse"
            " the name: see its log, or unset that os-*-hostname)"
        )
    if config.recovery_workflow == "stock" and not config.stock_workflow:
        yield blocked(
            "recovery-workflow: stock is used only with allow-recovery-without-fencing=true; set"
            " recovery-workflow=fence-first"
        )
    wanted = set(state_module.MANDATORY)
    # Without Pacemaker no failed host can be fenced, so none would ever be recovered.
    if state.wants_ha or not config.allow_recovery_without_fencing:
        wanted.add("ha")
    missing = [name for name in wanted if name not in state.related]
    if missing:
        yield blocked(status.missing_relations(missing))
    yield from _storage_problems(state)
    if "ha" in state.related and not config.vips and not config.dns_ha:
        yield blocked("HA: set vip, or dns-ha and an os-*-hostname")
        answers["ha"] = True
    incomplete = [name for name, answer in answers.items() if name in state.related and not answer]
    if incomplete:
        yield waiting(status.incomplete_relations(incomplete))


def _storage_problems(state: State) -> Iterator[Problem]:
    mode, ceph = state.config.storage_fencing, state.ceph
    if mode != "off" and "ceph" not in state.related:
        yield blocked(
            f"storage-fencing: {mode} needs Ceph: juju integrate {state.application}:ceph"
            " ceph-mon:client, or set storage-fencing=off"
        )
    if ceph and ceph.refusal:
        yield blocked(f"ceph-mon does not limit the key (see its log): {ceph.refusal}")


def service_problems(services: Services, managed: Sequence[str], *, ha: bool) -> list[Problem]:
    """Services and ports that are not as they should be.

    Args:
        services: of this unit.
        managed: those that must run.
        ha: whether Pacemaker starts HAProxy.
    """
    down = services.not_running(managed)
    if down:
        return [blocked(status.services_not_running(down), awaited.runs(down))]
    own, shared = [haproxy.API_PORT], [haproxy.PUBLIC_PORT, haproxy.UNIT_PORT]
    if not ha:
        own, shared = own + shared, []
    found = []
    if closed := services.closed(own):
        found.append(blocked(status.ports_not_open(closed), _listen(closed)))
    if closed := services.closed(shared):
        found.append(waiting(AWAITS_HAPROXY, _listen(closed)))
    return found


def _listen(ports: Sequence[int]) -> str:
    return " && ".join(awaited.listens(port) for port in ports)
