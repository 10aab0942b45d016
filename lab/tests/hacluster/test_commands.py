"""How the stand-in's hooks run the cluster's commands."""

import time
from pathlib import Path

import pytest
from hacluster_charm import load

(cluster,) = load("cluster")


def test_output_and_input() -> None:
    assert cluster.run("cat", stdin="a line") == "a line"


def test_what_fails_says_why() -> None:
    with pytest.raises(cluster.ClusterError, match="sh: no such resource"):
        cluster.run("sh", "-c", "echo no such resource >&2; exit 6")
    with pytest.raises(cluster.ClusterError, match="/no/such"):
        cluster.run("/no/such/program")


def test_one_that_takes_too_long_ends_with_all_that_it_has_started(tmp_path: Path) -> None:
    started = tmp_path / "pid"
    script = f"sh -c 'echo $$ >{started}; exec sleep 20' & wait"
    with pytest.raises(cluster.ClusterError, match="timed out"):
        cluster.run("sh", "-c", script, timeout=1)
    process = Path("/proc") / started.read_text().strip()
    deadline = time.monotonic() + 5
    while process.exists():
        assert time.monotonic() < deadline, (process / "stat").read_text()
        time.sleep(0.01)
