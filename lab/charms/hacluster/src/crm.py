"""crm, one process for each thing that is asked or done, as charm-hacluster runs it.

Nothing is atomic: the cluster acts on each command before the next one is even started, which on a
busy machine is a second later.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Sequence

import cluster
from cluster import ClusterError

PATIENCE = 120
"""Seconds for Pacemaker to list this machine among its nodes."""

TIMEOUT = 180
"""Seconds for one command; those with `-w` wait until the cluster has acted on it."""

_MEMBER = re.compile(r"^(\S+?)\(\d+\)")
"""A full member in the list of nodes; a remote node has its name in the place of the number."""


def do(*words: str, fatal: bool = False) -> bool:
    """Run `crm`, and return whether it succeeded.

    Raises:
        ClusterError: it failed, and that is fatal.
    """
    try:
        cluster.run("crm", *words, timeout=TIMEOUT)
    except ClusterError:
        if fatal:
            raise
        return False
    return True


def configure(statement: str, *, fatal: bool = False, wait: bool = True) -> bool:
    """Have `crm` add one object; it splits its arguments at blanks, so quotes stay as they are."""
    flags = ("-w", "-F") if wait else ()
    return do(*flags, "configure", *statement.split(), fatal=fatal)


def update(statement: str) -> bool:
    """Load a statement over what there is of the object; return whether that worked."""
    with tempfile.NamedTemporaryFile("w", suffix=".crm") as file:  # 0600: it may hold a secret
        file.write(f"{statement}\n")
        file.flush()
        return do("configure", "load", "update", file.name)


def shown(text: str) -> bool:
    """Whether a text occurs in the configuration, as part of a longer name, too."""
    try:
        return text in cluster.run("crm", "configure", "show", timeout=TIMEOUT)
    except ClusterError:
        return False


def present(resource: str) -> bool:
    """Whether there is a resource of exactly this name."""
    return do("resource", "status", resource)


def runs(resource: str, host: str) -> bool:
    """Whether a resource runs: a clone of it on the host, anything else anywhere."""
    try:
        lines = cluster.run("crm", "resource", "status", resource, timeout=TIMEOUT).splitlines()
    except ClusterError:
        return False
    running = [line for line in lines if line.startswith(f"resource {resource} is running")]
    return any(host in line for line in running) if len(lines) > 1 else bool(running)


def members() -> list[str]:
    """Return the full members that the cluster has ever heard of, sorted.

    Raises:
        ClusterError: it does not answer.
    """
    lines = cluster.run("crm", "node", "show", timeout=TIMEOUT).splitlines()
    return sorted(match[1].split(":")[0] for line in lines if (match := _MEMBER.match(line)))


def delete_node(node: str) -> None:
    """Take a member out of the cluster, which it is told to leave alone first.

    As in the real charm, it is deleted until crm says that it is not there.

    Raises:
        ClusterError: the cluster did not answer, or refused.
    """
    do("-w", "-F", "node", "maintenance", node, fatal=True)
    for attempt in (2, 1, 0):
        try:
            do("-w", "-F", "node", "delete", node, fatal=True)
        except ClusterError as error:
            if "not found" in str(error):  # whatever this release of crm calls it
                return
            if attempt and "Transport endpoint is not connected" in str(error):
                continue
            raise


def maintenance() -> bool:
    """Whether the cluster leaves all of its resources alone."""
    try:
        words: Sequence[str] = ("crm", "configure", "get_property", "maintenance-mode")
        return cluster.run(*words, timeout=TIMEOUT).strip() == "true"
    except ClusterError:
        return False


def wait_for(host: str) -> None:
    """Wait until Pacemaker lists this machine among its nodes.

    Raises:
        ClusterError: it does not within `PATIENCE`.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            if host in cluster.run("crm", "node", "list", timeout=TIMEOUT):
                return
        except ClusterError:
            pass  # Pacemaker is on its way up.
        if time.monotonic() > deadline:
            raise ClusterError(f"{host} is still not among the nodes after {PATIENCE} s")
        time.sleep(2)
