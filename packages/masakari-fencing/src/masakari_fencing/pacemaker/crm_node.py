"""What this member's own controller says."""

from __future__ import annotations

from masakari_fencing.commands import Runner
from masakari_fencing.pacemaker.tools import NODE_NAME, PacemakerError, output, run


def has_quorum(runner: Runner) -> bool:
    """Whether the controller of this member belongs to a partition with quorum.

    It hears it from Corosync; the configuration, which `Status.quorum` is from, says it only after
    the partition's designated controller has written it there.

    Raises:
        PacemakerError: it does not say.
    """
    argv = ["crm_node", "--quorum"]
    answer = runner.run(argv, timeout=15, check=False)
    said = answer.stdout.strip()
    if said not in ("0", "1"):
        output(argv, answer)
        raise PacemakerError(f"crm_node does not say whether there is a quorum: {said!r}")
    return said == "1"


def local_name(runner: Runner) -> str:
    """Return the name that the cluster has for this machine.

    Raises:
        PacemakerError: the cluster does not answer, or with something that can be no name.
    """
    name = run(runner, ["crm_node", "--name"], timeout=15).strip()
    if not NODE_NAME.fullmatch(name):
        raise PacemakerError(f"crm_node does not say what this machine is called: {name!r}")
    return name
