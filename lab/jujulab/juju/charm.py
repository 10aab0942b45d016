"""Charms: their names, their metadata, and where it is found."""

import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jujulab.files import LAB
from jujulab.juju.errors import JujuError, NotFoundError
from jujulab.juju.names import JUJU4
from jujulab.juju.options import Action, Option, parse_options
from jujulab.juju.yamlfiles import read_mapping

STANDINS = LAB / "charms"
_ROLES = {"provides": "provider", "requires": "requirer", "peers": "peer"}
_ACTION_NAME = re.compile(r"^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$")
_ACTION_SCHEMA_KEYS = {"description", "params", "required", "additionalProperties", "parallel"}
_JUJU_INFO = "juju-info"
CHARM_NAME = r"(?:[a-z][a-z0-9]*(?:-[a-z0-9]*[a-z][a-z0-9]*)*)"
"""What charms and applications are called: `nova-compute`, but not `nova-compute-2`."""


@dataclass(frozen=True)
class CharmEndpoint:
    """One endpoint of a charm; `role` is provider, requirer or peer."""

    name: str
    role: str
    interface: str
    scope: str = "global"
    limit: int = 0

    @property
    def implicit(self) -> bool:
        """Whether every charm has this endpoint without naming it."""
        return self.name == _JUJU_INFO and self.role == "provider"


Candidate = tuple[str, CharmEndpoint]
"""An application and one of its endpoints."""


def fitting(left: list[Candidate], right: list[Candidate]) -> list[tuple[Candidate, Candidate]]:
    """Return the pairs of endpoints that can be related; implicit ones only for want of others."""
    pairs = [
        (one, other)
        for one in left
        for other in right
        if one[0] != other[0]
        and {one[1].role, other[1].role} == {"provider", "requirer"}
        and one[1].interface == other[1].interface
    ]
    return [p for p in pairs if not (p[0][1].implicit or p[1][1].implicit)] or pairs


@dataclass(frozen=True)
class CharmMeta:
    """What a charm says of itself."""

    name: str
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


def load_meta(directory: Path | zipfile.Path) -> CharmMeta:
    """Read the metadata, options and actions of a charm, packed or not, or of its source.

    Raises:
        JujuError: Something is missing or wrong; the text names the file and the rule.
    """
    source = next(
        (n for n in ("metadata.yaml", "charmcraft.yaml") if (directory / n).exists()), ""
    )
    if not source:
        where = str(directory).rstrip("/")
        raise JujuError(f"{where}: neither metadata.yaml nor charmcraft.yaml: not a charm")
    raw = read_mapping(directory / source)
    try:
        return _parse_meta(directory, raw)
    except (ValueError, AttributeError, KeyError) as error:
        raise JujuError(f"{directory / source}: {error}") from error


def _part(name: str, directory: Path | zipfile.Path, raw: dict[str, Any]) -> dict[str, Any]:
    """Return what a charm's source has as a key, and a packed charm in a file."""
    file = directory / f"{name}.yaml"
    return raw.get(name) or (read_mapping(file) if file.exists() else {})


def _parse_meta(directory: Path | zipfile.Path, raw: dict[str, Any]) -> CharmMeta:
    config, actions = _part("config", directory, raw), _part("actions", directory, raw)
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


def is_path(reference: str) -> bool:
    """Whether a charm reference names a file or directory rather than a charm of Charmhub."""
    return reference.startswith((".", "/", "~"))


def charm_name(reference: str) -> str:
    """Return the charm's name in a reference to Charmhub: `keystone`, `ch:keystone`.

    Raises:
        JujuError: It is not a reference that Juju knows; the text says why.
    """
    schema, colon, name = reference.rpartition(":")
    if colon and schema == "cs":
        raise JujuError("the charm store (cs:) is gone; name the Charmhub charm alone")
    if colon and schema != "ch":
        raise JujuError(f'"{reference}" is neither the name of a Charmhub charm nor a path')
    *places, name = name.split("/")
    if re.fullmatch(rf"{CHARM_NAME}-[0-9]+", name):
        if not places:
            text = "has a revision in its name; say it beside that, as revision"
            raise JujuError(f'"{reference}" {text}')
        name = name.rpartition("-")[0]  # As Juju itself writes it: ch:amd64/jammy/keystone-5.
    if not re.fullmatch(CHARM_NAME, name):
        raise JujuError(f'"{reference}" is not the name of a charm')
    return name


class LocalCharms:
    """Charms on this machine: paths, and directories that are named as the Charmhub charms.

    A `.charm` file that is not packed yet has the metadata of the sources in its directory.
    """

    def __init__(self, standins: Path = STANDINS) -> None:
        self._standins = standins
        self._found: dict[str, CharmMeta] = {}

    def locate(self, charm: str) -> Path:
        """Return the directory or `.charm` file of a charm, a name or path, or raise JujuError."""
        if not is_path(charm):
            directory = self._standins / charm_name(charm)
            if not directory.is_dir():
                raise NotFoundError(
                    f'charm "{charm}" not found: the lab has a stand-in for each charm below '
                    f"{self._standins}, and takes local charms by path"
                )
            return directory
        path = Path(charm).expanduser().resolve()
        if path.exists():
            return path
        if path.suffix == ".charm" and (path.parent / "charmcraft.yaml").is_file():
            return path.parent
        raise NotFoundError(f"no such file or directory: charm path {charm} does not exist")

    def find(self, charm: str) -> CharmMeta:
        """Return the metadata of a charm, read once; JujuError for none, or what is malformed."""
        if charm not in self._found:
            path = self.locate(charm)
            self._found[charm] = load_meta(path) if path.is_dir() else _load_packed(path)
        return self._found[charm]


def _load_packed(path: Path) -> CharmMeta:
    """Read the metadata in a `.charm` file."""
    try:
        return load_meta(zipfile.Path(path))
    except (OSError, zipfile.BadZipFile) as error:
        raise JujuError(f"{path}: is not a packed charm: {error}") from error
