"""What two programs must agree on that share no code: one writes it, the other looks for it."""

import hashlib
import re
import subprocess
import sys

import pytest
from charm_sources import REPOSITORY, load, source

sys.path[:0] = [str(path) for path in sorted((REPOSITORY / "packages").glob("*/src"))]

from masakari_fencing import witnesses  # noqa: E402
from masakari_fencing.notifier.watchers import stopped_remotes  # noqa: E402
from masakari_fencing.pacemaker import machines, remote_nodes  # noqa: E402
from network_matrix import ports  # noqa: E402

orderly_stop = load("workload.orderly_stop", source("pacemaker-remote"))
own_node = load("workload.own_node", source("pacemaker-remote"))
SCRIPT = (source("pacemaker-remote") / "templates" / "orderly-stop.sh.j2").read_text()


def test_the_notifier_knows_the_mark_of_an_orderly_stop():
    """Else nobody would manage the connection again that a stop has given up."""
    assert orderly_stop.MARKER == remote_nodes.MARK


def test_the_engine_knows_the_attribute_of_the_machine():
    """Else no hypervisor would count as known, and none be fenced."""
    assert own_node.MACHINE_ATTRIBUTE == machines.ATTRIBUTE


def test_the_engine_asks_where_the_witness_answers():
    assert witnesses.PORT == ports.TESTIMONY


@pytest.mark.parametrize("key", [b"key", bytes(range(256)), b"line\n"])
def test_shell_and_python_give_one_fingerprint_of_a_key(tmp_path, key):
    """Else the notifier would never reconnect a hypervisor, or one that has another key."""
    path = tmp_path / "authkey"
    path.write_bytes(key)
    [command] = re.findall(r"print=\$\((.*)\)", SCRIPT)
    printed = subprocess.run(
        ["/bin/sh", "-c", command], env={"KEY": str(path), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=True, timeout=30,
    ).stdout.strip()  # fmt: skip
    assert printed == hashlib.sha256(key).hexdigest()[:16] == stopped_remotes.fingerprint(path)
