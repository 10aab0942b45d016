"""The monitors of one machine: packages, files and services. Knows nothing of Juju."""

from __future__ import annotations

import dataclasses
import functools
import json
import re
import socket
from collections.abc import Callable, Collection
from pathlib import Path

import jinja2
from config import Config
from instance_ha_common.machine.host import Host
from instance_ha_common.machine.services import ServiceError
from networks import Watch
from relations.keystone import Credentials

from workload import process_list, sender, witness
from workload.witness import MATRIX, Witness, driver_agent

CONF = "/etc/masakarimonitors/masakarimonitors.conf"
CA = "/etc/masakarimonitors/ca.pem"
PROCESS_LIST = "/etc/masakarimonitors/process_list.yaml"
SUDOERS = "/etc/sudoers.d/masakari-monitors-charm"
AS_HOST = "/usr/local/sbin/masakari-monitor-as-host"
_USERS = ("masakarimonitors", "masakari")
"""The monitors' account: Ubuntu's name for it, and Debian's."""

SENDER = "/usr/local/sbin/masakari-monitor-sender"
_FORMER_GROUPS = ("haclient", "libvirt")
"""Groups that older versions had the account join: each is as good as root."""

_DAEMONS = ("/usr/sbin/pacemakerd", "/usr/sbin/pacemaker-remoted")
"""Of a full member, and of a remote node."""

PACEMAKER = ("pacemaker", "pacemaker_remote")
"""Services of a full member, and of a remote node."""

_STALE = "/var/lib/masakari-monitors-charm/stale.json"
"""The services that run with what was configured before, kept until they have been restarted."""


@dataclasses.dataclass(frozen=True)
class Monitor:
    """One of the monitors.

    Attributes:
        option: the option that enables it.
        service: its systemd service, which is its package's name, too.
        program: its program.
        sections: sections of the configuration file that only it and some others read.
        kernel_name: whether it reports the kernel's host name, whatever is configured.
        group: the group whose socket it writes to.
        sudo: whether it starts a helper with root's rights, which keeps it from being confined.
    """

    option: str
    service: str
    program: str
    sections: frozenset[str]
    kernel_name: bool = False
    group: str = ""
    sudo: bool = False


MONITORS = (
    Monitor(
        "enable_host_monitor",
        "masakari-host-monitor",
        "/usr/bin/masakari-hostmonitor",
        frozenset({"host", "consul"}),
        sudo=True,
    ),
    Monitor(
        "enable_instance_monitor",
        "masakari-instance-monitor",
        "/usr/bin/masakari-instancemonitor",
        frozenset({"callback"}),
    ),
    Monitor(
        "enable_process_monitor",
        "masakari-process-monitor",
        "/usr/bin/masakari-processmonitor",
        frozenset({"process"}),
        kernel_name=True,
        sudo=True,
    ),
    Monitor(
        "enable_introspective_instance_monitor",
        "masakari-introspective-instance-monitor",
        "/usr/bin/masakari-introspectiveinstancemonitor",
        frozenset({"introspectiveinstancemonitor", "callback"}),
        kernel_name=True,
        group="libvirt",  # to ask the guests' agents; the others read, or ask as root
    ),
)


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


class PackageMissingError(Exception):
    """No archive of this machine offers a package that an option asks for."""


class Monitors:
    """The monitors on one machine."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.witness = Witness(host)

    @staticmethod
    def enabled(config: Config) -> list[Monitor]:
        """The monitors that the options enable."""
        return [monitor for monitor in MONITORS if getattr(config, monitor.option)]

    # Packages

    def install(self, config: Config) -> None:
        """Install the packages of the enabled monitors, with their services not running.

        Raises:
            PackageMissingError: the archive lacks a monitor's package.
            CommandError: apt failed.
        """
        wanted = {monitor.service for monitor in self.enabled(config)}
        wanted |= {"masakari-monitors-common", "pacemaker-cli-utils", "sudo"}
        # Pacemaker's tools want the daemon of a full member or of a remote node; left to itself,
        # apt makes this hypervisor a full member.
        present = self._host.apt.installed([*wanted, "pacemaker", "pacemaker-remote"])
        # The programs stay while somebody upgrades the packages, which counts as absent meanwhile.
        alone = not (
            present.keys() & {"pacemaker", "pacemaker-remote"}
            or any(self._host.path(program).exists() for program in _DAEMONS)
        )
        if alone:
            wanted.add("pacemaker-remote")
        missing = wanted - present.keys()
        if not missing:
            return
        self._host.apt.update()
        unknown = missing - self._host.apt.available(missing)
        if unknown:
            raise PackageMissingError(f"No such package for this series: {min(unknown)}")
        self._host.apt.install(missing)
        for monitor in MONITORS:
            if monitor.service in missing:
                self._stop(monitor)
        if alone:
            # Until the pacemaker-remote charm has a cluster's key for it.
            self._down("pacemaker_remote")

    def version(self) -> str | None:
        """Version of the installed packages."""
        return self._host.apt.version("masakari-monitors-common")

    # Files

    def configure(self, desired: Desired) -> set[str]:
        """Write all files.

        Returns:
            The services that have to be restarted, if they run: for what changed now, or before
            something else kept them from it.

        Raises:
            LookupError: the packages' account does not exist.
            CommandError: a program failed.
            ServiceError: systemctl failed.
        """
        user = self._user()
        stale = self._remembered()
        try:
            self._write_files(desired, user, stale)
        finally:
            self._remember(stale)
        return stale

    def _write_files(self, desired: Desired, user: str, stale: set[str]) -> None:
        everything = {monitor.service for monitor in MONITORS}
        stale |= self._write_conf(desired, user)
        if self._write_authority(desired.authority):
            stale |= everything
        if self._host.write(
            PROCESS_LIST, self._process_list(desired.config), mode=0o640, group=user
        ):
            stale.add("masakari-process-monitor")
        self._host.write(SUDOERS, _render("sudoers", user=user, conf=CONF), mode=0o440)
        self._host.write(AS_HOST, _render("as-host.sh"), mode=0o755)
        if self._host.write(SENDER, Path(sender.__file__).read_bytes(), mode=0o755):
            stale |= everything
        drop_ins = self._write_drop_ins(desired.hostname, user)
        stale |= drop_ins
        if drop_ins:
            self._host.systemd.daemon_reload()
        self._configure_witness(desired.watch, stale)
        self._leave_groups(user, check=True)

    def _remembered(self) -> set[str]:
        text = self._host.read(_STALE)
        return set(json.loads(text)) if text else set()

    def _remember(self, stale: set[str]) -> None:
        if stale:
            self._host.write(_STALE, json.dumps(sorted(stale)))
        else:
            self._host.remove(_STALE)

    def _user(self) -> str:
        accounts = _names(self._host.read("/etc/passwd"))
        for user in _USERS:
            if user in accounts:
                return user
        raise LookupError("the masakari-monitors packages made no account")

    def _write_conf(self, desired: Desired, user: str) -> set[str]:
        text = render_conf(desired)
        before = _sections(self._host.read(CONF) or "")
        if not self._host.write(CONF, text, mode=0o640, group=user):
            return set()
        after = _sections(text)
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
            self.witness.remove()
            stale.discard(witness.SERVICE)
            return
        if self.witness.configure(watch):
            stale.add(witness.SERVICE)
        if self.witness.write_matrix(watch):
            stale.add("masakari-host-monitor")

    def _process_list(self, config: Config) -> str:
        chosen = process_list.parse(config.process_list)
        if chosen is None:
            chosen = [
                process_list.service("/usr/sbin/libvirtd", "libvirtd"),
                process_list.service("/usr/bin/nova-compute", "nova-compute"),
            ] + [
                process_list.service(monitor.program, monitor.service)
                for monitor in self.enabled(config)
                if monitor.service != "masakari-process-monitor"
            ]
        return process_list.render(chosen)

    def _write_drop_ins(self, name: str, user: str) -> set[str]:
        changed = set()
        groups = _members(self._host.read("/etc/group"))
        for monitor in MONITORS:
            uts_name = name if monitor.kernel_name and name != socket.gethostname() else ""
            text = _render(
                "service.conf",
                program=monitor.program,
                conf=CONF,
                uts_name=uts_name,
                user=user,
                as_host=AS_HOST,
                sender=SENDER,
                group=monitor.group if monitor.group in groups else "",
                confined=not (monitor.sudo or monitor.kernel_name),
            )
            if self._host.write(_drop_in(monitor), text):
                changed.add(monitor.service)
        return changed

    def _leave_groups(self, user: str, *, check: bool) -> None:
        """Take the account out of groups that only single services need, by their drop-ins."""
        members = _members(self._host.read("/etc/group"))
        for group in _FORMER_GROUPS:
            if user in members.get(group, ()):
                self._host.runner.run(["gpasswd", "--delete", user, group], check=check)

    # Services

    def run(self, config: Config, stale: Collection[str], *, witnessed: bool = False) -> None:
        """Have the enabled monitors run, and no others; one that fails keeps no other from it.

        Args:
            config: the options.
            stale: services that have to be restarted if they run.
            witnessed: whether the network witness runs, too.

        Raises:
            ServiceError: one does not start, or does not stop.
        """
        wanted = {monitor.service for monitor in self.enabled(config)}
        services = [monitor.service for monitor in MONITORS]
        if witnessed:
            wanted.add(witness.SERVICE)
            services.insert(0, witness.SERVICE)
        left, failed = set(stale), []
        for service in services:
            try:
                if service in wanted:
                    self._host.systemd.keep_running(service, restart=service in stale)
                else:
                    self._down(service)
                left.discard(service)
            except ServiceError as error:
                failed.append(error)
        self._remember(left)
        if failed:
            raise failed[0]

    def restart(self, config: Config) -> None:
        """Restart the enabled monitors.

        Raises:
            ServiceError: one does not start.
        """
        for monitor in self.enabled(config):
            self._host.systemd.restart(monitor.service)

    def running(self) -> set[str]:
        """Services of the monitors that run."""
        return {m.service for m in MONITORS if self._host.systemd.running(m.service)}

    def pause(self) -> None:
        """Stop all monitors and let nothing start them.

        Raises:
            ServiceError: one still runs.
        """
        self.witness.stop()
        for monitor in MONITORS:
            if self._host.systemd.exists(monitor.service):
                self._host.systemd.pause(monitor.service)

    def unpause(self) -> None:
        """Let paused monitors be started again.

        Raises:
            CommandError: systemctl failed.
        """
        for monitor in MONITORS:
            if self._host.systemd.masked(monitor.service):
                self._host.systemd.unmask(monitor.service)

    def pacemaker_runs(self) -> bool:
        """Whether this machine takes part in a cluster, as the host monitor needs it."""
        return any(self._host.systemd.running(service) for service in PACEMAKER)

    def shut_down(self) -> None:
        """Stop the monitors and remove their configuration, the password with it."""
        self.witness.stop()
        for monitor in MONITORS:
            self._stop(monitor)
        self._forget()

    def removal(self) -> list[Callable[[], object]]:
        """What stops the monitors and removes everything that `configure` wrote, step by step."""
        return [
            self.unpause,
            *(functools.partial(self._stop, monitor) for monitor in MONITORS),
            self._forget,
            *(functools.partial(self._leave_groups, user, check=False) for user in _USERS),
            self.witness.remove,
            self._remove_files,
        ]

    def _forget(self) -> None:
        for path in (CONF, CA, _STALE):
            self._host.remove(path)

    def _remove_files(self) -> None:
        drop_ins = [_drop_in(monitor) for monitor in MONITORS]
        removed = {path for path in drop_ins if self._host.remove(path)}
        for path in (PROCESS_LIST, SUDOERS, AS_HOST, SENDER):
            self._host.remove(path)
        if removed:
            self._host.systemd.daemon_reload()

    def _stop(self, monitor: Monitor) -> None:
        self._down(monitor.service)

    def _down(self, service: str) -> None:
        self._host.systemd.stop(service)
        if self._host.systemd.enabled(service):
            self._host.systemd.disable(service)


def render_conf(desired: Desired) -> str:
    """Text of masakarimonitors.conf."""
    config, credentials = desired.config, desired.credentials
    default = {
        "debug": str(config.debug).lower(),
        "use_syslog": str(config.use_syslog).lower(),
        "hostname": desired.hostname,
        **config.flags(),
    }
    admin = config.keystone_endpoint == "admin"
    return _render(
        "masakarimonitors.conf",
        default=default,
        auth_url=credentials.admin_url if admin else credentials.public_url,
        credentials=credentials,
        config=config,
        cafile=CA if desired.authority else None,
        process_list=PROCESS_LIST,
        agents={name: driver_agent(name) for name in desired.watch.agents}
        if desired.watch
        else {},
        matrix=MATRIX,
    )


def _drop_in(monitor: Monitor) -> str:
    return f"/etc/systemd/system/{monitor.service}.service.d/10-charm.conf"


def _sections(text: str) -> dict[str, str]:
    """Body of each section of a configuration file; of no interest to parse any further."""
    parts = re.split(r"^\[(\w+)\]$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _names(text: str | None) -> set[str]:
    return {line.split(":", 1)[0] for line in (text or "").splitlines()}


def _members(text: str | None) -> dict[str, set[str]]:
    """Members of each group of an /etc/group."""
    rows = (line.split(":") for line in (text or "").splitlines())
    return {row[0]: set(row[3].split(",")) for row in rows if len(row) == 4}


def _oslo(value: str) -> str:
    """A value for oslo.config, which would take `$name` for another option."""
    return value.replace("$", "$$")


def _render(name: str, **values: object) -> str:
    return _templates().get_template(f"{name}.j2").render(**values)


@functools.cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parents[1] / "templates"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - configuration files, not HTML
    )
    environment.filters["oslo"] = _oslo
    return environment
