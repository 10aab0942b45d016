#!/usr/bin/python3
"""Runs one of Masakari's monitors, with a sender of reports that errs in neither direction.

usage: masakari-monitor-sender PROGRAM [ARGUMENT...]

An instance's report is kept until Masakari has taken it, the instance runs again, or is not here
any more: Masakari's monitors give a report up after some minutes, lose it when they are restarted,
and take one for delivered that was refused as a duplicate, as it equals one of a moment before: an
instance whose QEMU dies twice within that time would stay dead. What is kept lies in the service's
runtime directory: systemd keeps that when it restarts the service, and no longer.

And the process monitor reports a process that has just been restarted, where that took the last of
the attempts that it has: such a report is not sent at all, as it would close a healthy host.

Nor is one that a host is up, where Consul watches. Up to release 21.0.0 the driver says so of one
whose state has just begun to change, as when it sees a network down for the first time. Masakari
does nothing with such a report, but while it is away, or refuses one, the driver looks at nothing.

This file is installed on the hypervisor and imports what is there, nothing of the charm.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import logging
import os
import runpy
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

LOG = logging.getLogger("masakarimonitors.sender")

INTERVAL = 5.0
"""Seconds between two attempts."""

PATIENCE = 14400.0
"""Seconds after its failure after which an instance's report is given up."""

DIRECTORY = "MASAKARI_MONITOR_REPORTS"
"""Variable that says where reports are kept. Not systemd's own `RUNTIME_DIRECTORY`, which names
the package's directories, too."""


class Kept:
    """Reports of instances that Masakari has not taken yet.

    Args:
        directory: where there is a file for each of them; None: nowhere.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._since: dict[str, float] = {}
        self.lock = threading.Lock()
        self.tried: set[str] = set()

    def add(self, report: dict[str, Any]) -> None:
        """Keep a report, unless one of the same instance is kept."""
        uuid, now = uuid_of(report), time.time()
        if uuid in self._since:
            return
        self._since[uuid] = now
        if self._directory is None:
            return
        text = json.dumps({"since": now, "report": {**report, "generated_time": None}})
        path = self._path(uuid)
        try:
            path.with_suffix(".new").write_text(text, encoding="utf-8")
            path.with_suffix(".new").replace(path)
        except OSError as error:
            LOG.warning("The report of %s will not outlast this process: %s", uuid, error)

    def drop(self, uuid: str) -> None:
        """Nothing is left to be done about an instance."""
        self._since.pop(uuid, None)
        if self._directory is not None:
            with contextlib.suppress(OSError):
                self._path(uuid).unlink()

    def waits(self, uuid: str) -> bool:
        """Whether an instance's report is kept, and not too old."""
        return time.time() - self._since.get(uuid, 0.0) < PATIENCE

    def left(self) -> list[dict[str, Any]]:
        """Return the reports that a process before this one has left."""
        found = []
        for path in sorted(self._directory.glob("*.json")) if self._directory else ():
            try:
                data = json.loads(path.read_text(encoding="utf-8"))
                uuid = uuid_of(data["report"])
                self._since[uuid] = float(data["since"])
                if self.waits(uuid):
                    found.append(data["report"])
                else:
                    self.drop(uuid)
            except (OSError, ValueError, TypeError, KeyError) as error:
                LOG.warning("%s is no report: %r", path, error)
        return found

    def _path(self, uuid: str) -> Path:
        return Path(self._directory or "", f"{uuid}.json")


class Client:
    """A client for Masakari's API that keeps an instance's report until it is taken.

    Args:
        make: makes openstacksdk's `instance_ha` proxy, which may need Keystone.
        dead: whether an instance of this machine does not run, by its UUID; None where nobody
            knows.
        kept: the reports that are not taken yet.
    """

    def __init__(
        self, make: Callable[[], Any], dead: Callable[[str], bool | None], kept: Kept
    ) -> None:
        self._make = make
        self._made: Any = None
        self._dead = dead
        self._kept = kept

    def _send(self, report: dict[str, Any]) -> Any:
        self._made = self._made or self._make()
        return self._made.create_notification(**report)

    def create_notification(self, **report: Any) -> Any:
        """Send a report; see openstacksdk.

        Raises:
            openstack.exceptions.HttpException: the API refuses it.
        """
        if report["type"] != "VM":
            return self._send(report)
        self._kept.add(report)
        try:
            answer = self._send(report)
        except Exception as error:
            if getattr(error, "status_code", None) == 409 and not is_duplicate(error):
                self._kept.drop(uuid_of(report))
            raise
        self._kept.drop(uuid_of(report))
        return answer

    def keep_trying(self, report: dict[str, Any]) -> None:
        """Go on with an instance's report that the monitor has given up, if it is still kept."""
        uuid = uuid_of(report)
        with self._kept.lock:
            if uuid in self._kept.tried or not self._kept.waits(uuid):
                return
            self._kept.tried.add(uuid)
        LOG.info("%s has failed: it is reported until Masakari takes it", uuid)
        threading.Thread(target=self._again, args=(uuid, report), daemon=True).start()

    def _again(self, uuid: str, report: dict[str, Any]) -> None:
        try:
            while self._kept.waits(uuid):
                time.sleep(INTERVAL)
                dead = self._dead(uuid)
                if dead is False or (dead and self._accepted(uuid, report)):
                    return
            LOG.error("%s has failed, and Masakari did not take the report", uuid)
        finally:
            with self._kept.lock:
                self._kept.drop(uuid)
                self._kept.tried.discard(uuid)

    def _accepted(self, uuid: str, report: dict[str, Any]) -> bool:
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        try:
            self._send({**report, "generated_time": now})
        except Exception as error:  # openstacksdk and requests have many of their own
            if not is_duplicate(error):
                LOG.warning("The failure of %s is not reported yet: %s", uuid, error)
            return False
        LOG.info("The failure of %s is reported", uuid)
        return True


def uuid_of(report: dict[str, Any]) -> str:
    """Return which instance a report is about.

    Raises:
        ValueError: it says none.
    """
    return str(UUID(report["payload"]["instance_uuid"]))


def is_start(report: dict[str, Any]) -> bool:
    """Whether a report says that something is there, and not that it has failed."""
    return str(report["payload"]["event"]).upper() == "STARTED"


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

        def __init__(self) -> None:
            super().__init__()
            self._kept = Kept(Path(os.environ[DIRECTORY]) if DIRECTORY in os.environ else None)
            for report in self._kept.left():
                self.masakari_client.keep_trying(report)

        def _make_client(self) -> Client:
            def dead(uuid: str) -> bool | None:
                return instance_is_dead(conf.libvirt.connection_uri, uuid)

            return Client(super()._make_client, dead, self._kept)

        def send_notification(self, retries: int, interval: int, event: Any) -> None:
            report = event["notification"]
            consul = conf.host.monitoring_driver == "consul"
            if consul and report["type"] == "COMPUTE_HOST" and is_start(report):
                LOG.info("%s is up: Masakari need not know", report["hostname"])
                return
            if report["type"] == "PROCESS":
                name = report["payload"]["process_name"]
                if process_runs(conf.process.process_list_path, name):
                    LOG.info("%s runs again: it is not reported", name)
                    return
            super().send_notification(retries, interval, event)
            if report["type"] == "VM":
                self.masakari_client.keep_trying(report)

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
