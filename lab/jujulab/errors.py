"""The root of the errors that the lab's machine layer raises on purpose, and what to do."""

import re


class LabError(Exception):
    """What was asked for cannot be done; the text says why, and is fit for the operator."""


_CURES = (
    (
        r"No space left on device|Errno 28|not enough free space|Disk quota exceeded",
        "The disk is full. Make room, or name another one by LAB_HOME and LAB_CACHE; the lab and"
        " its image take 10 GB. Then run the same command again: it goes on where it was.",
    ),
    (
        r"Temporary failure (in name resolution|resolving)|Could not resolve|Could not connect"
        r"|Network is unreachable|Connection (timed out|refused|failed)|Unable to connect",
        "The package mirror cannot be reached. Once `apt-get update` works on this machine (the"
        " lab takes over apt's proxy settings), run the same command again: it goes on where it"
        " was.",
    ),
    (
        r"Could not get lock|Unable to acquire the dpkg frontend lock",
        "Another program installs packages on this machine. Run the same command again when it"
        " is done.",
    ),
)
"""What the text of an error has in it, and the cure."""


def cure(text: str) -> str:
    """Return what to do about an error, on a line of its own; empty where that is not known."""
    for pattern, words in _CURES:
        if re.search(pattern, text):
            return f"\n{words}"
    return ""
