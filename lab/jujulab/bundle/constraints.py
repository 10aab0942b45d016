"""Constraints: `mem=4G spaces=internal,^public`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([MGTPEZY]?)(?:i?B)?")
_ARCHITECTURES = frozenset({"amd64", "arm64", "ppc64el", "riscv64", "s390x"})
_CONTAINERS = frozenset({"none", "lxd", "kvm"})


def parse_constraints(text: str) -> dict[str, str]:
    """Read constraints.

    Args:
        text: Constraints separated by spaces.

    Returns:
        Name -> value in one notation (sizes in MiB, lists sorted), so that equal constraints
        compare equal.

    Raises:
        ValueError: A constraint is unknown, malformed or given twice.
    """
    parsed: dict[str, str] = {}
    for word in text.split():
        name, equals, value = word.partition("=")
        if not equals:
            raise ValueError(f'malformed constraint "{word}"; write it as name=value')
        name = "cores" if name == "cpu-cores" else name
        if name not in _PARSERS:
            raise ValueError(f'unknown constraint "{name}"')
        if name in parsed:
            raise ValueError(f'constraint "{name}" is given twice')
        try:
            parsed[name] = _PARSERS[name](value) if value else ""
        except ValueError as error:
            raise ValueError(f'bad "{name}" constraint: {error}') from None
    return parsed


def with_spaces(text: str, bindings: Mapping[str, str]) -> str:
    """Return constraints that also ask for the spaces which an application is bound to.

    Raises:
        ValueError: The constraints exclude a space that a binding needs.
    """
    needed = {space for space in bindings.values() if space}
    if not needed:
        return text
    words = text.split()
    listed = next((word for word in words if word.startswith("spaces=")), "spaces=")
    spaces = {space for space in listed.removeprefix("spaces=").split(",") if space}
    for space in sorted(needed):
        if f"^{space}" in spaces:
            raise ValueError(f'the space "{space}" is bound, and excluded by a constraint')
    ordered = sorted(needed | spaces, key=lambda space: (space.startswith("^"), space))
    others = sorted(word for word in words if not word.startswith("spaces="))
    return " ".join([f"spaces={','.join(ordered)}", *others])


def _count(value: str) -> str:
    if not value.isascii() or not value.isdigit():
        raise ValueError("must be a non-negative integer")
    return str(int(value))


def _size(value: str) -> str:
    """Return a size in MiB, rounded up."""
    match = _SIZE.fullmatch(value)
    if match is None:
        raise ValueError("must be a non-negative number with an optional M/G/T/P suffix")
    return str(-int(-float(match[1]) * 1024 ** "MGTPEZY".index(match[2] or "M") // 1))


def _one_of(known: frozenset[str]) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in known:
            raise ValueError(f'"{value}" is none of {", ".join(sorted(known))}')
        return value

    return parse


def _list(value: str) -> str:
    return ",".join(sorted(filter(None, value.split(","))))


def _spaces(value: str) -> str:
    for space in value.split(","):
        if not re.fullmatch(r"\^?[a-z0-9]+(?:-[a-z0-9]+)*", space):
            raise ValueError(f'"{space}" is not the name of a space')
    return _list(value)


def _boolean(value: str) -> str:
    if value.lower() not in ("true", "false"):
        raise ValueError("must be true or false")
    return value.lower()


_PARSERS: dict[str, Callable[[str], str]] = {
    "allocate-public-ip": _boolean,
    "arch": _one_of(_ARCHITECTURES),
    "container": _one_of(_CONTAINERS),
    "cores": _count,
    "cpu-power": _count,
    "image-id": str,
    "instance-role": str,
    "instance-type": str,
    "mem": _size,
    "root-disk": _size,
    "root-disk-source": str,
    "spaces": _spaces,
    "tags": _list,
    "virt-type": str,
    "zones": _list,
}
