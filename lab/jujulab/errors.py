"""The root of the errors that the lab's machine layer raises on purpose."""

from __future__ import annotations


class LabError(Exception):
    """What was asked for cannot be done; the text says why, and is fit for the operator."""
