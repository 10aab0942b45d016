"""The charm's templates: shell and systemd."""

from __future__ import annotations

import functools
from pathlib import Path

import jinja2


def render(name: str, **values: str) -> str:
    """Return the text of a template, named without its suffix.

    Raises:
        jinja2.UndefinedError: the template needs a value that is not given.
    """
    return _environment().get_template(f"{name}.j2").render(**values)


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parents[1] / "templates"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - shell and systemd, not HTML
    )
