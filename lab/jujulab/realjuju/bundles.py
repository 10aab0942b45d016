"""Bundles of the lab for a real Juju: the same applications, on machines that it can have.

Charms of Charmhub become packs of their stand-ins. Containers become machines of their own, since
the lab's are no LXD's. What a cloud of machines without a provider cannot have goes: constraints
on spaces; a channel for a charm from a file, with which the bundle could be deployed only once.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from jujulab.juju import archive
from jujulab.juju.charm import STANDINS, charm_name, is_path
from jujulab.juju.errors import JujuError
from jujulab.juju.pack import LICENSE
from jujulab.juju.store import copy_charm, standin_digest
from jujulab.juju.yamlfiles import read_mapping
from jujulab.realjuju.site import Site

ARCHITECTURE = "arch=amd64"
"""The constraint that Juju 4 gives each application with units of its own, and takes a bundle
without it for one of other charms: of files it looks for those beside the bundle, and ends with
`cannot deploy local charm ... file does not exist` (seen with 4.0.15; matchesCharmPermutation in
internal/bundle/changes/model.go)."""

Machines = dict[str, list[str]]
"""Application -> Juju's identifiers of the machines in its `to`."""


def pack_standin(name: str, cache: Path) -> Path:
    """Pack the stand-in of a charm of Charmhub, unless that was done; JujuError for none."""
    source = STANDINS / name
    if not (source / "charmcraft.yaml").is_file():
        raise JujuError(f'charm "{name}": the lab has no stand-in for it in {STANDINS}')
    target = cache / f"{name}_lab_{standin_digest(source, Path(archive.__file__))}.charm"
    if target.exists():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".pack-") as scratch:
        tree = Path(scratch) / "charm"
        copy_charm(source, tree)
        shutil.copy2(LICENSE, tree)
        archive.write_metadata(yaml.safe_load((tree / "charmcraft.yaml").read_text()), tree)
        (tree / "charmcraft.yaml").unlink()
        packed = Path(scratch) / target.name
        archive.write(tree, packed)
        packed.replace(target)
    return target


def translate(
    files: Sequence[Path], site: Site, placed: Machines, pack: Callable[[str], Path]
) -> list[dict[str, Any]]:
    """Return a bundle and its overlays as a real Juju can have them in the lab.

    Args:
        files: the bundle, then the overlays.
        site: makes machines and containers.
        placed: where the containers of each application are; new ones are added to it.
        pack: returns the pack of a charm of Charmhub, by its name.

    Raises:
        JujuError: a file is missing or no mapping, or a charm has no stand-in.
    """
    documents = [read_mapping(path) for path in files]
    local = {name for name, spec in _applications(documents) if "charm" in spec}
    machines: dict[str, list[str]] = {}
    for path, document in zip(files, documents, strict=True):
        # Nodes come first: a fresh model numbers them as the lab does.
        for node in sorted(map(str, document.pop("machines", None) or ()), key=int):
            site.machine(node)
        for name, spec in _applications([document]):
            if "charm" in spec:
                spec["charm"] = _charm(str(spec["charm"]), path.parent, pack)
            if name in local:
                spec.pop("channel", None)
                spec.pop("revision", None)
            spec.pop("constraints", None)
            if spec.get("num_units"):
                spec["constraints"] = ARCHITECTURE
            if "openstack-origin" in (spec.get("options") or {}):
                # The machines say that they are Ubuntus, but no archive of Ubuntu is in reach.
                spec["options"]["openstack-origin"] = "distro"
            if "to" in spec:
                spec["to"] = _place(name, spec["to"], site, placed)
                machines[name] = spec["to"]
        # Juju wants each one used in the bundle as it is without the overlays behind it, and an
        # overlay's machines replace those before it.
        used = sorted({machine for listed in machines.values() for machine in listed}, key=int)
        if used:
            document["machines"] = dict.fromkeys(used)
    return documents


def _applications(documents: Iterable[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (name, spec)
        for document in documents
        for name, spec in (document.get("applications") or {}).items()
        if spec
    ]


def _charm(charm: str, directory: Path, pack: Callable[[str], Path]) -> str:
    if is_path(charm):
        return str((directory / Path(charm).expanduser()).resolve())
    return str(pack(charm_name(charm)))


def _place(name: str, directives: Sequence[Any], site: Site, placed: Machines) -> list[str]:
    """Return the machines of placement directives: nodes, and a container for each `lxd:N`."""
    containers = iter(list(placed.get(name, ())))
    found = []
    for directive in map(str, directives):
        kind, _, node = directive.rpartition(":")
        if kind not in ("", "lxd") or not node.isdigit():
            raise JujuError(f'{name}: placement "{directive}": the lab has N and lxd:N')
        if not kind:
            found.append(site.machine(node))
            continue
        container = next(containers, None)
        if container is None:
            site.machine(node)
            container = site.container(node)
            placed.setdefault(name, []).append(container)
        found.append(container)
    return found
