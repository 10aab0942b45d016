"""Reading the heartbeat guests' disks: lives, overlaps and pauses."""

import shutil
import struct
from pathlib import Path
from typing import Any

import pytest
from jujulab.cloud import guests, heartbeat
from jujulab.cloud.disks import FileDisk

BEAT_LAYOUT = struct.Struct("<4sIQII3B")


def bcd(value: int) -> int:
    return value // 10 * 16 + value % 10


def write_beat(disk: Path, boot: int, sequence: int, second_of_day: int) -> None:
    """Write one record where the guest itself would."""
    slot = 0 if sequence == 0 else (sequence - 1) % (heartbeat.LANE_SECTORS - 1) + 1
    lane = boot % heartbeat.LANES
    sector = heartbeat.LANE_START + lane * heartbeat.LANE_SECTORS + slot
    hour, minute, second = second_of_day // 3600, second_of_day // 60 % 60, second_of_day % 60
    record = BEAT_LAYOUT.pack(
        b"HBT1", boot, 7000 + boot, sequence, 0, bcd(hour), bcd(minute), bcd(second)
    )
    with disk.open("r+b") as file:
        file.seek(sector * heartbeat.SECTOR)
        file.write(record)


def write_superblock(disk: Path, boots: int) -> None:
    with disk.open("r+b") as file:
        file.seek(heartbeat.SECTOR)
        file.write(b"HBS1" + struct.pack("<I", boots))


def live(disk: Path, boot: int, first: int, last: int) -> None:
    """Let a guest live: one record a second, from one second of the day to another."""
    write_superblock(disk, boot + 1)
    for sequence, second in enumerate(range(first, last + 1)):
        write_beat(disk, boot, sequence, second)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk"
    with path.open("wb") as file:
        file.truncate(heartbeat.IMAGE_SIZE)
    return path


def test_a_life_is_read_from_its_first_to_its_last_record(disk: Path) -> None:
    live(disk, 0, 3600, 3610)
    (boot,) = heartbeat.read(FileDisk(disk))
    assert (boot.number, boot.first.second_of_day, boot.seconds) == (0, 3600, 10)


def test_the_ring_keeps_the_first_record_when_it_wraps(disk: Path) -> None:
    live(disk, 0, 100, 100 + 3 * heartbeat.LANE_SECTORS)
    (boot,) = heartbeat.read(FileDisk(disk))
    assert boot.first.sequence == 0
    assert boot.last.sequence == 3 * heartbeat.LANE_SECTORS


def test_a_reused_lane_shows_only_the_newer_life(disk: Path) -> None:
    live(disk, 2, 100, 140)
    live(disk, 2 + heartbeat.LANES, 500, 510)
    (boot,) = heartbeat.read(FileDisk(disk))
    assert boot.number == 2 + heartbeat.LANES
    assert boot.first.second_of_day == 500


def test_lives_one_after_the_other_do_not_overlap(disk: Path) -> None:
    live(disk, 0, 100, 110)
    live(disk, 1, 110, 130)
    assert heartbeat.overlaps(heartbeat.read(FileDisk(disk))) == []


def test_two_lives_at_once_are_found(disk: Path) -> None:
    live(disk, 0, 100, 120)
    live(disk, 1, 118, 130)
    ((older, younger),) = heartbeat.overlaps(heartbeat.read(FileDisk(disk)))
    assert (older.number, younger.number) == (0, 1)


def test_midnight_between_two_lives_is_no_overlap(disk: Path) -> None:
    live(disk, 0, 86_380, 86_390)
    live(disk, 1, 5, 20)
    assert heartbeat.overlaps(heartbeat.read(FileDisk(disk))) == []


def test_overlap_across_midnight_is_found(disk: Path) -> None:
    write_superblock(disk, 2)
    write_beat(disk, 0, 0, 86_380)
    write_beat(disk, 0, 1, 10)
    write_beat(disk, 1, 0, 86_399)
    assert len(heartbeat.overlaps(heartbeat.read(FileDisk(disk)))) == 1


def test_a_disk_without_records_is_refused(disk: Path) -> None:
    with pytest.raises(heartbeat.NoHeartbeatError, match="never started"):
        heartbeat.read(FileDisk(disk))


def test_a_small_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(b"x")
    with pytest.raises(heartbeat.NoHeartbeatError, match="too small"):
        heartbeat.read(FileDisk(tmp_path / "disk"))


def test_pulse_sees_each_new_record_once(disk: Path) -> None:
    pulse = heartbeat.Pulse(FileDisk(disk))
    assert not pulse.poll()
    live(disk, 0, 100, 103)
    assert pulse.poll()
    assert not pulse.poll()
    write_beat(disk, 0, 4, 104)
    assert pulse.poll()
    assert pulse.sequence == 4


def test_pulse_follows_the_ring_around(disk: Path) -> None:
    pulse = heartbeat.Pulse(FileDisk(disk))
    live(disk, 0, 0, heartbeat.LANE_SECTORS - 2)
    pulse.poll()
    for sequence in range(heartbeat.LANE_SECTORS - 1, heartbeat.LANE_SECTORS + 4):
        write_beat(disk, 0, sequence, sequence)
    assert pulse.poll()
    assert pulse.sequence == heartbeat.LANE_SECTORS + 3


class Guests(guests.Guests):
    """Two guests, of which one has no disk any more."""

    def __init__(self, disk: Path, *, deleted: bool) -> None:
        self._disk = disk
        self._names = ["kept", "gone"]
        self._deleted = deleted

    def find(self, prefix: str) -> dict[str, dict[str, Any]]:
        found = {name: {"id": name} for name in self._names if name.startswith(prefix)}
        if self._deleted:
            self._names = ["kept"]
        return found

    def disk(self, server: str) -> FileDisk:
        return FileDisk(self._disk if server == "kept" else self._disk.with_name("none"))


def test_a_guest_that_is_being_deleted_has_no_lives(disk: Path) -> None:
    live(disk, 0, 10, 12)
    assert Guests(disk, deleted=True).lives("") == {"kept": heartbeat.read(FileDisk(disk))}


def test_a_guest_whose_disk_is_missing(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live(disk, 0, 10, 12)
    monkeypatch.setattr(guests, "DELETED", 0.1)
    with pytest.raises(FileNotFoundError):
        Guests(disk, deleted=False).lives("")


def test_pulse_measures_the_pause_between_two_lives(disk: Path) -> None:
    pulse = heartbeat.Pulse(FileDisk(disk))
    live(disk, 0, 100, 103)
    pulse.poll()
    write_superblock(disk, 2)
    assert not pulse.poll(), "the superblock alone is no heartbeat"
    write_beat(disk, 1, 0, 110)
    assert pulse.poll()
    (outage,) = pulse.outages
    assert outage.seconds is not None
    assert outage.seconds >= 0


def test_pulse_survives_a_missing_disk(tmp_path: Path) -> None:
    assert not heartbeat.Pulse(FileDisk(tmp_path / "nowhere")).poll()


@pytest.mark.skipif(shutil.which("nasm") is None, reason="the assembler comes with the lab")
def test_the_guest_is_one_boot_sector(tmp_path: Path) -> None:
    heartbeat.build_image(tmp_path / "image")
    content = (tmp_path / "image").read_bytes()
    assert len(content) == heartbeat.IMAGE_SIZE
    assert content[510:512] == b"\x55\xaa"
    assert not any(content[512:])
