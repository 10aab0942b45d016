"""Command line flags as Juju's commands and hook tools parse them.

Flags and arguments may be mixed, ``--flag value`` and ``--flag=value`` mean the same, a boolean
takes a value only after ``=``, and one dash goes with one letter.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

_BOOLEANS = {"true": True, "True": True, "1": True, "false": False, "False": False, "0": False}


class UsageError(Exception):
    """A command line that cannot be understood."""


@dataclass(frozen=True)
class Flag:
    """One flag.

    Attributes:
        name: Its long name, or a single letter; the key of its value.
        short: Another name.
        kind: ``bool``, ``str``, ``int`` or ``list`` (may be repeated).
        default: Its value when it is not given; a list is empty then.
        choices: The values that are allowed, if only these are.
    """

    name: str
    short: str = ""
    kind: str = "str"
    default: Any = None
    choices: tuple[str, ...] = ()

    @property
    def initial(self) -> Any:
        """The value before any is given."""
        if self.default is not None or self.kind in ("int", "str"):
            return self.default
        return [] if self.kind == "list" else False

    def convert(self, text: str) -> Any:
        """Return the value that `text` stands for, or raise UsageError."""
        wrong = UsageError(f'invalid value "{text}" for option {dashed(self.name)}')
        if self.choices and text not in self.choices:
            raise wrong
        if self.kind == "int":
            try:
                return int(text)
            except ValueError:
                raise wrong from None
        if self.kind == "bool":
            if text not in _BOOLEANS:
                raise UsageError(f'invalid boolean value "{text}" for {dashed(self.name)}')
            return _BOOLEANS[text]
        return text


def dashed(name: str) -> str:
    """Return a flag's name as one types it."""
    return f"-{name}" if len(name) == 1 else f"--{name}"


def parse(flags: Iterable[Flag], argv: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Split a command line, without the command's name, into the flags' values and the arguments.

    Raises:
        UsageError: A flag is unknown, or lacks its value, or has one that does not fit.
    """
    known = {name: flag for flag in flags for name in (flag.name, flag.short) if name}
    values = {flag.name: flag.initial for flag in known.values()}
    arguments: list[str] = []
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return values, arguments + rest
        if not word.startswith("-") or word == "-":
            arguments.append(word)
            continue
        flag, text = _match(known, word)
        if text is None:
            if flag.kind == "bool":
                text = "true"
            elif rest:
                text = rest.pop(0)
            else:
                raise UsageError(f"option needs an argument: {word}")
        _store(values, flag, text)
    return values, arguments


def _match(known: dict[str, Flag], word: str) -> tuple[Flag, str | None]:
    name, equals, text = word.lstrip("-").partition("=")
    long = word.startswith("--")
    if not long and len(name) > 1:
        flag = known.get(name[0])
        if flag is not None and flag.kind != "bool":
            return flag, word[2:]
        name = ""
    if name not in known or (long and len(name) == 1):
        raise UsageError(f"option provided but not defined: {word.partition('=')[0]}")
    return known[name], text if equals else None


def _store(values: dict[str, Any], flag: Flag, text: str) -> None:
    if flag.kind == "list":
        values[flag.name] = [*values[flag.name], flag.convert(text)]
    else:
        values[flag.name] = flag.convert(text)


def key_values(words: Iterable[str]) -> dict[str, str]:
    """Return ``key=value`` arguments as a dict, or raise UsageError."""
    pairs = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise UsageError(f'expected "key=value", got "{word}"')
        pairs[key] = value
    return pairs
