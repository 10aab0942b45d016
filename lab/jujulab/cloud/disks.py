"""The guests' disks, as they are read from outside while somebody writes them."""

from __future__ import annotations

import base64
import contextlib
import functools
import json
import os
import select
import subprocess
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jujulab.errors import LabError
from jujulab.files import LAB
from jujulab.machines.lab import Lab, Machine

_READER = LAB / "inside" / "rbd_reader.py"
_KEY = Path("etc/ceph/ceph.client.admin.keyring")
_POOL = "nova"

_PATIENCE = 15.0
"""Seconds until an answer counts as none: each call of the reader has 3, and makes up to five."""


@dataclass(frozen=True)
class FileDisk:
    """A raw file on the storage that the hypervisors share."""

    path: Path

    def read(self, offset: int, size: int) -> bytes:
        """Return what is there now, less where it ends before, or raise OSError."""
        with self.path.open("rb") as file:
            file.seek(offset)
            return file.read(size)


@dataclass(frozen=True)
class ImageDisk:
    """An image on Ceph, read without its lock."""

    reader: Reader
    image: str

    def read(self, offset: int, size: int) -> bytes:
        """Return what is there now, or raise OSError."""
        return self.reader.read(self.image, offset, size)


Disk = FileDisk | ImageDisk
"""Something that a guest writes to."""


def find(lab: Lab, server: str) -> Disk:
    """Return the disk of a guest, by the server's UUID, which need not be there yet."""
    if lab.storage == "ceph":
        return ImageDisk(_reader(lab.home), f"{server}_disk")
    return FileDisk(lab.instances_dir / server / "disk")


class Reader:
    """A process on the monitor's machine that reads images; started when it is needed."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def read(self, image: str, offset: int, size: int) -> bytes:
        """Return a part of an image.

        Raises:
            OSError: there is no such image, or Ceph does not answer.
        """
        request = {"pool": _POOL, "image": image, "offset": offset, "size": size}
        with self._lock:
            answer = self._ask(request)
        if "data" not in answer:
            raise OSError(f"{image}: {answer.get('error')}")
        return zlib.decompress(base64.b64decode(answer["data"]))

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._process is None or self._process.poll() is not None:
            self._process = self._start()
        process = self._process
        if process.stdin is None or process.stdout is None:  # popen was asked for pipes
            raise OSError("no reader")
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            return dict(json.loads(b"".join(_line(process.stdout.fileno()))))
        except (OSError, ValueError) as error:
            process.kill()
            process.wait()
            self._process = None
            raise OSError(f"the reader of images gives no answer: {error}") from error

    def _start(self) -> subprocess.Popen[bytes]:
        machine = monitor(self._lab)
        try:
            return machine.popen(
                ["python3", "-c", _READER.read_text()],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        except LabError as error:
            raise OSError(str(error)) from error


def _line(descriptor: int) -> Iterator[bytes]:
    """Yield a line, in parts, as they come, or raise OSError."""
    while True:
        ready, _, _ = select.select([descriptor], [], [], _PATIENCE)
        part = os.read(descriptor, 1 << 20) if ready else b""
        if not part:
            raise OSError("it has ended" if ready else f"none within {_PATIENCE:g} s")
        yield part
        if part.endswith(b"\n"):
            return


def monitor(lab: Lab) -> Machine:
    """Return the machine of Ceph's monitor, with the administrator's key, or raise OSError."""
    for machine in lab.machines():
        with contextlib.suppress(OSError):
            if (machine.root / _KEY).stat().st_size:
                return machine
    raise OSError("no machine has Ceph's key")


@functools.cache
def _reader(home: Path) -> Reader:
    """Return the one reader of this process for a lab."""
    return Reader(Lab(home))
