"""However the measurement ends, nothing of its cluster is left.

python -m pytest -m lab lab/tests/scale
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from jujulab.image import image
from jujulab.scale.nodes import ROOT
from jujulab.waiting import poll

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

NODES = 5
BOUND = 90
"""Seconds, against hanging."""


def below(pid):
    """Return a process and all that descend from it, each with the time of its start."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(stat.parent.name)] = (int(fields[1]), fields[19])
    found = {pid}
    while more := {child for child, (parent, _) in parents.items() if parent in found} - found:
        found |= more
    return {(one, parents[one][1]) for one in found if one in parents}


def alive(known):
    found = set()
    for pid, started in known:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[19] == started and fields[0] != "Z":
            found.add(pid)
    return found


def networks(known):
    found = set()
    for pid, _ in known:
        try:
            found.add(os.readlink(f"/proc/{pid}/ns/net"))  # noqa: PTH115 - it names no file
        except OSError:
            continue
    return found


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_nothing_is_left_when_it_is_interrupted(number):
    image.ensure()
    interfaces = {path.name for path in Path("/sys/class/net").iterdir()}
    # Whoever was started in the background by a shell ignores it, and so do all that it starts.
    command = ["env", "--default-signal=INT", sys.executable, "-m", "jujulab.scale", "2"]
    process = subprocess.Popen(command, start_new_session=True)
    try:
        # The bridge's, each node's, and the host's, of which it is started.
        assert poll(lambda: len(networks(below(process.pid))) == NODES + 2, 120)
        time.sleep(2)
        known = below(process.pid)
        assert {path.name for path in Path("/sys/class/net").iterdir()} == interfaces
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # as a terminal does
        else:
            process.send_signal(number)
        process.wait(BOUND)
        assert poll(lambda: not alive(known), BOUND, 0.1), alive(known)
    finally:
        process.kill()
        process.wait(30)
    assert f" {ROOT} " not in Path("/proc/self/mountinfo").read_text()
    assert {path.name for path in Path("/sys/class/net").iterdir()} == interfaces
