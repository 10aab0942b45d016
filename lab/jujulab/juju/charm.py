"""Charms: their metadata, and the store of the ones that the model has deployed."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from jujulab.files import LAB
from jujulab.juju.errors import JujuError, NotFoundError
from jujulab.juju.names import JUJU4
from jujulab.juju.options import Action, Option, parse_options

STANDINS = LAB / "charms"
_LIBRARY = "_standin"
_ROLES = {"provides": "provider", "requires": "requirer", "peers": "peer"}
_ACTION_NAME = re.compile(r"^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$")
_ACTION_SCHEMA_KEYS = {"description", "params", "required", "additionalProperties", "parallel"}
_JUJU_INFO = "juju-info"


@dataclass(frozen=True)
class CharmEndpoint:
    """One endpoint of a charm; `role` is provider, requirer or peer."""

    name: str
    role: str
    interface: str
    scope: str = "global"
    limit: int = 0
    optional: bool = False

    @property
    def implicit(self) -> bool:
        """Whether every charm has this endpoint without naming it."""
        return self.name == _JUJU_INFO and self.role == "provider"


@dataclass(frozen=True)
class CharmMeta:
    """What a charm says of itself."""

    name: str
    summary: str = ""
    subordinate: bool = False
    endpoints: dict[str, CharmEndpoint] = field(default_factory=dict)
    extra_bindings: tuple[str, ...] = ()
    options: dict[str, Option] = field(default_factory=dict)
    actions: dict[str, Action] = field(default_factory=dict)
    base: str = ""

    @property
    def binding_names(self) -> set[str]:
        """The names that can be bound to a space."""
        return {*self.endpoints, *self.extra_bindings} - {_JUJU_INFO}


def load_meta(directory: Path) -> CharmMeta:
    """Read a charm's metadata, options and actions.

    Args:
        directory: An unpacked charm, or the source of one with everything in charmcraft.yaml.

    Raises:
        JujuError: Something is missing or wrong; the text names the file and the rule.
    """
    source = next(
        (n for n in ("metadata.yaml", "charmcraft.yaml") if (directory / n).exists()), ""
    )
    if not source:
        raise JujuError(f"{directory}: neither metadata.yaml nor charmcraft.yaml: not a charm")
    raw = _mapping(directory / source)
    try:
        return _parse_meta(directory, raw)
    except (ValueError, AttributeError, KeyError) as error:
        raise JujuError(f"{directory / source}: {error}") from error


def _mapping(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        value = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 - a safe one
    except yaml.YAMLError as error:
        raise JujuError(f"{path}: {error}") from error
    if not isinstance(value or {}, dict):
        raise JujuError(f"{path}: not a mapping")
    return value or {}


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _parse_meta(directory: Path, raw: dict[str, Any]) -> CharmMeta:
    config = raw.get("config") or _mapping(directory / "config.yaml")
    actions = raw.get("actions") or _mapping(directory / "actions.yaml")
    endpoints = _parse_endpoints(raw)
    extra = tuple(raw.get("extra-bindings") or ())
    for name in extra:
        if name in endpoints:
            raise ValueError(f"extra-bindings: {name!r} is also the name of a relation")
    subordinate = bool(raw.get("subordinate", False))
    container = [e for e in endpoints.values() if (e.role, e.scope) == ("requirer", "container")]
    if subordinate and not container:
        raise ValueError("a subordinate charm requires a container-scoped requires relation")
    return CharmMeta(
        name=raw["name"],
        summary=str(raw.get("summary", "")),
        subordinate=subordinate,
        endpoints=endpoints,
        extra_bindings=extra,
        options=parse_options(config.get("options")),
        actions={name: _parse_action(name, body or {}) for name, body in actions.items()},
        base=_first_base(raw),
    )


def _parse_endpoints(raw: dict[str, Any]) -> dict[str, CharmEndpoint]:
    endpoints: dict[str, CharmEndpoint] = {}
    for section, role in _ROLES.items():
        for name, body in (raw.get(section) or {}).items():
            body = {"interface": body} if isinstance(body, str) else body
            if name in endpoints:
                raise ValueError(f"{section}: relation name {name!r} is used twice")
            if body.get("scope", "global") not in ("global", "container"):
                raise ValueError(f"{section}: {name!r} has unknown scope {body['scope']!r}")
            endpoints[name] = CharmEndpoint(
                name=name,
                role=role,
                interface=body["interface"],
                scope=body.get("scope", "global"),
                limit=int(body.get("limit") or 0),
                optional=bool(body.get("optional", False)),
            )
    endpoints.setdefault(_JUJU_INFO, CharmEndpoint(_JUJU_INFO, "provider", _JUJU_INFO))
    return endpoints


def _parse_action(name: str, body: dict[str, Any]) -> Action:
    if not _ACTION_NAME.match(name) or name == "juju" or name.startswith("juju-"):
        raise ValueError(f"bad action name {name!r}")
    unknown = set(body) - _ACTION_SCHEMA_KEYS - {"execution-group", "title"}
    if unknown:
        raise ValueError(f"action {name!r}: unknown keys {', '.join(sorted(unknown))}")
    return Action(
        name=name,
        description=str(body.get("description", "")),
        params=body.get("params") or {},
        required=tuple(body.get("required") or ()),
        additional=bool(body.get("additionalProperties", not JUJU4)),
    )


def _first_base(raw: dict[str, Any]) -> str:
    """Return the first base that the charm is for, as ``ubuntu@22.04``; empty if it names none."""
    if isinstance(raw.get("base"), str):
        return str(raw["base"])
    for name in raw.get("platforms") or {}:
        if "@" in name:
            return str(name).partition(":")[0]
    for entry in raw.get("bases") or ():
        entry = (entry.get("run-on") or [entry])[0]
        return f"{entry['name']}@{entry['channel']}"
    return ""


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
    """The charms that the model has deployed, unpacked, one directory for each revision.

    Args:
        home: The directory of the store.
        standins: Where the charms of the public store have their stand-ins.
    """

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
        """Return the metadata of a charm that need not be in the store yet.

        Raises:
            JujuError: There is no such charm, or it is not one.
        """
        path = self._locate(reference)
        if path.is_file():
            return self.meta(self._unpack(path, f"peek-{_file_digest(path)}"))
        return load_meta(path)

    def add(self, reference: str, *, revision: int | None, next_local: int) -> StoredCharm:
        """Bring a charm into the store.

        Args:
            reference: A name of the public store, or a path: a directory or a packed charm.
            revision: The public store's revision to show; None for any.
            next_local: The revision that a local charm gets.

        Raises:
            JujuError: There is no such charm, or it is not one.
        """
        path = self._locate(reference)
        if is_path(reference):
            name = self.peek(reference).name
            key = f"local-{name}-{next_local}"
            if path.is_dir() and not (path / "dispatch").exists():
                path = self._pack(path)
            self._unpack(path, key)
            source, url = str(Path(reference).absolute()), f"local:{name}-{next_local}"
            return StoredCharm(key, source, url, "local", next_local, self.meta(key))
        name = bare_name(reference)
        key = self._unpack(path, f"ch-{name}-{self._tree_digest(path)}")
        return StoredCharm(key, name, name, "charmhub", revision or 1, self.meta(key))

    def _locate(self, reference: str) -> Path:
        if is_path(reference):
            path = Path(reference).expanduser().resolve()
            if path.suffix == ".charm" and (path.parent / "charmcraft.yaml").exists():
                path = path if path.exists() else path.parent
            if not path.exists():
                raise JujuError(f'"{reference}": no such file or directory')
            return path
        path = self._standins / bare_name(reference)
        if reference.startswith("_") or not path.is_dir():
            raise NotFoundError(
                f'charm "{reference}" not found: the lab has a stand-in for each charm below '
                f"{self._standins}, and takes local charms by path"
            )
        return path

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
            _unzip(path, temporary)
        else:
            shutil.copytree(path, temporary, symlinks=True, ignore=_ignored)
            if path.parent == self._standins and (self._standins / _LIBRARY).is_dir():
                shutil.copytree(
                    self._standins / _LIBRARY,
                    temporary / "lib",
                    dirs_exist_ok=True,
                    ignore=_ignored,
                )
        if not (temporary / "dispatch").exists() and not key.startswith("peek-"):
            shutil.rmtree(temporary)
            raise JujuError(f"{path}: the charm has no dispatch")
        temporary.rename(target)
        return key

    def _tree_digest(self, path: Path) -> str:
        """Return a digest of a stand-in, so that an edited one counts as another charm."""
        digest = hashlib.sha256()
        for root in (path, self._standins / _LIBRARY):
            for file in sorted(p for p in root.rglob("*") if p.is_file()):
                if "__pycache__" not in file.parts:
                    digest.update(str(file.relative_to(root)).encode())
                    digest.update(file.read_bytes())
        return digest.hexdigest()[:12]


_ignored = shutil.ignore_patterns("__pycache__", "tests", ".tox", ".venv", "*.pyc")


def is_path(reference: str) -> bool:
    """Whether a charm reference names a file or directory rather than the public store."""
    return reference.startswith((".", "/", "~"))


def bare_name(reference: str) -> str:
    """Return the charm's name in a public reference such as ``ch:amd64/jammy/keystone-5``."""
    name = reference.removeprefix("ch:").rpartition("/")[2]
    return re.sub(r"-\d+$", "", name) if reference.startswith("ch:") else name


def _file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def _unzip(archive: Path, target: Path) -> None:
    """Unzip a packed charm with its file modes and symbolic links."""
    try:
        with zipfile.ZipFile(archive) as bundle:
            for info in bundle.infolist():
                mode = info.external_attr >> 16
                if mode & 0o170000 == 0o120000:
                    link = target / info.filename
                    link.parent.mkdir(parents=True, exist_ok=True)
                    link.symlink_to(os.fsdecode(bundle.read(info)))
                    continue
                path = Path(bundle.extract(info, target))
                if mode:
                    path.chmod(mode & 0o777)
    except (zipfile.BadZipFile, OSError) as error:
        shutil.rmtree(target, ignore_errors=True)
        raise JujuError(f"{archive}: cannot unpack the charm: {error}") from error


def replace_charm(source: Path, target: Path, old: Path | None) -> None:
    """Put a charm's files into a unit's charm directory.

    What the charm itself has written beside its files, such as its stored state, stays.

    Args:
        source: The charm in the store.
        target: The unit's charm directory; it need not exist.
        old: The charm in the store that `target` was made from; None for the first time.
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
