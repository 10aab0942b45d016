"""One system container: its systemd-nspawn process, what runs in it, and its violent end.

Nothing is kept in memory: the container is found through a file with the identifier of its
supervisor (the systemd-nspawn process), which is believed only while the process of that number
really supervises this container's directory.
"""

import contextlib
import shlex
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jujulab.errors import LabError
from jujulab.machines import processes
from jujulab.machines.cgroups import Cgroup
from jujulab.waiting import poll

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

ENVIRONMENT = {"PATH": PATH, "HOME": "/root", "LC_ALL": "C.UTF-8", "TERM": "dumb"}
"""What a command run in a container finds in its environment, apart from what is passed."""

NAMESPACES = ("mount", "uts", "ipc", "net", "pid", "cgroup")

_LEFTOVER = Path("/run/systemd/nspawn/unix-export")
"""Where systemd-nspawn (from 254) mounts a directory for each container, and refuses to start
when one is left of a container whose supervisor was killed."""

_POWEROFF_SIGNAL = signal.SIGRTMIN + 4
"""What makes systemd power off cleanly."""


POWEROFF, REBOOT = 0, 133
"""Exit statuses of systemd-nspawn after a container ended by itself."""


class ContainerError(LabError):
    """The container did not start, did not die, or is not running."""


class Container:
    """A container that may be running.

    Args:
        name: a name that no other container of the host has.
        root: its root directory on the host.
        pid_file: the file with its supervisor's process identifier.
        cgroup: its control group.
    """

    def __init__(self, name: str, root: Path, pid_file: Path, cgroup: Cgroup) -> None:
        self.name = name
        self.root = root
        self.cgroup = cgroup
        self._pid_file = pid_file

    @property
    def supervisor(self) -> int | None:
        """The process identifier of the running systemd-nspawn; None when there is none."""
        try:
            pid = int(self._pid_file.read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return None
        # A zombie has no command line, and a process that got the number later another one.
        return pid if f"--directory={self.root}".encode() in command.split(b"\0") else None

    @property
    def init(self) -> int | None:
        """The host's identifier of the container's process 1; None while there is none."""
        supervisor = self.supervisor
        candidates: Iterable[int] = ()
        if supervisor is None:
            # A container outlives its supervisor when that alone is killed.
            candidates = self.cgroup.pids()
        else:
            with contextlib.suppress(OSError):
                children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text()
                candidates = map(int, children.split())
        return next((pid for pid in candidates if processes.inner_pid(pid) == 1), None)

    def was_supervised_by(self, pid: int) -> bool:
        """Whether this process, which has ended, is the last supervisor that was started."""
        with contextlib.suppress(OSError, ValueError):
            return int(self._pid_file.read_text()) == pid
        return False

    @property
    def running(self) -> bool:
        """Whether anything of the container is alive."""
        return self.supervisor is not None or bool(self.cgroup.pids())

    @property
    def boot_id(self) -> str | None:
        """A text that differs at every boot, a reboot from inside included; None while off."""
        init = self.init
        started = None if init is None else processes.start_time(init)
        return None if started is None else f"{started}-{init}"

    def launch(
        self,
        *,
        hostname: str,
        network: Path,
        binds: Mapping[Path, str],
        console: Path,
        on_end: Sequence[str],
    ) -> None:
        """Start the container; return when systemd-nspawn runs, long before it has booted.

        Args:
            hostname: the short host name.
            network: the file of its network namespace.
            binds: what of the host is seen where in the container.
            console: the file to which its console output is appended.
            on_end: a command to run when the container has powered itself off or wants to
                reboot; it gets the supervisor's process identifier and `POWEROFF` or `REBOOT`.

        Raises:
            ContainerError: systemd-nspawn did not start.
        """
        leftover = _LEFTOVER / self.name
        if leftover.is_mount():
            subprocess.run(["umount", str(leftover)], check=True)
        self.cgroup.create()
        argv = _nspawn(self.name, self.root, hostname, network, binds)
        script = _script(self.cgroup, self._pid_file, on_end)
        with console.open("ab") as output:
            subprocess.run(
                ["setsid", "--fork", "sh", "-c", script, "sh", *argv], check=True,
                env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
        if not poll(lambda: self.supervisor is not None, 10, 0.002):
            raise ContainerError(f"{self.name} did not start, see {console}")

    def wait_booted(self, timeout: float) -> None:
        """Wait until systemd has started everything, or has failed to start some of it.

        Raises:
            ContainerError: it has not booted within the timeout in seconds, or it died.
        """
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if not self.running:
                raise ContainerError(f"{self.name} died while it booted")
            init = self.init
            if init is not None and Path(f"/proc/{init}/root/run/systemd/private").exists():
                remaining = deadline - time.monotonic()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    state = self.run(
                        ["systemctl", "is-system-running", "--wait"],
                        timeout=remaining, check=False,
                    )  # fmt: skip
                    if state.stdout.strip() in ("running", "degraded"):
                        return
            time.sleep(0.01)
        raise ContainerError(f"{self.name} has not booted within {timeout:g} s")

    def shut_down(self) -> None:
        """Ask the container's systemd to power off; do not wait."""
        init = self.init
        if init is not None:
            processes.send(init, _POWEROFF_SIGNAL)

    def wait_dead(self, timeout: float) -> bool:
        """Wait so many seconds until nothing of the container runs; return whether it is so."""
        deadline = time.monotonic() + timeout
        while self.running:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return False
            supervisor = self.supervisor
            if supervisor is None or not processes.wait_exit(supervisor, min(remaining, 0.5)):
                time.sleep(0.005)
        return True

    def signal_kill(self) -> None:
        """Send SIGKILL to the container's process 1, frozen or not; do not wait.

        The kernel takes everything else in the container along before process 1 is gone.
        """
        init = self.init
        targets = {init} if init is not None else self.cgroup.pids()
        frozen = self.cgroup.frozen
        if frozen:
            # The v1 freezer delivers the signal at the thaw: no other process may then go on.
            targets = targets | self.cgroup.pids()
        for pid in targets:
            processes.send(pid, signal.SIGKILL)
        if frozen:
            self.cgroup.set_frozen(False)

    def kill(self, timeout: float = 10) -> None:
        """End everything in the container at once, and return when it is really dead.

        Raises:
            ContainerError: something survives the timeout, in seconds, such as a process in
                uninterruptible sleep.
        """
        self.signal_kill()
        # The supervisor ends by itself; killed early, it would leave mounts behind.
        if not self.wait_dead(min(timeout, 2)):
            deadline = time.monotonic() + timeout
            while self.running:
                if time.monotonic() > deadline:
                    raise ContainerError(f"{self.name} does not die")
                supervisor = self.supervisor
                for pid in self.cgroup.pids() | ({supervisor} if supervisor else set()):
                    processes.send(pid, signal.SIGKILL)
                time.sleep(0.01)
        self._pid_file.unlink(missing_ok=True)
        self.cgroup.remove()

    def set_frozen(self, frozen: bool) -> None:
        """Stop every process where it is, or let them go on; ContainerError where none can."""
        if not self.cgroup.can_freeze:
            raise ContainerError("this host's control groups have no freezer, of version 1 or 2")
        self.cgroup.set_frozen(frozen)

    def popen(
        self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[Any]:
        """Start a command in the container, in its control group.

        The command leads a new session on the host, unless the options say otherwise: end it and
        its children with ``os.killpg(process.pid, signal.SIGKILL)``. It dies with the container
        in any case. `env` is added to a clean environment.

        Raises:
            ContainerError: the container is not running.
        """
        init = self.init
        if init is None:
            raise ContainerError(f"{self.name} is not running")
        script = (
            f"{self.cgroup.join_script(leaf=True)} exec nsenter --target={init}"
            f" {' '.join(f'--{kind}' for kind in NAMESPACES)}"
            ' -- setpriv --pdeathsig=KILL -- "$@"'
        )
        options.setdefault("start_new_session", True)
        environment = ENVIRONMENT | dict(env or {})
        return subprocess.Popen(["sh", "-ec", script, "sh", *argv], env=environment, **options)

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        input: str | None = None,  # noqa: A002 - subprocess.run's name
        timeout: float = 60,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the container and return what it printed.

        For the arguments and what else is raised see `popen` and `processes.communicate`.

        Raises:
            ContainerError: the container is not running.
        """
        process = self.popen(
            argv, env=env, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        return processes.communicate(process, argv, input or "", timeout, check=check)


def _nspawn(
    name: str, root: Path, hostname: str, network: Path, binds: Mapping[Path, str]
) -> list[str]:
    return [
        "systemd-nspawn", "--quiet", "--boot", f"--directory={root}",
        f"--machine={name}", f"--hostname={hostname}",
        f"--network-namespace-path={network}", "--register=no", "--keep-unit",
        "--capability=all", "--resolv-conf=off", "--timezone=off", "--link-journal=no",
        "--console=pipe", *(f"--bind={source}:{target}" for source, target in binds.items()),
    ]  # fmt: skip


def _script(cgroup: Cgroup, pid_file: Path, on_end: Sequence[str]) -> str:
    supervise = (
        f'{cgroup.join_script(leaf=False)} echo $$ >{shlex.quote(str(pid_file))}; exec "$@"'
    )
    # This shell stays out of the control group, so that it sees the end of everything in it.
    return (
        f'sh -ec {shlex.quote(supervise)} sh "$@" & wait $! && status=$? || status=$?;'
        f" case $status in {POWEROFF}|{REBOOT}) exec {shlex.join(on_end)} $! $status;; esac"
    )
