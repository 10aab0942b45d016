"""A charm's templates."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from instance_ha_common import options
from instance_ha_common.machine.host import Host
from instance_ha_common.machine.memory import Memory

if TYPE_CHECKING:
    import jinja2

_MEMORY = "rendered"


class Templates:
    """Fills templates anew only where the outcome could be another one.

    A template engine takes longer to load than all else that a hook without changes does.
    """

    def __init__(self, host: Host, memory: Memory, directory: Path) -> None:
        """Fill the templates of a directory, whose files end in `.j2`."""
        self._host = host
        self._memory = memory
        self._directory = directory
        self._known: dict[str, list[str]] | None = None

    def write(
        self,
        path: str,
        name: str,
        context: Mapping[str, object],
        *,
        mode: int = 0o644,
        group: str = "root",
    ) -> bool:
        """Write a file of the machine from a template; say whether that changed it.

        Raises:
            OSError: the file cannot be written.
        """
        return self._host.write(path, self.content(path, name, context), mode=mode, group=group)

    def content(self, path: str, name: str, context: Mapping[str, object]) -> str:
        """What is to stand in the file `path`, from the template `name`.

        Returns:
            The file's own content, if that came from the same template and context.
        """
        source = (self._directory / f"{name}.j2").read_text()
        values = sorted((key, _by_value(value)) for key, value in context.items())
        inputs = _digest(repr((source, values)))
        present = self._host.read(path)
        if self._known is None:
            self._known = self._memory.read(_MEMORY, dict)
        if present is not None and self._known.get(path) == [inputs, _digest(present)]:
            return present
        text = self.render(name, context)
        self._known[path] = [inputs, _digest(text)]
        self._memory.write(_MEMORY, self._known)
        return text

    def render(self, name: str, context: Mapping[str, object]) -> str:
        """Fill the template `name`; every variable that it uses must be given."""
        return _environment(self._directory).get_template(f"{name}.j2").render(context)


@functools.cache
def _environment(directory: Path) -> jinja2.Environment:
    import jinja2  # not at the top of the module: most hooks change nothing and do without

    environment = jinja2.Environment(  # noqa: S701 - configuration files, not HTML
        loader=jinja2.FileSystemLoader(directory),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["oslo"] = options.oslo
    return environment


def _by_value(value: object) -> object:
    """`value` with all its fields, also those that it does not show."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.astuple(value)
    return value


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
