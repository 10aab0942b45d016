"""The MAAS key that hypervisors are fenced with, in a secret of the model and in a file of root.

Every unit keeps the file. The cluster's configuration names it only once all of them have it, and
a unit keeps it for as long as it is named there: whoever is asked to fence can do it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import ops
from instance_ha_common.juju.problems import Problem, waiting
from instance_ha_common.machine.awaited import AGAIN
from instance_ha_common.machine.host import Host
from masakari_fencing.maas import access
from masakari_fencing.maas.access import Access
from masakari_fencing.pacemaker import cibadmin
from masakari_fencing.pacemaker.tools import PacemakerError

import key_secret
from relations.peers import Peer

OPTION = "maas-credentials-secret"
URL = "maas-url"
KEY = "maas-credentials"
FILE = str(access.FILE)


def of_secret(secret: ops.Secret) -> Access:
    """Return what a secret holds.

    Raises:
        ValueError: it cannot be used; the text has the cure, and nothing of the key.
    """
    # Not at the top of the module: few have the option, and HTTP and TLS take long to load.
    from masakari_fencing.maas.client import Maas, MaasError

    content = key_secret.content_of(secret, OPTION)
    missing = [name for name in (URL, KEY) if not content.get(name, "").strip()]
    if missing:
        raise ValueError(
            f"{OPTION}: the secret has no {' and no '.join(missing)}: run juju update-secret NAME"
            f" {URL}=URL {KEY}#file=KEY.txt"
        )
    found = Access(content[URL].strip(), content[KEY].strip())
    try:
        Maas(found.url, found.key)
    except MaasError as error:
        raise ValueError(f"{OPTION}: {error}") from None
    return found


class PowerKey:
    """The file on this machine."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def tend(self, wanted: Access | None, *, clustered: bool) -> str:
        """Have the file say what is wanted; one that is not is kept while a guard reads it.

        Args:
            wanted: the MAAS and its key; None: the guards are to use hacluster's device.
            clustered: Pacemaker is set up on this unit.

        Returns:
            What stands for what the file says; empty where there is no file.
        """
        if wanted is not None:
            self._host.write(FILE, json.dumps(wanted.dump()), mode=0o600)
            return wanted.fingerprint
        if not self._host.path(FILE).exists():
            return ""
        if clustered and self._read_by_guards():
            kept = access.of_file(self._host.path(FILE))
            return kept.fingerprint if kept else ""
        self._host.remove(FILE)
        return ""

    def remove(self) -> None:
        """Leave no key on the machine."""
        self._host.remove(FILE)

    def _read_by_guards(self) -> bool:
        try:
            return bool(access.used(cibadmin.cib(self._host.runner)))
        except PacemakerError:
            return True  # until it is known that none does


def lacking(wanted: Access | None, peers: Iterable[Peer]) -> list[Peer]:
    """Return the other units that do not have the key that is wanted, if one is.

    Args:
        wanted: the MAAS and its key.
        peers: the other units.
    """
    if wanted is None:
        return []
    return [peer for peer in peers if peer.power_key != wanted.fingerprint]


def problems(lack: Iterable[Peer]) -> Iterator[Problem]:
    """Say which units are waited for; those that are still being set up say so themselves."""
    names = [peer.name for peer in lack if peer.fencing]
    if names:
        yield waiting(
            f"{OPTION}: waiting for {', '.join(names)} to have the key (refresh a unit with an"
            " older charm); until then the fence goes on with the key that it has",
            AGAIN,
        )
