"""The files of the monitors on one machine."""

from __future__ import annotations

import dataclasses
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from instance_ha_common.machine.commands import MachineError
from instance_ha_common.machine.hardening import HARDENING
from instance_ha_common.machine.host import Host
from instance_ha_common.machine.templates import Templates
from networks import Watch
from relations.keystone import Credentials

from workload import process_list, sender, witness
from workload.table import MONITORS, Monitor
from workload.witness import MATRIX, Witness, driver_agent

if TYPE_CHECKING:
    from config import Config

CONF = "/etc/masakarimonitors/masakarimonitors.conf"
CA = "/etc/masakarimonitors/ca.pem"
PROCESS_LIST = "/etc/masakarimonitors/process_list.yaml"
SUDOERS = "/etc/sudoers.d/masakari-monitors-charm"
AS_HOST = "/usr/local/sbin/masakari-monitor-as-host"
USERS = ("masakarimonitors", "masakari")
"""The monitors' account: Ubuntu's name for it, and Debian's."""

SENDER = "/usr/local/sbin/masakari-monitor-sender"
_FORMER_GROUPS = ("haclient", "libvirt")
"""Groups that older versions had the account join: each is as good as root."""


@dataclasses.dataclass(frozen=True)
class Desired:
    """Everything that the monitors' files are made of.

    Attributes:
        config: the charm's options.
        credentials: the account for notifications.
        hostname: the name under which Nova knows this machine.
        authority: certificates to trust (PEM), or None for the system's.
        watch: the networks that Consul watches, or None where Pacemaker is polled.
    """

    config: Config
    credentials: Credentials
    hostname: str
    authority: str | None = None
    watch: Watch | None = None


class Files:
    """What the charm writes for the monitors."""

    def __init__(self, host: Host, templates: Templates, network_witness: Witness) -> None:
        self._host = host
        self._templates = templates
        self._witness = network_witness

    def write(self, desired: Desired, stale: set[str]) -> None:
        """Write all files.

        Args:
            desired: what they are made of.
            stale: gets the services that have to be restarted.

        Raises:
            MachineError: the packages' account does not exist, or a program failed.
            ServiceError: systemctl failed.
        """
        user = self._user()
        everything = {monitor.service for monitor in MONITORS}
        stale |= self._write_conf(desired, user)
        if self._write_authority(desired.authority):
            stale |= everything
        if self._host.write(
            PROCESS_LIST, self._process_list(desired.config), mode=0o640, group=user
        ):
            stale.add("masakari-process-monitor")
        self._templates.write(SUDOERS, "sudoers", {"user": user, "conf": CONF}, mode=0o440)
        self._templates.write(AS_HOST, "as-host.sh", {}, mode=0o755)
        if self._host.write(SENDER, Path(sender.__file__).read_bytes(), mode=0o755):
            stale |= everything
        drop_ins = self._write_drop_ins(desired.hostname, user)
        stale |= drop_ins
        if drop_ins:
            self._host.systemd.daemon_reload()
        self._configure_witness(desired.watch, stale)
        self.leave_groups(user, check=True)

    def _user(self) -> str:
        accounts = _names(self._host.read("/etc/passwd"))
        for user in USERS:
            if user in accounts:
                return user
        raise MachineError("the masakari-monitors packages created no user account")

    def _write_conf(self, desired: Desired, user: str) -> set[str]:
        before = _sections(self._host.read(CONF) or "")
        context = _context(desired)
        if not self._templates.write(
            CONF, "masakarimonitors.conf", context, mode=0o640, group=user
        ):
            return set()
        after = _sections(self._host.read(CONF) or "")
        changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
        shared = changed - frozenset().union(*(monitor.sections for monitor in MONITORS))
        return {m.service for m in MONITORS if shared or changed & m.sections}

    def _write_authority(self, authority: str | None) -> bool:
        if authority is None:
            return self._host.remove(CA)
        return self._host.write(CA, authority)

    def _configure_witness(self, watch: Watch | None, stale: set[str]) -> None:
        """Write what Consul needs, or remove it."""
        if watch is None:
            self._witness.remove()
            stale.discard(witness.SERVICE)
            return
        if self._witness.configure(watch):
            stale.add(witness.SERVICE)
        if self._witness.write_matrix(watch):
            stale.add("masakari-host-monitor")

    def _process_list(self, config: Config) -> str:
        chosen = process_list.parse(config.process_list)
        if chosen is None:
            chosen = process_list.default(enabled(config))
        return process_list.render(chosen)

    def _write_drop_ins(self, name: str, user: str) -> set[str]:
        changed = set()
        groups = self._host.groups
        for monitor in MONITORS:
            uts_name = name if monitor.kernel_name and name != socket.gethostname() else ""
            context = {
                "service": monitor.service,
                "variable": sender.DIRECTORY,
                "program": monitor.program,
                "conf": CONF,
                "uts_name": uts_name,
                "user": user,
                "as_host": AS_HOST,
                "sender": SENDER,
                "group": monitor.group if monitor.group in groups else "",
                "confined": not (monitor.sudo or monitor.kernel_name),
                "hardening": HARDENING,
            }
            if self._templates.write(_drop_in(monitor), "service.conf", context):
                changed.add(monitor.service)
        return changed

    def leave_groups(self, user: str, *, check: bool) -> None:
        """Take the account out of groups that only single services need, by their drop-ins."""
        members = self._host.groups
        for group in _FORMER_GROUPS:
            if user in members.get(group, ()):
                self._host.runner.run(["gpasswd", "--delete", user, group], check=check)

    def remove_secrets(self) -> None:
        """Remove the configuration, the password with it."""
        for path in (CONF, CA):
            self._host.remove(path)

    def remove(self) -> None:
        """Remove the rest."""
        drop_ins = [_drop_in(monitor) for monitor in MONITORS]
        removed = {path for path in drop_ins if self._host.remove(path)}
        for path in (PROCESS_LIST, SUDOERS, AS_HOST, SENDER):
            self._host.remove(path)
        if removed:
            self._host.systemd.daemon_reload()


def enabled(config: Config) -> list[Monitor]:
    """The monitors that the options enable."""
    return [monitor for monitor in MONITORS if getattr(config, monitor.option)]


def _context(desired: Desired) -> Mapping[str, object]:
    """What masakarimonitors.conf is made of."""
    config, credentials = desired.config, desired.credentials
    admin = config.keystone_endpoint == "admin"
    return {
        "default": {
            "debug": str(config.debug).lower(),
            "use_syslog": str(config.use_syslog).lower(),
            "hostname": desired.hostname,
            **config.flags(),
        },
        "auth_url": credentials.admin_url if admin else credentials.public_url,
        "credentials": credentials,
        "config": config,
        "cafile": CA if desired.authority else None,
        "process_list": PROCESS_LIST,
        "agents": {name: driver_agent(name) for name in desired.watch.agents}
        if desired.watch
        else {},
        "matrix": MATRIX,
    }


def _drop_in(monitor: Monitor) -> str:
    return f"/etc/systemd/system/{monitor.service}.service.d/10-charm.conf"


def _sections(text: str) -> dict[str, str]:
    """Body of each section of a configuration file; of no interest to parse any further."""
    parts = re.split(r"^\[(\w+)\]$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _names(text: str | None) -> set[str]:
    return {line.split(":", 1)[0] for line in (text or "").splitlines()}
