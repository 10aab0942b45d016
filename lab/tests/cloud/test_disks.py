"""Disks on Ceph, read block by block by a program on the monitor's machine."""

from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from jujulab.cloud import disks, heartbeat
from jujulab.files import LAB
from jujulab.machines.container import ContainerError

RADOS = """
import types


class Error(Exception):
    pass


class ObjectNotFound(Error):
    pass


class Objects:
    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def read(self, name, length=8192, offset=0):
        if name not in OBJECTS:
            raise ObjectNotFound("no such object")
        return OBJECTS[name][offset : offset + length]


class Rados:
    def __init__(self, **options):
        pass

    def connect(self):
        pass

    def open_ioctx(self, pool):
        if pool != "nova":
            raise Error("no such pool")
        return Objects()


MEGABYTES = 4 * 1024 * 1024
OBJECTS = {
    "rbd_id.one_disk": bytes([4, 0, 0, 0]) + b"abcd",
    "rbd_data.abcd.0000000000000000": b"x" * MEGABYTES,
    "rbd_data.abcd.0000000000000002": b"end",
}
"""


class Monitor:
    """The monitor's machine: this one, with a library of Ceph that has a few objects."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.started: list[subprocess.Popen[bytes]] = []
        self.off = False
        (root / "rados.py").write_text(RADOS)
        (root / "etc/ceph").mkdir(parents=True)
        (root / "etc/ceph/ceph.client.admin.keyring").write_text("key")

    def popen(self, argv: list[str], **options: Any) -> subprocess.Popen[bytes]:
        if self.off:
            raise ContainerError("it is not running")
        command = [sys.executable, *argv[1:]]
        process = subprocess.Popen(command, env={"PYTHONPATH": str(self.root)}, **options)
        self.started.append(process)
        return process


@pytest.fixture
def monitor(tmp_path: Path) -> Any:
    found = Monitor(tmp_path)
    yield found
    for process in found.started:
        process.kill()
        process.wait()


@pytest.fixture
def reader(monitor: Monitor) -> disks.Reader:
    return disks.Reader(types.SimpleNamespace(machines=lambda: [monitor]))  # type: ignore[arg-type]


def test_an_image_is_read_from_its_objects_with_zeros_for_those_that_are_not_there(
    reader: disks.Reader,
) -> None:
    disk = disks.ImageDisk(reader, "one_disk")
    size = 4 * 1024 * 1024
    assert disk.read(5, 3) == b"xxx"
    assert disk.read(size - 2, 4) == b"xx\0\0"
    assert disk.read(2 * size, 8) == b"end\0\0\0\0\0"
    assert len(disk.read(0, 2 * size + 10)) == 2 * size + 10


def test_an_image_that_is_not_there_is_an_error_and_costs_no_new_process(
    reader: disks.Reader, monitor: Monitor
) -> None:
    for _ in range(2):
        with pytest.raises(OSError, match="two_disk: ObjectNotFound: no such object"):
            reader.read("two_disk", 0, 1)
    assert len(monitor.started) == 1
    assert not heartbeat.Pulse(disks.ImageDisk(reader, "two_disk")).poll()


def test_a_reader_that_died_is_started_again(reader: disks.Reader, monitor: Monitor) -> None:
    reader.read("one_disk", 0, 1)
    monitor.started[0].kill()
    monitor.started[0].wait()
    assert reader.read("one_disk", 0, 1) == b"x"
    assert len(monitor.started) == 2


def test_one_that_says_nothing_is_an_error(
    reader: disks.Reader, monitor: Monitor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(disks, "_PATIENCE", 0.1)
    silent = tmp_path / "silent.py"
    silent.write_text("import time\ntime.sleep(60)\n")
    monkeypatch.setattr(disks, "_READER", silent)
    with pytest.raises(OSError, match="gives no answer: none within"):
        reader.read("one_disk", 0, 1)
    monitor.off = True
    with pytest.raises(OSError, match="it is not running"):
        reader.read("one_disk", 0, 1)


def test_without_the_monitors_key_there_is_no_reader(
    reader: disks.Reader, monitor: Monitor
) -> None:
    (monitor.root / "etc/ceph/ceph.client.admin.keyring").write_text("")
    with pytest.raises(OSError, match="no machine has Ceph's key"):
        reader.read("one_disk", 0, 1)


def test_a_guests_disk_is_where_the_lab_has_its_storage(tmp_path: Path) -> None:
    lab: Any = types.SimpleNamespace(storage="", home=tmp_path, instances_dir=tmp_path)
    assert disks.find(lab, "u") == disks.FileDisk(tmp_path / "u/disk")
    lab.storage = "ceph"
    found = disks.find(lab, "u")
    assert isinstance(found, disks.ImageDisk)
    assert found.image == "u_disk"


def test_the_reader_writes_nothing() -> None:
    text = (LAB / "inside/rbd_reader.py").read_text()
    assert "write" not in text.partition('"""\n\nimport')[2]
