"""The base image of the lab's machines: built once, cached, found by its recipe's hash."""

import ast
import functools
import hashlib
import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from jujulab import host
from jujulab.errors import LabError
from jujulab.files import cache_dir
from jujulab.image import recipe
from jujulab.image.bare import ISOLATED
from jujulab.progress import step
from jujulab.waiting import locked

_CHROOT = """\
mount -t proc proc "$1/proc"
mount -t tmpfs tmpfs "$1/run"
mount -t tmpfs tmpfs "$1/dev/shm"
mount --bind "$2" "$1/var/cache/apt/archives"
touch "$1/etc/resolv.conf"
mount --bind /etc/resolv.conf "$1/etc/resolv.conf"
root=$1
shift 2
exec chroot "$root" "$@"
"""


SPACE = 2.5
"""GB that the image and the packages that it is made of need."""


class ImageError(LabError):
    """The image could not be built; the text says at which step and where the log is."""


@functools.cache
def digest() -> str:
    """Return the recipe's hash: 12 hex digits that change when its code does.

    Comments, docstrings and formatting do not count.
    """
    tree = ast.parse(Path(recipe.__file__).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        node.body = [  # type: ignore[attr-defined]
            item
            for item in body
            if not (isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant))
        ]
    return hashlib.sha256(ast.unparse(tree).encode()).hexdigest()[:12]


def path(cache: Path | None = None) -> Path:
    """Return where the image of the current recipe is, or will be."""
    return (cache or cache_dir()) / f"image-{digest()}"


def ensure(cache: Path | None = None) -> Path:
    """Return the root directory of the image, built first if need be.

    A build that was interrupted goes on with the step in which it was. Several callers may ask at
    once: one builds, the others wait.

    Raises:
        ImageError: a step failed.
    """
    image = path(cache)
    if image.is_dir():
        return image
    host.install_packages()
    image.parent.mkdir(parents=True, exist_ok=True)
    with locked(image.parent / "lock"):
        if not image.is_dir():
            host.check_space(image.parent, SPACE)
            _build(image)
    return image


def remove(cache: Path | None = None) -> None:
    """Remove all images, finished or not."""
    folder = cache or cache_dir()
    if folder.is_dir():
        shutil.rmtree(folder)


class Build:
    """An image in the making; implements `jujulab.image.recipe.Builder`."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.downloads = folder / "downloads"
        self.packages = folder.parent / "packages"
        self.log = folder / "log"
        self._stamps = folder / "done"
        self._stamps.mkdir(parents=True, exist_ok=True)

    def host(self, *argv: str) -> None:
        """Run a command on the host, its output to the build log; raise when it fails."""
        self._run(argv, capture=False)

    def inside(self, *argv: str) -> str:
        """Run a command in the image's root, return its output; raise when it fails."""
        self.packages.mkdir(exist_ok=True)
        script = ["sh", "-ec", _CHROOT, "sh", str(self.root), str(self.packages)]
        return self._run([*script, *argv], capture=True)

    def run_steps(self) -> None:
        """Run the recipe's steps that have not been finished yet."""
        for number, (title, function) in enumerate(recipe.STEPS.items()):
            stamp = self._stamps / str(number)
            if stamp.exists():
                continue
            try:
                with step(f"image: {title} ({number + 1} of {len(recipe.STEPS)})", name=title):
                    function(self)
            except subprocess.CalledProcessError as error:
                # The command is in the log; it can be as long as the list of the packages.
                raise ImageError(f"{title} failed\n{self._tail()}see {self.log}") from error
            except (OSError, ValueError) as error:
                raise ImageError(f"{title}: {error}\n{self._tail()}see {self.log}") from error
            stamp.touch()

    def _run(self, argv: Sequence[str], *, capture: bool) -> str:
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"+ {shlex.join(argv)}\n")
            log.flush()
            result = subprocess.run(
                [*ISOLATED, *argv], env=_environment(), text=True, check=False,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE if capture else log, stderr=log,
            )  # fmt: skip
            output = result.stdout or ""
            log.write(output)
        result.check_returncode()
        return output

    def _tail(self, lines: int = 20) -> str:
        if not self.log.exists():
            return ""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return "".join(f"  {line}\n" for line in text.splitlines()[-lines:])


def _build(image: Path) -> None:
    folder = image.with_name(f"build-{image.name}")
    build = Build(folder)
    build.run_steps()
    build.root.rename(image)
    shutil.rmtree(folder)


def _environment() -> dict[str, str]:
    """Return the host's environment, less what makes a foreign root's programs misbehave."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LC_")}
    return kept | {"LANG": "C.UTF-8", "PATH": f"{kept.get('PATH', '')}:/usr/sbin:/sbin"}
