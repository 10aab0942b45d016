"""Looking at single units, applications and actions."""

from __future__ import annotations

from jujulab.cli.command import Invocation, command
from jujulab.cli.output import emit, format_flag, table
from jujulab.juju.gnuflag import Flag


@command(
    "show-unit",
    "<unit> [...]",
    format_flag("yaml", "json", "smart", "yaml"),
    Flag("endpoint", default=""),
    Flag("app", kind="bool"),
)
def show_unit(call: Invocation) -> None:
    """Display information about a unit."""
    call.expect(1, None, "unit")
    units = call.client.call("show_unit", names=call.args)
    for unit in units.values():
        if call.flags["endpoint"]:
            unit["relation-info"] = [
                r for r in unit["relation-info"] if r["endpoint"] == call.flags["endpoint"]
            ]
        for relation in unit["relation-info"] if call.flags["app"] else ():
            relation.pop("local-unit")
            relation.pop("related-units")
    emit(units, call.flags["format"])


@command("show-application", "<application> [...]", format_flag("yaml", "json", "smart", "yaml"))
def show_application(call: Invocation) -> None:
    """Display information about an application."""
    call.expect(1, None, "application")
    emit(call.client.call("show_application", names=call.args), call.flags["format"])


@command(
    "actions",
    "<application>",
    format_flag("default", "default", "json", "tabular", "yaml"),
    Flag("schema", kind="bool"),
    aliases=("list-actions",),
)
def actions(call: Invocation) -> None:
    """List actions defined for an application."""
    found = call.client.call("actions", app=call.one("application"))
    if call.flags["format"] in ("json", "yaml"):
        described = {name: action["description"] for name, action in found.items()}
        emit(found if call.flags["schema"] else described, call.flags["format"])
    elif call.flags["schema"]:
        emit(found, "yaml")
    else:
        rows = [["Action", "Description"]]
        rows += [[n, a["description"].split("\n")[0]] for n, a in found.items()]
        print(table(rows), end="")
