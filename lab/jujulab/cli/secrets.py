"""The user's secrets: made, changed, granted. What is in them is printed nowhere."""

import base64
import binascii
from pathlib import Path

from jujulab.cli.command import CommandError, Invocation, command, split_list
from jujulab.juju.gnuflag import Flag, key_values


def _content(words: list[str]) -> dict[str, str]:
    """Read `key=value`, `key#base64=value` and `key#file=path`."""
    content = {}
    for word, value in key_values(words).items():
        key, _, kind = word.partition("#")
        if kind == "file":
            try:
                content[key] = Path(value).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise CommandError(f"{value}: {error}") from error
        elif kind == "base64":
            try:
                content[key] = base64.b64decode(value, validate=True).decode()
            except (binascii.Error, ValueError):
                raise CommandError(f"{key}: not base64 of a text") from None
        elif not kind:
            content[key] = value
        else:
            raise CommandError(f'key "{word}" not valid')
    return content


@command("add-secret", "<name> [key[#base64|#file]=value...]", Flag("info", default=""))
def add_secret(call: Invocation) -> None:
    """Add a new secret."""
    call.expect(2, None, "secret name and value")
    content = _content(call.args[1:])
    print(call.client.call("add_secret", name=call.args[0], content=content))


@command("update-secret", "<ID>|<name> [key[#base64|#file]=value...]", Flag("info", default=""))
def update_secret(call: Invocation) -> None:
    """Update an existing secret."""
    call.expect(2, None, "secret ID and value")
    content = _content(call.args[1:])
    call.client.call("update_secret", secret=call.args[0], content=content)


@command("grant-secret", "<ID>|<name> <application>[,<application>...]")
def grant_secret(call: Invocation) -> None:
    """Grant access to a secret."""
    call.expect(2, 2, "secret ID and application")
    apps = split_list(call.args[1:])
    call.client.call("grant_secret", secret=call.args[0], apps=apps)
