"""Small files that other processes read: they see the old content or the new one, never half."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

Content = TypeVar("Content")


def save(path: Path, content: object, *, mode: int) -> None:
    """Keep something as JSON; see `replace`.

    Raises:
        OSError: it cannot be written; what was there stays.
    """
    replace(path, json.dumps(content), mode=mode)


def load(path: Path, read: Callable[[Any], Content]) -> Content | None:
    """Return what a file says; None where it is missing, or makes no sense.

    Args:
        path: the file.
        read: makes something of its JSON; any of ValueError, TypeError, KeyError and
            AttributeError says that it cannot.
    """
    try:
        return read(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def replace(path: Path, text: str, *, mode: int) -> None:
    """Put a file with this content in the place of what is there.

    Raises:
        OSError: it cannot be written; what was there stays.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink()
        raise
