"""Bundles and overlays, read, merged, verified and planned by Juju's rules.

    bundle = load(Path("bundles/base.yaml"), [Path("overlays/masakari.yaml")], charms=charms)
    for change in compute_changes(bundle, model, MachineMap.parse("existing,3=7")):
        ...

Both functions raise `BundleError`, and neither touches a model: who executes the changes starts
only when all of them are known.
"""

from .changes import (
    AddApplication,
    AddMachine,
    AddRelation,
    AddUnit,
    Change,
    Expose,
    RefreshApplication,
    SetApplicationAnnotations,
    SetConstraints,
    SetMachineAnnotations,
    SetOptions,
)
from .charms import CharmLookup, LocalCharms
from .data import Bundle
from .errors import BundleError, Origin, Problem
from .load import load
from .placement import MachineMap
from .plan import compute_changes
from .view import (
    ApplicationView,
    ExposedEndpoint,
    MachineView,
    ModelView,
    OptionValue,
    UnitView,
)

__all__ = [
    "AddApplication",
    "AddMachine",
    "AddRelation",
    "AddUnit",
    "ApplicationView",
    "Bundle",
    "BundleError",
    "Change",
    "CharmLookup",
    "Expose",
    "ExposedEndpoint",
    "LocalCharms",
    "MachineMap",
    "MachineView",
    "ModelView",
    "OptionValue",
    "Origin",
    "Problem",
    "RefreshApplication",
    "SetApplicationAnnotations",
    "SetConstraints",
    "SetMachineAnnotations",
    "SetOptions",
    "UnitView",
    "compute_changes",
    "load",
]
