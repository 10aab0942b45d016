"""The model's configuration, its user's secrets, and the version."""

import base64
import binascii
from pathlib import Path

from jujulab.cli.command import CommandError, Invocation, command, split_list
from jujulab.cli.output import emit, format_flag, table
from jujulab.juju.gnuflag import Flag, UsageError, key_values
from jujulab.juju.names import VERSION

_ALL = Flag("all", kind="bool")


@command("version", "", format_flag("smart", "json", "smart", "yaml"), _ALL)
def version(call: Invocation) -> None:
    """Print the Juju CLI client version."""
    call.expect(0, 0, "argument")
    text = f"{VERSION}-debian-amd64"
    emit({"version": text} if call.flags["all"] else text, call.flags["format"])


@command(
    "model-config",
    "[<key>[=<value>] ...]",
    format_flag("tabular", "json", "tabular", "yaml"),
    Flag("reset", kind="list"),
)
def model_config(call: Invocation) -> None:
    """Display or set configuration values on the model."""
    assignments = [word for word in call.args if "=" in word]
    reset = split_list(call.flags["reset"])
    if assignments or reset:
        if len(assignments) != len(call.args):
            raise UsageError("cannot set and retrieve values simultaneously")
        values = key_values(assignments)
        call.client.call("set_model_config", values=values, reset=reset)
        return
    config = call.client.call("model_config")
    if call.args:
        if call.args[0] not in config:
            raise CommandError(f'key "{call.args[0]}" not found in model settings')
        kind = "smart" if call.flags["format"] == "tabular" else call.flags["format"]
        emit(config[call.args[0]]["Value"], kind)
    elif call.flags["format"] == "tabular":
        rows = [["Attribute", "From", "Value"]]
        for name, entry in config.items():
            value = str(entry["Value"])
            shown = value.lower() if isinstance(entry["Value"], bool) else value
            rows.append([name, entry["Source"], shown])
        print(table(rows), end="")
    else:
        emit(config, call.flags["format"])


def _content(words: list[str]) -> dict[str, str]:
    """Read `key=value`, `key#base64=value` and `key#file=path`; none of it is printed."""
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
