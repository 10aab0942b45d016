"""Masakari itself: its configuration, its units and its database."""

from __future__ import annotations

import dataclasses
import logging
import re
import time
from collections.abc import Callable

import masakari_fencing
from instance_ha_common.machine.commands import CommandError
from instance_ha_common.machine.host import Host

from config import Config
from relations.database import Database
from relations.keystone import Identity
from relations.messaging import Messaging
from workload import (
    fencing_package,
    haproxy,
    masakari_conf,
    packages,
    services,
    templating,
    trust,
)

logger = logging.getLogger(__name__)

CONFIGURATION = "/etc/masakari/masakari.conf"
NOTIFIER_CONFIGURATION = "/etc/masakari/fencing-notifier.conf"
API_UNIT = f"/usr/local/lib/systemd/system/{services.API}.service"
ENGINE_DROP_IN = f"/etc/systemd/system/{services.ENGINE}.service.d/juju.conf"
DATABASE_AUTHORITY = "/etc/masakari/database-ca.pem"
RABBITMQ_AUTHORITY = "/etc/masakari/rabbitmq-ca.pem"

_HARDENING = """\
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM"""
"""What Masakari's processes do without: they need the network, their own files and, through files
in /dev/shm, Pacemaker. Nothing here is stricter than systemd's own services in a container."""

_GROUP = "masakari"
_SYNC_ATTEMPTS = 5
_SYNC_PAUSE = 3.0  # seconds
_MAX_DEFAULT_WORKERS = 4
_PASSWORD = re.compile(r":[^:@/\s]+@")


class MigrationFailed(Exception):  # noqa: N818 - says what happened
    """The database schema could not be brought up to date; the text says why, in one line."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """All that masakari.conf is made of.

    Attributes:
        config: the charm's options.
        identity: Keystone and the service user.
        database: the database.
        messaging: RabbitMQ.
        cores: CPU cores of this machine.
    """

    config: Config
    identity: Identity
    database: Database
    messaging: Messaging
    cores: int

    @property
    def workers(self) -> int:
        """API processes."""
        multiplier = self.config.worker_multiplier
        if multiplier is None:
            return min(2 * self.cores, _MAX_DEFAULT_WORKERS)
        return max(1, round(multiplier * self.cores))


class Masakari:
    """Masakari on one machine."""

    def __init__(
        self,
        host: Host,
        templates: templating.Templates,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._host = host
        self._templates = templates
        self._sleep = sleep

    def configure(self, settings: Settings) -> None:
        """Write all configuration files.

        Raises:
            OSError: a file cannot be written.
        """
        self._authority(DATABASE_AUTHORITY, settings.database.authority)
        self._authority(RABBITMQ_AUTHORITY, settings.messaging.authority)
        context = _context(settings)
        for path, template in (
            (CONFIGURATION, "masakari.conf"),
            (NOTIFIER_CONFIGURATION, "fencing-notifier.conf"),
        ):
            text = self._templates.render(path, template, context)
            self._host.write(path, text, mode=0o640, group=_GROUP)

    def install_units(self, config: Config, *, clustered: bool) -> None:
        """Write the systemd units.

        Args:
            config: the charm's options.
            clustered: the engine may talk to Pacemaker.

        Raises:
            ServiceError: systemd cannot read them.
        """
        context = {
            "driver": masakari_fencing.DRIVER,
            "shared_login": "" if config.stock_workflow else masakari_fencing.SHARED_LOGIN,
            "clustered": clustered,
            "cluster_group": fencing_package.GROUP,
            "hardening": _HARDENING,
        }
        changed = [
            self._host.write(
                path,
                self._templates.render(
                    path, template, {**context, "program": self._program(name)}
                ),
            )
            for path, template, name in (
                (API_UNIT, "masakari-api.service", "api"),
                (ENGINE_DROP_IN, "masakari-engine.conf", "engine"),
            )
        ]
        if any(changed):
            self._host.systemd.daemon_reload()

    def configurations(self, fencing_digest: str) -> dict[str, str]:
        """What stands for the present configuration of each service; see `services.digest`.

        Args:
            fencing_digest: stands for the fencing package.
        """
        text = self._host.read(CONFIGURATION) or ""
        version = packages.Packages(self._host).version
        authorities = [self._host.read(DATABASE_AUTHORITY), self._host.read(RABBITMQ_AUTHORITY)]
        return {
            services.API: services.digest(
                version,
                sorted(masakari_conf.for_api(text).items()),
                authorities,
                self._host.read(API_UNIT),
            ),
            services.ENGINE: services.digest(
                version,
                sorted(masakari_conf.for_engine(text).items()),
                authorities,
                self._host.read(ENGINE_DROP_IN),
                fencing_digest,
            ),
            services.NOTIFIER: services.digest(
                self._host.read(NOTIFIER_CONFIGURATION), fencing_digest
            ),
        }

    def migrate(self) -> None:
        """Bring the database schema up to date.

        Raises:
            MigrationFailed: it could not be done, after several attempts.
        """
        argv = ["runuser", "-u", "masakari", "--", "masakari-manage"]
        argv += ["--config-file", CONFIGURATION, "db", "sync"]
        for attempt in range(1, _SYNC_ATTEMPTS + 1):
            try:
                self._host.runner.run(argv, timeout=300)
                return
            except CommandError as error:
                # The database may list this unit as allowed a moment before it really is.
                reason = _reason(error.stderr)
                logger.warning("database migration, attempt %s: %s", attempt, reason)
                if attempt < _SYNC_ATTEMPTS:
                    self._sleep(_SYNC_PAUSE)
        raise MigrationFailed(reason)

    def remove(self) -> None:
        """Remove everything that holds a secret, and the units."""
        for path in (
            CONFIGURATION,
            NOTIFIER_CONFIGURATION,
            DATABASE_AUTHORITY,
            RABBITMQ_AUTHORITY,
            API_UNIT,
            ENGINE_DROP_IN,
        ):
            self._host.remove(path)

    def _authority(self, path: str, certificates: str | None) -> None:
        if certificates:
            self._host.write(path, certificates, mode=0o640, group=_GROUP)
        else:
            self._host.remove(path)

    def _program(self, name: str) -> str:
        """Command that runs a Masakari service; some packages leave its script out."""
        script = f"/usr/bin/masakari-{name}"
        if self._host.path(script).exists():
            return script
        return f"/usr/bin/python3 -c 'from masakari.cmd.{name} import main; main()'"


def _context(settings: Settings) -> dict[str, object]:
    internal = settings.config.use_internal_endpoints
    return {
        "c": settings.config,
        "identity": settings.identity,
        "auth_url": settings.identity.auth_url(internal=internal),
        "interface": "internal" if internal else "public",
        "database": settings.database,
        "database_url": settings.database.url(DATABASE_AUTHORITY),
        "messaging": settings.messaging,
        "transport_url": settings.messaging.transport_url,
        "rabbit_ca": RABBITMQ_AUTHORITY,
        "ca_bundle": trust.BUNDLE,
        "workers": settings.workers,
        "api_port": haproxy.API_PORT,
        "auto_recovery_tasks": masakari_fencing.AUTO_RECOVERY_TASKS,
        "reserved_host_recovery_tasks": masakari_fencing.RESERVED_HOST_RECOVERY_TASKS,
        "process_recovery_tasks": masakari_fencing.PROCESS_RECOVERY_TASKS,
        "instance_recovery_tasks": masakari_fencing.INSTANCE_RECOVERY_TASKS,
    }


def _reason(text: str) -> str:
    """The line of a failed command's output that tells why, without passwords."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if "rror" in line and "http" not in line]
    line = (telling or lines or ["no error output"])[-1]
    return _PASSWORD.sub(":***@", line)[:200]
