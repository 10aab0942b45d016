"""What the tests of several folders share."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from fencing_cib import Cib, RealCib


@pytest.fixture(params=["model", "cibadmin"])
def each_cib(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Cib | RealCib:
    """The model with an empty configuration, and the real cibadmin where that is installed."""
    if request.param == "model":
        return Cib()
    if not shutil.which("cibadmin"):
        pytest.skip("no cibadmin here (Debian's package pacemaker-cli-utils)")
    monkeypatch.setenv("CIB_file", str(tmp_path / "cib.xml"))
    return RealCib(tmp_path / "cib.xml")
