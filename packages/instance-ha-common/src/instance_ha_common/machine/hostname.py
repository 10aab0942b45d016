"""The one name of a hypervisor.

Masakari looks a failed host up by the name of its nova-compute service. The Pacemaker node and the
`hostname` of the monitors must therefore be that very name, letter by letter. It is the short host
name on some clouds and the FQDN on others, depending on the release that first deployed
nova-compute, so it can only be read from Nova's own configuration.
"""

from __future__ import annotations

import re
import socket

from instance_ha_common.machine import awaited, nova
from instance_ha_common.machine.host import Host
from instance_ha_common.machine.nova import NOVA_CONF

CONFIGURED = awaited.holds(NOVA_CONF, r"^(host|transport_url)\s*=\s*\S")
"""What succeeds once Nova is configured; see `awaited`."""

_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")


class HostNameNotKnownYet(Exception):  # noqa: N818 - a state of the machine, not an error in it
    """Nova is going to be configured on this machine, but is not yet."""


def is_valid(name: str) -> bool:
    """Whether `name` is usable as a host name: labels of letters, digits, `-` and `_`.

    Pacemaker's tools are given none that begins or ends with another than a letter or digit
    (`NODE_NAME` of masakari_fencing.pacemaker.tools).
    """
    ends = name[:1].isalnum() and name[-1:].isalnum()
    return ends and len(name) <= 253 and all(map(_LABEL.fullmatch, name.split(".")))


def configured_nova_host(host: Host) -> str | None:
    """`[DEFAULT] host` of Nova's configuration; None where it has no such option."""
    return _default(host, "host").strip("'\"") or None


def nova_is_configured(host: Host) -> bool:
    """Whether nova.conf is a deployment's, and not the one that the package brings.

    The package's file is there first, and says nothing about the host's name either.
    """
    return bool(_default(host, "host") or _default(host, "transport_url"))


def _default(host: Host, option: str) -> str:
    return nova.defaults(host).get(option, ("", ""))[0]


def canonical_name() -> str:
    """This machine's name as its resolver completes it, like `hostname -f`."""
    name = socket.gethostname()
    try:
        answers = socket.getaddrinfo(name, None, 0, socket.SOCK_DGRAM, 0, socket.AI_CANONNAME)
    except OSError:
        return name
    return next((answer[3] for answer in answers if answer[3]), name)


def nova_host_name(host: Host, *, override: str | None = None, expect_nova: bool = False) -> str:
    """Name by which Nova, Masakari and Pacemaker know this machine.

    In this order: `override`; `host` in nova.conf; the plain host name, which Nova uses where its
    configuration names none; and on a machine without Nova the canonical name.

    Args:
        host: the machine.
        override: the operator's choice, if any.
        expect_nova: Nova belongs on this machine, so its absence only means "not yet".

    Raises:
        HostNameNotKnownYet: Nova is expected and not configured yet.
        ValueError: the name found is no host name; the text says where it is from.
    """
    configured = configured_nova_host(host)
    if override:
        name, source = override, "the option that names this host"
    elif configured:
        name, source = configured, f"host in {nova.defaults(host)['host'][1]}"
    elif nova_is_configured(host):
        name, source = socket.gethostname(), "the name of this machine"
    elif expect_nova:
        raise HostNameNotKnownYet(f"no {NOVA_CONF} yet")
    else:
        name, source = canonical_name(), "the name of this machine"
    if not is_valid(name):
        raise ValueError(f"{source} is {name!r}, not a host name: correct it")
    return name
