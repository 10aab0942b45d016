"""A real Juju, 3.6 or 4, in the place of the lab's own engine: LAB_ENGINE=juju."""
