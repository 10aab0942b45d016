"""The store of the charms that the model has deployed."""

import functools
import shutil
from dataclasses import dataclass
from pathlib import Path

from jujulab.files import tree_digest
from jujulab.juju import archive
from jujulab.juju.charm import STANDINS, CharmMeta, LocalCharms, charm_name, is_path, load_meta
from jujulab.juju.errors import JujuError

_LIBRARY = "_standin"


@dataclass(frozen=True)
class StoredCharm:
    """A charm in the store.

    Attributes:
        key: Its directory's name in the store; what an `Application` keeps in `charm`.
        url: As `juju status` shows it.
        source: What it came from: a name of the public store, or an absolute path.
        origin: ``charmhub`` or ``local``.
    """

    key: str
    source: str
    url: str
    origin: str
    revision: int
    meta: CharmMeta


class CharmStore:
    """The charms that the model has deployed, unpacked, one directory for each revision."""

    def __init__(self, home: Path, standins: Path = STANDINS) -> None:
        self._home = home
        self._standins = standins

    def directory(self, key: str) -> Path:
        """Return where the charm `key` lies."""
        return self._home / key

    @functools.lru_cache(maxsize=256)  # noqa: B019 - one store for the life of the controller
    def meta(self, key: str) -> CharmMeta:
        """Return the metadata of the stored charm `key`."""
        return load_meta(self.directory(key))

    def peek(self, reference: str) -> CharmMeta:
        """Return the metadata of a charm that need not be in the store yet, or raise JujuError."""
        return LocalCharms(self._standins).find(reference)

    def add(self, reference: str, *, revision: int | None, next_local: int) -> StoredCharm:
        """Bring a charm into the store.

        Args:
            reference: A name of the public store, or a path: a directory or a packed charm.
            revision: The public store's revision to show; None for any.
            next_local: The revision that a local charm gets.

        Raises:
            JujuError: There is no such charm, or it is not one.
        """
        path = LocalCharms(self._standins).locate(reference)
        if is_path(reference):
            name = self.peek(reference).name
            key = f"local-{name}-{next_local}"
            if path.is_dir() and not (path / "dispatch").exists():
                path = self._pack(path)
            self._unpack(path, key)
            source, url = str(Path(reference).absolute()), f"local:{name}-{next_local}"
            return StoredCharm(key, source, url, "local", next_local, self.meta(key))
        name = charm_name(reference)
        key = self._unpack(path, f"ch-{name}-{standin_digest(path)}")
        return StoredCharm(key, name, name, "charmhub", revision or 1, self.meta(key))

    def _pack(self, source: Path) -> Path:
        from jujulab.juju.pack import pack  # only sources of real charms need it

        output = self._home / "packed"
        output.mkdir(parents=True, exist_ok=True)
        return pack(source, output)

    def _unpack(self, path: Path, key: str) -> str:
        """Copy or unzip a charm to its place, complete or not at all."""
        target = self.directory(key)
        if target.exists():
            return key
        temporary = self._home / f".{key}.new"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            archive.extract(path, temporary)
        else:
            copy_charm(path, temporary)
        if not (temporary / "dispatch").exists():
            shutil.rmtree(temporary)
            raise JujuError(f"{path}: the charm has no dispatch")
        # Juju writes it into each unit's directory: what the archive has, else 0.
        revision = temporary / "revision"
        if not revision.exists():
            revision.write_text("0")
        temporary.rename(target)
        return key


_ignored = shutil.ignore_patterns("__pycache__", "tests", ".tox", ".venv", "*.pyc")


def copy_charm(source: Path, target: Path) -> None:
    """Copy a charm's directory; a stand-in gets the library that lies beside it, and its start."""
    shutil.copytree(source, target, symlinks=True, ignore=_ignored)
    library, start = source.parent / _LIBRARY, target / "lib" / "dispatch"
    if library.is_dir():
        shutil.copytree(library, target / "lib", dirs_exist_ok=True, ignore=_ignored)
    if start.exists() and not (target / "dispatch").exists():
        start.rename(target / "dispatch")


def standin_digest(source: Path, *more: Path) -> str:
    """Return a digest of a stand-in, and more files, so that an edited one counts as another."""
    return tree_digest((source, source.parent / _LIBRARY), more)


def replace_charm(source: Path, target: Path, old: Path | None) -> None:
    """Put a charm's files from the store into a unit's charm directory, which may not exist yet.

    What the charm itself has written beside its files, such as its stored state, stays. `old` is
    the charm in the store that they came from before.
    """
    fresh = target.with_name(f"{target.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(source, fresh, symlinks=True)
    target.mkdir(exist_ok=True)
    shipped = {*fresh.iterdir(), *(old.iterdir() if old and old.exists() else ())}
    for name in {entry.name for entry in shipped}:
        _remove(target / name)
        if (fresh / name).exists() or (fresh / name).is_symlink():
            (fresh / name).rename(target / name)
    fresh.rmdir()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
