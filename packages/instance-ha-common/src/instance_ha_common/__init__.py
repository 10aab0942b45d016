"""What the instance HA charms share; knows nothing of Juju."""
