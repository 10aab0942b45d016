"""A certificate authority of one root, in a directory, worked with openssl."""

from __future__ import annotations

import ipaddress
import tempfile
from collections.abc import Iterable
from pathlib import Path

import workload

_KEY = "root-ca.key"
_CERTIFICATE = "root-ca.pem"
_BITS = "2048"


class Authority:
    """The root authority.

    Args:
        directory: where its key and certificate are.
    """

    def __init__(self, directory: Path) -> None:
        self._key = directory / _KEY
        self._path = directory / _CERTIFICATE

    @property
    def certificate(self) -> str:
        """Its certificate, PEM; '' before it is made."""
        return self._path.read_text() if self._path.exists() else ""

    def make(self, name: str, days: int) -> None:
        """Make its key and a self-signed certificate.

        Args:
            name: its common name.
            days: how long it is valid.
        """
        workload.write(self._key, _new_key(), mode=0o600)
        workload.write(
            self._path,
            workload.run(
                *("openssl", "req", "-x509", "-sha256", "-batch", "-key", str(self._key)),
                *("-subj", f"/CN={name}", "-days", str(days)),
                *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
            ),
        )

    def issue(self, name: str, sans: Iterable[str], days: int) -> dict[str, str]:
        """Issue a certificate with a key of its own.

        Args:
            name: the common name.
            sans: host names and addresses that it is valid for, besides the common name.
            days: how long it is valid.

        Returns:
            ``cert`` and ``key``, PEM.
        """
        key = _new_key()
        extensions = "\n".join(
            (
                "basicConstraints = CA:false",
                "keyUsage = critical,digitalSignature,keyEncipherment",
                "extendedKeyUsage = serverAuth,clientAuth",
                f"subjectAltName = {_alternatives(name, sans)}",
            )
        )
        with tempfile.TemporaryDirectory() as folder:
            files = {"key": key, "extensions": extensions}
            for file, text in files.items():
                workload.write(Path(folder) / file, text, mode=0o600)
            request = workload.run(
                *("openssl", "req", "-new", "-batch", "-key", f"{folder}/key"),
                *("-subj", f"/CN={name[:64]}"),
            )
            certificate = workload.run(
                *("openssl", "x509", "-req", "-sha256", "-CA", str(self._path)),
                *("-CAkey", str(self._key), "-CAcreateserial", "-days", str(days)),
                *("-extfile", f"{folder}/extensions"),
                stdin=request,
            )
        return {"cert": certificate, "key": key}


def _new_key() -> str:
    return workload.run("openssl", "genrsa", "-traditional", _BITS)


def _alternatives(name: str, sans: Iterable[str]) -> str:
    """The names as openssl's ``subjectAltName`` has them."""
    return ",".join(
        f"{'IP' if _is_address(entry) else 'DNS'}:{entry}" for entry in sorted({name, *sans})
    )


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
