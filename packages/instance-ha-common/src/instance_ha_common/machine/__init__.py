"""The machine of a unit: nothing here knows of Juju."""
