"""Small files that other processes read: they see the old content or the new one, never half."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


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
