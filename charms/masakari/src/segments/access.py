"""The APIs and the failover segments, as a unit's service user and its cluster see them.

Says also on which unit no action runs, such as a paused one.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from instance_ha_common.juju import status
from instance_ha_common.juju.pausable import NOT_IN_SERVICE
from masakari_fencing.pacemaker import cibadmin, properties
from masakari_fencing.pacemaker.tools import PacemakerError

from segments.cloud import Cloud
from segments.lookup import ActionError
from segments.segments import Segments
from workload import services
from workload.trust import BUNDLE

if TYPE_CHECKING:
    from instance_ha_common.machine.host import Host

    from reconcile import Workload
    from relations.keystone import Identity
    from state import State

logger = logging.getLogger(__name__)


def cloud(state: State, workload: Workload) -> Cloud:
    """Access to the APIs.

    Raises:
        ActionError: this unit cannot ask them.
    """
    if state.identity is None:
        related = "identity-service" in state.related
        text = status.incomplete_relations if related else status.missing_relations
        raise ActionError(text(["identity-service"]))
    if workload.paused:
        raise ActionError(f"{NOT_IN_SERVICE}, or use another unit")
    if workload.services.not_running([services.API]):
        raise ActionError(
            f"{services.API} does not run on this unit: see its status, or use another unit"
        )
    return connect(state.identity, state, workload.host)


def connect(identity: Identity, state: State, host: Host, *, patient: bool = True) -> Cloud:
    """Access to the APIs, whether this unit serves or not.

    Args:
        identity: the service user.
        state: what Juju knows.
        host: this unit's machine.
        patient: wait for an API that does not listen yet.
    """
    return Cloud(
        identity,
        region=state.config.region,
        internal=state.config.use_internal_endpoints,
        ca_bundle=str(host.path(BUNDLE)),
        patient=patient,
    )


def segments(state: State, workload: Workload) -> Segments:
    """Failover segments.

    Raises:
        ActionError: this unit cannot do it.
    """
    access = cloud(state, workload)
    if not state.clustered:
        return Segments(access)
    cluster = workload.cluster
    # Where nothing is fenced, a host need not be known to the cluster.
    unfenced = state.config.allow_recovery_without_fencing
    return Segments(
        access,
        absence=cluster.absence,
        mark_returned=cluster.mark_returned,
        stranger=None if unfenced else cluster.stranger,
        tell=functools.partial(tell_cluster, workload.host),
    )


def tell_cluster(host: Host, enabled: Mapping[str, bool]) -> None:
    """Tell the cluster which hosts failover segments look after.

    The notifiers do the same for what was changed by other hands, up to 20 s later. Where the
    cluster does not answer, or is fencing just now, it is left to them.

    Args:
        host: this unit's machine.
        enabled: whether the segment is enabled, by the name of each host of a segment.
    """
    try:
        cib = cibadmin.cib(host.runner)
        wanted = properties.unserved_by(cib, enabled)
        properties.tell(host.runner, cib, properties.UNSERVED, wanted)
    except PacemakerError as error:
        logger.warning("the cluster learns of the segments later: %s", error)
