"""Makes a packed charm the same for the same content.

Charmcraft writes an archive in the order and with the times that the build's files happened to
have, and the time of the build into manifest.yaml. None of that matters to Juju. Byte code, which
holds times of the build, too, is left out: its linters may leave some, and no unit would use it.
"""

from __future__ import annotations

import os
import re
import time
import zipfile
from pathlib import Path

_EARLIEST = 315532800
"""Seconds since the epoch of the first day that an archive can tell, 1980-01-01."""

_STARTED = re.compile(r"^charmcraft-started-at: .*$", re.MULTILINE)


def build_time() -> int:
    """Return the time to give to all files: $SOURCE_DATE_EPOCH, as reproducible-builds.org has it.

    Raises:
        ValueError: that is no number.
    """
    return max(_EARLIEST, int(os.environ.get("SOURCE_DATE_EPOCH") or _EARLIEST))


def normalise(archive: Path, when: int) -> None:
    """Rewrite an archive without byte code, in order, with one time and modes of two kinds.

    Args:
        archive: the packed charm.
        when: seconds since the epoch.
    """
    moment = time.gmtime(when)
    temporary = archive.with_suffix(".part")
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(temporary, "w") as target:
        for entry in sorted(source.infolist(), key=lambda entry: entry.filename):
            if entry.filename.endswith(".pyc"):
                continue
            content = source.read(entry)
            if entry.filename == "manifest.yaml":
                started = time.strftime("'%Y-%m-%dT%H:%M:%SZ'", moment)
                text = _STARTED.sub(f"charmcraft-started-at: {started}", content.decode())
                content = text.encode()
            written = zipfile.ZipInfo(entry.filename, moment[:6])
            written.compress_type = zipfile.ZIP_DEFLATED
            kind, mode = entry.external_attr >> 16 & 0o170000, entry.external_attr >> 16 & 0o7777
            written.external_attr = (kind | (0o755 if mode & 0o100 else 0o644)) << 16
            target.writestr(written, content)
    temporary.replace(archive)


def differences(one: Path, other: Path) -> list[str]:
    """Return what differs between two packed charms, file by file; nothing if they are equal."""
    if one.read_bytes() == other.read_bytes():
        return []
    with zipfile.ZipFile(one) as first, zipfile.ZipFile(other) as second:
        mine, theirs = ({e.filename: e for e in a.infolist()} for a in (first, second))
        found = [f"{name}: in one alone" for name in sorted(mine.keys() ^ theirs.keys())]
        for name in sorted(mine.keys() & theirs.keys()):
            if first.read(name) != second.read(name):
                found.append(f"{name}: content")
            if mine[name].external_attr != theirs[name].external_attr:
                found.append(f"{name}: mode")
            if mine[name].date_time != theirs[name].date_time:
                found.append(f"{name}: time")
        if list(mine) != list(theirs):
            found.append("the order of the files")
    return found or ["how the files are compressed"]
