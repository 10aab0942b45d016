"""Bundles and overlays, read, merged, verified and planned by Juju's rules.

    bundle = load(Path("bundles/base.yaml"), [Path("overlays/masakari.yaml")], charms=charms)
    for change in compute_changes(bundle, state, MachineMap.parse("existing,3=7"), spaces):
        ...

Both functions raise `BundleError`, and neither changes a model: who executes the changes starts
only when all of them are known.
"""
