"""Masakari's driver of recoveries, with an end to each recovery of a host.

Masakari finds it by `[DEFAULT] notification_driver` and the entry points `masakari.driver`. The
option is set in the engine's environment alone: masakari-manage loads the driver, too, and has it
not on its path.
"""

from __future__ import annotations

import contextlib
from typing import Any

from masakari import exception
from masakari.engine.drivers.taskflow import driver

from masakari_fencing.pacemaker.tools import PacemakerError
from masakari_fencing.records.recovery import FAILED, RECOVERED
from masakari_fencing.workflow.attempt import Attempt
from masakari_fencing.workflow.ending import conclude
from masakari_fencing.workflow.instances import reserved_hosts
from masakari_fencing.workflow.recovery_lock import Busy, Ended


class FencingDriver(driver.TaskFlowDriver):
    """Masakari's own, whose flows begin with a proof that the host is dead."""

    def execute_host_failure(
        self,
        context: Any,
        host_name: str,
        recovery_method: str,
        notification_uuid: str,
        **kwargs: Any,
    ) -> None:
        """Recover a host; see Masakari's driver for the arguments.

        Raises:
            masakari.exception.MasakariException: it failed, or there was nothing to recover.
        """
        this = Attempt(context, host_name, notification_uuid)
        if kwargs.get("reserved_host_list") is not None:
            try:
                record = this.store.read(host_name)
            except (PacemakerError, ValueError):
                record = None
            kwargs["reserved_host_list"] = reserved_hosts.available(
                context, record, kwargs["reserved_host_list"]
            )
        try:
            super().execute_host_failure(
                context, host_name, recovery_method, notification_uuid, **kwargs
            )
        except exception.SkipHostRecoveryException:
            raise
        except exception.ReservedHostsUnavailable as error:
            # It ends before any task of ours; one that has failed is tried again.
            with contextlib.suppress(Busy, Ended, PacemakerError, ValueError):
                this.take(0, waiting=lambda holder: None)
                text = f"{error} Add one to its segment: add-hosts reserved-hosts=..."
                conclude(this, FAILED, text)
            raise
        except Exception as error:
            conclude(this, FAILED, str(error))
            raise
        conclude(this, RECOVERED, f"Host '{host_name}' is recovered")
