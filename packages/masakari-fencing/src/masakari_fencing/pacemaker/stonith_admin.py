"""Asking the cluster to fence a node, and to give it its power back."""

from __future__ import annotations

from masakari_fencing.commands import Runner
from masakari_fencing.pacemaker.tools import (
    NO_SUCH,
    PacemakerError,
    check_name,
    output,
    run,
)

NOTIFIERS = "masakari-notifier"
"""What the notifiers' requests are marked with. They ask in Pacemaker's place, by what they see of
the cluster, and the guard holds what they ask for against the same."""


def fence(runner: Runner, node: str, *, action: str, timeout: float, tag: str = "") -> None:
    """Have the cluster fence a node, and wait until that is confirmed.

    Args:
        runner: runs the commands.
        node: name of the node.
        action: `off` or `reboot`.
        timeout: seconds within which the fencing must be confirmed.
        tag: becomes a part of the client's name in the history (`set_tag` of
            tools/stonith_admin.c, 2.1.2 to 3.0.2).

    Raises:
        PacemakerError: it failed, or was not confirmed in time.
        ValueError: `node` cannot be the name of a node.
    """
    _ask(runner, "--fence" if action == "off" else "--reboot", node, timeout, tag=tag)


def switch_on(runner: Runner, node: str, *, timeout: float) -> None:
    """Have the cluster give a node its power; one that has it keeps it.

    Raises:
        PacemakerError: it failed, or was not confirmed in time.
        ValueError: `node` cannot be the name of a node.
    """
    _ask(runner, "--unfence", node, timeout)


def confirm(runner: Runner, node: str) -> None:
    """Tell the cluster that a node is off, without any device; an operator has seen it.

    Raises:
        PacemakerError: the cluster did not take it.
        ValueError: `node` cannot be the name of a node.
    """
    check_name(node)
    run(runner, ["stonith_admin", "--confirm", node], timeout=30)


def _ask(runner: Runner, option: str, node: str, timeout: float, *, tag: str = "") -> None:
    check_name(node)
    argv = ["stonith_admin", option, node, f"--timeout={max(1, int(timeout))}"]
    argv += [f"--tag={tag}"] if tag else []
    run(runner, argv, timeout=timeout + 5)


def default_action(runner: Runner) -> str:
    """Return what the cluster does to a node that it fences: `off` or `reboot`.

    Raises:
        PacemakerError: it does not say.
    """
    argv = ["crm_attribute", "--type=crm_config", "--name=stonith-action", "--query", "--quiet"]
    answer = runner.run(argv, timeout=15, check=False)
    if answer.returncode == NO_SUCH:
        return "reboot"
    action = output(argv, answer).strip()
    if action not in ("off", "reboot"):
        raise PacemakerError(f"crm_attribute does not say what fencing does: {action!r}")
    return action
