"""What the tests against a real controller need, and how they are skipped without it."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
VALUES = "SMOKE_OVERLAY"
"""Environment variable: an overlay that fills in the placeholders of overlays/masakari.yaml."""


@pytest.fixture(scope="session")
def values() -> Path:
    """The overlay with this cloud's values; skips where nothing can be deployed."""
    if not shutil.which("juju"):
        pytest.skip("no Juju client on PATH")
    known = subprocess.run(
        ["juju", "controllers", "--format=json"], capture_output=True, text=True, timeout=60
    )
    controllers = json.loads(known.stdout or "{}") if known.returncode == 0 else {}
    if not controllers.get("current-controller"):
        pytest.skip("the Juju client has no controller: bootstrap or log in to one on MAAS")
    if not os.environ.get(VALUES):
        pytest.skip(f"{VALUES} does not name an overlay with vip, maas_url and maas_credentials")
    path = Path(os.environ[VALUES]).resolve()
    assert path.is_file(), f"{VALUES} names {path}, which does not exist"
    return path


@pytest.fixture(scope="session")
def packed(values: Path) -> None:
    """The charms that the overlay deploys; skips where they are not packed."""
    del values  # without a cloud nobody has to pack
    for charm in ("masakari", "masakari-monitors", "pacemaker-remote"):
        if not list((REPOSITORY / "charms" / charm).glob("*.charm")):
            pytest.skip(f"{charm} is not packed: tox run -e pack")
