"""YAML files of charms' authors and operators."""

import zipfile
from pathlib import Path
from typing import Any

import yaml

from jujulab.juju.errors import JujuError

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _load(text: str) -> Any:
    try:
        return yaml.load(text, Loader=_LOADER)  # noqa: S506 - a safe one
    except yaml.YAMLError:
        return yaml.safe_load(text)  # The slower one shows the line, and where it is wrong.


def read_mapping(path: Path | zipfile.Path) -> dict[str, Any]:
    """Return the mapping in a file; an empty one of an empty file.

    Raises:
        JujuError: The file cannot be read, or holds something else; the text names it.
    """
    try:
        value = _load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise JujuError(f"cannot read {path}: {error}") from error
    if not isinstance(value or {}, dict):
        raise JujuError(f"{path}: not a mapping")
    return value or {}
