"""What our services may do, as systemd itself rates it: 0 is nothing, 10 everything.

The files are those that the charms write; of services that packages bring, the drop-in counts
together with what matters of the package's own file.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from charm_sources import REPOSITORY, source

LIMIT = 3.0
UNITS = "etc/systemd/system"
PACKAGED = """[Unit]
Description=As a package has it

[Service]
User=masakari
Group=masakari
ExecStart=/etc/init.d/something systemd-start
"""

WRITE = {
    "masakari": """
import reconcile
from types import SimpleNamespace
from workload import fencing_package
masakari = reconcile.Workload(host).masakari
masakari.install_units(SimpleNamespace(stock_workflow=False), clustered=True)
fencing_package.Installation(host).install()
""",
    "masakari-monitors": """
from network_matrix.matrix import default
from networks import Watch
from instance_ha_common.machine.memory import Memory
from workload import monitors, witness
host.write("/etc/group", "libvirt:x:7:")
files = monitors.Monitors(host, Memory(host, "masakari-monitors"))._files
files._write_drop_ins("another.maas", "masakari")
witness.Witness(host).configure(Watch({}, default(["storage"])))
""",
    "pacemaker-remote": """
from instance_ha_common.machine.memory import Memory
from instance_ha_common.machine.templates import Templates
from workload import own_node, unblock
templates = Templates(host, Memory(host, "x"), Path(unblock.__file__).parents[1] / "templates")
host.systemd.services[unblock.SERVICE] = FakeService()
unblock.Unblocker(host, templates).install(own_node.Monitor(5, 20))
""",
}
"""What has each charm write its units."""

RATED = {
    "masakari": (
        "masakari-api",
        "masakari-engine",
        "masakari-fencing-notifier",
        "masakari-fencing-unblocker",
        "masakari-fencing-exporter",
    ),
    # Not the keeper, which is root to read root's key to Ceph, and has no rights beyond that. Not
    # the other monitors: two start programs with root's rights, and one runs under another
    # host name, for which it is root before it is itself. Nor what is a hook in all but name: a
    # drill, and what waiting units look for.
    "masakari-monitors": ("masakari-network-witness", "masakari-instance-monitor"),
    "pacemaker-remote": ("pacemaker-remote-unblock",),
}


def _version() -> int:
    if shutil.which("systemd-analyze") is None:
        return 0
    argv = ["systemd-analyze", "--version"]
    text = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    match = re.match(r"systemd (\d+)", text)
    return int(match[1]) if match else 0


def _write(charm: str, root: Path) -> None:
    """Have a charm write its units below a directory, in a process of its own."""
    packages = sorted((REPOSITORY / "packages").glob("*/src"))
    folders = [str(path) for path in (source(charm), *packages)]
    begin = (
        f"import sys; sys.path[:0] = {folders!r}\n"
        "from pathlib import Path\n"
        "from instance_ha_common.testing import FakeService, fake_host\n"
        f"host = fake_host(Path({str(root)!r}))\n"
    )
    subprocess.run([sys.executable, "-c", begin + WRITE[charm]], check=True, timeout=60)
    for path in (root / "usr/local/lib/systemd/system").glob("*.service"):
        shutil.copy(path, root / UNITS)


@pytest.mark.skipif(_version() < 250, reason="systemd-analyze cannot rate files yet")
@pytest.mark.parametrize("charm", RATED)
def test_exposure(charm: str, tmp_path: Path) -> None:
    _write(charm, tmp_path)
    for name in RATED[charm]:
        unit = tmp_path / UNITS / f"{name}.service"
        if not unit.exists():
            unit.write_text(PACKAGED)
        result = subprocess.run(
            ["systemd-analyze", "security", "--offline=yes", f"--root={tmp_path}", unit.name],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        match = re.search(r"exposure level for \S+: ([\d.]+)", result.stdout)
        assert match is not None, result.stderr
        assert float(match[1]) <= LIMIT, result.stdout
        assert "Unknown" not in result.stderr
        assert "Failed to parse" not in result.stderr
