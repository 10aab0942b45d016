"""Where the metadata of a bundle's charms comes from."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path
from typing import Protocol

from jujulab.juju.charm import STANDINS, CharmMeta, load_meta
from jujulab.juju.errors import JujuError, NotFoundError

from .names import charm_name, is_path

_METADATA = ("metadata.yaml", "config.yaml", "actions.yaml", "charmcraft.yaml")


class CharmLookup(Protocol):
    """Finds the metadata of charms."""

    def find(self, charm: str) -> CharmMeta:
        """Return the metadata of a charm.

        Args:
            charm: The name of a Charmhub charm, or an absolute path.

        Raises:
            JujuError: There is no such charm, or its metadata is malformed; the text says which.
        """
        ...


class LocalCharms:
    """Charms on this machine: paths, and directories that are named as the Charmhub charms.

    A `.charm` file that is not packed yet has the metadata of the sources in its directory.

    Args:
        standins: Directory of directories, each named as a Charmhub charm.
    """

    def __init__(self, standins: Path = STANDINS) -> None:
        self._standins = standins
        self._found: dict[str, CharmMeta] = {}

    def find(self, charm: str) -> CharmMeta:
        """Return the metadata of a charm; each is read once."""
        if charm not in self._found:
            self._found[charm] = self._read(charm)
        return self._found[charm]

    def _read(self, charm: str) -> CharmMeta:
        if not is_path(charm):
            directory = self._standins / charm_name(charm)
            if not directory.is_dir():
                raise NotFoundError(f'charm "{charm}" is not in {self._standins}')
            return load_meta(directory)
        path = Path(charm)
        if path.is_dir():
            return load_meta(path)
        if path.is_file():
            return _load_packed(path)
        source = source_of(path)
        if source is None:
            raise NotFoundError(f"charm path {path} does not exist")
        return load_meta(source)


def source_of(path: Path) -> Path | None:
    """Return the directory from which a `.charm` file is packed, if it lies in one."""
    directory = path.parent
    is_source = path.suffix == ".charm" and (directory / "charmcraft.yaml").is_file()
    return directory if is_source else None


def _load_packed(path: Path) -> CharmMeta:
    """Read the metadata in a `.charm` file."""
    with tempfile.TemporaryDirectory(prefix="charm-metadata-") as temporary:
        try:
            with zipfile.ZipFile(path) as archive:
                for name in _METADATA:
                    if name in archive.namelist():
                        (Path(temporary) / name).write_bytes(archive.read(name))
        except (OSError, zipfile.BadZipFile) as error:
            raise JujuError(f"{path}: is not a packed charm: {error}") from error
        try:
            return load_meta(Path(temporary))
        except JujuError as error:
            raise JujuError(str(error).replace(temporary, str(path))) from error
