"""A layer over the image with packages that not every lab needs; built once, and cached like it.

A machine's root lies above both, as `Image.root` says to the overlay.
"""

import hashlib
import shutil
import subprocess
from pathlib import Path

from jujulab import host
from jujulab.errors import LabError
from jujulab.image import bare, image, recipe
from jujulab.progress import step
from jujulab.waiting import locked

PACKAGES = {
    "ceph": (
        "ceph-mon", "ceph-mgr", "ceph-osd", "ceph-common",
        # What QEMU and nova-compute, and masakari's fence agent, speak with it.
        "qemu-block-extra", "python3-rbd", "python3-rados",
    ),
}  # fmt: skip
"""The layers, and the packages of each."""

SPACE = 0.6
"""GB that a layer needs while it is made."""

_SCRIPT = """\
options="-c /run/lab/apt.conf -o Dir::Etc::SourceList=/run/lab/sources.list
  -o Dir::Etc::SourceParts=- -o Dir::State::Lists=/run/lab/lists"
mkdir -p /run/lab/lists
printf '%s' "$MIRROR" >/run/lab/sources.list
printf '%s' "$SETTINGS" >/run/lab/apt.conf
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
systemctl list-unit-files --state=enabled --no-legend --plain | cut -d' ' -f1 | sort >/run/lab/old
apt-get $options -q update
eatmydata apt-get $options -q -y install $WANTED
systemctl list-unit-files --state=enabled --no-legend --plain | cut -d' ' -f1 | sort >/run/lab/new
# As in the image, nothing runs before a charm turns it on.
new=$(comm -13 /run/lab/old /run/lab/new)
[ -z "$new" ] || systemctl disable $new
rm -f /var/cache/apt/archives/*.deb
"""


def digest(name: str) -> str:
    """Return the hash of what a layer is made of, the image included: 12 hex digits."""
    parts = [image.digest(), _SCRIPT, *PACKAGES[name]]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def path(name: str, cache: Path) -> Path:
    """Return where a layer is, or will be."""
    return cache / f"layer-{name}-{digest(name)}"


def ensure(name: str, cache: Path) -> Path:
    """Return the directory of a layer, built first if need be, over the image that it is for.

    Several callers may ask at once: one builds, the others wait.

    Raises:
        ImageError: it could not be built, or the image could not.
    """
    below, layer = image.ensure(cache), path(name, cache)
    if layer.is_dir():
        return layer
    with locked(cache / "lock"):
        if not layer.is_dir():
            host.check_space(cache, SPACE)
            with step(f"image: adding the layer {name}", name=f"layer {name}"):
                _build(name, below, layer)
    return layer


def _build(name: str, below: Path, layer: Path) -> None:
    folder = layer.with_name(f"build-{layer.name}")
    shutil.rmtree(folder, ignore_errors=True)
    files = bare.make_layer(folder)
    environment = {
        "MIRROR": f"{recipe.MIRROR}\n",
        "SETTINGS": bare.apt_settings(),
        "WANTED": " ".join(PACKAGES[name]),
    }
    try:
        done = bare.run([below], folder, _SCRIPT, environment=environment)
    except subprocess.TimeoutExpired as error:
        raise LabError(f"layer {name}: not made within {error.timeout:g} s") from error
    if done.returncode:
        raise image.ImageError(f"layer {name} failed\n{done.stdout[-2000:]}")
    files.rename(layer)
    shutil.rmtree(folder)
