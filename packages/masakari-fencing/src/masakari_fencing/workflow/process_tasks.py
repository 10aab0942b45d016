"""Masakari's task that confirms, after a process failed, that its host takes no more instances.

Masakari limits that look by `wait_period_after_service_update`, which is how long a host's
recovery waits before it evacuates. Where that is 0, Masakari up to Zed gives up before its first
look, and later releases never do (masakari 14.0.1 and 17.0.0, `taskflow/process_failure.py`).
"""

from __future__ import annotations

import time
from typing import Any

from masakari import exception
from masakari.engine.drivers.taskflow import base

INTERVAL = 0.5
"""Seconds between two looks at the compute service."""

PATIENCE = 60.0
"""Seconds after which the recovery has failed."""


class ConfirmComputeNodeDisabledTask(base.MasakariTask):
    """Masakari's task of that name, with a limit of its own."""

    def __init__(self, context: Any, novaclient: Any, **kwargs: Any) -> None:
        kwargs["requires"] = ["process_name", "host_name"]
        super().__init__(context, novaclient, **kwargs)

    def execute(self, process_name: str, host_name: str) -> None:
        """Wait until Nova says that it is disabled.

        Args:
            process_name: the process that failed.
            host_name: the host that it ran on.

        Raises:
            masakari.exception.ProcessRecoveryFailureException: it still is not.
        """
        self.update_details(f"Confirming compute service is disabled on host: '{host_name}'")
        end = time.monotonic() + PATIENCE
        while not self.novaclient.is_service_disabled(self.context, host_name, process_name):
            if time.monotonic() >= end:
                message = f"Nova does not disable the compute service of {host_name}"
                self.update_details(message, 1.0)
                raise exception.ProcessRecoveryFailureException(message=message)
            time.sleep(INTERVAL)
        self.update_details(f"Confirmed compute service is disabled on host: '{host_name}'", 1.0)
