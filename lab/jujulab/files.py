"""Where the lab keeps what outlives it, and files that several processes use at once."""

import hashlib
import os
import threading
from collections.abc import Iterable
from pathlib import Path

LAB = Path(__file__).resolve().parents[1]
"""The repository's folder `lab`: the lab's commands, stand-ins and overlays, and this package."""

REPOSITORY = LAB.parent

DEFAULT_HOME = Path("/var/lib/juju-lab")
DEFAULT_CACHE = Path("/var/cache/juju-lab")


def lab_home() -> Path:
    """Return the lab's directory: ``$LAB_HOME``, else the default."""
    return Path(os.environ.get("LAB_HOME") or DEFAULT_HOME).absolute()


def cache_dir() -> Path:
    """Return the lab's cache: ``$LAB_CACHE``, else the default."""
    return Path(os.environ.get("LAB_CACHE") or DEFAULT_CACHE)


def replace_text(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file so that readers see the old or the new text and never less.

    Who may not read it by its mode can at no time.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_native_id()}")
    temporary.unlink(missing_ok=True)
    temporary.touch(mode & 0o600)
    temporary.write_text(text, encoding="utf-8")
    temporary.chmod(mode)
    temporary.replace(path)


def tree_digest(folders: Iterable[Path], files: Iterable[Path] = ()) -> str:
    """Return 12 hex digits that change with the files, and with what is in the folders.

    Their tests, packed charms and what Python has compiled do not count.
    """
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in files))
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            inside = path.relative_to(folder)
            counts = inside.parts[0] != "tests" and "__pycache__" not in inside.parts
            if counts and path.is_file() and path.suffix not in (".pyc", ".charm"):
                digest.update(f"{folder.name}/{inside}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]
