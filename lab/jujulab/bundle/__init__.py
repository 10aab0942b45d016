"""Bundles and overlays, read, merged, verified and planned by Juju's rules.

    bundle = load(Path("bundles/base.yaml"), [Path("overlays/masakari.yaml")], charms=charms)
    for change in compute_changes(bundle, model, MachineMap.parse("existing,3=7")):
        ...

Both functions raise `BundleError`, and neither touches a model: who executes the changes starts
only when all of them are known.
"""

from jujulab.juju.charm import LocalCharms

from .changes import (
    AddApplication,
    AddMachine,
    AddRelation,
    AddUnit,
    Change,
    Expose,
    RefreshApplication,
    SetConstraints,
    SetOptions,
)
from .data import ApplicationView, Bundle, MachineView, ModelView, UnitView
from .errors import BundleError, Origin, Problem
from .load import load
from .names import MachineMap
from .plan import compute_changes

__all__ = [
    "AddApplication",
    "AddMachine",
    "AddRelation",
    "AddUnit",
    "ApplicationView",
    "Bundle",
    "BundleError",
    "Change",
    "Expose",
    "LocalCharms",
    "MachineMap",
    "MachineView",
    "ModelView",
    "Origin",
    "Problem",
    "RefreshApplication",
    "SetConstraints",
    "SetOptions",
    "UnitView",
    "compute_changes",
    "load",
]
