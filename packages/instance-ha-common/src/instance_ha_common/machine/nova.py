"""Nova's configuration on a hypervisor, as its nova-compute reads it."""

from __future__ import annotations

from instance_ha_common.machine.host import Host

NOVA_CONF = "/etc/nova/nova.conf"

RESUMES_GUESTS = "resume_guests_state_on_host_boot"
"""Option that has nova-compute start, after a boot, the instances that ran before it."""

RESUMES_GUESTS_LINE = rf"^{RESUMES_GUESTS}\s*[=:]\s*(1|[Tt][Rr][Uu][Ee]|[Oo][Nn]|[Yy][Ee][Ss])\s*$"
"""A line that sets it, as an extended regular expression."""

_FILES = (NOVA_CONF, "/etc/nova/nova-compute.conf")
"""What the packages' init script has nova-compute read, in this order; see its `--config-file`."""

_HOMES = ("/var/lib/nova/.nova", "/var/lib/nova", "/etc/nova", "/etc")
_DIRECTORIES = ("nova.conf.d", "nova-compute.conf.d")
"""Directories that oslo.config reads by itself, each in the first of the homes that has it."""

_TRUE = frozenset({"true", "1", "on", "yes"})
"""What oslo.config takes for true, whatever its case."""


def defaults(host: Host) -> dict[str, tuple[str, str]]:
    """The options of `[DEFAULT]`, each with the file that has the last word on it."""
    return section(host, "DEFAULT")


def section(host: Host, name: str) -> dict[str, tuple[str, str]]:
    """The options of a section, each with the file that has the last word on it.

    oslo.config reads its own directories first, and then the files of the command line, which
    therefore win (`ConfigOpts._parse_config_files`).
    """
    found: dict[str, tuple[str, str]] = {}
    for path in (*_snippets(host), *_FILES):
        found |= {key: (value, path) for key, value in _read(host.read(path) or "", name).items()}
    return found


def resumes_guests(host: Host) -> str | None:
    """The file that has nova-compute start instances after a boot; None if it does not."""
    value, path = defaults(host).get(RESUMES_GUESTS, ("", ""))
    return path if value.lower() in _TRUE else None


def _snippets(host: Host) -> list[str]:
    found = []
    for name in _DIRECTORIES:
        home = next((home for home in _HOMES if host.path(home, name).is_dir()), None)
        names = sorted(path.name for path in host.path(home, name).glob("*.conf")) if home else ()
        found += [f"{home}/{name}/{entry}" for entry in names]
    return found


def _read(text: str, section: str) -> dict[str, str]:
    """A section of a file; empty if it cannot be read."""
    import configparser  # not every charm reads Nova's files

    # oslo.config files repeat options and hold raw "%": take the forgiving way through them.
    parser = configparser.RawConfigParser(default_section="\0", strict=False, allow_no_value=True)
    try:
        parser.read_string(text)
    except (configparser.Error, AttributeError):  # the latter for what continues no value
        return {}
    if not parser.has_section(section):
        return {}
    return {key: (value or "").strip() for key, value in parser.items(section)}
