"""`python -m jujulab.bundle verify BUNDLE --overlay FILE`: check bundles without a model."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from jujulab.juju.charm import STANDINS

from . import BundleError, LocalCharms, load
from .verify import placeholders


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify a bundle with overlays; print what is wrong, or what was verified.

    Returns:
        0 when it is right, 1 when it is not.
    """
    parser = argparse.ArgumentParser(prog="python -m jujulab.bundle", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    verify = commands.add_parser("verify", help="check a bundle with its overlays")
    verify.add_argument("bundle", type=Path)
    verify.add_argument("--overlay", type=Path, action="append", default=[])
    verify.add_argument(
        "--charms",
        type=Path,
        default=STANDINS,
        help="directory with the metadata of Charmhub charms (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    try:
        bundle = load(options.bundle, options.overlay, charms=LocalCharms(options.charms))
    except BundleError as error:
        print(error, file=sys.stderr)
        return 1
    for problem in placeholders(bundle):
        print(f"warning: {problem}", file=sys.stderr)
    for application in bundle.applications.values():
        path = Path(application.spec.charm)
        if path.is_absolute() and not path.exists():
            print(f"note: {path} is not packed yet; its sources were verified", file=sys.stderr)
    files = " + ".join(str(path) for path in (options.bundle, *options.overlay))
    units = sum(app.spec.num_units for app in bundle.applications.values())
    print(
        f"{files}: {len(bundle.applications)} applications, {units} units, "
        f"{len(bundle.machines)} machines, {len(bundle.relations)} relations: right"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
