"""Commands about the model, the controller and the client."""

from __future__ import annotations

from typing import Any

from jujulab.cli.applications import _split as split_list
from jujulab.cli.command import CommandError, Invocation, check_model, command, key_values, say
from jujulab.cli.output import emit, format_flag, table
from jujulab.juju.gnuflag import Flag, UsageError
from jujulab.juju.names import CLOUD, CONTROLLER, MODEL, VERSION

_CONTROLLER_UUID = "00000000-0000-4000-8000-0000006c6162"
_FORMAT = format_flag("yaml", "json", "smart", "yaml")


@command(
    "version",
    "",
    format_flag("smart", "json", "smart", "yaml"),
    Flag("all", kind="bool"),
    model=False,
)
def version(call: Invocation) -> None:
    """Print the Juju CLI client version."""
    call.expect(0, 0, "argument")
    text = f"{VERSION}-debian-amd64"
    emit({"version": text} if call.flags["all"] else text, call.flags["format"])


@command("whoami", "", format_flag("tabular", "json", "tabular", "yaml"), model=False)
def whoami(call: Invocation) -> None:
    """Print current login details."""
    details = {"controller": CONTROLLER, "model": MODEL, "user": "admin"}
    if call.flags["format"] != "tabular":
        emit(details, call.flags["format"])
        return
    for name, value in details.items():
        print(f"{name.capitalize() + ':':12}{value}")


@command("switch", "[<controller>|<model>]", model=False)
def switch(call: Invocation) -> None:
    """Select or identify the current controller and model."""
    call.expect(0, 1, "model")
    here = f"{CONTROLLER}:admin/{MODEL}"
    if not call.args:
        print(here)
        return
    if call.args[0].rstrip(":") != CONTROLLER:
        check_model(call.args[0])
    say(f"{here} (no change)")


@command(
    "models",
    "",
    format_flag("tabular", "json", "tabular", "yaml"),
    Flag("controller", short="c", default=""),
    Flag("uuid", kind="bool"),
    model=False,
    aliases=("list-models",),
)
def models(call: Invocation) -> None:
    """List models a user can access on a controller."""
    info = _model_info(call)
    if call.flags["format"] != "tabular":
        emit({"models": [info], "current-model": MODEL}, call.flags["format"])
        return
    print(f"Controller: {CONTROLLER}\n")
    rows = [
        ["Model", "Cloud/Region", "Type", "Status", "Machines", "Access", "Last connection"],
        [
            f"{MODEL}*",
            CLOUD,
            info["type"],
            info["status"]["current"],
            str(len(info["machines"])),
            "admin",
            "just now",
        ],
    ]
    print(table(rows), end="")


def _model_info(call: Invocation) -> dict[str, Any]:
    status = call.client.call("status", patterns=[])["status"]
    config = call.client.call("model_config")
    containers = {n for m in status["machines"].values() for n in m.get("containers", {})}
    return {
        "name": f"admin/{MODEL}",
        "short-name": MODEL,
        "model-uuid": config["uuid"]["Value"],
        "model-type": "iaas",
        "controller-uuid": _CONTROLLER_UUID,
        "controller-name": CONTROLLER,
        "is-controller": False,
        "owner": "admin",
        "cloud": CLOUD,
        "type": "maas",
        "life": "alive",
        "status": status["model"]["model-status"],
        "users": {
            "admin": {"display-name": "admin", "access": "admin", "last-connection": "just now"}
        },
        "machines": {name: {"cores": 0} for name in sorted({*status["machines"], *containers})},
        "agent-version": VERSION,
    }


@command("show-model", "[<model>]", _FORMAT)
def show_model(call: Invocation) -> None:
    """Show information about the current or specified model."""
    call.expect(0, 1, "model")
    if call.args:
        check_model(call.args[0])
    emit({MODEL: _model_info(call)}, call.flags["format"])


@command(
    "add-model",
    "<model>",
    Flag("no-switch", kind="bool"),
    Flag("config", kind="list"),
    Flag("controller", short="c", default=""),
    model=False,
)
def add_model(call: Invocation) -> None:
    """Add a model: the lab has exactly one, so only that name, and only while it is empty."""
    check_model(call.one("model name"))
    if call.flags["controller"] not in ("", CONTROLLER):
        raise CommandError(f"controller {call.flags['controller']} not found")
    status = call.client.call("status", patterns=[])["status"]
    if status["applications"] or status["machines"]:
        raise CommandError(f'failed to create new model: model "{MODEL}" already exists')
    values = key_values(call.flags["config"])
    call.client.call("set_model_config", values=values, reset=[])
    say(f"Added '{MODEL}' model on {CLOUD} for user 'admin'")


@command(
    "destroy-model",
    "<model>",
    Flag("no-prompt", kind="bool"),
    Flag("force", kind="bool"),
    Flag("destroy-storage", kind="bool"),
    Flag("no-wait", kind="bool"),
    Flag("timeout", short="t", default=""),
    model=False,
)
def destroy_model(call: Invocation) -> None:
    """Terminate all machines and resources of the model: it is empty then."""
    name = call.one("model")
    check_model(name)
    if not call.flags["no-prompt"]:
        answer = input(
            f"WARNING! This command will destroy everything in the model {name}.\n"
            f"To continue, enter the name of the model to be destroyed: "
        )
        if answer != name:
            raise CommandError("model destruction: aborted")
    say("Destroying model")
    call.client.call("destroy_model")
    say("Model destroyed.")


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
        rows += [
            [
                k,
                v["Source"],
                str(v["Value"]).lower() if isinstance(v["Value"], bool) else str(v["Value"]),
            ]
            for k, v in config.items()
        ]
        print(table(rows), end="")
    else:
        emit(config, call.flags["format"])


@command("model-constraints", "", _FORMAT)
def model_constraints(call: Invocation) -> None:
    """Display machine constraints for the model."""
    emit(call.client.call("constraints", values=None), call.flags["format"])


@command("set-model-constraints", "<key>=<value> ...")
def set_model_constraints(call: Invocation) -> None:
    """Set machine constraints on the model."""
    call.expect(1, None, "constraint")
    call.client.call("constraints", values=key_values(call.args))
