"""Adding and removing machines."""

from __future__ import annotations

from jujulab.cli.command import CommandError, Invocation, command, say
from jujulab.juju.gnuflag import Flag, UsageError


@command(
    "add-machine",
    "[lxd | lxd:<machine>]",
    Flag("base", default=""),
    Flag("constraints", kind="list"),
    Flag("num-machines", short="n", kind="int", default=1),
)
def add_machine(call: Invocation) -> None:
    """Provision a new machine or container."""
    call.expect(0, 1, "placement")
    if call.flags["num-machines"] < 1:
        raise UsageError("invalid value for option -n: must be positive")
    added = call.client.call(
        "add_machine",
        placement=call.args[0] if call.args else "",
        count=call.flags["num-machines"],
        base=call.flags["base"],
        constraints=" ".join(call.flags["constraints"]),
    )
    for machine in added:
        say(f"created {'container' if '/' in machine else 'machine'} {machine}")


@command(
    "remove-machine", "<machine> [...]", Flag("force", kind="bool"), Flag("no-prompt", kind="bool")
)
def remove_machine(call: Invocation) -> None:
    """Remove one or more machines from the model."""
    call.expect(1, None, "machines")
    if not (call.flags["no-prompt"] or call.flags["force"]):
        answer = input(
            f"WARNING This command will remove machine {', '.join(call.args)}\nContinue [y/N]? "
        )
        if answer.lower() not in ("y", "yes"):
            raise CommandError("machine removal: aborted")
    call.client.call("remove_machine", ids=call.args, force=call.flags["force"])
