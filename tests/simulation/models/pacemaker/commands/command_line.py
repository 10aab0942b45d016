"""What a command of Pacemaker is asked for."""

from __future__ import annotations

import functools

_VALUED = {
    "xpath",
    "scope",
    "xml-text",
    "resource",
    "delete-parameter",
    "name",
    "update",
    "reboot",
    "unfence",
}
_VALUED |= {"fence", "confirm", "list", "node", "timeout", "type", "parameter-value", "output-as"}
_SHORT = {
    "-Q": "query", "-C": "create", "-M": "modify", "-D": "delete", "-R": "replace",
}  # fmt: skip
_SHORT |= {
    "-r": "resource",
    "-o": "scope",
    "-X": "xml-text",
    "-A": "xpath",
    "-p": "xml-pipe",
    "-n": "name",
}


@functools.lru_cache(2000)
def read(words: tuple[str, ...]) -> tuple[str, str, dict[str, str]]:
    """Return a command's program, what it is asked in short, and its options."""
    name = words[0].rpartition("/")[2]
    if "masakari_fencing.notifier.requeue" in words:
        name = "requeue"
    label = " ".join([name, *[word for word in words[1:3] if word.startswith("--")]])
    return name, label, _read_options(words[1:])


def _read_options(words: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            word = "--" + _SHORT.get(word, word.lstrip("-"))
        name, equals, value = word[2:].partition("=")
        if not equals and name in _VALUED and rest and not rest[0].startswith("--"):
            value = rest.pop(0)
        found[name] = value
    return found
