"""Whether a host can carry out what Nova is asked for, by the cluster's word.

Nova knows half a minute to a minute later that a nova-compute is dead, and takes requests for it
meanwhile, which wait until it is back.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import masakari.conf

from masakari_fencing.commands import Subprocess
from masakari_fencing.openstack.compute_service import ComputeError, ComputeService
from masakari_fencing.pacemaker import cibadmin, crm_mon
from masakari_fencing.pacemaker.tools import PacemakerError

CONF = masakari.conf.CONF
LOG = logging.getLogger(__name__)

REPORTED = 25.0
"""Seconds since the last report of a nova-compute, each 10 s, for which it counts as alive."""


def reason(host: str, client: Callable[[], Any]) -> str:
    """Return why nothing is to be asked of a host; empty where it may be, or nobody says.

    One that the cluster has lost, and that is not fenced, may work for days: the witnesses may
    object, or the limit be in the way. Then its nova-compute reports.

    Args:
        host: its name.
        client: makes a novaclient.
    """
    runner, timeout = Subprocess(), CONF.fencing.command_timeout
    try:
        status = crm_mon.status(runner, timeout=timeout)
        for node in status.named(host):
            if (node.unclean or status.being_fenced(node)) and not _reports(host, client):
                return f"{host} is lost, and not fenced yet"
            if not status.connected(host) and cibadmin.remote_record(runner, node.name).fenced:
                return f"{host} was fenced, and is not back"
    except PacemakerError as error:
        LOG.warning("Whether %s is lost is not known: %s", host, error)
    return ""


def _reports(host: str, client: Callable[[], Any]) -> bool:
    """Whether its nova-compute has reported lately, or Nova does not say."""
    try:
        reported = ComputeService(client, host).state().changed
    except ComputeError:
        return True
    return reported is not None and time.time() - reported < REPORTED
