"""What commands print: JSON, YAML and tables in Juju's layouts."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from jujulab.juju.gnuflag import Flag
from jujulab.tables import aligned


def format_flag(default: str, *choices: str) -> Flag:
    """Return the ``--format`` flag of a command."""
    return Flag("format", default=default, choices=choices)


def to_yaml(value: Any) -> str:
    """Return `value` as YAML; several lines of text become a block."""
    import yaml  # as slow to load as all the rest, and seldom needed

    class Dumper(yaml.SafeDumper):
        """Leaves other users of the library alone."""

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
        style = "|" if "\n" in value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    return yaml.dump(
        value,
        Dumper=Dumper,
        default_flow_style=False,
        sort_keys=False,
        allow_unicode=True,
        width=1000,
    )


def emit(value: Any, kind: str) -> None:
    """Print `value` as ``json`` or ``yaml``; ``smart`` prints text and numbers as they are."""
    if kind == "json":
        print(json.dumps(value, separators=(",", ":"), ensure_ascii=False))
    elif kind == "smart" and isinstance(value, str | int | float):
        print(json.dumps(value) if isinstance(value, bool) else value)
    else:
        print(to_yaml(value), end="")


def table(rows: Iterable[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """Return rows, a heading first, in columns two blanks apart; some are aligned to the right."""
    lines = [list(row) for row in rows]
    cells = aligned(lines, right)
    return "".join(
        "  ".join([*padded[:-1], line[-1]]) + "\n"
        for padded, line in zip(cells, lines, strict=True)
    )
