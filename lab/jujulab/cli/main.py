"""Finds the command and runs it."""

import importlib
import itertools
import os
import sys
from collections.abc import Sequence

from jujulab.cli.command import COMMANDS, Command, CommandError, Invocation, check_model
from jujulab.juju.errors import JujuError
from jujulab.juju.gnuflag import UsageError, dashed, parse

_MODULES = {
    "applications": (
        "add-unit config deploy integrate refresh remove-application remove-relation "
        "remove-unit resolve resolved"
    ),
    "models": "add-secret grant-secret model-config update-secret version",
    "operations": "exec run show-task",
    "status": "show-unit status",
}
"""Where each command is. Only the one that is run is loaded: most calls are `status`."""


def _load(name: str) -> None:
    """Import the module that declares a command; all of them for an empty name."""
    for module, names in _MODULES.items():
        if not name or name in names.split():
            importlib.import_module(f"jujulab.cli.{module}")


def main(argv: Sequence[str]) -> int:
    """Run one command line and return its exit code: 0, 1 for failure, 2 for wrong usage."""
    if not argv or argv[0] in ("help", "--help", "-h"):
        return _help(list(argv[1:]))
    name = argv[0]
    _load(name)
    if name not in COMMANDS:
        text = f'juju: "{name}" is not a juju command, or the lab does not have it'
        return _complain(f'{text}. See "juju --help".', 2)
    command = COMMANDS[name]
    if {"--help", "-h"} & set(itertools.takewhile(lambda word: word != "--", argv)):
        return _help([name])
    try:
        flags, arguments = parse(command.flags, argv[1:])
        if flags.get("model") or os.environ.get("JUJU_MODEL"):
            check_model(flags.get("model") or os.environ["JUJU_MODEL"])
        return command.run(Invocation(flags, arguments)) or 0
    except UsageError as error:
        return _complain(str(error), 2)
    except (CommandError, JujuError) as error:
        return _complain(str(error), 1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return _complain("interrupted", 130)


def _complain(text: str, code: int) -> int:
    print(f"ERROR {text}", file=sys.stderr)
    return code


def _help(topics: list[str]) -> int:
    _load("")
    if topics and topics[0] != "commands":
        if topics[0] not in COMMANDS:
            return _complain(f'unknown command or topic for "{topics[0]}"', 1)
        _describe(COMMANDS[topics[0]])
        return 0
    print("The lab's juju knows these of Juju's commands:\n")
    width = max(len(name) for name in COMMANDS)
    for name, command in sorted(COMMANDS.items()):
        print(f"    {name.ljust(width)}  {command.summary}")
    return 0


def _describe(command: Command) -> None:
    print(f"Usage: juju {command.name} [options] {command.usage}".rstrip())
    print(f"\nSummary:\n{command.summary}\n\nOptions:")
    for flag in sorted(command.flags, key=lambda flag: flag.name):
        names = ", ".join(dashed(name) for name in (flag.short, flag.name) if name)
        value = "" if flag.kind == "bool" else f" ({flag.default})" if flag.default else ' (= "")'
        print(f"{names}{value}")
