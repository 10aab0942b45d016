"""What the cluster and a unit know about hypervisors that are cut off from their storage."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from fencing_ceph import MONITOR, NODE
from fencing_cib import Cib
from masakari_fencing.pacemaker import cibadmin
from masakari_fencing.pacemaker.tools import PacemakerError
from masakari_fencing.records import storage_fences
from masakari_fencing.records.storage_fences import StorageFence

NOW = 2_000_000.0
FENCE = StorageFence(NODE, NOW - 1, ("10.77.4.12",), (MONITOR,), True, "boot-1", NOW)


def test_a_record_is_read_as_it_was_written_and_changed() -> None:
    cib = Cib()
    assert storage_fences.read(cib, NODE) is None
    begun = dataclasses.replace(FENCE, time=0.0)
    storage_fences.write(cib, begun)
    assert storage_fences.read(cib, NODE) == begun
    assert not storage_fences.counts(cibadmin.configuration(cib), NODE), "it has only been begun"
    storage_fences.write(cib, FENCE)
    assert storage_fences.read(cib, NODE) == FENCE
    assert storage_fences.counts(cibadmin.configuration(cib), NODE)
    assert not storage_fences.counts(cibadmin.configuration(cib), "node3.maas")
    storage_fences.forget(cib, NODE)
    assert storage_fences.read(cib, NODE) is None


def test_what_nobody_can_read_proves_nothing() -> None:
    cib = Cib()
    storage_fences.write(cib, FENCE)
    [pair] = cib.root.xpath(f"//nvpair[@id='{storage_fences.PREFIX}{NODE}-record']")
    for text in ("", "[]", '{"time": 1}', json.dumps({**dataclasses.asdict(FENCE), "begun": "x"})):
        pair.set("value", text)
        assert storage_fences.read(cib, NODE) is None


def test_names_and_failures() -> None:
    cib = Cib()
    with pytest.raises(ValueError, match="name of a node"):
        storage_fences.read(cib, "x'y")
    cib.fail = lambda _: 62
    with pytest.raises(PacemakerError):
        storage_fences.read(cib, NODE)
    with pytest.raises(PacemakerError):
        storage_fences.write(cib, FENCE)


def doubt(directory: Path, later: float, fence: StorageFence = FENCE) -> str | None:
    return storage_fences.doubt(fence, directory, clock=lambda: NOW + later)


def test_it_counts_while_this_unit_sees_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    up = [100.0]
    monkeypatch.setattr(storage_fences.times, "uptime", lambda: up[0])
    assert doubt(tmp_path, 1) is None, "whoever has cut it off has looked"
    assert "not seen" in (doubt(tmp_path, 60) or "")
    storage_fences.attest(FENCE, [], tmp_path)
    assert doubt(tmp_path, 60) is None
    up[0] += storage_fences.FRESH + 1
    assert "not seen" in (doubt(tmp_path, 60) or "")
    storage_fences.attest(FENCE, ["10.77.4.12"], tmp_path)
    for later in (1, 60):
        assert "10.77.4.12 in again" in (doubt(tmp_path, later) or "")


def test_what_was_seen_of_another_one_or_before_a_reboot_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage_fences.attest(dataclasses.replace(FENCE, begun=NOW - 99), [], tmp_path)
    assert "not seen" in (doubt(tmp_path, 60) or "")
    storage_fences.attest(FENCE, [], tmp_path)
    monkeypatch.setattr(storage_fences.alert, "boot", lambda: "another")
    assert "not seen" in (doubt(tmp_path, 60) or "")
    assert "being cut off" in (doubt(tmp_path, 1, dataclasses.replace(FENCE, time=0.0)) or "")
