"""Masakari itself: its configuration, its units and its database."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import masakari_fencing
from instance_ha_common.machine.commands import CommandError
from instance_ha_common.machine.hardening import HARDENING
from instance_ha_common.machine.host import Host
from instance_ha_common.machine.templates import Templates

from workload import fencing_package, masakari_conf, packages, services
from workload.masakari_conf import DATABASE_AUTHORITY, RABBITMQ_AUTHORITY, Settings

if TYPE_CHECKING:
    from config import Config

logger = logging.getLogger(__name__)

CONFIGURATION = "/etc/masakari/masakari.conf"
NOTIFIER_CONFIGURATION = "/etc/masakari/fencing-notifier.conf"
API_UNIT = f"/usr/local/lib/systemd/system/{services.API}.service"
ENGINE_DROP_IN = f"/etc/systemd/system/{services.ENGINE}.service.d/juju.conf"

_GROUP = "masakari"
_SYNC_ATTEMPTS = 5
_SYNC_PAUSE = 3.0  # seconds
_PASSWORD = re.compile(r":[^:@/\s]+@")


class MigrationFailed(Exception):  # noqa: N818 - says what happened
    """The database schema could not be brought up to date; the text says why, in one line."""


class Masakari:
    """Masakari on one machine."""

    def __init__(
        self,
        host: Host,
        templates: Templates,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._host = host
        self._templates = templates
        self._sleep = sleep

    def configure(
        self, settings: Settings, *, clustered: bool, fencing_digest: str
    ) -> dict[str, str]:
        """Write all configuration files and systemd units.

        Args:
            settings: what the configuration is made of.
            clustered: the engine may talk to Pacemaker.
            fencing_digest: stands for the fencing package.

        Returns:
            What stands for the configuration of each service; see `services.digest`.

        Raises:
            OSError: a file cannot be written.
            ServiceError: systemd cannot read the units.
        """
        authorities = {
            DATABASE_AUTHORITY: settings.database.authority,
            RABBITMQ_AUTHORITY: settings.messaging.authority,
        }
        notifier = masakari_conf.for_notifier(settings)
        for path, text in {
            **authorities,
            CONFIGURATION: masakari_conf.for_all(settings),
            NOTIFIER_CONFIGURATION: notifier,
        }.items():
            if text:
                self._host.write(path, text, mode=0o640, group=_GROUP)
            else:
                self._host.remove(path)
        api_unit, engine_unit = self.install_units(settings.config, clustered=clustered)
        digest, trusted = services.digest, list(authorities.values())
        version = packages.Packages(self._host).version
        api, engine = masakari_conf.for_api(settings), masakari_conf.for_engine(settings)
        return {
            services.API: digest(version, api, trusted, api_unit),
            services.ENGINE: digest(version, engine, trusted, engine_unit, fencing_digest),
            services.NOTIFIER: digest(notifier, fencing_digest),
        }

    def install_units(self, config: Config, *, clustered: bool) -> list[str]:
        """Write the systemd units.

        Args:
            config: the charm's options.
            clustered: the engine may talk to Pacemaker.

        Returns:
            Their texts, the API's first.

        Raises:
            ServiceError: systemd cannot read them.
        """
        context = {
            "driver": masakari_fencing.DRIVER,
            "shared_login": "" if config.stock_workflow else masakari_fencing.SHARED_LOGIN,
            "clustered": clustered,
            "cluster_group": fencing_package.GROUP,
            "hardening": HARDENING,
        }
        texts = {
            path: self._templates.content(
                path, template, {**context, "program": self._program(name)}
            )
            for path, template, name in (
                (API_UNIT, "masakari-api.service", "api"),
                (ENGINE_DROP_IN, "masakari-engine.conf", "engine"),
            )
        }
        changed = [self._host.write(path, text) for path, text in texts.items()]
        if any(changed):
            self._host.systemd.daemon_reload()
        return list(texts.values())

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

    def _program(self, name: str) -> str:
        """Command that runs a Masakari service; some packages leave its script out."""
        script = f"/usr/bin/masakari-{name}"
        if self._host.path(script).exists():
            return script
        return f"/usr/bin/python3 -c 'from masakari.cmd.{name} import main; main()'"


def _reason(text: str) -> str:
    """The line of a failed command's output that tells why, without passwords."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if "rror" in line and "http" not in line]
    line = (telling or lines or ["no error output"])[-1]
    return _PASSWORD.sub(":***@", line)[:200]
