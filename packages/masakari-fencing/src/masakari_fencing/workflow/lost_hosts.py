"""Whether a host can carry out what Nova is asked for, by the cluster's word.

Nova knows half a minute to a minute later that a nova-compute is dead, and takes requests for it
meanwhile, which wait until it is back.
"""

from __future__ import annotations

import logging

import masakari.conf

from masakari_fencing.commands import Subprocess
from masakari_fencing.pacemaker import cibadmin, crm_mon
from masakari_fencing.pacemaker.tools import PacemakerError

CONF = masakari.conf.CONF
LOG = logging.getLogger(__name__)


def reason(host: str) -> str:
    """Return why nothing is to be asked of a host; empty where it may be, or nobody says."""
    runner, timeout = Subprocess(), CONF.fencing.command_timeout
    try:
        status = crm_mon.status(runner, timeout=timeout)
        for node in status.named(host):
            if node.unclean or status.being_fenced(node):
                return f"{host} is lost, and not fenced yet"
            if not status.connected(host) and cibadmin.remote_record(runner, node.name).fenced:
                return f"{host} was fenced, and is not back"
    except PacemakerError as error:
        LOG.warning("Whether %s is lost is not known: %s", host, error)
    return ""
