"""What the tests of the stand-in charms share."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
CHARMS = HERE.parents[1] / "charms"

sys.path[:0] = [str(HERE), str(CHARMS / "_standin")]

from fake_juju import FakeJuju  # noqa: E402  (found on the path that was just set)


@pytest.fixture
def juju(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeJuju:
    """A Juju for one unit, whose tools come first on PATH."""
    return FakeJuju(tmp_path / "juju", tmp_path / "machine", monkeypatch)
