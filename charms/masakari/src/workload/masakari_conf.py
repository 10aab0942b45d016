"""masakari.conf and fencing-notifier.conf: every option, its value, and which service reads it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import masakari_fencing
from instance_ha_common import options

from relations.database import Database
from relations.keystone import Identity
from relations.messaging import Messaging
from workload import haproxy, trust

if TYPE_CHECKING:
    from config import Config

DATABASE_AUTHORITY = "/etc/masakari/database-ca.pem"
RABBITMQ_AUTHORITY = "/etc/masakari/rabbitmq-ca.pem"

_HEADER = "# Written by Juju (charm masakari). Changes are overwritten; use `juju config`.\n"
_MAX_DEFAULT_WORKERS = 4


@dataclasses.dataclass(frozen=True)
class Settings:
    """All that the files are made of.

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

    @property
    def interface(self) -> str:
        """Kind of the endpoints at which this service reaches others."""
        return "internal" if self.config.use_internal_endpoints else "public"

    @property
    def auth_url(self) -> str:
        """Where to log in."""
        return self.identity.auth_url(internal=self.config.use_internal_endpoints)

    @property
    def database_url(self) -> str:
        """SQLAlchemy URL of the database."""
        return self.database.url(DATABASE_AUTHORITY)


Value = str | int | None | Callable[[Settings], object]
"""What an option is set to, in any case or for some settings; None leaves it out."""

Sections = Mapping[str, Mapping[str, Value]]

_SAME = (
    "fence_reported_failed",
    "fencing_timeout",
    "recover_amphorae",
    "recovery_destination_fallback",
    "report_limit_hosts",
    "report_limit_window",
    "restart_group_pause",
    "restart_group_timeout",
)
"""Options of `[fencing]` that are the charm's of the same names."""


def _as_it_is(name: str) -> Callable[[Settings], object]:
    return lambda settings: getattr(settings.config, name)


_LOGIN: Mapping[str, Value] = {
    "auth_url": lambda s: s.auth_url,
    "username": lambda s: s.identity.username,
    "password": lambda s: s.identity.password,
    "project_name": lambda s: s.identity.project,
    "user_domain_name": lambda s: s.identity.domain,
    "project_domain_name": lambda s: s.identity.domain,
    "region_name": lambda s: s.config.region,
    "interface": lambda s: s.interface,
    "cafile": trust.BUNDLE,
}

_BOTH: Sections = {
    "DEFAULT": {
        "debug": lambda s: s.config.debug,
        # With debug, oslo.service would log all options, and Masakari 13 to 20 do not call
        # `[taskflow] connection` a secret, which has the database's password.
        "log_options": "False",
        "use_syslog": lambda s: s.config.use_syslog,
        "log_dir": "/var/log/masakari",
        "state_path": "/var/lib/masakari",
        "transport_url": lambda s: s.messaging.transport_url,
        "auth_strategy": "keystone",
        "nova_catalog_admin_info": lambda s: f"compute:nova:{s.interface}URL",
        "nova_ca_certificates_file": trust.BUNDLE,
        "os_region_name": lambda s: s.config.region,
        "os_privileged_user_name": lambda s: s.identity.username,
        "os_privileged_user_password": lambda s: s.identity.password,
        "os_privileged_user_tenant": lambda s: s.identity.project,
        "os_privileged_user_auth_url": lambda s: s.auth_url,
        "os_user_domain_name": lambda s: s.identity.domain,
        "os_project_domain_name": lambda s: s.identity.domain,
    },
    "oslo_concurrency": {"lock_path": "/var/lib/masakari/lock"},
    "oslo_messaging_rabbit": {
        # A cast to an engine that died with its machine is stuck until RabbitMQ misses its
        # heartbeats, one and a half of these intervals at most: sooner than a hypervisor's death
        # is noticed and fenced, so that the cast of its recovery goes to an engine that lives.
        "heartbeat_timeout_threshold": 5,
        "heartbeat_rate": 3,
        "ssl": lambda s: True if s.messaging.tls else None,
        "ssl_ca_file": lambda s: (
            (RABBITMQ_AUTHORITY if s.messaging.authority else trust.BUNDLE)
            if s.messaging.tls
            else None
        ),
    },
    "database": {
        "connection": lambda s: s.database_url,
        "connection_recycle_time": lambda s: s.database.recycle_time,
        "max_retries": -1,
    },
    "taskflow": {"connection": lambda s: s.database_url},
    "keystone_authtoken": {
        "www_authenticate_uri": lambda s: s.identity.public_url,
        "auth_type": "password",
        "service_type": "instance-ha",
        **_LOGIN,
        "service_token_roles_required": "True",
    },
}

_API: Sections = {
    "DEFAULT": {
        "masakari_api_listen": "127.0.0.1",
        "masakari_api_listen_port": haproxy.API_PORT,
        "masakari_api_workers": lambda s: s.workers,
        "notification_delay_max": 0,
        "duplicate_notification_detection_interval": lambda s: (
            s.config.duplicate_notification_interval
        ),
    },
    "wsgi": {"api_paste_config": "/etc/masakari/api-paste.ini"},
    "oslo_middleware": {"enable_proxy_headers_parsing": "True"},
}

_ENGINE: Sections = {
    "DEFAULT": {
        "wait_period_after_service_update": lambda s: s.config.evacuation_delay,
        "host_failure_recovery_threads": lambda s: s.config.host_recovery_threads,
        "notifications_expired_interval": lambda s: s.config.notification_expiration,
        "check_expired_notifications_interval": lambda s: s.config.check_expired_interval,
        "process_unfinished_notifications_interval": lambda s: _ours(
            s, masakari_fencing.UNFINISHED_INTERVAL
        ),
        "retry_notification_new_status_interval": lambda s: _ours(
            s, masakari_fencing.NEW_INTERVAL
        ),
    },
    "host_failure": {
        "evacuate_all_instances": lambda s: s.config.evacuate_all_instances,
        "ha_enabled_instance_metadata_key": lambda s: s.config.host_ha_metadata_key,
        "ignore_instances_in_error_state": lambda s: s.config.ignore_instances_in_error_state,
        "add_reserved_host_to_aggregate": lambda s: s.config.add_reserved_host_to_aggregate,
    },
    "instance_failure": {
        "process_all_instances": lambda s: s.config.process_all_instances,
        "ha_enabled_instance_metadata_key": lambda s: s.config.instance_ha_metadata_key,
    },
    "taskflow_driver_recovery_flows": {
        "process_failure_recovery_tasks": masakari_fencing.PROCESS_RECOVERY_TASKS,
        "host_auto_failure_recovery_tasks": lambda s: _ours(
            s, masakari_fencing.AUTO_RECOVERY_TASKS
        ),
        "host_rh_failure_recovery_tasks": lambda s: _ours(
            s, masakari_fencing.RESERVED_HOST_RECOVERY_TASKS
        ),
        "instance_failure_recovery_tasks": lambda s: _ours(
            s, masakari_fencing.INSTANCE_RECOVERY_TASKS
        ),
    },
    "fencing": {
        **{name: _as_it_is(name) for name in _SAME},
        "allow_unfenced_recovery": lambda s: s.config.allow_recovery_without_fencing,
        "evacuation_stagger": lambda s: s.config.host_recovery_stagger,
        "recover_only": lambda s: _rules(s.config.scope.only),
        "recover_never": lambda s: _rules(s.config.scope.never),
        "recovery_destination": lambda s: _rules(s.config.destination),
        "restart_order_from": lambda s: ",".join(s.config.order_sources),
        "recovery_retries": lambda s: str(s.config.retries),
    },
}

_NOTIFIER: Sections = {
    "keystone": _LOGIN,
    "api": {"endpoints": f"http://127.0.0.1:{haproxy.API_PORT}/v1, catalog"},
    "notifier": {
        "auto_return": lambda s: s.config.auto_return * 60,
        "auto_return_most": lambda s: s.config.auto_return_failures,
        "domain_limits": lambda s: _rules(s.config.domain_limits),
        "expiry": lambda s: s.config.notification_expiration,
        "retries": lambda s: str(s.config.retries),
        "records": lambda s: "false" if s.config.stock_workflow else "true",
    },
}

OWN_OPTIONS = {
    name: frozenset(o for part in (_BOTH, _API, _ENGINE) for o in part.get(name, ()))
    for name in {*_BOTH, *_API, *_ENGINE}
}
"""Options that the charm sets, by section, which `config-flags` therefore cannot."""


def for_api(settings: Settings) -> str:
    """What masakari-api reads of masakari.conf."""
    return _file(settings, _BOTH, _API)


def for_engine(settings: Settings) -> str:
    """What masakari-engine reads of it."""
    return _file(settings, _BOTH, _ENGINE)


def for_all(settings: Settings) -> str:
    """Text of masakari.conf."""
    return _file(settings, _BOTH, _API, _ENGINE)


def for_notifier(settings: Settings) -> str:
    """Text of fencing-notifier.conf, in which nothing stands for anything else."""
    return _HEADER + _text({name: _filled(settings, s) for name, s in _NOTIFIER.items()})


def _file(settings: Settings, *parts: Sections) -> str:
    """Text of a file for oslo.config; the operator's own flags are left as they are."""
    found: dict[str, dict[str, str]] = {}
    for part in parts:
        for name, section in part.items():
            values = {o: options.oslo(v) for o, v in _filled(settings, section).items()}
            found.setdefault(name, {}).update(values)
    for name, flags in settings.config.flags.items():
        found.setdefault(name, {}).update(flags)
    return _HEADER + _text(found)


def _filled(settings: Settings, section: Mapping[str, Value]) -> dict[str, str]:
    values = {o: v(settings) if callable(v) else v for o, v in section.items()}
    return {option: str(value) for option, value in values.items() if value is not None}


def _text(sections: Mapping[str, Mapping[str, str]]) -> str:
    return "\n".join(
        f"[{name}]\n" + "".join(f"{option} = {value}\n" for option, value in section.items())
        for name, section in sections.items()
    )


def _rules(found: Iterable[object]) -> str | None:
    return ", ".join(map(str, found)) or None


def _ours(settings: Settings, value: str | int) -> str | int | None:
    return None if settings.config.stock_workflow else value
