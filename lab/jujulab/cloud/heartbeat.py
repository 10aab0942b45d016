"""Guests that write their pulse to their own disk, and the reading of it from outside.

The guest is one boot sector, `lab/guest/heartbeat.asm`, which also describes the disk's layout.
Its disk is on the storage that the hypervisors share (see `disks`), so that what a guest really
did, and when, is read without asking Nova, libvirt or Pacemaker.
"""

import itertools
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path

from jujulab.cloud.disks import Disk
from jujulab.files import LAB

SOURCE = LAB / "guest" / "heartbeat.asm"

SECTOR = 512
LANES = 30
LANE_START = 64
LANE_SECTORS = 1024
IMAGE_SIZE = 16 * 1024 * 1024
"""Bytes: the lanes, rounded up to what Glance and Nova count in."""

_BEAT = struct.Struct("<4sIQII3B")
_SUPERBLOCK = struct.Struct("<4sI")
_DAY = 24 * 3600


class NoHeartbeatError(Exception):
    """The disk is no heartbeat guest's disk, or the guest never started."""


@dataclass(frozen=True)
class Beat:
    """One record: which boot wrote it, and when by the guest's own clock."""

    boot: int
    tsc: int
    sequence: int
    second_of_day: int


@dataclass(frozen=True)
class Boot:
    """One life of a guest, from its first record to its last."""

    number: int
    first: Beat
    last: Beat

    @property
    def seconds(self) -> int:
        """Length of this life in seconds, across midnight too."""
        return (self.last.second_of_day - self.first.second_of_day) % _DAY


def build_image(target: Path) -> None:
    """Assemble the guest and write it as a raw disk image.

    Raises:
        FileNotFoundError: the assembler `nasm` is not installed.
        subprocess.CalledProcessError: the source does not assemble.
    """
    with tempfile.TemporaryDirectory() as temporary:
        sector = Path(temporary) / "boot"
        command = ["nasm", "-f", "bin", "-o", str(sector), str(SOURCE)]
        subprocess.run(command, check=True, timeout=30, capture_output=True, text=True)
        boot = sector.read_bytes()
    with target.open("wb") as image:
        image.write(boot)
        image.truncate(IMAGE_SIZE)


def read(disk: Disk) -> list[Boot]:
    """Return the lives of the guest that wrote this disk, oldest first.

    Raises:
        NoHeartbeatError: there is no record on it.
        OSError: it cannot be read.
    """
    size = (LANE_START + LANES * LANE_SECTORS) * SECTOR
    content = disk.read(0, size)
    if len(content) < size:
        raise NoHeartbeatError(f"{disk} is too small to be a heartbeat guest's disk")
    boots = []
    for lane in range(LANES):
        start = (LANE_START + lane * LANE_SECTORS) * SECTOR
        beats = [
            beat
            for offset in range(0, LANE_SECTORS * SECTOR, SECTOR)
            if (beat := _beat(content[start + offset : start + offset + _BEAT.size]))
        ]
        if beats:
            newest = max(beat.boot for beat in beats)
            life = [beat for beat in beats if beat.boot == newest]
            life.sort(key=attrgetter("sequence"))
            boots.append(Boot(newest, life[0], life[-1]))
    if not boots:
        raise NoHeartbeatError(f"{disk} has no heartbeat: the guest never started")
    return sorted(boots, key=attrgetter("number"))


def _beat(raw: bytes) -> Beat | None:
    magic, boot, tsc, sequence, _ticks, hour, minute, second = _BEAT.unpack(raw)
    if magic != b"HBT1":
        return None
    time_of_day = (_bcd(hour) * 60 + _bcd(minute)) * 60 + _bcd(second)
    return Beat(boot, tsc, sequence, time_of_day)


def _bcd(value: int) -> int:
    return (value >> 4) * 10 + (value & 15)


def overlaps(boots: Iterable[Boot]) -> list[tuple[Boot, Boot]]:
    """Return the pairs of lives that were lived at once: what must never be.

    The guests' clocks are their hosts' (one machine's) real-time clock, in whole seconds. A pair
    counts when the older life still wrote in a later second than the younger one's first record.
    """
    lives = sorted(boots, key=attrgetter("number"))
    return [
        (older, younger)
        for older, younger in itertools.combinations(lives, 2)
        if 0 < (older.last.second_of_day - younger.first.second_of_day) % _DAY < _DAY // 2
    ]


@dataclass
class Outage:
    """A pause between two lives as the host saw it, in epoch seconds."""

    last_beat: float
    first_beat: float | None = None

    @property
    def seconds(self) -> float | None:
        """Length of the pause, or None while it lasts."""
        return None if self.first_beat is None else self.first_beat - self.last_beat


@dataclass
class Pulse:
    """Follows one guest's disk while it is written; call `poll` several times a second."""

    disk: Disk
    boot: int | None = None
    sequence: int = -1
    last_beat: float = 0.0
    outages: list[Outage] = field(default_factory=list)

    def poll(self) -> bool:
        """Look for new records; return whether there were any."""
        try:
            magic, count = _SUPERBLOCK.unpack(_at(self.disk, 1, _SUPERBLOCK.size))
            if magic != b"HBS1" or count == 0:
                return False
            beaten = self._advance(count - 1)
        except (OSError, struct.error):
            return False  # it is being moved, does not exist yet, or is away
        if beaten:
            self.last_beat = time.time()
        return beaten

    def _advance(self, boot: int) -> bool:
        beaten = False
        if boot != self.boot:
            if _read_beat(self.disk, boot, 0) is None:
                return False  # the superblock is written before the first record
            if self.boot is not None:
                self.outages.append(Outage(self.last_beat, time.time()))
            self.boot, self.sequence, beaten = boot, 0, True
        while (beat := _read_beat(self.disk, boot, self.sequence + 1)) is not None:
            self.sequence = beat.sequence
            beaten = True
        return beaten


def _read_beat(disk: Disk, boot: int, sequence: int) -> Beat | None:
    """Return a boot's record with this number, or a later one in its place in the ring."""
    slot = 0 if sequence == 0 else (sequence - 1) % (LANE_SECTORS - 1) + 1
    sector = LANE_START + boot % LANES * LANE_SECTORS + slot
    beat = _beat(_at(disk, sector, _BEAT.size))
    return beat if beat and beat.boot == boot and beat.sequence >= sequence else None


def _at(disk: Disk, sector: int, size: int) -> bytes:
    return disk.read(sector * SECTOR, size)
