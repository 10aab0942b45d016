"""masakari.conf, and which part of it concerns which service."""

from __future__ import annotations

from collections.abc import Mapping

OWN_OPTIONS = frozenset(
    {
        "debug",
        "use_syslog",
        "log_dir",
        "state_path",
        "transport_url",
        "auth_strategy",
        "masakari_api_listen",
        "masakari_api_listen_port",
        "masakari_api_workers",
        "notification_delay_max",
        "duplicate_notification_detection_interval",
        "wait_period_after_service_update",
        "host_failure_recovery_threads",
        "notifications_expired_interval",
        "check_expired_notifications_interval",
        "nova_catalog_admin_info",
        "nova_ca_certificates_file",
        "os_region_name",
        "os_privileged_user_name",
        "os_privileged_user_password",
        "os_privileged_user_tenant",
        "os_privileged_user_auth_url",
        "os_user_domain_name",
        "os_project_domain_name",
    }
)
"""Options of `[DEFAULT]` that the charm sets, which `config-flags` therefore cannot."""

_API_OPTIONS = frozenset(
    {
        "masakari_api_listen",
        "masakari_api_listen_port",
        "masakari_api_workers",
        "notification_delay_max",
        "duplicate_notification_detection_interval",
    }
)
_API_SECTIONS = frozenset({"wsgi", "oslo_middleware"})
_ENGINE_OPTIONS = frozenset(
    {
        "wait_period_after_service_update",
        "host_failure_recovery_threads",
        "notifications_expired_interval",
        "check_expired_notifications_interval",
    }
)
_ENGINE_SECTIONS = frozenset(
    {"host_failure", "instance_failure", "taskflow_driver_recovery_flows", "fencing"}
)


def escape(value: str) -> str:
    """`value` so that oslo.config reads it literally: it takes `$` for a reference."""
    return value.replace("$", "$$")


def settings(text: str) -> dict[tuple[str, str], str]:
    """Settings in a configuration file, by section and option."""
    found: dict[tuple[str, str], str] = {}
    section = ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[] ")
        elif "=" in line and not line.startswith("#"):
            option, _, value = line.partition("=")
            found[section, option.strip()] = value.strip()
    return found


def for_api(text: str) -> Mapping[tuple[str, str], str]:
    """Those settings in masakari.conf that masakari-api reads."""
    return _without(settings(text), _ENGINE_SECTIONS, _ENGINE_OPTIONS)


def for_engine(text: str) -> Mapping[tuple[str, str], str]:
    """Those settings in masakari.conf that masakari-engine reads."""
    return _without(settings(text), _API_SECTIONS, _API_OPTIONS)


def _without(
    found: Mapping[tuple[str, str], str], sections: frozenset[str], options: frozenset[str]
) -> dict[tuple[str, str], str]:
    return {
        (section, option): value
        for (section, option), value in found.items()
        if section not in sections and not (section == "DEFAULT" and option in options)
    }
