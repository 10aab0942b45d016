"""Secrets of the model that the operator has granted to the application; the API's private key."""

from __future__ import annotations

import base64
import binascii

import ops

import values

OPTION = "ssl-key-secret"
KEY = "ssl-key"
"""The secret's key: PEM, or base64 of it as in `ssl_key`."""


def private_key(secret: ops.Secret) -> str:
    """Return the private key in the newest revision of a secret, PEM.

    Raises:
        ValueError: the secret is not there, not granted, or holds no key; the text has the cure,
            and nothing of the secret.
    """
    content = content_of(secret, OPTION)
    if KEY not in content:
        raise ValueError(
            f"{OPTION}: the secret has no key {KEY}: run juju update-secret NAME"
            f" {KEY}#file=KEY.pem"
        )
    key = values.private_key(content[KEY]) or values.private_key(decoded(content[KEY]))
    if key is None:
        raise ValueError(f"{OPTION}: {KEY} in the secret is not a PEM private key")
    return key


def content_of(secret: ops.Secret, option: str) -> dict[str, str]:
    """Return what the newest revision of the secret of an option holds.

    Raises:
        ValueError: the secret is not there, or not granted; the text has the cure.
    """
    try:
        return secret.get_content(refresh=True)
    except ops.ModelError:  # not found, or permission denied: Juju's words differ by release
        raise ValueError(
            f"{option}: this application cannot read that secret: run juju grant-secret, or"
            " correct the option"
        ) from None


def decoded(text: str) -> str:
    """Return base64's content; nothing where it is none, or not text."""
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return ""
