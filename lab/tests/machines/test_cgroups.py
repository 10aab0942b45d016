import subprocess
import threading
import time
from pathlib import Path

import pytest
from jujulab.machines.cgroups import Cgroup, hierarchies

HYBRID = """\
tmpfs /sys/fs/cgroup tmpfs rw,relatime,mode=755 0 0
cgroup /sys/fs/cgroup/cpu cgroup rw,relatime,cpu 0 0
cgroup /sys/fs/cgroup/freezer cgroup rw,relatime,freezer 0 0
cgroup /sys/fs/cgroup/systemd cgroup rw,relatime,name=systemd 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0
"""


def test_hierarchies_of_a_hybrid_host():
    assert hierarchies(HYBRID) == {
        "freezer": Path("/sys/fs/cgroup/freezer"),
        "systemd": Path("/sys/fs/cgroup/systemd"),
        "unified": Path("/sys/fs/cgroup/unified"),
    }


def test_hierarchies_of_a_unified_host():
    assert hierarchies("cgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n") == {
        "unified": Path("/sys/fs/cgroup")
    }


@pytest.fixture
def v1(tmp_path):
    group = Cgroup("lab/1", {"freezer": tmp_path})
    group.create()
    (tmp_path / "lab/1/freezer.state").write_text("THAWED\n")
    return group, tmp_path / "lab/1"


def test_freezing_with_v1_waits_for_the_last_process(v1):
    group, folder = v1
    state = folder / "freezer.state"
    stop = threading.Event()

    def kernel():
        """Report FREEZING for a while, as when a process is in the kernel."""
        while not stop.is_set():
            if state.read_text() == "FROZEN":
                state.write_text("FREEZING\n")
                time.sleep(0.05)
                state.write_text("FROZEN\n")
                return

    thread = threading.Thread(target=kernel)
    thread.start()
    try:
        group.set_frozen(True)
    finally:
        stop.set()
        thread.join()
    assert group.frozen
    group.set_frozen(False)
    assert not group.frozen


def test_freezing_with_v2_follows_the_events_file(tmp_path):
    group = Cgroup("lab/1", {"unified": tmp_path})
    group.create()
    folder = tmp_path / "lab/1"
    (folder / "cgroup.freeze").write_text("0\n")
    (folder / "cgroup.events").write_text("populated 1\nfrozen 0\n")
    with pytest.raises(TimeoutError):
        group.set_frozen(True, timeout=0.05)
    (folder / "cgroup.events").write_text("populated 1\nfrozen 1\n")
    group.set_frozen(True)
    assert group.frozen


def test_a_group_that_is_gone_is_not_frozen_and_empty(tmp_path):
    group = Cgroup("lab/none", {"freezer": tmp_path})
    assert not group.frozen
    assert group.pids() == set()
    assert not Cgroup("lab/1", {"systemd": tmp_path}).can_freeze


def test_pids_are_those_of_the_group_and_its_children(v1):
    group, folder = v1
    (folder / "cgroup.procs").write_text("10\n11\n")
    (folder / "payload/system.slice").mkdir(parents=True)
    (folder / "payload/system.slice/cgroup.procs").write_text("12\n0\n")
    assert group.pids() == {10, 11, 12}


def test_a_shell_joins_the_leaf_in_every_hierarchy(tmp_path):
    mounts = {kind: tmp_path / f"{kind} mount" for kind in ("freezer", "unified")}
    group = Cgroup("lab/1", mounts)
    group.create()
    subprocess.run(["sh", "-ec", group.join_script(leaf=True)], check=True)
    for mount in mounts.values():
        assert (mount / "lab/1/commands/cgroup.procs").read_text() == "0\n"
    subprocess.run(["sh", "-ec", group.join_script(leaf=False)], check=True)
    assert (mounts["freezer"] / "lab/1/cgroup.procs").read_text() == "0\n"


def test_remove_takes_the_deepest_group_first(tmp_path):
    group = Cgroup("lab/1", {"freezer": tmp_path})
    group.create()
    (tmp_path / "lab/1/payload/init.scope").mkdir(parents=True)
    group.remove()
    assert list((tmp_path / "lab").iterdir()) == []


def test_a_group_that_is_removed_while_it_is_read_is_empty(v1):
    group, folder = v1
    stop = threading.Event()

    def machine():
        """Make and remove groups, as a machine that is switched on and off."""
        while not stop.is_set():
            (folder / "init.scope/child").mkdir(parents=True, exist_ok=True)
            (folder / "init.scope/child").rmdir()
            (folder / "init.scope").rmdir()

    thread = threading.Thread(target=machine)
    thread.start()
    try:
        assert all(group.pids() == set() for _ in range(2000))
    finally:
        stop.set()
        thread.join()
