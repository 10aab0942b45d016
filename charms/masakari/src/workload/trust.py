"""Certificate authorities that this machine trusts."""

from __future__ import annotations

import re

from instance_ha_common.machine.host import Host

from workload import services

BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
_DIRECTORY = "/usr/local/share/ca-certificates"
_RECORD = "/var/lib/masakari-charm/authorities"
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?")


def install(host: Host, application: str, authorities: str) -> bool:
    """Trust exactly the given authorities, apart from the system's own.

    Args:
        host: the machine.
        application: name of this application; the files are called after it.
        authorities: certificates, PEM; may be empty.

    Returns:
        Whether anything was changed.

    Raises:
        CommandError: the system's bundle cannot be made.
    """
    seen = services.digest(application, authorities)
    nothing = not authorities and not host.path(_RECORD).exists()
    if nothing or host.read(_RECORD) == seen:
        return False
    # One certificate per file: the system's tool passes over files that hold several.
    wanted = {
        f"{application}.crt" if number == 0 else f"{application}-{number}.crt": text
        for number, text in enumerate(dict.fromkeys(_PEM.findall(authorities)))
    }
    pattern = re.compile(rf"{re.escape(application)}(-\d+)?\.crt")
    for name, text in wanted.items():
        host.write(f"{_DIRECTORY}/{name}", f"{text.rstrip()}\n")
    directory = host.path(_DIRECTORY)
    for entry in list(directory.iterdir()) if directory.is_dir() else ():
        if pattern.fullmatch(entry.name) and entry.name not in wanted:
            entry.unlink()
    host.runner.run(["update-ca-certificates", "--fresh"], timeout=120)
    host.write(_RECORD, seen)  # last, so that a run that failed is made good
    return True
