"""What the lab's base image holds and how it gets there, step by step.

The image's name carries a hash of this module's code (comments and docstrings aside), so
changing a step here makes the lab build a new image. How steps are run, logged and resumed is in
`jujulab.image.image`.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from jujulab import host


class Builder(Protocol):
    """What a step needs from the machinery that runs it."""

    root: Path
    """The root directory of the image in the making."""
    downloads: Path
    """A directory that survives an interrupted build."""

    def host(self, *argv: str) -> None:
        """Run a command on the host, its output to the build log; raise when it fails."""

    def inside(self, *argv: str) -> str:
        """Run a command in the image's root, return its output; raise when it fails."""


@dataclass(frozen=True)
class Wheel:
    """A file of the Python package index, pinned by its content."""

    requirement: str
    sha256: str


SUITE = "bookworm"

BASE = (
    "systemd", "systemd-sysv", "dbus", "iproute2", "iputils-ping", "procps", "psmisc", "kmod",
    "netbase", "ca-certificates", "openssl", "python3", "less", "sudo", "zstd", "eatmydata",
)  # fmt: skip

PACKAGES = (
    # The control plane.
    "mariadb-server", "rabbitmq-server", "memcached", "keystone", "placement-api", "glance-api",
    "nova-api", "nova-conductor", "nova-scheduler", "python3-pymysql", "python3-memcache",
    # The hypervisors.
    "nova-compute", "nova-compute-kvm", "libvirt-daemon-system", "libvirt-clients",
    "python3-libvirt", "qemu-system-x86", "qemu-utils",
    # Clients and tools.
    "python3-openstackclient", "python3-openstacksdk", "python3-masakariclient", "python3-yaml",
    "cluster-glue", "resource-agents", "curl", "iptables", "jq", "lsof", "openssh-client",
    "tcpdump",
    # What a real Juju looks for on a machine that it is to have.
    "openssh-server", "tmux",
    # Keystone and Placement recommend a web server; here they run under uwsgi.
    "apache2-",
)  # fmt: skip

HELD_BACK = (
    # What the charms and the hacluster stand-in install themselves. It stays out of the image,
    # as packages in a local repository, because installing it is part of what is tried out, and
    # because pacemaker and pacemaker-remote conflict. Whatever depends on either is here too.
    "masakari-api", "masakari-common", "masakari-engine", "python3-masakari",
    "masakari-host-monitor", "masakari-instance-monitor", "masakari-process-monitor",
    "masakari-monitors-common", "python3-masakari-monitors",
    "haproxy", "corosync", "crmsh", "pacemaker", "pacemaker-common", "pacemaker-cli-utils",
    "pacemaker-remote", "pacemaker-resource-agents", "serf", "fence-agents",
)  # fmt: skip

INSTALL_SETS = (
    # What one machine installs together; the dependencies of each set are preinstalled.
    (
        "masakari-api", "masakari-engine", "haproxy", "corosync", "pacemaker", "crmsh",
        "fence-agents",
    ),
    (
        "pacemaker-remote", "pacemaker-cli-utils", "masakari-host-monitor",
        "masakari-instance-monitor", "masakari-process-monitor", "serf",
    ),
)  # fmt: skip

TASKFLOW = Wheel(
    "taskflow==5.0.0", "c47ce617041e3ad57ebcbd0681212c37b4a66cba30be819e3385addd41b622fd"
)

REPOSITORY = Path("var/lib/lab-debs")
"""Where the held-back packages are, below the image's root."""

APT_SETTINGS = """\
Acquire::Languages "none";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
DPkg::Options { "--force-confdef"; "--force-confold"; };
DPkg::Use-Pty "false";
"""

DPKG_SETTINGS = """\
force-unsafe-io
path-exclude /usr/share/doc/*
path-exclude /usr/share/man/*
path-exclude /usr/share/info/*
path-exclude /usr/share/locale/*
"""

JOURNAL_SETTINGS = """\
[Journal]
Storage=volatile
RuntimeMaxUse=64M
RateLimitIntervalSec=0
ForwardToSyslog=no
ForwardToConsole=no
"""

MASKED_UNITS = (
    # Useless in a container that the lab starts and stops, and each costs memory or boot time.
    "console-getty.service", "getty.target", "systemd-logind.service", "systemd-udevd.service",
    "systemd-udev-trigger.service", "apt-daily.timer", "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer",
    "logrotate.timer", "cron.service", "libvirt-guests.service",
    "systemd-networkd-wait-online.service",
)  # fmt: skip

MIRROR = f"deb [signed-by={host.ARCHIVE_KEYS}] http://deb.debian.org/debian {SUITE} main"

APT_GET = (
    "env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8", "eatmydata", "apt-get", "-y", "-q",
)  # fmt: skip

COMPILER = "/usr/bin/py3compile"
_DIVERT = "dpkg-divert --local --rename"
MODULES = Path("usr/lib/python3/dist-packages")


def bootstrap(build: Builder) -> None:
    """Make a minimal Debian, from its main mirror and with the host's way to it."""
    if build.root.exists():
        shutil.rmtree(build.root)
    apt, dpkg = build.downloads / "apt.conf", build.downloads / "dpkg.cfg"
    # Options of dpkg among them would end up in the middle of mmdebstrap's own.
    _write(apt, APT_SETTINGS.partition("DPkg")[0] + host_apt_settings(_apt_config_dump()))
    _write(dpkg, DPKG_SETTINGS)
    build.host(
        "mmdebstrap", "--mode=root", "--format=directory", "--variant=minbase",
        f"--aptopt={apt}", f"--dpkgopt={dpkg}", f"--include={','.join(BASE)}",
        SUITE, str(build.root), MIRROR,
    )  # fmt: skip
    _write(build.root / "etc/apt/apt.conf.d/90lab", APT_SETTINGS)
    # No service starts during the build: a chroot has no init to start it with.
    policy = build.root / "usr/sbin/policy-rc.d"
    _write(policy, "#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)


def install_packages(build: Builder) -> None:
    """Install everything but the held-back packages, which are downloaded only."""
    build.inside("dpkg", "--configure", "-a")
    build.inside("apt-get", "-q", "update")
    wanted = set(PACKAGES)
    for names in INSTALL_SETS:
        plan = build.inside(*APT_GET, "--simulate", "install", *PACKAGES, *names)
        wanted |= set(re.findall(r"^Inst (\S+)", plan, re.MULTILINE))
    # Each of some 350 Python packages would start an interpreter of its own to compile it.
    build.inside("sh", "-ec", f"{_DIVERT} --add {COMPILER}; ln -sf true {COMPILER}")
    build.inside(*APT_GET, "install", *sorted(wanted - set(HELD_BACK)))
    build.inside(*APT_GET, "autoclean")


def compile_python(build: Builder) -> None:
    """Compile all Python modules at once, on all processors, as their packages would have."""
    build.inside(
        "sh", "-ec", f"[ ! -L {COMPILER} ] || rm {COMPILER}; {_DIVERT} --remove {COMPILER}"
    )
    # A few files are templates, or of another Python; their packages ignore that as well.
    build.inside("sh", "-c", f"python3 -m compileall -q -j 0 /{MODULES} || true")


def collect_held_back(build: Builder) -> None:
    """Download the held-back packages, mend one of them and index them as a repository."""
    folder = build.root / REPOSITORY
    folder.mkdir(parents=True, exist_ok=True)
    build.inside("sh", "-ec", f"cd /{REPOSITORY}; rm -f *.deb; apt-get -q download $*", "sh",
                 *HELD_BACK)  # fmt: skip
    mend_masakari(build)
    packages = []
    for deb in sorted(folder.glob("*.deb")):
        control = build.inside("dpkg-deb", "--field", f"/{REPOSITORY}/{deb.name}").strip()
        packages.append(
            f"{control}\nFilename: ./{deb.name}\nSize: {deb.stat().st_size}\n"
            f"SHA256: {_sha256(deb)}\n"
        )
    index = "\n".join(packages).encode()
    (folder / "Packages").write_bytes(index)
    _write(
        folder / "Release",
        f"Suite: {SUITE}\nDate: Thu, 01 Jan 1970 00:00:00 UTC\n"
        f"SHA256:\n {hashlib.sha256(index).hexdigest()} {len(index)} Packages\n",
    )


def mend_masakari(build: Builder) -> None:
    """Make Masakari's API accept a request context without `read_deleted`.

    Masakari 14.0.2 hands ``None`` to oslo.messaging's notifier and answers every notification
    with status 500; later releases fall back to "no". The packages of that source depend on each
    other's exact version, so all of them get the new version.
    """
    script = r"""
        cd "$1"
        for deb in masakari-api_*.deb masakari-common_*.deb masakari-engine_*.deb \
                python3-masakari_*.deb; do
            tree=$(mktemp -d)
            dpkg-deb --raw-extract "$deb" "$tree"
            version=$(sed -n 's/^Version: //p' "$tree/DEBIAN/control")
            sed -i "s/^Version: .*/&+lab1/; s/(= $version)/(= $version+lab1)/g" \
                "$tree/DEBIAN/control"
            context=$tree/usr/lib/python3/dist-packages/masakari/context.py
            if [ -f "$context" ]; then
                sed -i 's/^\( *self.read_deleted = \)read_deleted$/\1read_deleted or "no"/' \
                    "$context"
                grep -q 'read_deleted or "no"' "$context"
                (cd "$tree" && find usr -type f -exec md5sum {} + > DEBIAN/md5sums)
            fi
            rm "$deb"
            dpkg-deb -Zgzip --root-owner-group --build "$tree" .
            rm -r "$tree"
        done
    """
    build.inside("bash", "-ec", script, "sh", f"/{REPOSITORY}")


def mend_taskflow(build: Builder) -> None:
    """Add the migrations that Debian's python3-taskflow lacks.

    Without them ``masakari-manage db sync`` dies at the migration that sets up TaskFlow's tables.
    """
    wheel = fetch_wheel(build, TASKFLOW)
    prefix = "taskflow/persistence/backends/sqlalchemy/alembic/"
    modules = build.root / MODULES
    with zipfile.ZipFile(wheel) as archive:
        members = [name for name in archive.namelist() if name.startswith(prefix)]
        archive.extractall(modules, members)
    build.inside("python3", "-m", "compileall", "-q", f"/{MODULES}/{prefix}")


def fetch_wheel(build: Builder, wheel: Wheel) -> Path:
    """Download a wheel with pip and return its path.

    Raises:
        ValueError: the content is not the pinned one.
    """
    folder = build.downloads / wheel.sha256
    folder.mkdir(parents=True, exist_ok=True)
    build.host(
        *pip_command(), "download", "--no-deps", "--only-binary=:all:", f"--dest={folder}",
        wheel.requirement,
    )  # fmt: skip
    (path,) = folder.glob("*.whl")
    if _sha256(path) != wheel.sha256:
        raise ValueError(f"{path.name} is not the pinned {wheel.requirement}")
    return path


def pip_command() -> tuple[str, ...]:
    """How to call pip: of this interpreter when it has it, else the system's."""
    probe = subprocess.run(
        [sys.executable, "-m", "pip", "--version"], capture_output=True, check=False
    )
    return (sys.executable if probe.returncode == 0 else "/usr/bin/python3", "-m", "pip")


def quiesce(build: Builder) -> None:
    """Leave every service installed but off, until a charm turns it on."""
    listing = build.inside(
        "systemctl", "list-unit-files", "--state=enabled", "--no-legend", "--plain"
    )
    units = [line.split()[0] for line in listing.splitlines() if line.strip()]
    keep = {"dbus.service", "dbus.socket"}
    off = [
        unit for unit in units if unit not in keep and not unit.endswith((".target", "@.service"))
    ]
    build.inside("systemctl", "disable", *off)
    for link in build.root.glob("etc/rc[0-6S].d/S*"):
        build.inside("update-rc.d", link.name[3:], "disable")
    build.inside("systemctl", "mask", *MASKED_UNITS)
    build.inside("systemctl", "set-default", "multi-user.target")


def turn_off_generators(build: Builder) -> None:
    """Have systemd read its unit files alone, whenever it reads them.

    A deployment has each machine do that forty times, and each time a dozen generators are started
    that look for what no machine of the lab has: a tenth of the deployment's processor time.
    """
    off = build.root / "etc/systemd/system-generators"
    off.mkdir(parents=True, exist_ok=True)
    for generator in (build.root / "usr/lib/systemd/system-generators").iterdir():
        (off / generator.name).symlink_to("/dev/null")


def configure(build: Builder) -> None:
    """Write what every machine of the lab has in common; turn to the local repository."""
    root = build.root
    _write(root / "etc/systemd/journald.conf.d/lab.conf", JOURNAL_SETTINGS)
    for old in (root / "etc/apt/sources.list.d").glob("*"):
        old.unlink()
    _write(root / "etc/apt/sources.list", f"deb [trusted=yes] file:/{REPOSITORY} ./\n")
    for name in (
        "usr/sbin/policy-rc.d",
        "etc/apt/apt.conf.d/99mmdebstrap",
        # Runs dpkg-preconfigure, which does nothing but complain without apt-utils.
        "etc/apt/apt.conf.d/70debconf",
    ):
        (root / name).unlink(missing_ok=True)
    for name in ("etc/hostname", "etc/machine-id", "etc/resolv.conf"):
        _write(root / name, "")
    for folder in ("var/lib/juju", "var/lib/nova/instances"):
        (root / folder).mkdir(parents=True, exist_ok=True)


def slim(build: Builder) -> None:
    """Remove what no machine reads, and read the local repository's index."""
    for folder in (
        "usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale",
        "var/cache/apt/archives", "var/lib/apt/lists", "var/cache/debconf", "var/log",
    ):  # fmt: skip
        for path in sorted((build.root / folder).rglob("*"), reverse=True):
            if not path.is_dir() or path.is_symlink():
                path.unlink()
    build.inside("apt-get", "-q", "update")


def check(build: Builder) -> None:
    """Make sure that every install set can be installed from the local repository alone."""
    for names in INSTALL_SETS:
        plan = build.inside(*APT_GET, "--simulate", "install", *names)
        missing = set(re.findall(r"^Inst (\S+)", plan, re.MULTILINE)) - set(HELD_BACK)
        if missing:
            raise ValueError(f"the image lacks {', '.join(sorted(missing))}")


Step = Callable[[Builder], None]

STEPS: Mapping[str, Step] = {
    "bootstrapping Debian": bootstrap,
    "installing packages": install_packages,
    "compiling Python": compile_python,
    "collecting local packages": collect_held_back,
    "mending packages": mend_taskflow,
    "turning services off": quiesce,
    "turning generators off": turn_off_generators,
    "configuring": configure,
    "slimming": slim,
    "checking": check,
}


def host_apt_settings(dump: str) -> str:
    """Pick the settings of the host's apt that say how to reach a mirror.

    Args:
        dump: the output of ``apt-config dump``.

    Returns:
        The same settings as lines of an apt.conf file.
    """
    wanted = re.compile(
        r"^Acquire::(https?|ftp|Check-|Retries|Force|AllowRelease)\S* \"[^\"]+\";$"
    )
    return "".join(f"{line}\n" for line in dump.splitlines() if wanted.match(line))


def _apt_config_dump() -> str:
    return subprocess.run(
        ["apt-config", "dump"], capture_output=True, text=True, check=True
    ).stdout


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def commands(argv: Sequence[str]) -> str:
    """Return a command as one line for the build log."""
    return " ".join(argv)
