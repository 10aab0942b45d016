"""Bare machines: a Debian with a few packages, kept beside the image, and commands in it.

For what has to be seen on a machine that has none of this one's programs, settings and caches.
A command runs in a layer above it, and nothing that it mounts or starts outlives it.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from jujulab.errors import LabError
from jujulab.image import recipe

TIMEOUT = 900
"""Seconds for one command: a bound against hanging."""

_PASSED_ON = (
    "PIP_INDEX_URL", "UV_DEFAULT_INDEX", "http_proxy", "https_proxy", "no_proxy",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
)  # fmt: skip
_CERTIFICATES = ("PIP_CERT", "SSL_CERT_FILE")
"""How this machine reaches the archive and the index is no matter of a new one."""

# A command gets mount and PID namespaces of its own, and dies with who runs it: an interruption
# leaves neither mounts nor processes behind, whatever they were doing.
ISOLATED = (
    "setpriv", "--pdeathsig=KILL", "unshare", "--mount", "--propagation=private", "--pid",
    "--fork", "--kill-child", "--mount-proc",
)  # fmt: skip

_CHROOT = """\
lower=$1 layer=$2 certificates=$3 cache=$4
shift 4
root=$layer/root
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$layer/upper,workdir=$layer/work" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
for file in /etc/resolv.conf /etc/hosts; do
    touch "$root$file"
    mount --bind "$file" "$root$file"
done
[ -z "$certificates" ] || cp "$certificates" "$root/run/certificates.crt"
if [ -n "$cache" ]; then
    mkdir -p "$root/root/.cache/uv"
    mount --bind "$cache" "$root/root/.cache/uv"
fi
exec chroot "$root" "$@"
"""


PACKAGES = {"debootstrap": "debootstrap"}
"""Commands that `bootstrap` runs on the host, and their packages; see `host.install_packages`."""


def bootstrap(suite: str, packages: Sequence[str], cache: Path) -> Path:
    """Return the root of a bare machine, made by debootstrap if it is not there yet.

    Args:
        suite: Debian's name of the release.
        packages: what it has beside the essential packages.
        cache: the directory in which it is kept.

    Raises:
        LabError: debootstrap failed.
    """
    root = cache / f"fresh-{suite}"
    if root.is_dir():
        return root
    part = root.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    downloads = cache / "fresh-downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    command = [*ISOLATED, "debootstrap", "--variant=minbase", f"--cache-dir={downloads}"]
    command += [f"--include={','.join(packages)}", suite, str(part)]
    done = subprocess.run(
        command, text=True, timeout=TIMEOUT, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=os.environ | {"PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"},
    )  # fmt: skip
    if done.returncode:
        raise LabError(f"debootstrap of {suite} failed:\n{done.stdout[-2000:]}")
    settings = part / "etc/apt/apt.conf.d/90host"
    settings.write_text(apt_settings(), encoding="utf-8")
    return part.rename(root)


def apt_settings() -> str:
    """Return this machine's way to a mirror, as lines of an apt.conf file."""
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True)
    return recipe.host_apt_settings(dump.stdout)


def make_layer(layer: Path) -> Path:
    """Make the directories of a layer, and return the one that holds its files."""
    for name in ("upper", "work", "root"):
        (layer / name).mkdir(parents=True)
    return layer / "upper"


def run(
    lower: Sequence[Path],
    layer: Path,
    script: str,
    *,
    environment: Mapping[str, str] | None = None,
    uv_cache: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a shell script in a layer, with a new machine's environment.

    Args:
        lower: what the layer lies above: roots and other layers' files, the uppermost first.
        layer: a directory that `make_layer` made.
        script: for `sh -e`.
        environment: variables beside those of a new machine.
        uv_cache: this machine's cache of uv, to be lent; none without.

    Returns:
        The exit code, with both outputs in one.
    """
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    certificates = os.environ.get("SSL_CERT_FILE", "")
    if certificates:
        kept |= dict.fromkeys(_CERTIFICATES, "/run/certificates.crt")
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    variables = {"PATH": path, "HOME": "/root", "LANG": "C.UTF-8", **kept, **(environment or {})}
    roots = ":".join(map(str, lower))
    mounts = ["sh", "-ec", _CHROOT, "sh", roots, str(layer), certificates, str(uv_cache or "")]
    return subprocess.run(
        [*ISOLATED, *mounts, "sh", "-ec", script],
        env=variables, text=True, errors="replace", timeout=TIMEOUT, check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
