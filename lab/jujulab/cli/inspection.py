"""Looking at single units."""

from __future__ import annotations

from jujulab.cli.command import Invocation, command
from jujulab.cli.output import emit, format_flag
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
