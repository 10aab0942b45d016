"""`lab/juju` with LAB_ENGINE=juju: the same words, by the client on the PATH."""

import functools
import json
import os
import sys
from pathlib import Path

import yaml

from jujulab.errors import LabError, cure
from jujulab.files import replace_text
from jujulab.juju.errors import JujuError
from jujulab.juju.pack import PackError
from jujulab.machines.lab import Lab
from jujulab.realjuju import bundles
from jujulab.realjuju.client import RealJuju, find
from jujulab.realjuju.site import Site

ANYWHERE = {"version", "help", "--help", "-h", "--version", ""}
"""Commands that need no model."""


def translate(lab: Lab, site: Site, words: list[str]) -> list[str]:
    """Return a command line with what the lab's own engine has and a real Juju has not.

    Args:
        lab: its home is where translated bundles go; they hold secrets, and root alone reads them.
        site: makes machines.
        words: the command line, a bundle's file first and each overlay as `--overlay FILE`.
    """
    if words[0] == "deploy" and words[1:] and words[1].endswith((".yaml", ".yml")):
        return _bundle(lab, site, words)
    if words[0] == "add-unit":
        return _unit(site, words)
    return words


def _bundle(lab: Lab, site: Site, words: list[str]) -> list[str]:
    places = [1, *(n + 1 for n, word in enumerate(words[:-1]) if word == "--overlay")]
    folder = lab.home / "real-juju"
    folder.mkdir(mode=0o700, exist_ok=True)
    record = folder / "containers.json"
    placed: bundles.Machines = json.loads(record.read_text()) if record.exists() else {}
    pack = functools.partial(bundles.pack_standin, cache=lab.cache / "charms")
    try:
        files = [Path(words[place]) for place in places]
        documents = bundles.translate(files, site, placed, pack)
    finally:
        replace_text(record, json.dumps(placed))
    for place, document in zip(places, documents, strict=True):
        file = folder / f"{place}-{Path(words[place]).name}"
        file.touch(mode=0o600)
        file.write_text(yaml.safe_dump(document, sort_keys=False))
        words[place] = str(file)
    if not any(word.startswith("--map-machines") for word in words):
        words.append("--map-machines=existing")
    return words


def _unit(site: Site, words: list[str]) -> list[str]:
    """A unit gets a machine of the lab: no cloud gives one."""
    if "--to" not in words:
        return [*words, "--to", site.node()]
    place = words.index("--to") + 1
    kind, _, node = words[place].rpartition(":") if place < len(words) else ("", "", "")
    if kind == "lxd":
        words[place] = site.container(site.lab_id(node))
    return words


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Run a command; the process becomes Juju's client."""
    words = sys.argv[1:] or ["help"]
    try:
        lab = Lab()
        model = os.environ.get("JUJU_MODEL", "")
        juju = RealJuju(find(), lab.home, lab.network.path(), model)
        inside = words[0] not in ANYWHERE
        if inside:
            site = Site(lab, juju, _say, dry_run="--dry-run" in words)
            site.ensure()
            words = translate(lab, site, words)
    except (JujuError, LabError, PackError, OSError) as error:
        sys.exit(f"ERROR {error}{cure(str(error))}")
    juju.become(words, inside=inside)


if __name__ == "__main__":
    main()
