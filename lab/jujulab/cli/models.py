"""The model's configuration, and the version."""

from jujulab.cli.command import CommandError, Invocation, command, split_list
from jujulab.cli.output import emit, format_flag, table
from jujulab.juju.gnuflag import Flag, UsageError, key_values
from jujulab.juju.names import VERSION

_ALL = Flag("all", kind="bool")


@command("version", "", format_flag("smart", "json", "smart", "yaml"), _ALL, model=False)
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
