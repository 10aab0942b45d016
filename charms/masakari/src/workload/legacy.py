"""What an older charm, or a distribution's package, left to serve the API with Apache."""

from __future__ import annotations

import logging
from pathlib import Path

from instance_ha_common.machine.host import Host
from instance_ha_common.machine.services import ServiceError

logger = logging.getLogger(__name__)

_APACHE = "apache2"
_SITES = (
    "/etc/apache2/sites-enabled/masakari-api.conf",
    "/etc/apache2/sites-enabled/openstack_https_frontend.conf",
    "/etc/apache2/conf-enabled/masakari-api.conf",
)
_DEFAULT_SITE = "000-default.conf"


def retire_apache(host: Host) -> bool:
    """Take the API out of Apache, which otherwise holds the ports that HAProxy needs.

    Apache itself is stopped when nothing but its default page is left.

    Returns:
        Whether there was anything to take out.
    """
    found = [path for path in _SITES if host.remove(path)]
    if not found:
        return False
    logger.info("removed from Apache: %s", ", ".join(found))
    sites = _entries(host.path("/etc/apache2/sites-enabled"))
    try:
        if any(path.name != _DEFAULT_SITE for path in sites):
            host.systemd.reload(_APACHE)
        elif host.systemd.exists(_APACHE):
            host.systemd.pause(_APACHE)
    except ServiceError as error:
        logger.warning("Apache: %s", error)
    return True


def _entries(directory: Path) -> list[Path]:
    return list(directory.iterdir()) if directory.is_dir() else []
