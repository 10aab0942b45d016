"""Nodes of a cluster as bare processes: namespaces and a few private directories, no systemd.

All of them live in namespaces of the program that made them (`isolated`): networks, mounts and
processes have no name on the host, and end with that program however it ends.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address
from pathlib import Path

from jujulab.errors import LabError
from jujulab.files import REPOSITORY
from jujulab.image.bare import ISOLATED
from jujulab.machines.container import ENVIRONMENT
from jujulab.machines.network import mac, run_command

BRIDGE = "scale-br"
HOME = Path("/mnt")
"""Where everything is mounted, in a mount namespace of its own; any directory will do."""
ROOT = HOME / "root"
POWER = HOME / "power"
"""Where the fence agent leaves the name of a node, until that is switched off."""
HOST = "10.88.255.254"
"""The address of this program, on the bridge."""

_MEMBER, _REMOTE = "member", "remote"
_DEBS = "corosync pacemaker pacemaker-common pacemaker-cli-utils pacemaker-resource-agents"
# The packages of members and of hypervisors conflict: nothing is installed, only unpacked.
_UNPACK = f"""\
cd /var/lib/lab-debs
for name in {_DEBS} pacemaker-remote; do
    dpkg-deb --fsys-tarfile $(ls ${{name}}_*.deb) | tar -x -C / --exclude=./lib
done
mkdir -p /power /etc/masakari /var/lib/masakari-fencing
"""
_PREPARE = """\
root=$1 name=$2 power=$3 log=$4 main=$5
for folder in run tmp dev/shm var/log var/lib/pacemaker var/lib/corosync etc/corosync \\
        etc/pacemaker etc/masakari var/lib/masakari-fencing; do
    [ $folder != dev/shm ] || mount --rbind /dev "$root/dev"
    mount -t tmpfs -o mode=755 tmpfs "$root/$folder"
done
chmod 1777 "$root/tmp" "$root/dev/shm"
mount -t proc proc "$root/proc"
mount --bind "$power" "$root/power"
hostname "$name"
exec chroot "$root" bash -c "
mkdir -p /var/log/pacemaker /var/log/corosync /var/lib/pacemaker/{blackbox,cib,cores,pengine} \\
    /var/lib/masakari-fencing/spool /run/crm /run/masakari-fencing /etc/corosync/uidgid.d
chown -R hacluster:haclient /var/log/pacemaker /var/lib/pacemaker /run/crm \\
    /var/lib/masakari-fencing /run/masakari-fencing
echo scale-of-a-cluster >/etc/pacemaker/authkey
echo ready
read -r _
exec >$log 2>&1
$main
while :; do sleep 3600 & wait; done"
"""
"""It says when it is in its root, and waits for its interface. Bash buries what is orphaned."""


def isolated(arguments: Sequence[str]) -> int:
    """Run this package anew, in namespaces that end with it, and it with this process.

    Returns:
        its exit code.

    Raises:
        KeyboardInterrupt: after it has ended, which at the terminal is interrupted as well.
    """
    command = [sys.executable, "-m", "jujulab.scale", "--inside", *arguments]
    with subprocess.Popen([*ISOLATED, "--net", "--ipc", *command]) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            # It shows what it has measured until now.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
            raise


def prepare(image: Path) -> None:
    """Mount the nodes' common root, which has our programs, and make the bridge.

    Raises:
        LabError: one of the commands failed.
    """
    run_command(["mount", "-t", "tmpfs", "tmpfs", str(HOME)])
    for name in ("upper", "work", "root", "power"):
        (HOME / name).mkdir()
    POWER.chmod(0o777)
    layers = f"lowerdir={image},upperdir={HOME}/upper,workdir={HOME}/work"
    run_command(["mount", "-t", "overlay", "scale", "-o", layers, str(ROOT)])
    run_command(["chroot", str(ROOT), "sh", "-ec", _UNPACK])
    source = REPOSITORY / "packages/masakari-fencing/src/masakari_fencing"
    home = ROOT / "usr/share/masakari-fencing/masakari_fencing"
    shutil.copytree(source, home, ignore=shutil.ignore_patterns("__pycache__"))
    (home / "alert.py").chmod(0o755)
    install(source / "data/fence_masakari_guard", "usr/sbin/fence_masakari_guard")
    install(Path(__file__).parent / "fence_scale", "usr/sbin/fence_scale")
    compileall = ["python3", "-m", "compileall", "-q", "/usr/share/masakari-fencing"]
    run_command(["chroot", str(ROOT), *compileall])
    # A bridge without an address of its own takes that of a port, and another when it goes.
    own = f"address {mac(IPv4Address(HOST))}"
    lines = [
        "link set lo up", f"link add {BRIDGE} {own} type bridge stp_state 0 forward_delay 0",
        f"addr add {HOST}/16 dev {BRIDGE}", f"link set {BRIDGE} up",
    ]  # fmt: skip
    run_command(["ip", "-batch", "-"], "\n".join(lines))


def install(source: Path, path: str) -> None:
    """Put a program into the nodes' root."""
    (ROOT / path).write_bytes(source.read_bytes())
    (ROOT / path).chmod(0o755)


class Node:
    """One node.

    Args:
        name: its host name.
        number: 1 to 65000, which is its address.
        main: shell commands that start its daemons, in the background.
    """

    def __init__(self, name: str, number: int, main: str) -> None:
        self.name = name
        self.address = f"10.88.{number // 250}.{number % 250 + 1}"
        self.port = f"scale-{number}"
        self.process: subprocess.Popen[bytes] | None = None
        self._main = main

    def start(self, files: Mapping[str, str]) -> None:
        """Start it, with its cable plugged in.

        Args:
            files: what it finds in its directories, by their paths.

        Raises:
            LabError: it did not start.
        """
        kinds = ("--mount", "--propagation=private", "--net", "--pid", "--ipc", "--uts")
        argv = ["setpriv", "--pdeathsig=KILL", "unshare", *kinds, "--fork", "--kill-child"]
        script = ["--mount-proc", "sh", "-ec", _PREPARE, "sh"]
        names = [str(ROOT), self.name, str(POWER), "/var/log/main.log", self._main]
        self.process = subprocess.Popen(
            [*argv, *script, *names], env=ENVIRONMENT, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        stdin, stdout = self.process.stdin, self.process.stdout
        if stdin is None or stdout is None or not stdout.readline():
            said = self.process.communicate(timeout=30)[1].decode(errors="replace").strip()
            raise LabError(f"{self.name} did not start: {said}")
        run_command([
            "ip", "link", "add", self.port, "master", BRIDGE, "up", "type", "veth",
            "peer", "name", "eth0", "address", mac(IPv4Address(self.address)),
            "netns", str(self.init),
        ])  # fmt: skip
        lines = ["link set lo up", f"addr add {self.address}/16 dev eth0", "link set eth0 up"]
        where = f"--net=/proc/{self.init}/ns/net"
        run_command(["nsenter", where, "ip", "-batch", "-"], "\n".join(lines))
        for path, text in files.items():
            self.file(path).write_text(text)
        stdin.write(b"\n")
        stdin.flush()

    @property
    def init(self) -> int | None:
        """The process that is number 1 in the node."""
        if self.process is None:
            return None
        number = self.process.pid
        with contextlib.suppress(OSError):
            found = Path(f"/proc/{number}/task/{number}/children").read_text().split()
            return int(found[0]) if found else None
        return None

    @property
    def network(self) -> str:
        """Its network namespace, as links below /proc name it; empty while it is off."""
        with contextlib.suppress(OSError):
            return str(Path(f"/proc/{self.init}/ns/net").readlink())
        return ""

    def unplug(self) -> None:
        """Take the cable out."""
        run_command(["ip", "link", "set", self.port, "down"])

    def kill(self) -> None:
        """End everything in it, as a power cut does."""
        if (process := self.process) is None:
            return
        try:
            # Its parent buries the node's first process, and ends by itself.
            os.kill(self.init or process.pid, signal.SIGKILL)
            process.wait(10)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            process.kill()
        with process:
            self.process = None
        # The kernel removes a namespace some time later, and until then the name is taken.
        with contextlib.suppress(LabError):
            run_command(["ip", "link", "del", self.port])

    def file(self, path: str) -> Path:
        """Return a file of the node as this program sees it."""
        return Path(f"/proc/{self.init}/root") / path.lstrip("/")

    def run(self, *argv: str, text: str = "", timeout: float = 60, check: bool = True) -> str:
        """Run a command in the node and return what it printed.

        Raises:
            LabError: it failed, or took longer than `timeout` seconds.
        """
        where = [f"--target={self.init}", "--mount", "--net", "--pid", "--ipc", "--uts", "--root"]
        command = ["nsenter", *where, "--wd=/", "--", "timeout", "-k", "5", str(timeout), *argv]
        path = {"PYTHONPATH": "/usr/share/masakari-fencing"}
        result = subprocess.run(
            command, input=text, capture_output=True, text=True, check=False,
            env=ENVIRONMENT | path, timeout=timeout + 30,
        )  # fmt: skip
        if check and result.returncode:
            said = (result.stderr or result.stdout).strip()[-800:]
            raise LabError(f"{self.name}: {argv[0]} ended with {result.returncode}: {said}")
        return result.stdout
