"""Packs with charmcraft on a machine that is made for it: a bare Debian that calls itself Ubuntu.

    PYTHONPATH=lab python tests/packing/builder.py DIRECTORY [BASE ...]     22.04 without any

Charmcraft looks at /etc/os-release, and at little else; so it can be seen to work wherever root
can make a chroot. The packs hold the environment of Debian's Python, 3.11, and so are for machines
of the lab alone (`LAB_PACKS=DIRECTORY make demo`): on an Ubuntu they say so in the unit's status.
This work tree is packed, by the command that users have, pack.py --destructive-mode, and then
`charmcraft analyse` must have nothing to say.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from jujulab import host
from jujulab.errors import LabError
from jujulab.files import cache_dir
from jujulab.image import bare

REPOSITORY = Path(__file__).resolve().parents[2]
SUITE = "bookworm"
SPACE = 2.0
"""GB that the machine and one build need."""

_BARE = ("python3", "make", "git")
_PACKAGES = ("ca-certificates", "findutils", "python3-apt", "python3-dev", "python3-pip",
             "python3-venv")  # fmt: skip
"""What charmcraft and its linters need, and what its uv plugin asks for."""

_TOOLS = "/opt/charmcraft"
_INSTALL = f"""\
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -q -y install --no-install-recommends {" ".join(_PACKAGES)}
uv venv -q --system-site-packages --python /usr/bin/python3 {_TOOLS}
VIRTUAL_ENV={_TOOLS} uv pip sync -q --require-hashes /opt/requirements.txt
touch /.dockerenv  # a container, says charmcraft, and installs no snaps
apt-get clean
"""
_PACK = f"""\
PATH={_TOOLS}/bin:$PATH
cd /root/project
python tests/packing/pack.py --destructive-mode $CHARMS
for charm in charms/*/*.charm; do
    # ssl_key, vip_cidr and their like have underscores in every OpenStack charm.
    charmcraft analyse --ignore naming-conventions "$charm"
done
"""


def _digest() -> str:
    """Return the name of the machine's state: it changes with what is installed."""
    digest = hashlib.sha256(f"{SUITE} {_BARE} {_INSTALL}".encode())
    digest.update((REPOSITORY / "requirements.txt").read_bytes())
    return digest.hexdigest()[:12]


def _uv_cache() -> Path:
    """Return this machine's cache of uv: what it holds is checked by its hashes."""
    done = subprocess.run(["uv", "cache", "dir"], capture_output=True, text=True, check=True)
    path = Path(done.stdout.strip())
    path.mkdir(parents=True, exist_ok=True)
    return path


def machine() -> list[Path]:
    """Return the layers of a machine with charmcraft; made first, if they are not there yet.

    Raises:
        LabError: not root, no room, or a step failed.
    """
    if os.geteuid():
        raise LabError("a machine to pack on can be made by root alone: run it as root")
    cache = cache_dir()
    cache.mkdir(parents=True, exist_ok=True)
    host.check_space(cache, SPACE)
    host.install_packages(bare.PACKAGES)
    root = bare.bootstrap(SUITE, _BARE, cache)
    kept = cache / f"packing-{_digest()}"
    if kept.is_dir():
        return [kept, root]
    for old in cache.glob("packing-*"):
        shutil.rmtree(old)
    with tempfile.TemporaryDirectory(dir=cache, prefix="layer-packing-") as scratch:
        upper = bare.make_layer(Path(scratch) / "layer")
        for name, target in (("uv", "usr/local/bin"), (REPOSITORY / "requirements.txt", "opt")):
            (upper / target).mkdir(parents=True)
            shutil.copy2(shutil.which(name) or name, upper / target)
        _checked(bare.run([root], upper.parent, _INSTALL, uv_cache=_uv_cache()), "charmcraft")
        upper.rename(kept)
    return [kept, root]


def pack(base: str, directory: Path, charms: Sequence[str] = ()) -> list[Path]:
    """Pack this work tree's charms as on an Ubuntu of that release.

    Args:
        base: `22.04` or `24.04`.
        directory: where the packed charms go.
        charms: only these; all without any.

    Raises:
        LabError: the machine cannot be made, or charmcraft does not pack or finds something; the
            text has the end of what it said.
    """
    lower = machine()
    _remove_leftovers()
    release = f'ID=ubuntu\nVERSION_ID="{base}"\nPRETTY_NAME="Ubuntu {base}, for charmcraft"\n'
    with tempfile.TemporaryDirectory(dir=cache_dir(), prefix="layer-packing-") as scratch:
        layer = Path(scratch)
        upper = bare.make_layer(layer)
        project = upper / "root" / "project"
        _copy_repository(project)
        (upper / "etc").mkdir()
        (upper / "etc" / "os-release").write_text(release)
        environment = {"CHARMS": " ".join(charms)}
        done = bare.run(lower, layer, _PACK, environment=environment, uv_cache=_uv_cache())
        _checked(done, f"packing for {base}")
        directory.mkdir(parents=True, exist_ok=True)
        packed = sorted(project.glob("charms/*/*.charm"))
        return [Path(shutil.copy2(path, directory)) for path in packed]


def _remove_leftovers() -> None:
    """Remove the files of builds that were killed; nothing of theirs is mounted any more."""
    for old in cache_dir().glob("layer-packing-*"):
        if time.time() - old.stat().st_mtime > 2 * bare.TIMEOUT:
            shutil.rmtree(old, ignore_errors=True)


def _checked(done: subprocess.CompletedProcess[str], what: str) -> None:
    if done.returncode:
        raise LabError(f"{what}: exit code {done.returncode}\n{done.stdout[-3000:]}")


def _copy_repository(target: Path) -> None:
    """Copy what git knows of this repository, as it is in the work tree."""
    for name in ("charms", "packages", "tests/packing"):
        ignore = shutil.ignore_patterns("__pycache__", "*.charm", ".*")
        shutil.copytree(REPOSITORY / name, target / name, ignore=ignore)
    for name in ("LICENSE", "pyproject.toml", "requirements.txt"):
        shutil.copy2(REPOSITORY / name, target)


def main(argv: list[str]) -> int:
    """Pack into a directory; the exit status is 1 when that is not possible."""
    if not argv or argv[0].startswith("-"):
        print(__doc__)
        return 2
    try:
        for base in argv[1:] or ["22.04"]:
            for path in pack(base, Path(argv[0])):
                print(path)
    except (LabError, OSError, subprocess.SubprocessError) as error:
        print(f"builder: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
