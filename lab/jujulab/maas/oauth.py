"""The API key of the MAAS look-alike, and the OAuth 1.0 PLAINTEXT header that proves it."""

from __future__ import annotations

import hmac
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote
from urllib.request import parse_http_list, parse_keqv_list


@dataclass(frozen=True)
class ApiKey:
    """The API key of a MAAS user: what MAAS shows as ``consumer:token:secret``."""

    consumer: str
    token: str
    secret: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> ApiKey:
        """Read a key; ValueError where the text does not have three parts."""
        parts = text.strip().split(":")
        if len(parts) != 3 or not all(parts):
            raise ValueError("an API key has the form consumer:token:secret")
        return cls(*parts)

    @classmethod
    def generate(cls) -> ApiKey:
        """Make a new random key, as long as those of MAAS."""
        return cls(secrets.token_hex(9), secrets.token_hex(9), secrets.token_hex(16))

    @classmethod
    def at(cls, path: Path) -> ApiKey:
        """Read the key in a file, which is made with a new key if need be.

        The file is readable by its owner only, at every moment.
        """
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return cls.parse(path.read_text())
        key = cls.generate()
        with os.fdopen(handle, "w") as file:
            file.write(f"{key.text}\n")
        return key

    @property
    def text(self) -> str:
        """The key as MAAS shows it."""
        return f"{self.consumer}:{self.token}:{self.secret}"

    def accepts(self, header: str | None) -> bool:
        """Tell whether an ``Authorization`` header, if there is one, was made with this key."""
        parameters = parse_header(header or "")
        if not {"oauth_timestamp", "oauth_nonce"} <= parameters.keys():
            return False
        # The part before the ampersand is the consumer's secret, which MAAS leaves empty.
        expected = {
            "oauth_consumer_key": self.consumer,
            "oauth_token": self.token,
            "oauth_signature_method": "PLAINTEXT",
            "oauth_signature": f"&{self.secret}",
        }
        return all(
            hmac.compare_digest(parameters.get(name, "").encode(), value.encode())
            for name, value in expected.items()
        )


def parse_header(header: str) -> dict[str, str]:
    """Return the parameters of an OAuth ``Authorization`` header, decoded; empty if it is none."""
    scheme, _, rest = header.strip().partition(" ")
    if scheme.lower() != "oauth":
        return {}
    parts = (part for part in parse_http_list(rest) if part.partition("=")[2])
    pairs = parse_keqv_list(list(parts))
    return {name: unquote(value) for name, value in pairs.items()}
