"""The charm's templates."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from instance_ha_common.machine.host import Host

from workload import masakari_conf

if TYPE_CHECKING:
    import jinja2

_DIRECTORY = Path(__file__).parents[1] / "templates"
_RECORD = "/var/lib/masakari-charm/rendered.json"


def render(name: str, context: Mapping[str, object]) -> str:
    """Fill the template `name` (without `.j2`); every variable that it uses must be given."""
    return _environment().get_template(f"{name}.j2").render(context)


@functools.cache
def _environment() -> jinja2.Environment:
    import jinja2  # not at the top of the module: most hooks change nothing and do without

    environment = jinja2.Environment(  # noqa: S701 - configuration files, not HTML
        loader=jinja2.FileSystemLoader(_DIRECTORY),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["oslo"] = masakari_conf.escape
    return environment


class Templates:
    """Fills templates anew only where the outcome could be another one.

    A template engine takes longer to load than all else that a hook without changes does.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._known: dict[str, list[str]] | None = None

    def render(self, path: str, name: str, context: Mapping[str, object]) -> str:
        """What is to stand in the file `path`, from the template `name`.

        Returns:
            The file's own content, if that came from the same template and context.
        """
        source = (_DIRECTORY / f"{name}.j2").read_text()
        values = sorted((key, _by_value(value)) for key, value in context.items())
        inputs = _digest(repr((source, values)))
        present = self._host.read(path)
        record = self._record()
        if present is not None and record.get(path) == [inputs, _digest(present)]:
            return present
        text = render(name, context)
        record[path] = [inputs, _digest(text)]
        self._host.write(_RECORD, json.dumps(record, sort_keys=True), mode=0o600)
        return text

    def _record(self) -> dict[str, list[str]]:
        if self._known is None:
            try:
                record = json.loads(self._host.read(_RECORD) or "{}")
            except ValueError:
                record = {}
            self._known = record if isinstance(record, dict) else {}
        return self._known


def _by_value(value: object) -> object:
    """`value` with all its fields, also those that it does not show."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.astuple(value)
    return value


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
