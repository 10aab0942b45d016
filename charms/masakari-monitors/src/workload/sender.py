#!/usr/bin/python3
"""Runs one of Masakari's monitors, with a sender of reports that errs in neither direction.

usage: masakari-monitor-sender PROGRAM [ARGUMENT...]

Masakari refuses a report as a duplicate that equals one of a moment before, and its monitors take
that for delivered: an instance whose QEMU dies twice within that time would stay dead. So where an
instance's report is refused as a duplicate, and the instance is still dead, it is sent again, with
the present time, until it is accepted.

And the process monitor reports a process that has just been restarted, where that took the last of
the attempts that it has: such a report is not sent at all, as it would close a healthy host.

This file is installed on the hypervisor and imports what is there, nothing of the charm.
"""

from __future__ import annotations

import datetime
import logging
import runpy
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

LOG = logging.getLogger("masakarimonitors.sender")

INTERVAL = 5.0
"""Seconds between two attempts."""

PATIENCE = 600.0
"""Seconds after which it is given up: longer than any sensible interval for duplicates."""


class Client:
    """A client for Masakari's API that does not take an instance's refused report for delivered.

    Args:
        client: openstacksdk's `instance_ha` proxy.
        dead: whether an instance of this machine does not run, by its UUID; None where nobody
            knows.
    """

    def __init__(self, client: Any, dead: Callable[[str], bool | None]) -> None:
        self._client = client
        self._dead = dead
        self._waiting: set[str] = set()
        self._lock = threading.Lock()

    def create_notification(self, **report: Any) -> Any:
        """Send a report; see openstacksdk.

        Raises:
            openstack.exceptions.HttpException: the API refuses it.
        """
        try:
            return self._client.create_notification(**report)
        except Exception as error:
            if report["type"] == "VM" and is_duplicate(error):
                self._begin(report)
            raise

    def _begin(self, report: dict[str, Any]) -> None:
        uuid = report["payload"]["instance_uuid"]
        with self._lock:
            if uuid in self._waiting:
                return
            self._waiting.add(uuid)
        LOG.info("%s has failed again: it is reported until Masakari takes it", uuid)
        threading.Thread(target=self._again, args=(uuid, report), daemon=True).start()

    def _again(self, uuid: str, report: dict[str, Any]) -> None:
        end = time.monotonic() + PATIENCE
        try:
            while time.monotonic() < end:
                time.sleep(INTERVAL)
                dead = self._dead(uuid)
                if dead is False or (dead and self._accepted(uuid, report)):
                    return
            LOG.error("%s has failed again, and Masakari did not take the report", uuid)
        finally:
            with self._lock:
                self._waiting.discard(uuid)

    def _accepted(self, uuid: str, report: dict[str, Any]) -> bool:
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        try:
            self._client.create_notification(**{**report, "generated_time": now})
        except Exception as error:  # openstacksdk and requests have many of their own
            if not is_duplicate(error):
                LOG.warning("The second failure of %s is not reported yet: %s", uuid, error)
            return False
        LOG.info("The second failure of %s is reported", uuid)
        return True


def is_duplicate(error: Exception) -> bool:
    """Whether Masakari refuses a report because it has had the same a moment before.

    It gives the same status, 409, for a host in maintenance, and says which it is in words.
    """
    return getattr(error, "status_code", None) == 409 and "duplicate" in str(error)


def instance_is_dead(uri: str, uuid: str) -> bool | None:
    """Whether libvirt has an instance that does not run; False where it is not here any more.

    Args:
        uri: libvirt's address.
        uuid: the instance's.

    Returns:
        None where libvirt does not say.
    """
    import libvirt

    try:
        connection = libvirt.openReadOnly(uri)
    except libvirt.libvirtError:
        return None
    try:
        return not connection.lookupByUUIDString(uuid).isActive()
    except libvirt.libvirtError as error:
        return False if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN else None
    finally:
        connection.close()


def process_runs(process_list: str, name: str) -> bool:
    """Whether a process runs that the monitor is about to report.

    Args:
        process_list: path of the monitor's list of processes.
        name: the last part of the process' name there, which is what the report says.
    """
    import yaml

    entries = yaml.safe_load(Path(process_list).read_text(encoding="utf-8"))
    wanted = [str(e["process_name"]) for e in entries]
    table = subprocess.run(["ps", "-ef"], capture_output=True, text=True, check=False).stdout
    # As the monitor itself looks for them.
    return any(full in table for full in wanted if full.split("/")[-1] == name)


def make(base: type[Any], conf: Any) -> type[Any]:
    """Return the class that takes the place of the monitors' own `SendNotification`.

    Args:
        base: that class.
        conf: the monitors' configuration.
    """

    class Sender(base):
        """Sends reports; see this module."""

        def _make_client(self) -> Client:
            def dead(uuid: str) -> bool | None:
                return instance_is_dead(conf.libvirt.connection_uri, uuid)

            return Client(super()._make_client(), dead)

        def send_notification(self, retries: int, interval: int, event: Any) -> None:
            report = event["notification"]
            if report["type"] == "PROCESS":
                name = report["payload"]["process_name"]
                if process_runs(conf.process.process_list_path, name):
                    LOG.info("%s runs again: it is not reported", name)
                    return
            super().send_notification(retries, interval, event)

    return Sender


def main() -> None:
    """Run the program that the arguments name, in this process."""
    import masakarimonitors.conf
    from masakarimonitors.ha import masakari

    masakari.SendNotification = make(masakari.SendNotification, masakarimonitors.conf.CONF)
    sys.argv.pop(0)
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
