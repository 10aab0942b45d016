"""The MAAS look-alike: a process that switches the machines' power."""
