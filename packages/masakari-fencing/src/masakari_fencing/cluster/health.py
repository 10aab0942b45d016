"""Can every hypervisor be fenced? What is wrong, and the cure, before the disaster."""

from __future__ import annotations

import functools
import itertools
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from masakari_fencing.cluster import unfenced, votes
from masakari_fencing.cluster.power import Controllers
from masakari_fencing.commands import Runner
from masakari_fencing.maas import access
from masakari_fencing.maas.client import Maas, MaasError, Machine, SettingsError, by_host
from masakari_fencing.pacemaker import (
    cibadmin,
    crm_mon,
    fenceable,
    fencing_limit,
    properties,
    stonith_admin,
    tools,
)
from masakari_fencing.pacemaker.remote_nodes import MARK
from masakari_fencing.records import disarmed, recoveries, stopped_fencing
from masakari_fencing.records.recovery import going_on

ENABLE = "set enable-stonith on pacemaker-remote, and maas_url and maas_credentials on hacluster"
CREDENTIALS = "check maas_url and maas_credentials on hacluster, and that MAAS is reachable"
OWN_CREDENTIALS = "check the secret that maas-credentials-secret names, and that MAAS is reachable"
MAAS = "check MAAS itself, and that the masakari units reach it"
CLEANUP = "crm_mon -1, on a masakari unit, says why; once fixed: crm_resource -r {} --cleanup"
RENAME = "it must begin and end with a letter or digit: host in nova.conf, or remote-hostname"
NAMES = "the node's name must be its host name and domain in MAAS"
MANAGE = "start pacemaker_remote on it; if it runs, on a masakari unit: "
MANAGE += "crm_resource -r {0} --cleanup, "
MANAGE += "then crm_resource -r {0} --meta --delete-parameter is-managed"

RING = "corosync-cfgtool -R, on a masakari unit"
LISTED = "a unit was removed, and Juju 4 does not tell hacluster: restart jujud-machine-* on each "
LISTED += "masakari unit, then " + RING

LIMIT = "run readmit-hosts if only the network had died and is back, "
LIMIT += "allow-fencing if the hosts are dead"

SPARED = "fix its network, and it is taken back automatically; if it is dead, run allow-fencing; "
SPARED += "if neither helps, " + CREDENTIALS

UNREADABLE = "the record of its recovery is cut short, or of a later release: it is not recovered"
DELETE = "refresh all masakari units to one revision; if they are, on a masakari unit: "
DELETE += "cibadmin --delete --xml-text '<cluster_property_set id=\"{}\"/>'"

WAITING = "is waiting to be fenced"
UNKNOWN = "in a failover segment, but not a node of the cluster: its failure would go unnoticed"
JOIN = "deploy pacemaker-remote on it, or name it in the segment as `crm_mon -1` does"
ENABLED = "enable its segment, or put it into one; to have it fenced all the same: "
ENABLED += "stonith_admin --reboot {}, on a masakari unit"
_UNFENCED = (WAITING, unfenced.FAILED, unfenced.LOST)


@dataclass(frozen=True, order=True)
class Problem:
    """Something that prevents, or may prevent, a host from being fenced and recovered.

    Attributes:
        node: the hypervisor, or empty where it concerns the whole cluster.
        text: what is wrong.
        cure: what to do about it.
    """

    node: str
    text: str
    cure: str


@dataclass(frozen=True)
class _Device:
    """A configured fencing device."""

    name: str
    agent: str
    parameters: dict[str, str]
    file: str = ""
    """From which the guard that switches through it takes the key; empty: from the device."""

    @functools.cached_property
    def by_maas(self) -> frozenset[str]:
        """The nodes that it fences by MAAS, in lower case."""
        own = self.parameters.get("hostnames", "").lower().split()
        return frozenset(own if self.agent == "external/maas" else ())

    @property
    def access(self) -> access.Access:
        """What the guard switches with."""
        found = access.of_file(self.file) if self.file else None
        return found or access.of_device(self.parameters)


def inspect(
    runner: Runner,
    *,
    maas: Callable[[str, str], Maas] = Maas,
    refused: Callable[[], stopped_fencing.StoppedFencing | None] = stopped_fencing.read,
    ring: Callable[[Runner], votes.Votes | None] = votes.count,
    clock: Callable[[], float] = time.time,
    hosts: Collection[str] = (),
    controllers: Controllers | None = None,
    units: int = 0,
) -> list[Problem]:
    """Look for everything that stands in the way of fencing a hypervisor.

    Takes one look at the cluster, one at its configuration, one at its votes, one command for each
    hypervisor and one request for each MAAS device.

    Args:
        runner: runs Pacemaker's commands.
        maas: makes a client for a URL and a key.
        refused: what the guard of this member refused last.
        ring: counts the cluster's votes.
        clock: seconds since the epoch.
        hosts: those of the failover segments that are enabled.
        controllers: the hypervisors' power controllers, of which those are asked that are due;
            none where it is not given, and none while a hypervisor is being fenced.
        units: how many members there are to be; 0 where that is not known.

    Returns:
        the problems, those of the whole cluster first; empty when all is well.

    Raises:
        PacemakerError: the cluster does not answer.
    """
    status = crm_mon.status(runner)
    remotes = status.remotes
    names = {node.name.lower() for node in remotes}
    problems = [Problem(host, UNKNOWN, JOIN) for host in hosts if host.lower() not in names]
    if not remotes:
        return sorted(problems)
    counted = ring(runner)
    outdated = counted if counted is not None and counted.outdated else None
    gone = counted if counted is not None and counted.listed_beyond(units) else None
    if not status.quorum:
        cure = RING if outdated else LISTED if gone else "bring the other masakari units back"
        return [Problem("", "the cluster has no quorum", cure)]
    if not status.stonith_enabled:
        text = "STONITH is disabled: no hypervisor can be fenced, so none will be recovered"
        return [Problem("", text, ENABLE)]
    cib = cibadmin.cib(runner)
    devices = {device.name: device for device in _devices(cib)}
    problems += _cluster_problems(status, devices, stonith_admin.default_action(runner))
    if outdated is not None:
        text = f"Corosync expects {outdated.expected} votes of {outdated.configured} members"
        problems.append(Problem("", text, RING))
    elif gone is not None:
        text = f"Corosync counts {gone.configured} members, of {units} units"
        problems.append(Problem("", text, LISTED))
    for host in recoveries.unreadable(cib):
        problems.append(Problem(host, UNREADABLE, DELETE.format(recoveries.PREFIX + host)))
    stopped = _guard_problems(status, cib, devices, refused(), clock())
    problems += stopped
    for device in devices.values():
        problems += _device_problems(device, status, maas, controllers)
    for node, own in _each(cib, remotes):
        problems += _node_problems(runner, status, node, devices, cib, own, maas, clock())
    if stopped:
        # That they are not fenced has one cause, and it is said.
        problems = [p for p in problems if not p.text.startswith(_UNFENCED)]
    return sorted(set(problems))


def _cluster_problems(
    status: crm_mon.Status, devices: dict[str, _Device], action: str
) -> list[Problem]:
    problems = []
    if status.maintenance_mode:
        cure = "crm configure property maintenance-mode=false, on a masakari unit"
        problems.append(Problem("", "the cluster is in maintenance mode", cure))
    if action == "off" and any(device.agent == "external/maas" for device in devices.values()):
        text = "stonith-action is off: MAAS does not confirm that the power is off"
        cure = "crm configure property stonith-action=reboot, on a masakari unit"
        problems.append(Problem("", text, cure))
    return problems


def _guard_problems(
    status: crm_mon.Status,
    cib: ET.Element,
    devices: dict[str, _Device],
    refused: stopped_fencing.StoppedFencing | None,
    now: float,
) -> list[Problem]:
    """Say when the guard stops fencing, as it said itself or, on another member, counts."""
    if refused is not None:
        return [Problem("", f"fencing has stopped: {refused.text}", LIMIT)]
    remotes = status.remotes
    unclean = _each(cib, [node for node in remotes if node.unclean])
    waiting = [
        node.name
        for node, own in unclean
        if not disarmed.waits(own, node.name, now)
        and (status.asked_for(node.name) or fenceable.obstacle(own, node.name) is None)
    ]
    busy, domains = going_on(recoveries.all_of(cib), now), fencing_limit.domains(cib)
    for limit, name in itertools.product(_limits(devices), waiting):
        gone = fencing_limit.counted(status, cib, name, limit.window, now)
        if not fencing_limit.exceeded(limit, len(remotes), gone, domains, name, busy):
            continue
        gone = disarmed.counting(status, cib, gone, name, limit.window, now)
        if text := fencing_limit.exceeded(limit, len(remotes), gone, domains, name, busy):
            return [Problem("", f"fencing has stopped: {text}", LIMIT)]
    return []


def _device_problems(
    device: _Device,
    status: crm_mon.Status,
    maas: Callable[[str, str], Maas],
    controllers: Controllers | None,
) -> list[Problem]:
    """Say what is wrong with a device: what MAAS says, or else that Pacemaker has given it up.

    Pacemaker starts a device that failed again when its `failure-timeout` is over, three minutes
    with hacluster's default, however soon MAAS is back.
    """
    problems = _maas_problems(device, status, maas, controllers)
    if device.name in status.failed_devices and not any(not found.node for found in problems):
        text = f"fencing device {device.name} has failed"
        problems.append(Problem("", text, CLEANUP.format(device.name)))
    return problems


def _maas_problems(
    device: _Device,
    status: crm_mon.Status,
    maas: Callable[[str, str], Maas],
    controllers: Controllers | None,
) -> list[Problem]:
    """Ask MAAS about the hypervisors that a device is to fence.

    The plugin's own check reads nothing that needs the key, so a device with a wrong key or
    unknown nodes looks healthy until something must be fenced.
    """
    hosts = [node.name for node in status.remotes if _is_by_maas(device, node.name)]
    if not hosts:
        return []
    try:
        known = maas(device.access.url, device.access.key).machines(hosts)
    except MaasError as error:
        own = OWN_CREDENTIALS if device.file else CREDENTIALS
        cure = own if isinstance(error, SettingsError) else MAAS
        return [Problem("", f"fencing device {device.name}: {error}", cure)]
    found = by_host(known, hosts)
    problems = [problem for host in hosts for problem in _machine_problems(host, found[host])]
    if controllers is None:
        return problems
    single = {host: machines[0] for host, machines in found.items() if len(machines) == 1}
    if not any(node.unclean or status.being_fenced(node) for node in status.remotes):
        live = {host for host in single if status.works(host)}
        controllers.ask(device.access.url, device.access.key, single, live)
    judged = ((host, controllers.judge(host)) for host in single)
    return problems + [Problem(host, *verdict) for host, verdict in judged if verdict is not None]


def _machine_problems(host: str, found: list[Machine]) -> list[Problem]:
    if not found:
        return [Problem(host, "MAAS has no machine of that name", NAMES)]
    if len(found) > 1:
        return [Problem(host, f"MAAS has {len(found)} machines of that name", NAMES)]
    if found[0].power == "error":
        cure = "check the machine's power configuration in MAAS"
        return [Problem(host, "MAAS cannot control its power", cure)]
    return []


def _node_problems(
    runner: Runner,
    status: crm_mon.Status,
    node: crm_mon.Node,
    devices: dict[str, _Device],
    cib: ET.Element,
    own: ET.Element,
    maas: Callable[[str, str], Maas],
    now: float,
) -> list[Problem]:
    """Say what is wrong with a hypervisor, of which `own` of the `cib` tells; see `_each`."""
    connection = status.connection(node.name)
    if connection is None:
        return [Problem(node.name, "the cluster has no connection to it", ENABLE)]
    if connection.stopped_on_purpose:
        marked = f".//primitive[@id='{node.name}']//nvpair[@name='{MARK}']"
        who = "pacemaker_remote was stopped" if cib.find(marked) is not None else "unmanaged"
        return [Problem(node.name, f"not watched: {who}", MANAGE.format(node.name))]
    if disarmed.waits(own, node.name, now):
        return []  # the operator wants it so, and the status says so
    problems = []
    try:
        usable = [devices.get(name) for name in able(runner, node.name)]
    except ValueError as error:
        return [Problem(node.name, f"it is not fenced: {error}", RENAME)]
    powerless = ("null", fencing_limit.AGENT)
    if not any(device is None or device.agent not in powerless for device in usable):
        problems.append(Problem(node.name, "no device can fence it", ENABLE))
    reason = fenceable.obstacle(own, node.name)
    if reason is not None and (node.unclean or not properties.reason(own, node.name)):
        cure = ENABLED if properties.reason(own, node.name) == reason else fenceable.CONNECT
        problems.append(Problem(node.name, f"it is not fenced: {reason}", cure.format(node.name)))
    elif node.unclean:
        device = next((d for d in devices.values() if _is_by_maas(d, node.name)), None)
        by_maas = None if device is None else device.access
        found = unfenced.explain(runner, status, node.name, by_maas, maas=maas, now=now)
        if found is not None:
            return [*problems, Problem(node.name, *found)]
        problems.append(
            Problem(node.name, WAITING, SPARED if _by_matrix(devices) else CREDENTIALS)
        )
    latest = next(iter(status.fencing_of(node.name)), None)
    if (
        reason is None
        and latest is not None
        and latest.status == "failed"
        and not _returned(runner, latest)
    ):
        problems.append(Problem(node.name, unfenced.FAILED, CREDENTIALS))
    return problems


def _each(
    cib: ET.Element, nodes: Sequence[crm_mon.Node]
) -> Iterator[tuple[crm_mon.Node, ET.Element]]:
    """Yield nodes, each with as much of the information base as tells whether it may be fenced."""
    sets = {properties.UNSERVED, *disarmed.SETS}
    found = cibadmin.of_each(cib, [node.name for node in nodes], sets)
    return ((node, found[node.name]) for node in nodes)


def _is_by_maas(device: _Device, node: str) -> bool:
    return node.lower() in device.by_maas


def _returned(runner: Runner, failure: crm_mon.FenceEvent) -> bool:
    """Whether the cluster has connected to a node since it could not be fenced."""
    connected, failed = cibadmin.connected_since(runner, failure.target), failure.completed
    # Both are whole seconds; an attempt may end while the connection is made. Where nobody tells
    # when it failed, that it is connected counts.
    return connected is not None and (failed is None or connected >= failed)


def _by_matrix(devices: dict[str, _Device]) -> bool:
    """Whether other hypervisors may object to a fencing."""
    return any(limit.matrix for limit in _limits(devices))


def _limits(devices: dict[str, _Device]) -> list[fencing_limit.FencingLimit]:
    """Return what each guard keeps to."""
    guards = (device for device in devices.values() if device.agent == fencing_limit.AGENT)
    return [fencing_limit.from_options(device.parameters) for device in guards]


def able(runner: Runner, node: str) -> list[str]:
    """Return the running devices that say they can fence a node.

    Raises:
        PacemakerError: the cluster does not answer.
        ValueError: there can be no such node.
    """
    tools.check_name(node)
    argv = ["stonith_admin", "--list", node, "--output-as=xml"]
    answer = tools.parse_result(tools.run(runner, argv, timeout=20))
    return [item.text or "" for item in answer.iter("item")]


def _devices(cib: ET.Element) -> list[_Device]:
    found = []
    for primitive in cib.iterfind("configuration/resources//primitive[@class='stonith']"):
        pairs = primitive.iterfind("instance_attributes/nvpair")
        parameters = {pair.get("name", ""): pair.get("value", "") for pair in pairs}
        name, agent = primitive.get("id", ""), primitive.get("type", "")
        found.append(_Device(name, agent, parameters))
    of_guards = (device.parameters for device in found)
    read = {own.get("device"): own.get(access.PARAMETER, "") for own in of_guards}
    return [replace(device, file=read.get(device.name, "")) for device in found]
