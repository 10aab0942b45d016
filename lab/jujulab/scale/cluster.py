"""The cluster: how it is formed and configured, and what is measured of it."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jujulab.errors import LabError
from jujulab.scale import configuration, readings
from jujulab.scale.apis import Apis
from jujulab.scale.nodes import HOST, POWER, Node
from jujulab.waiting import answered, poll

MEMBERS = ("juju-1", "juju-2", "juju-3")
WINDOW = 60
"""Seconds for which the daemons are measured while nothing happens, and half as long with a loss.
The exporter is asked once in them."""
SETTLE = 20.0
BOOT = 5.0
"""Seconds until a node that was switched off is there again."""
LOSS = 120.0
"""Seconds within which a lost hypervisor is to be reported: a bound against hanging."""
SHOWN = ("corosync", "pacemaker-", "notifier", "exporter", "unblocker")
LOSSES = 2
"""As many as the guard's limit lets through within two minutes."""

_NOTIFIERS = "; ".join(
    f"PYTHONPATH=/usr/share/masakari-fencing setpriv --regid=haclient --clear-groups"
    f" python3 -m masakari_fencing.{name}"
    f" >/var/log/{name}.log 2>&1 &"
    for name in ("notifier", "exporter", "unblocker")
).replace("&;", "&")
_SCRAPE = (
    "import urllib.request as r;"
    "print(len(r.urlopen('http://127.0.0.1:15878/metrics', timeout=60).read()))"
)


class Cluster:
    """Three members and so many hypervisors, each a node of its own.

    Args:
        size: how many hypervisors.
        window: for so many seconds the daemons are measured.
    """

    def __init__(self, size: int, window: float = WINDOW) -> None:
        self._window = window
        main = "corosync; sleep 1; pacemakerd & "
        self.members = [Node(name, n, main) for n, name in enumerate(MEMBERS, 1)]
        self.remotes = {
            f"node{n}.maas": Node(f"node{n}.maas", 9 + n, "pacemaker-remoted &")
            for n in range(1, size + 1)
        }
        self.off: dict[str, float] = {}
        self._stop = threading.Event()
        self._apis = Apis(HOST, list(self.remotes))

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._apis.close()
        for node in [*self.members, *self.remotes.values()]:
            node.kill()

    def form(self) -> float:
        """Start all nodes and configure the cluster as hacluster and the charm do.

        Returns:
            the seconds from its configuration until all hypervisors were connected.

        Raises:
            LabError: they were not, or one is lost again.
        """
        files = {
            "etc/corosync/corosync.conf": configuration.corosync(
                [m.address for m in self.members]
            ),
            "etc/masakari/fencing-notifier.conf": self._apis.configuration(),
        }
        for member in self.members:
            member.start(files)
        for remote in self.remotes.values():
            remote.start({})
        threading.Thread(target=self._switch_power, daemon=True).start()
        first = self.members[0]
        if not poll(lambda: len(self.online("member")) == len(MEMBERS), 120, 1):
            raise LabError("the members do not form a cluster")
        known = {name: node.address for name, node in self.remotes.items()}
        text = configuration.resources(MEMBERS, known)
        first.run("cibadmin", "--modify", "--allow-create", "--xml-pipe", text=text)
        begun = time.monotonic()
        self.inside("apply")
        bound = 60 + 3 * len(self.remotes)
        if not poll(lambda: len(self.online("remote")) == len(self.remotes), bound, 2):
            found = len(self.online("remote"))
            raise LabError(f"{found} of {len(self.remotes)} are connected after {bound} s")
        formed = time.monotonic() - begun
        for member in self.members:
            member.run("sh", "-c", _NOTIFIERS)
        time.sleep(SETTLE)
        return formed

    def keep_logs(self, folder: Path) -> None:
        """Copy what the members have logged to a folder, for whoever looks for a reason."""
        for member in self.members:
            if member.init is not None:
                place = folder / f"{len(self.remotes)}-{member.name}"
                shutil.copytree(member.file("var/log"), place, dirs_exist_ok=True)

    def paused(self) -> float:
        """Return for how many seconds a member's Corosync got no processor, at the longest.

        It says so from four fifths of its token on, and is taken for dead soon after that.
        """
        logs = (
            m.file("var/log/corosync/corosync.log") for m in self.members if m.init is not None
        )
        return max((readings.paused(log.read_text()) for log in logs if log.exists()), default=0.0)

    def inside(self, *words: str) -> Any:
        """Run `inside.py` on the controller's member."""
        script = (Path(__file__).parent / "inside.py").read_text(encoding="utf-8")

        def run() -> str:
            return self.members[0].run("python3", "-", *words, text=script, timeout=120)

        return json.loads(answered(run, LabError, 30, 2))

    def online(self, kind: str) -> set[str]:
        """Return the nodes of a kind, `member` or `remote`, that are online."""
        text = self.members[0].run("crm_mon", "--output-as=xml", check=False)
        try:
            found = ET.fromstring(text).iterfind("nodes/node")  # noqa: S314 - our own cluster
        except ET.ParseError:
            return set()
        return {
            n.get("name", "")
            for n in found
            if (n.get("type"), n.get("online"), n.get("unclean")) == (kind, "true", "false")
        }

    def controller(self) -> str:
        """Return the name of the member that is the designated controller."""
        text = self.members[0].run("crmadmin", "--dc_lookup", "--quiet")
        return text.split()[-1]

    def idle(self) -> dict[str, float]:
        """Measure what runs while nothing happens.

        Returns:
            thousandths of a processor by daemon and kind of node, and kB/s.

        Raises:
            LabError: a hypervisor was fenced meanwhile.
        """
        before = set(self.off)
        with self._measured() as found:
            for member in self.members:
                member.run("python3", "-c", _SCRAPE)
            time.sleep(self._window)
        if lost := set(self.off) - before:
            raise LabError(f"fenced without a fault: {', '.join(sorted(lost))}")
        return found

    def loss(self, name: str) -> tuple[dict[str, float], dict[str, float]]:
        """Cut a hypervisor off; measure until it is reported, and its return.

        Returns:
            as `idle`, and the seconds from the cut to each thing that follows.

        Raises:
            LabError: it was not reported, or did not come back.
        """
        told, node = self._apis.told, self.remotes[name]
        spools = [m.file("var/lib/masakari-fencing/spool") for m in self.members]
        noted: list[float] = []

        def reported() -> bool:
            # It is there until somebody has reported it.
            if not noted and any(list(spool.glob("*.json")) for spool in spools):
                noted.append(time.monotonic())
            return name in told

        with self._measured() as found:
            begun = time.monotonic()
            node.unplug()
            if not poll(reported, LOSS, 0.01):
                raise LabError(f"{name} was not reported within {LOSS:g} s")
            time.sleep(max(0.0, self._window / 2 - (time.monotonic() - begun)))
        times = {"its power is off": self.off[name] - begun}
        if noted:
            times["the alert agent has noted it"] = noted[0] - begun
        times["Masakari is told"] = told[name] - begun
        if not poll(lambda: name in self.online("remote"), 180, 1):
            raise LabError(f"{name} was fenced and does not come back")
        times["it is connected again"] = time.monotonic() - begun
        return found, times

    def memory(self) -> dict[str, float]:
        """Return the megabytes of each daemon, and of a whole hypervisor."""
        found = readings.memory(self._namespaces())
        result = self._by_role(found)
        total = sum(v for (node, _), v in found.items() if node in self.remotes)
        return result | {"a hypervisor's node, all": total / len(self.remotes)}

    @contextmanager
    def _measured(self) -> Iterator[dict[str, float]]:
        """Measure the processor time and bytes per second of what is done in it."""
        result: dict[str, float] = {}
        nodes, net = self._namespaces(), Path("/proc/net/dev")
        spent, moved = readings.spent(nodes), readings.transferred(net.read_text())
        busy, begun = readings.busy(Path("/proc/stat").read_text()), time.monotonic()
        own = sum(os.times()[:4])
        yield result
        passed = time.monotonic() - begun
        used = readings.spent(nodes)
        total = readings.busy(Path("/proc/stat").read_text()) - busy
        rates = {
            key: max(0.0, 1000 * (value - spent.get(key, 0.0)) / passed)
            for key, value in used.items()
        }
        result |= self._by_role(rates)
        now = readings.transferred(net.read_text())
        for kind, several in (("member", self.members), ("hypervisor", self.remotes.values())):
            ports = [node.port for node in several if node.port in now]
            rate = readings.moved(moved, now, ports) / max(len(ports), 1) / passed
            result[f"kB/s of a {kind}"] = rate / 1000
        ours = sum(rates.values()) + 1000 * (sum(os.times()[:4]) - own) / passed
        result["what others used"] = max(0.0, 1000 * total / passed - ours)

    def _by_role(self, found: Mapping[tuple[str, str], float]) -> dict[str, float]:
        """Return figures of daemons by what their node is: DC, other member or hypervisor."""
        controller = self.controller()
        result: dict[str, float] = {}
        for (node, daemon), value in sorted(found.items(), key=lambda item: item[0][1]):
            many = node in self.remotes
            role = "hypervisor" if many else "DC" if node == controller else "other"
            if many and daemon != "pacemaker-remoted":
                continue
            share = len(self.remotes) if many else 1 if role == "DC" else len(MEMBERS) - 1
            key = f"{daemon}, {role}"
            result[key] = result.get(key, 0.0) + value / share
        return {key: value for key, value in result.items() if key.startswith(SHOWN)}

    def _namespaces(self) -> dict[str, str]:
        found = [(node.network, node.name) for node in [*self.members, *self.remotes.values()]]
        return {network: name for network, name in found if network}

    def _switch_power(self) -> None:
        """Switch off what the fence agent asks for, and start it again."""
        booting: dict[str, float] = {}
        while not self._stop.wait(0.02):
            for wish in POWER.iterdir():
                self.remotes[wish.name].kill()
                self.off[wish.name] = time.monotonic()
                booting[wish.name] = self.off[wish.name] + BOOT
                wish.unlink()
            for name in [name for name, due in booting.items() if due < time.monotonic()]:
                del booting[name]
                self.remotes[name].start({})
