"""The command line: Juju's commands for the model of the lab."""
