"""Packed charms, `.charm` files: written and read by the rules of Juju 3.6 and 4."""

import os
import posixpath
import shutil
import stat
import zipfile
from pathlib import Path
from typing import Any

import yaml

from jujulab.juju.errors import JujuError

_TIME = (2020, 1, 1, 0, 0, 0)

BASE = {"name": "ubuntu", "channel": "22.04", "architectures": ["amd64"]}
"""The base that packs are for: Juju takes none without, and no other distribution."""

_NOT_METADATA = frozenset(
    {"config", "actions", "parts", "platforms", "base", "bases", "type", "links"}
)
_RENAMED = {"title": "display-name", "documentation": "docs"}


def write_metadata(project: dict[str, Any], tree: Path) -> None:
    """Split charmcraft.yaml into the files that Juju reads, with the names that it has there."""
    metadata = {key: value for key, value in project.items() if key not in _NOT_METADATA}
    metadata |= project.get("links", {})
    parts: dict[str, Any] = {
        "metadata.yaml": {_RENAMED.get(k, k): v for k, v in metadata.items()},
        "manifest.yaml": {"charmcraft-version": "lab", "bases": [BASE]},
    }
    parts |= {f"{key}.yaml": project[key] for key in ("config", "actions") if key in project}
    for name, content in parts.items():
        (tree / name).write_text(yaml.safe_dump(content, sort_keys=False))


def check_link(name: str, points_to: str) -> None:
    """Refuse a symbolic link that Juju does not extract, with its words.

    Juju finds it when a unit unpacks the charm, which then stays `allocating`; the lab when the
    charm is packed or deployed.

    Raises:
        JujuError: it is absolute, or leads out of the archive (juju/utils, zip/zip.go).
    """
    if points_to.startswith("/"):
        raise JujuError(f'cannot extract "{name}": symlink "{points_to}" is absolute')
    inside = posixpath.normpath(posixpath.join(posixpath.dirname(name), points_to))
    if inside == ".." or inside.startswith("../"):
        raise JujuError(f'cannot extract "{name}": symlink "{points_to}" leads out of scope')


def write(tree: Path, archive: Path) -> None:
    """Write an archive that keeps modes and symbolic links; two of the same tree are equal.

    Raises:
        JujuError: the tree has a link that Juju does not extract.
    """
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as bundle:
        for path in sorted(tree.rglob("*")):
            if path.is_dir() and not path.is_symlink():
                continue
            info = zipfile.ZipInfo(str(path.relative_to(tree)), _TIME)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = path.lstat().st_mode << 16
            content = path.read_bytes() if not path.is_symlink() else os.fsencode(path.readlink())
            if path.is_symlink():
                check_link(info.filename, os.fsdecode(content))
            bundle.writestr(info, content)


def extract(archive: Path, target: Path) -> None:
    """Unpack an archive with its modes and links, all of it or nothing.

    Raises:
        JujuError: it is no archive, or has a link that Juju does not extract.
    """
    try:
        with zipfile.ZipFile(archive) as bundle:
            for info in bundle.infolist():
                mode = info.external_attr >> 16
                if stat.S_ISLNK(mode):
                    link, points_to = target / info.filename, os.fsdecode(bundle.read(info))
                    check_link(info.filename, points_to)
                    link.parent.mkdir(parents=True, exist_ok=True)
                    link.symlink_to(points_to)
                    continue
                path = Path(bundle.extract(info, target))
                if mode:
                    path.chmod(mode & 0o777)
    except (zipfile.BadZipFile, OSError, JujuError) as error:
        shutil.rmtree(target, ignore_errors=True)
        raise JujuError(f"{archive}: cannot unpack the charm: {error}") from error
