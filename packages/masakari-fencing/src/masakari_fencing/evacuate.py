"""Masakari's task that evacuates a failed host's guests, which leaves none worse than it was.

An attempt that fails, as when Nova's database restarts in the middle, leaves guests in ERROR:
by Nova, or by Masakari, which resets a guest's state before it evacuates it once more. The next
attempt would take that for the state in which the guest was before the failure. Whether it ran
then can be seen while the attempt lasts, but not for long: a host that comes back after its
fencing reports the guest as powered off.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

import masakari.conf
from masakari.compute import nova
from masakari.engine.drivers.taskflow import host_failure
from oslo_log import log as logging

from masakari_fencing import conf, guests, setbacks

CONF = masakari.conf.CONF
conf.register(CONF)
LOG = logging.getLogger(__name__)


class Remembering:
    """Masakari's client for Nova, which remembers in which state it saw each guest first.

    Args:
        api: the client, a `masakari.compute.nova.API`.

    Attributes:
        states: Nova's `vm_state` by the guest's identifier.
    """

    def __init__(self, api: Any) -> None:
        self._api = api
        self.states: dict[str, str] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._api, name)

    def get_server(self, context: Any, uuid: str) -> Any:
        """Look a guest up; see masakari.compute.nova."""
        server = self._api.get_server(context, uuid)
        self.states.setdefault(uuid, getattr(server, guests.STATE, ""))
        return server


class EvacuateInstancesTask(host_failure.EvacuateInstancesTask):
    """Masakari's own, with a revert."""

    def __init__(self, context: Any, novaclient: Any, **kwargs: Any) -> None:
        self._seen = Remembering(novaclient)
        super().__init__(context, self._seen, **kwargs)

    def revert(self, host_name: str, notification_uuid: str, **kwargs: Any) -> None:
        """Put guests that were active back to it, and have the notifier start all this again.

        TaskFlow calls it where this task or one after it has failed. What cannot be put back is
        left to the next attempt, which asks Nova; see `attempts`.
        """
        end = time.monotonic() + CONF.fencing.nova_timeout
        while True:
            try:
                found = self._put_back(host_name)
                break
            except Exception as error:  # whatever a client library raises
                if time.monotonic() >= end:
                    LOG.warning("Guests of host %s may stay in ERROR: %s", host_name, error)
                    found = []
                    break
            time.sleep(CONF.fencing.poll_interval)
        if found:
            LOG.info("Host %s: active again, after a failure: %s", host_name, ", ".join(found))
        with contextlib.suppress(OSError, ValueError):
            setbacks.record(Path(CONF.fencing.setbacks_directory), notification_uuid)

    def _put_back(self, host_name: str) -> list[str]:
        ran = {uuid for uuid, state in self._seen.states.items() if state == "active"}
        if not ran:
            return []
        client = nova.novaclient(self.context, timeout=guests.REQUEST_TIMEOUT)
        found = [
            server.id
            for server in guests.of_host(client, host_name)
            if server.id in ran
            and getattr(server, guests.STATE, "") == "error"
            # One that is being rebuilt must not be touched; see `evacuations`.
            and getattr(server, guests.TASK, None) is None
        ]
        for server in found:
            client.servers.reset_state(server, "active")
        return found
