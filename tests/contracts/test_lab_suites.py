"""The suites of the lab, which take an hour, find what they import."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
LAB = REPOSITORY / "tests" / "lab"


def test_every_suite_is_collected() -> None:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "lab"), "LAB_FAULTS": "3"}
    argv = [sys.executable, "-m", "pytest", "-c", str(LAB / "pytest.ini"), "--collect-only", "-q"]
    found = subprocess.run(
        [*argv, "-o", "norecursedirs=", str(LAB)],
        cwd=REPOSITORY, env=environment, timeout=100, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert found.returncode == 0, found.stdout[-2000:]
    missing = {path.name for path in LAB.rglob("test_*.py") if path.name not in found.stdout}
    assert missing == set()
