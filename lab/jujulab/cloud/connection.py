"""The cloud that runs in the lab, as its administrator sees it from the host."""

import itertools
import json
import subprocess
import threading
from collections.abc import Mapping
from queue import Empty, SimpleQueue
from typing import Any

from jujulab.files import LAB
from jujulab.machines.lab import Machine

_BRIDGE = LAB / "inside" / "openstack_bridge.py"


class CloudError(Exception):
    """An API answered with an error, or did not answer at all."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Cloud:
    """A connection to the cloud's public endpoints through one of the lab's machines.

    Args:
        machine: any machine that is on; machine 0 outlives the faults of the hypervisors.
        auth: arguments of keystoneauth1's `v3.Password`.
    """

    def __init__(self, machine: Machine, auth: Mapping[str, str]) -> None:
        self._process = machine.popen(
            ["python3", "-c", _BRIDGE.read_text()], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._numbers = itertools.count()
        self._waiting: dict[int, SimpleQueue[dict[str, Any]]] = {}
        self._lock = threading.Lock()
        self._send(dict(auth))
        threading.Thread(target=self._receive, daemon=True).start()

    def close(self) -> None:
        """End the connection."""
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _send(self, content: Mapping[str, Any]) -> None:
        if self._process.stdin is None:  # popen was asked for a pipe
            raise CloudError("no connection")
        with self._lock:
            try:
                self._process.stdin.write(json.dumps(content) + "\n")
                self._process.stdin.flush()
            except (OSError, ValueError) as error:
                raise CloudError(f"the connection into the lab is gone: {error}") from error

    def _receive(self) -> None:
        for line in self._process.stdout or ():
            answer = json.loads(line)
            if queue := self._waiting.pop(answer["id"], None):
                queue.put(answer)

    def request(
        self,
        method: str,
        service: str,
        path: str,
        *,
        body: Any = None,
        microversion: str | None = None,
        data: str | None = None,
        timeout: float = 35,
    ) -> Any:
        """Send one request and return the decoded answer.

        Args:
            method: HTTP's.
            service: type in the catalog, such as `compute`.
            path: below the service's endpoint.
            body: sent as JSON.
            microversion: of the service's API.
            data: a file *in the machine* that is sent as it is, instead of `body`.
            timeout: seconds.

        Raises:
            CloudError: no answer in time, or an HTTP status of 400 and more.
        """
        number = next(self._numbers)
        request = {"id": number, "method": method, "service": service, "path": path}
        optional = {"body": body, "microversion": microversion, "data": data}
        request |= {name: value for name, value in optional.items() if value is not None}
        queue = self._waiting[number] = SimpleQueue()
        self._send(request)
        try:
            answer = queue.get(timeout=timeout)
        except Empty:
            raise CloudError(f"{method} {service} {path}: no answer in {timeout:g} s") from None
        if not 200 <= answer["status"] < 400:
            raise CloudError(f"{method} {service} {path}: {answer['body']}", answer["status"])
        return answer["body"]

    def get(self, service: str, path: str, **options: Any) -> Any:
        """Send a GET request; see `request`."""
        return self.request("GET", service, path, **options)

    def post(self, service: str, path: str, body: Any = None, **options: Any) -> Any:
        """Send a POST request; see `request`."""
        return self.request("POST", service, path, body=body, **options)

    def servers(self) -> list[dict[str, Any]]:
        """Return all guests of all projects, with Nova's extended attributes."""
        # The first version that says which are locked.
        path = "/servers/detail?all_tenants=1"
        return list(self.get("compute", path, microversion="2.9")["servers"])

    def compute_services(self) -> list[dict[str, Any]]:
        """Return Nova's nova-compute services."""
        answer = self.get("compute", "/os-services?binary=nova-compute", microversion="2.53")
        return list(answer["services"])

    def notifications(self) -> list[dict[str, Any]]:
        """Return Masakari's notifications."""
        return list(self.get("instance-ha", "/notifications")["notifications"])
