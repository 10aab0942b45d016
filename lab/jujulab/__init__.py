"""One-machine Juju: system containers as machines, real services, Juju's own commands."""
