"""What is Juju's own and shared by its command line, the bundles and the engine."""
