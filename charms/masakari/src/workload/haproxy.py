"""HAProxy: the port that clients connect to, over all units, with TLS if there is a certificate.

Each unit listens twice. The public port passes connections on to the unit port of one of the
units, without looking into them. The unit port, of which TLS is the outer shell, belongs to the
API process of that very unit, which itself listens on the loopback interface alone. So nothing
that is reachable from outside speaks clear text once there is a certificate.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from instance_ha_common import options, urls
from instance_ha_common.machine.commands import CommandError
from instance_ha_common.machine.host import Host
from instance_ha_common.machine.templates import Templates

import values
from relations.certificates import Certificate
from workload import services

if TYPE_CHECKING:
    from config import Config

logger = logging.getLogger(__name__)

PUBLIC_PORT = 15868
UNIT_PORT = 15858
API_PORT = 15848

CONFIGURATION = "/etc/haproxy/haproxy.cfg"
CERTIFICATES = "/etc/haproxy/masakari"
_REQUEST_TIMEOUT = 10000  # milliseconds until a client has sent its request
_FILE = re.compile(r"\d+-(.+)\.pem")
_CANDIDATE = "/etc/haproxy/masakari.new"


class BadConfiguration(Exception):  # noqa: N818 - what HAProxy did, not an error of the charm
    """HAProxy does not accept the configuration."""


class HAProxy:
    """HAProxy's configuration on one machine."""

    def __init__(self, host: Host, templates: Templates) -> None:
        self._host = host
        self._templates = templates

    def configure(
        self,
        config: Config,
        units: Mapping[str, str],
        certificates: Sequence[Certificate],
        *,
        serve: bool,
    ) -> str:
        """Write the configuration and certificates, if HAProxy accepts them.

        Returns:
            What stands for this configuration; see `services.digest`.

        Raises:
            BadConfiguration: HAProxy does not accept it; what there was before stays.
        """
        pems = _files(certificates)
        context = self._context(config, units, tls=bool(pems), serve=serve)
        text = self._templates.content(CONFIGURATION, "haproxy.cfg", context)
        if self._differs(text, pems):
            self._check(context, pems)
            for name, pem in pems.items():
                self._host.write(f"{CERTIFICATES}/{name}", pem, mode=0o600)
            self._host.write(CONFIGURATION, text)
            self._remove_others(CERTIFICATES, pems)
        return services.digest(text, sorted(pems.items()))

    def remove(self) -> None:
        """Remove the configuration with its certificates."""
        if self.is_ours:
            self._host.remove(CONFIGURATION)
        self._remove_others(CERTIFICATES, {})

    @property
    def is_ours(self) -> bool:
        """Whether the configuration on disk was written by this charm."""
        return "Juju (charm masakari)" in (self._host.read(CONFIGURATION) or "")

    @property
    def serves(self) -> bool:
        """Whether the configuration on disk is this charm's and listens on the ports."""
        return self.is_ours and "\n    bind " in (self._host.read(CONFIGURATION) or "")

    def certificates(self) -> tuple[Certificate, ...]:
        """The certificates that the configuration on disk serves with."""
        found = []
        for path in sorted(self._entries(CERTIFICATES)) if self.serves else ():
            text = self._host.read(f"{CERTIFICATES}/{path.name}") or ""
            certificate, key = options.pem_certificates(text), values.private_key(text)
            match = _FILE.fullmatch(path.name)
            if match and certificate and key:
                found.append(Certificate(match[1], certificate, key))
        return tuple(found)

    def _differs(self, text: str, pems: Mapping[str, str]) -> bool:
        present = {path.name for path in self._entries(CERTIFICATES)}
        return (
            self._host.read(CONFIGURATION) != text
            or present != set(pems)
            or any(self._host.read(f"{CERTIFICATES}/{name}") != pems[name] for name in pems)
        )

    def _context(
        self, config: Config, units: Mapping[str, str], *, tls: bool, serve: bool
    ) -> dict[str, object]:
        return {
            "queue_timeout": config.haproxy_queue_timeout,
            "connect_timeout": config.haproxy_connect_timeout,
            "client_timeout": config.haproxy_client_timeout,
            "server_timeout": config.haproxy_server_timeout,
            "request_timeout": _REQUEST_TIMEOUT,
            "units": [
                (name.replace("/", "-"), urls.bracketed(units[name])) for name in sorted(units)
            ],
            "tls": tls,
            "serve": serve,
            "certificates": CERTIFICATES,
            "ipv6": self._host.path("/proc/net/if_inet6").exists(),
            "public_port": PUBLIC_PORT,
            "unit_port": UNIT_PORT,
            "api_port": API_PORT,
        }

    def _check(self, context: Mapping[str, object], pems: Mapping[str, str]) -> None:
        """Have HAProxy itself judge a copy, before the real files are touched."""
        certificates = str(self._host.path(_CANDIDATE))
        text = self._templates.render("haproxy.cfg", {**context, "certificates": certificates})
        candidate = f"{_CANDIDATE}.cfg"
        try:
            self._host.write(candidate, text, mode=0o600)
            for name, pem in pems.items():
                self._host.write(f"{_CANDIDATE}/{name}", pem, mode=0o600)
            self._host.runner.run(["haproxy", "-c", "-f", str(self._host.path(candidate))])
        except CommandError as error:
            logger.error("HAProxy refuses its configuration: %s", error.stderr.strip())
            raise BadConfiguration(str(error)) from error
        finally:
            self._host.remove(candidate)
            self._remove_others(_CANDIDATE, {})
            if self._host.path(_CANDIDATE).is_dir():
                self._host.path(_CANDIDATE).rmdir()

    def _remove_others(self, directory: str, keep: Mapping[str, str]) -> None:
        for path in self._entries(directory):
            if path.name not in keep:
                path.unlink()

    def _entries(self, directory: str) -> list[Path]:
        """The files in a directory; others in it are an operator's, and HAProxy passes them by."""
        path = self._host.path(directory)
        return [entry for entry in path.iterdir() if entry.is_file()] if path.is_dir() else []


def _files(certificates: Sequence[Certificate]) -> dict[str, str]:
    """Name and content of each file; HAProxy's default is the first one by name."""
    return {
        f"{position:02}-{file_name(certificate.name)}.pem": certificate.pem
        for position, certificate in enumerate(certificates)
    }


def file_name(name: str) -> str:
    """The part of a certificate's file name that says which name it is for."""
    return name.replace("/", "_").replace("*", "_")
