"""Why a lost hypervisor has not been fenced at the first attempt, and what to do about it."""

from __future__ import annotations

import time
from collections.abc import Callable

from masakari_fencing.commands import Runner
from masakari_fencing.maas.access import Access
from masakari_fencing.maas.client import Maas, MaasError, SettingsError
from masakari_fencing.pacemaker import cibadmin, crm_mon

PATIENCE = 60.0
"""Seconds since the host was lost after which the operator's word is asked for. Until then a
repeated attempt may succeed."""

FAILED = "fencing it failed"
LOST = "lost, and fencing it has failed since"
"""The problem's text begins with one of these."""

CONFIRM = "{0}; or see that {1} is off, and say so: confirm-host-dead host={1}"
"""What ends it, without a power controller, too."""

CREDENTIALS = "check maas_url and maas_credentials on hacluster, or maas-credentials-secret"
MAAS = "bring MAAS back, or the network to it"
CONTROLLER = "repair its power controller (BMC), or the network to it"
MANUAL = "give it a power type in MAAS"


def explain(
    runner: Runner,
    status: crm_mon.Status,
    node: str,
    device: Access | None,
    *,
    maas: Callable[[str, str], Maas],
    now: float,
) -> tuple[str, str] | None:
    """Return what is wrong and the cure; None where it is not the power that takes so long.

    Args:
        runner: runs Pacemaker's commands.
        status: the cluster.
        node: a hypervisor that Pacemaker wants to fence, and may.
        device: what the MAAS device is used with that is to fence it, if there is one.
        maas: makes a client for a URL and a key.
        now: seconds since the epoch.

    Raises:
        PacemakerError: the cluster does not answer.
    """
    since = _failing_since(runner, status, node)
    if device is None or since is None:
        return None
    reason, cure = _cause(node, device, maas)
    if not reason:
        return None
    if now - since < PATIENCE:
        return f"{FAILED}: {reason}", cure
    moment = time.strftime("%H:%M:%SZ", time.gmtime(since))
    return f"{LOST} {moment}: {reason}", CONFIRM.format(cure, node)


def _failing_since(runner: Runner, status: crm_mon.Status, node: str) -> float | None:
    """Return when a node was lost whose fencing has failed ever since; None: it has not."""
    connected = cibadmin.connected_since(runner, node) or 0.0
    lost = status.lost_at(node) or 0.0
    failed = []
    for event in status.fencing_of(node):  # the latest first
        if event.status == "success":
            break
        if event.status == "failed":  # some releases do not tell when
            failed.append(lost if event.completed is None else event.completed)
    # The cluster keeps no record of the last connection once it has stopped it.
    failed = [moment for moment in failed if moment >= max(lost, connected)]
    if not any(failed):
        return None
    # An attempt may take more than a minute by itself.
    return lost if lost > connected else min(failed)


def _cause(node: str, device: Access, maas: Callable[[str, str], Maas]) -> list[str]:
    """Return why MAAS does not switch a machine off, and the cure; empty where it should."""
    try:
        client = maas(device.url, device.key)
        machine = client.machine(node)
    except SettingsError as error:
        return [str(error), CREDENTIALS]
    except MaasError as error:
        return [str(error), MAAS]
    if machine.power_type == "manual":
        return ["its power type in MAAS is manual, so nothing can switch it", MANUAL]
    try:
        state = client.power_state(machine)
    except MaasError as error:
        return [f"MAAS cannot get its power state ({error})", CONTROLLER]
    if state in ("on", "off"):
        return ["", ""]
    return [f"its power controller does not answer MAAS (power {state or 'unknown'})", CONTROLLER]
