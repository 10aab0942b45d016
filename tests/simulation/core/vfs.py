"""Each unit's small files, in memory: what the engine, the notifier and the alert agent share."""

from __future__ import annotations

import os
import pathlib
import re
import types
from collections.abc import Iterator
from typing import Any

from simulation.core import kernel

PREFIXES = ("/var/lib/masakari-fencing", "/run/masakari-fencing", "/proc", "/etc/pacemaker")

_TIME = re.compile(r'"time": [0-9.]+')
"""When something was seen last, which is written again and again, and nobody here looks at."""


def _unit() -> Any:
    task = kernel.current()
    return task.process.unit if task is not None else None


class UnitPath(pathlib.PosixPath):
    """A path that, in a simulated process, is one of its unit's files."""

    def __new__(cls, *args: Any, **kwargs: Any) -> UnitPath:
        # pathlib's own compares with its name `Path`, which is this class during imports.
        make = getattr(cls, "_from_parts", None)
        found: UnitPath = make(args) if make is not None else object.__new__(cls)
        return found

    def _files(self) -> dict[str, Any] | None:
        unit = _unit()
        if unit is None or not str(self).startswith(PREFIXES):
            return None
        files: dict[str, Any] = unit.files
        return files

    def _entry(self) -> Any:
        text = str(self)
        files = self._files()
        if files is None:
            return None
        if text.startswith("/proc"):
            return (_proc(text), 0.0)
        if text.startswith("/etc/pacemaker"):
            return ("key", 0.0)
        found = files.get(text)
        if found is None:
            raise FileNotFoundError(2, "No such file or directory", text)
        return found

    def read_text(self, *args: Any, **kwargs: Any) -> str:
        if self._files() is None:
            return super().read_text(*args, **kwargs)
        return str(self._entry()[0])

    def read_bytes(self) -> bytes:
        if self._files() is None:
            return super().read_bytes()
        return str(self._entry()[0]).encode()

    def write_text(self, data: str, *args: Any, **kwargs: Any) -> int:
        if self._files() is None:
            return super().write_text(data, *args, **kwargs)
        write(str(self), data)
        return len(data)

    def unlink(self, missing_ok: bool = False) -> None:
        files = self._files()
        if files is None:
            super().unlink(missing_ok)
        elif files.pop(str(self), None) is not None:
            kernel.ACTIVE and kernel.ACTIVE.changed(_unit())  # type: ignore[func-returns-value]
        elif not missing_ok:
            raise FileNotFoundError(2, "No such file or directory", str(self))

    def iterdir(self) -> Iterator[pathlib.Path]:  # type: ignore[override]
        files = self._files()
        if files is None:
            return super().iterdir()  # type: ignore[return-value]
        start = f"{self}/"
        names = sorted(n for n in files if n.startswith(start) and "/" not in n[len(start) :])
        return iter([UnitPath(name) for name in names])

    def glob(self, pattern: str, **kwargs: Any) -> Iterator[pathlib.Path]:  # type: ignore[override]
        if self._files() is None:
            return super().glob(pattern, **kwargs)  # type: ignore[return-value]
        return iter([path for path in self.iterdir() if path.match(pattern)])

    def is_dir(self, **kwargs: Any) -> bool:
        return True if self._files() is not None else super().is_dir(**kwargs)

    def exists(self, **kwargs: Any) -> bool:
        files = self._files()
        return str(self) in files if files is not None else super().exists(**kwargs)

    def is_file(self, **kwargs: Any) -> bool:
        return self.exists()

    def stat(self, **kwargs: Any) -> Any:
        if self._files() is None:
            return super().stat(**kwargs)
        return types.SimpleNamespace(st_mtime=self._entry()[1], st_size=1, st_mode=0o100644)

    def mkdir(self, *args: Any, **kwargs: Any) -> None:
        if self._files() is None:
            super().mkdir(*args, **kwargs)

    def chmod(self, *args: Any, **kwargs: Any) -> None:
        if self._files() is None:
            super().chmod(*args, **kwargs)

    def replace(self, target: Any) -> Any:
        files = self._files()
        if files is None:
            return super().replace(target)
        files[str(target)] = files.pop(str(self))
        return UnitPath(target)


def write(path: str, text: str) -> None:
    """Write a file of the current unit."""
    unit = _unit()
    found = kernel.ACTIVE
    if unit is None or found is None:
        raise RuntimeError(f"no unit to write {path}")
    before = unit.files.get(path)
    unit.files[path] = (text, found.now + unit.skew)
    if before is None or _TIME.sub("", before[0]) != _TIME.sub("", text):
        found.changed(unit)


def replace(path: Any, text: str, *, mode: int = 0o644) -> None:
    """Stand for `masakari_fencing.files.replace`."""
    write(os.fspath(path), text)


def _proc(path: str) -> str:
    """Return what the kernel of a unit shows about its processes."""
    unit = _unit()
    parts = path.split("/")
    if path == "/proc/sys/kernel/random/boot_id":
        return f"{unit.boots:08d}-0000"
    if len(parts) == 4 and parts[3] == "stat" and parts[2].isdigit():
        for process in unit.processes:
            if process.alive and process.pid == int(parts[2]):
                return f"{process.pid} (python3) S " + " ".join(["0"] * 18 + [str(process.born)])
    raise FileNotFoundError(2, "No such file or directory", path)
