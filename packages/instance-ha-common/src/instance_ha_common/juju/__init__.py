"""What the charms do alike with Juju."""
