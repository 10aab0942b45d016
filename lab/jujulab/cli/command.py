"""Commands: how they are declared, and what they are run with."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from jujulab.juju.client import Client
from jujulab.juju.gnuflag import Flag, UsageError
from jujulab.juju.names import CONTROLLER, MODEL

MODEL_FLAG = Flag("model", short="m", default="")
_MODELS = {MODEL, f"admin/{MODEL}"}


class CommandError(Exception):
    """A command that failed; the text is printed after ``ERROR``, the exit code is 1."""


@dataclass
class Invocation:
    """One run of a command, with the values of its flags, and its arguments."""

    flags: dict[str, Any]
    args: list[str]
    client: Client = field(default_factory=lambda: Client(progress=say))

    def one(self, what: str) -> str:
        """Return the only argument."""
        self.expect(1, 1, what)
        return self.args[0]

    def expect(self, least: int, most: int | None, what: str) -> None:
        """Check the number of arguments, or raise UsageError."""
        if len(self.args) < least:
            raise UsageError(f"no {what} specified")
        if most is not None and len(self.args) > most:
            extra = ", ".join(f'"{word}"' for word in self.args[most:])
            raise UsageError(f"unrecognized args: [{extra}]")


Function = Callable[[Invocation], int | None]


@dataclass(frozen=True)
class Command:
    """One command; `usage` are its arguments, for its help."""

    name: str
    run: Function
    usage: str
    summary: str
    flags: tuple[Flag, ...]


COMMANDS: dict[str, Command] = {}


def command(name: str, usage: str = "", *flags: Flag) -> Callable[[Function], Function]:
    """Declare a function to be a command; its docstring is the command's summary.

    The usage is the arguments as the help shows them.
    """

    def register(function: Function) -> Function:
        summary = (function.__doc__ or "").strip().splitlines()[0]
        COMMANDS[name] = Command(name, function, usage, summary, (*flags, MODEL_FLAG))
        return function

    return register


def check_model(name: str) -> None:
    """Check that a model is the lab's, or raise CommandError."""
    controller, _, model = name.rpartition(":")
    if model not in _MODELS or controller not in ("", CONTROLLER):
        raise CommandError(f'model "{name}" not found: the lab has one model, "{MODEL}"')


def say(text: str) -> None:
    """Print a line of progress."""
    print(text, file=sys.stderr, flush=True)


def split_list(values: list[str]) -> list[str]:
    """Return the parts of flags that take lists with commas and may be repeated."""
    return [part for value in values for part in value.split(",") if part]
