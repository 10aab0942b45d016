"""The broker: what clients of Ceph ask its monitors for, in JSON over their relation.

A request is `{"api-version": 1, "request-id": ..., "ops": [{"op": ...}, ...]}`, and its answer
`{"request-id": ..., "exit-code": 0}`, with `stderr` where the code is another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import workload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CLIENT = (
    "mon", 'allow r, allow command "osd blacklist", allow command "osd blocklist"',
    "osd", "allow rwx",
)  # fmt: skip
"""What a client may do that is only related. With the blocklist it breaks a dead one's lock."""

PLACEMENT_GROUPS = "8"
"""Of a pool; each costs the one OSD memory."""


class RefusedError(Exception):
    """A request cannot be carried out; the text says why."""


def key(name: str, caps: Sequence[str]) -> str:
    """Return the key of a name, made where there is none yet; the rights of one stay."""
    workload.run("ceph", "auth", "get-or-create", name, *caps)
    return workload.run("ceph", "auth", "get-key", name).strip()


def client_key(application: str) -> str:
    """Return the key of an application."""
    return key(f"client.{application}", CLIENT)


def identifier(text: str) -> str:
    """Return a request's identifier; empty where it is none."""
    import json

    try:
        return str(json.loads(text)["request-id"])
    except (ValueError, KeyError, TypeError):
        return ""


def answer(text: str) -> dict[str, object]:
    """Carry out a request; return the answer."""
    import json

    try:
        request = json.loads(text)
        if request["api-version"] != 1:
            raise RefusedError(f"no API version {request['api-version']}")
        for operation in request["ops"]:
            _perform(operation)
    except (ValueError, KeyError, TypeError, RefusedError, RuntimeError) as error:
        return {"request-id": identifier(text), "exit-code": 1, "stderr": str(error)}
    return {"request-id": identifier(text), "exit-code": 0}


def _perform(operation: Mapping[str, Any]) -> None:
    name = operation["op"]
    if name not in _OPERATIONS:
        raise RefusedError(f"Unknown operation '{name}'")
    _OPERATIONS[name](operation)


def _create_pool(operation: Mapping[str, Any]) -> None:
    pool, copies = str(operation["name"]), str(operation.get("replicas", 3))
    workload.run("ceph", "osd", "pool", "create", pool, PLACEMENT_GROUPS)
    alone = ["--yes-i-really-mean-it"] if copies == "1" else []
    workload.run("ceph", "osd", "pool", "set", pool, "size", copies, *alone)
    use = str(operation.get("app-name") or "unknown")
    workload.run("ceph", "osd", "pool", "application", "enable", pool, use)


def _set_key_permissions(operation: Mapping[str, Any]) -> None:
    client = f"client.{operation['client']}"
    workload.run("ceph", "auth", "caps", client, *operation["permissions"])


_OPERATIONS: dict[str, Callable[[Mapping[str, Any]], None]] = {
    "create-pool": _create_pool,
    "set-key-permissions": _set_key_permissions,
}
