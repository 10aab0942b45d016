"""The notifier's configuration file."""

from __future__ import annotations

import configparser
import logging
from dataclasses import dataclass
from pathlib import Path

from masakari_fencing import retries
from masakari_fencing.openstack import failure_domains, rest
from masakari_fencing.records import out_of_service

LOG = logging.getLogger(__name__)

CONFIGURATION = Path("/etc/masakari/fencing-notifier.conf")


class ConfigurationError(Exception):
    """The configuration file is missing something."""


@dataclass(frozen=True)
class Settings:
    """The `[notifier]` and `[api]` sections; times in seconds.

    Attributes:
        expiry: age of a fencing that is reported no more; Masakari itself acts upon none that is
            older (`notifications_expired_interval`).
        retry_max: the longest pause between two attempts to report a fencing.
        redrive_within: a host that is in maintenance from an earlier recovery, which has failed,
            is recovered all the same where that is no older.
        auto_return: for so long a recovered host has to be whole until it is taken back by itself;
            0: none is.
        auto_return_most: failures within a day after which it is not.
        domain_limits: limits of failure domains; see `failure_domains.parse_limits`.
        retries: of a recovery that has failed.
        records: whether the engines' recoveries of hosts have records; Masakari's own have none.
    """

    spool: Path = Path("/var/lib/masakari-fencing/spool")
    socket: Path = Path("/run/masakari-fencing/wake")
    out_of_service: Path = out_of_service.RECORD
    rank_delay: float = 4.0
    expiry: float = 86400
    retry_max: float = 30
    redrive_within: float = 86400
    auto_return: float = 0.0
    auto_return_most: int = 2
    retries: retries.Retries = retries.parse(retries.DEFAULT)  # noqa: RUF009 - it is frozen
    records: bool = True
    domain_limits: tuple[failure_domains.Limit, ...] = ()
    endpoints: tuple[str, ...] = ("http://127.0.0.1:15848/v1", rest.CATALOG)
    timeout: float = 10


def read_configuration(path: Path) -> tuple[Settings, dict[str, str]]:
    """Read the configuration file.

    Returns:
        the settings, and the `[keystone]` section.

    Raises:
        ConfigurationError: the file or something in it is missing or malformed.
    """
    parser = configparser.ConfigParser(interpolation=None)
    try:
        with path.open(encoding="utf-8") as stream:
            parser.read_file(stream)
        keystone = dict(parser["keystone"])
        for name in ("auth_url", "username", "password", "project_name"):
            keystone[name]
        return _settings(parser), keystone
    except KeyError as error:
        raise ConfigurationError(f"{path}: {error} is missing") from None
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path}: {error}") from None
    except configparser.Error as error:
        # The message of a parser error holds the offending line, which may be the password.
        raise ConfigurationError(f"{path}: {type(error).__name__}") from None


def _settings(parser: configparser.ConfigParser) -> Settings:
    defaults = Settings()
    own = parser["notifier"] if parser.has_section("notifier") else {}
    where = parser["api"] if parser.has_section("api") else {}
    endpoints = where.get("endpoints", ",".join(defaults.endpoints))
    return Settings(
        spool=Path(own.get("spool", str(defaults.spool))),
        socket=Path(own.get("socket", str(defaults.socket))),
        out_of_service=Path(own.get("out_of_service", str(defaults.out_of_service))),
        rank_delay=float(own.get("rank_delay", defaults.rank_delay)),
        expiry=float(own.get("expiry", defaults.expiry)),
        retry_max=float(own.get("retry_max", defaults.retry_max)),
        redrive_within=float(own.get("redrive_within", defaults.redrive_within)),
        auto_return=float(own.get("auto_return", defaults.auto_return)),
        auto_return_most=int(own.get("auto_return_most", defaults.auto_return_most)),
        retries=retries.parse(own.get("retries", retries.DEFAULT)),
        records=parser.getboolean("notifier", "records", fallback=defaults.records),
        domain_limits=failure_domains.parse_limits(own.get("domain_limits", "")),
        endpoints=tuple(part.strip() for part in endpoints.split(",") if part.strip()),
        timeout=float(where.get("timeout", defaults.timeout)),
    )
