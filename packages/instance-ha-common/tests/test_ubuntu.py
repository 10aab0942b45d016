"""A release of Ubuntu that the charms were not made for is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from instance_ha_common import testing, ubuntu

CHARMS = Path(__file__).resolve().parents[3] / "charms"


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ('ID=ubuntu\nVERSION_ID="22.04"\n', False),
        ('NAME="Ubuntu"\nVERSION_ID="24.04"\nID=ubuntu\nID_LIKE=debian\n', False),
        ('ID=ubuntu\nVERSION_ID="20.04"\n', True),
        ('ID="ubuntu"\nVERSION_ID=26.04\n', True),
        ("ID=ubuntu\n", False),
        ('ID=debian\nVERSION_ID="12"\n', False),
        ("", False),
    ],
)
def test_releases(tmp_path: Path, text: str, refused: bool) -> None:
    host = testing.fake_host(tmp_path)
    host.write("/etc/os-release", text)
    said = ubuntu.unsupported(host)
    assert (said is not None) is refused
    if said:
        assert "is not supported, only 22.04 and 24.04 are" in said


@pytest.mark.parametrize("charm", ["masakari", "masakari-monitors", "pacemaker-remote"])
def test_they_are_those_that_the_charms_are_packed_for(charm: str) -> None:
    known = yaml.safe_load((CHARMS / charm / "charmcraft.yaml").read_text())["platforms"]
    assert {name.split(":")[0] for name in known} == {f"ubuntu@{v}" for v in ubuntu.SUPPORTED}
