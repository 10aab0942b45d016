"""Errors that the person at the command line is told."""


class JujuError(Exception):
    """Something that the model refuses; the text is what Juju prints after ``ERROR``."""


class NotFoundError(JujuError):
    """Something named does not exist."""
