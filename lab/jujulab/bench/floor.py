"""The floor: how soon instances come back with nobody's code between the parts.

The parts are those that any instance HA here is made of, each at its best: Pacemaker's own
detection of a dead remote node, with the interval that this project sets; one request to MAAS and
its word that the machine is off; then Nova's own evacuation of all instances, asked for at once.
For an instance whose QEMU died: Nova's stop of it, and its start. What is asked is what an
operator would ask by hand, without the time that the hand takes; this project sleeps meanwhile,
its segment disabled, so it fences and recovers nothing.
"""

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from jujulab.cloud.cluster import Cluster
from jujulab.cloud.connection import CloudError
from jujulab.cloud.console import StepError
from jujulab.cloud.guests import Guests
from jujulab.files import LAB
from jujulab.maas import server as maas
from jujulab.machines.lab import Machine
from jujulab.trials.deployment import PREFIX, SEGMENT, Deployment
from jujulab.waiting import answered, poll

_MAAS = LAB / "inside" / "maas_by_hand.py"

FROM = "0"
"""The machine from which MAAS is asked; no fault takes it."""

LOOK = 0.1
"""Seconds between two looks at the cluster, or at Nova."""

TIMEOUT = 120.0
"""Seconds for each step."""

VERSION = "2.53"
"""Nova's microversion: a service by its identifier, evacuation to where the scheduler says."""


class Floor:
    """Does by hand what a recovery is made of, while the deployment's segment is disabled."""

    def __init__(self, deployment: Deployment, cluster: Cluster, guests: Guests) -> None:
        self._deployment = deployment
        self._cluster = cluster
        self._guests = guests
        self._cloud = deployment.cloud
        self._hand: threading.Thread | None = None
        self._trouble: list[Exception] = []

    @contextmanager
    def asleep(self, host: str) -> Iterator[None]:
        """Have this project do nothing; a host that was lost is in service again afterwards.

        Raises:
            StepError: the host does not come back, or a step by hand went wrong.
        """
        self._segment(enabled=False)
        try:
            yield
        finally:
            if self._hand is not None:
                self._hand.join()
            self._undo(host)
            self._segment(enabled=True)
        if self._trouble:
            raise StepError(f"by hand: {self._trouble[0]}")

    def _segment(self, *, enabled: bool) -> None:
        parameters = (f"name={SEGMENT}", f"enabled={str(enabled).lower()}")
        self._deployment.console.run_action("masakari/leader", "update-segment", *parameters)

    def _undo(self, host: str) -> None:
        """Have a host run, and Nova believe its nova-compute, which it does once that is back."""
        self._deployment.power_on()
        [service] = [s for s in self._cloud.compute_services() if s["host"] == host]
        if not service["forced_down"]:
            return
        try:
            answered(lambda: self._force_down(service["id"], False), CloudError, TIMEOUT, 1)
        except CloudError as error:
            raise StepError(f"Nova does not believe nova-compute of {host} again") from error

    def cut(self, machine: Machine) -> None:
        """Cut a hypervisor's power, and begin to recover its instances by hand."""
        host = machine.fqdn
        argv = ["python3", "-c", _MAAS.read_text()]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        hand = self._deployment.lab.machine(FROM).popen(argv, text=True, **pipes)
        key = maas.credentials_file(self._deployment.lab).read_text().strip()
        given = {"url": maas.url(), "key": key, "hostname": machine.hostname}
        _say(hand, json.dumps(given), "ready")
        servers = self._guests.find(PREFIX).values()
        lost = [s["id"] for s in servers if s["OS-EXT-SRV-ATTR:host"] == host]
        [service] = [s["id"] for s in self._cloud.compute_services() if s["host"] == host]

        def recover() -> None:
            if not poll(lambda: self._is_lost(host), TIMEOUT, LOOK):
                raise StepError(f"Pacemaker does not miss {host}")
            _say(hand, "", "off")
            self._force_down(service, True)
            with ThreadPoolExecutor(len(lost)) as pool:
                list(pool.map(self._evacuate, lost))

        machine.power_off()
        self._begin(recover)

    def start(self, server: str) -> None:
        """Begin to stop and start an instance by hand whose QEMU is dead.

        By itself Nova stops it 15 s later: its libvirt driver holds that event back
        (`_event_emit_delayed` of nova.virt.libvirt.host).
        """

        def recover() -> None:
            self._cloud.post("compute", f"/servers/{server}/action", {"os-stop": None})
            if not poll(lambda: self._is_off(server), TIMEOUT, LOOK):
                raise StepError("Nova does not stop the instance")
            self._cloud.post("compute", f"/servers/{server}/action", {"os-start": None})

        self._begin(recover)

    def _begin(self, recover: Callable[[], None]) -> None:
        def work() -> None:
            try:
                recover()
            except Exception as error:  # told where the run ends
                self._trouble.append(error)

        self._trouble.clear()
        self._hand = threading.Thread(target=work, daemon=True)
        self._hand.start()

    def _is_lost(self, host: str) -> bool:
        nodes = self._cluster.look().iterfind(f"nodes/node[@name='{host}']")
        return any(n.get("online") == "false" or n.get("unclean") == "true" for n in nodes)

    def _is_off(self, server: str) -> bool:
        found = self._cloud.get("compute", f"/servers/{server}")["server"]
        return bool(found["status"] == "SHUTOFF" and found["OS-EXT-STS:task_state"] is None)

    def _force_down(self, service: str, down: bool) -> None:
        body = {"forced_down": down}
        path = f"/os-services/{service}"
        self._cloud.request("PUT", "compute", path, body=body, microversion=VERSION)

    def _evacuate(self, server: str) -> None:
        path = f"/servers/{server}/action"
        self._cloud.post("compute", path, {"evacuate": {}}, microversion=VERSION)


def _say(process: subprocess.Popen[str], line: str, answer: str) -> None:
    """Send a line to a process, and wait for its answer."""
    if process.stdin is None or process.stdout is None:  # both were asked for
        raise StepError("MAAS cannot be asked by hand")
    try:
        process.stdin.write(f"{line}\n")
        process.stdin.flush()
    except OSError as error:
        raise StepError(f"MAAS cannot be asked by hand: {error}") from error
    if process.stdout.readline().strip() != answer:
        raise StepError("MAAS does not do what it is asked by hand")
