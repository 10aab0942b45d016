"""What clients ask of a database charm: `shared-db`, and `db-router`, which carries the same."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from standin import JUJU_KEYS

ACCOUNT = frozenset({"username", "hostname"})
REQUEST = ACCOUNT | {"database"}


def requests(
    bag: Mapping[str, str], needed: Collection[str] = REQUEST
) -> dict[str, dict[str, str]]:
    """Split a client's databag into its requests by the prefix of their keys ('' for none).

    Args:
        bag: what the client has published.
        needed: the fields of a complete request; others are left out.

    Raises:
        ValueError: a key that belongs to no request; the hook of the real charm fails on it, too.
    """
    found: dict[str, dict[str, str]] = {}
    for key, value in bag.items():
        if key in JUJU_KEYS:
            continue
        prefix, _, name = ("", "", key) if key in REQUEST else key.partition("_")
        if name not in REQUEST:
            raise ValueError(f"shared-db: {key!r} is not a key of the protocol")
        found.setdefault(prefix, {})[name] = value
    return {prefix: found[prefix] for prefix in sorted(found) if found[prefix].keys() >= {*needed}}
