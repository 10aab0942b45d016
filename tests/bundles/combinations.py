"""Every combination of the overlays that an operator may deploy.

Run as a program it verifies them all by Juju's rules, with the metadata of this repository's
charms and, for the Charmhub charms, of the lab's stand-ins.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

from jujulab.bundle.errors import BundleError
from jujulab.bundle.load import load
from jujulab.juju.charm import LocalCharms

REPOSITORY = Path(__file__).resolve().parents[2]
BUNDLES = sorted((REPOSITORY / "bundles").glob("*.yaml"))
MASAKARI = REPOSITORY / "overlays" / "masakari.yaml"
NOBLE = REPOSITORY / "overlays" / "noble.yaml"
"""For a cloud on Ubuntu 24.04, which the bundle is not."""


def combinations() -> Iterator[tuple[Path, ...]]:
    """Every set of overlays, each after masakari.yaml, which the others extend."""
    others = sorted(set((REPOSITORY / "overlays").glob("*.yaml")) - {MASAKARI, NOBLE})
    yield ()
    for size in range(len(others) + 1):
        for chosen in itertools.combinations(others, size):
            yield (MASAKARI, *chosen)


def main() -> int:
    """Verify each bundle with each combination; the exit status is 1 if one is wrong."""
    charms, status = LocalCharms(), 0
    for bundle, overlays in itertools.product(BUNDLES, combinations()):
        files = " + ".join(str(path.relative_to(REPOSITORY)) for path in (bundle, *overlays))
        try:
            load(bundle, overlays, charms=charms)
        except BundleError as error:
            print(f"{files}: wrong\n{error}", file=sys.stderr)
            status = 1
        else:
            print(f"{files}: right")
    return status


if __name__ == "__main__":
    sys.exit(main())
