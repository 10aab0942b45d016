"""Masakari's tasks that stop a failed instance and start it, promptly, and until it is done.

Masakari looks once a second whether Nova has stopped an instance, and starts it only then. An
instance whose process is gone is stopped within a fraction of a second. So the request to stop
returns only when that is done, and Masakari's own first look finds it.

It is started by a hard reboot, which Nova does of a stopped one, too: a plain start waits for a
nova-compute that dies before it takes it, and starts the instance there once that is back. Its
host's recovery would have to leave it to that; see `instances.UNGATED`.

Nova takes a request to start and then gives up, with the instance as it was or an error, where
something that it needs is away for a moment, such as Keystone or Neutron. Masakari waits for that
instance until its time is up, a minute, and only another attempt starts it. So it is started again
at once.

What the broker has lost leaves an instance being stopped or started for ever, and Nova refuses the
next request. Nova itself, which stops what does not run, takes some seconds.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from masakari import exception
from masakari.compute import nova
from masakari.engine.drivers.taskflow import instance_failure

from masakari_fencing.openstack import instances
from masakari_fencing.openstack.instances import REQUEST_TIMEOUT
from masakari_fencing.workflow import lost_hosts

INTERVAL = 0.1
"""Seconds between two looks at an instance that is being stopped."""

PATIENCE = 3.0
"""Seconds after which the rest is left to Masakari: this instance takes longer, as one
that runs."""

START_PATIENCE = 60.0
"""Seconds for which an instance is started again: Masakari's own default, which waits as long."""

START_AGAIN = 2.0
"""Seconds between two requests to start an instance."""

LOOK = 5.0
"""Seconds between two looks whether the host of an instance that is waited for has died."""

SLOW_INTERVAL = 0.5
"""Seconds between two looks at an instance that is not started promptly."""


@dataclass(frozen=True)
class _Seen:
    """An instance at one moment.

    Attributes:
        state: what it is meant to do.
        busy: it is being stopped or started.
        updated: when Nova has changed its record last, in whole seconds.
    """

    state: str
    busy: bool
    updated: str


class PromptPower:
    """Masakari's client for Nova, which returns when an instance is stopped, or has been started.

    Args:
        api: the client, a `masakari.compute.nova.API`.
        reboot: has Nova reboot an instance; given the context and its identifier.
        lost: returns why nothing is to be asked of a host; see `lost_hosts.reason`.
        sleep: waits for so many seconds.
        clock: seconds, only ever compared with each other.
    """

    def __init__(
        self,
        api: Any,
        *,
        reboot: Callable[[Any, str], Any],
        lost: Callable[[str], str] = lambda host: "",
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._reboot = reboot
        self._lost = lost
        self._sleep = sleep
        self._clock = clock
        self._looked = clock()

    def get_server(self, context: Any, uuid: str) -> Any:
        """Return an instance; while it is waited for, its host may die.

        Raises:
            masakari.exception.InstanceRecoveryFailureException: it has: its own recovery does not
                begin before this one has ended, and brings the instance up.
            masakari.exception.MasakariException: Nova does not answer.
        """
        server = self._api.get_server(context, uuid)
        if self._clock() - self._looked >= LOOK:
            self._looked = self._clock()
            if reason := self._lost(str(getattr(server, instances.HOST, None) or "")):
                raise exception.InstanceRecoveryFailureException(message=reason)
        return server

    def __getattr__(self, name: str) -> Any:
        return getattr(self._api, name)

    def stop_server(self, context: Any, uuid: str) -> None:
        """Stop an instance.

        Args:
            context: of the request.
            uuid: the instance's.

        Raises:
            masakari.exception.MasakariException: Nova refuses, or does not answer.
        """
        self._api.stop_server(context, uuid)
        end = self._clock() + PATIENCE
        while self._clock() < end:
            self._sleep(INTERVAL)
            server = self.get_server(context, uuid)
            if getattr(server, instances.STATE, "") == "stopped":
                return

    def start_server(self, context: Any, uuid: str) -> None:
        """Start an instance, and again where Nova has given up.

        Args:
            context: of the request.
            uuid: the instance's.

        Raises:
            masakari.exception.MasakariException: Nova refuses.
        """
        begun, asked = self._clock(), None
        while (now := self._clock()) < begun + START_PATIENCE:
            # Another engine may have asked for it: what runs would be rebooted.
            state, task = self._shown(context, uuid)
            if task:
                if now >= (begun if asked is None else asked) + PATIENCE:
                    return
            elif state and state not in (("stopped",) if asked is None else ("stopped", "error")):
                return
            elif state and (asked is None or now >= asked + START_AGAIN):
                self._reboot(context, uuid)
                asked = now
            self._sleep(INTERVAL if now < begun + PATIENCE else SLOW_INTERVAL)

    def _shown(self, context: Any, uuid: str) -> tuple[str, str | None]:
        """Return an instance's state and task; an empty state: Nova does not say.

        Raises:
            masakari.exception.InstanceRecoveryFailureException: its host has died.
        """
        try:
            server = self.get_server(context, uuid)
        except exception.InstanceRecoveryFailureException:
            raise
        except Exception:  # whatever it raises: it is asked again
            return "", None
        return str(getattr(server, instances.STATE, "")), getattr(server, instances.TASK, None)


class PromptStopInstanceTask(instance_failure.StopInstanceTask):
    """Masakari's `StopInstanceTask`, with a client that waits by itself."""

    def __init__(self, context: Any, novaclient: Any, **kwargs: Any) -> None:
        super().__init__(context, _prompt(context, novaclient), **kwargs)

    def execute(self, instance_uuid: str) -> None:
        """Stop an instance.

        Args:
            instance_uuid: the instance's.

        Raises:
            masakari.exception.SkipInstanceRecoveryException: somebody has started it meanwhile.
            masakari.exception.MasakariException: it is not stopped, or is none to be recovered.
        """
        # Not all at once: Masakari has several engines carry out one notification at times.
        patience = instances.POWER_RETRY * random.uniform(1.0, 1.4)  # noqa: S311
        first = found = self._look(instance_uuid)
        end = time.monotonic() + patience
        last = end + instances.POWER_RETRY
        while found.busy and time.monotonic() < end:
            time.sleep(INTERVAL * 10)
            before, found = found, self._look(instance_uuid)
            if found != before:
                # Nothing was lost: Nova goes on with it, or another engine has just begun anew.
                end = min(time.monotonic() + patience, last)
        if found.busy:
            self.novaclient.reset_instance_state(self.context, instance_uuid, "active")
        elif first.busy and found.state == "active":
            raise exception.SkipInstanceRecoveryException
        super().execute(instance_uuid)

    def _look(self, uuid: str) -> _Seen:
        server = self.novaclient.get_server(self.context, uuid)
        return _Seen(
            str(getattr(server, instances.STATE, "")),
            getattr(server, instances.TASK, None) in instances.POWERING,
            str(getattr(server, "updated", "")),
        )


def _prompt(context: Any, api: Any) -> PromptPower:
    def lost(host: str) -> str:
        return lost_hosts.reason(host, lambda: nova.novaclient(context, timeout=REQUEST_TIMEOUT))

    return PromptPower(api, reboot=partial(_reboot, api), lost=lost)


@nova.translate_nova_exception
def _reboot(api: Any, context: Any, uuid: str) -> None:
    """Have Nova reboot an instance, for which Masakari's own client has no word.

    Args:
        api: that client, whose methods the decorator is made for; it is not asked.
        context: of the request.
        uuid: the instance's.

    Raises:
        masakari.exception.MasakariException: Nova refuses, or does not answer.
    """
    client = nova.novaclient(context, timeout=REQUEST_TIMEOUT)
    client.servers.reboot(uuid, reboot_type="HARD")


class PersistentStartInstanceTask(instance_failure.StartInstanceTask):
    """Masakari's `StartInstanceTask`, with a client that asks until an instance is started."""

    def __init__(self, context: Any, novaclient: Any, **kwargs: Any) -> None:
        super().__init__(context, _prompt(context, novaclient), **kwargs)


class PromptConfirmInstanceActiveTask(instance_failure.ConfirmInstanceActiveTask):
    """Masakari's `ConfirmInstanceActiveTask`, which does not wait for a host that is lost."""

    def __init__(self, context: Any, novaclient: Any, **kwargs: Any) -> None:
        super().__init__(context, _prompt(context, novaclient), **kwargs)
