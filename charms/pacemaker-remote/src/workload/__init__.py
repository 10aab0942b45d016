"""What the charm does on its machine: nothing here knows of Juju."""
