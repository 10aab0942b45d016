"""How the notifier asks the APIs, and is poked."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from simulation.core import kernel
from simulation.core.faults import ProxyAnswer
from simulation.core.kernel import Task
from simulation.models.nova.records import ADMIN
from simulation.world import Unit

if TYPE_CHECKING:
    from simulation.models.masakari.masakari import Masakari


class Wake:
    """The socket that the alert agent pokes."""

    def __init__(self) -> None:
        self.task: Task | None = None

    def poke(self) -> None:
        """Wake whoever waits."""
        if self.task is not None and kernel.ACTIVE is not None:
            kernel.ACTIVE.wake(self.task)
            self.task = None

    def wait(self, seconds: float) -> None:
        """Wait for a poke, less often where nothing happens."""
        task, running = kernel.current(), kernel.ACTIVE
        if task is None or running is None:
            return
        task.quiet = task.quiet + 1 if task.nothing_new() else 0
        if seconds >= 1.0 and task.quiet > 1:
            seconds = min(running.IDLE_FACTOR, 2 ** (task.quiet - 1))
        self.task = task
        running.park(seconds)
        self.task = None
        task.look_again()


def _json(data: Any) -> Any:
    if isinstance(data, str):
        raise ValueError("no JSON")
    return data


class Session:
    """keystoneauth1's session: Masakari's API on each unit, and Nova's."""

    def __init__(self, masakari: Masakari) -> None:
        self._masakari = masakari

    def get_token(self) -> str:
        return "token"

    def get_user_id(self) -> str:
        return ADMIN

    def request(self, url: str, method: str, **options: Any) -> Any:
        task, running = kernel.current(), kernel.ACTIVE
        if task is None or running is None:
            raise RuntimeError("nobody asks")
        service = (options.get("endpoint_filter") or {}).get("service_type")
        body, proxy = options.get("json"), False
        if service == "compute":
            code, data = running.call(
                "nova", f"{method} {url[:12]}", lambda: self._nova(method, url, body)
            )
        else:
            unit = self._unit(task.process.unit, "endpoint_override" in options)
            try:
                code, data = running.call(
                    "api",
                    f"{method} {url[:14]}",
                    lambda: self._masakari.api.serve(unit, method, url, body),
                )
            except ProxyAnswer:
                code, data, proxy = 404, "<html><h1>Not Found</h1></html>", True
        text = data if isinstance(data, str) else "json"
        if text is data and code < 500 and not proxy:
            # Source only: masakari/api/openstack/wsgi.py: Fault
            data = {"fault": {"code": code, "message": text}}
        return SimpleNamespace(status_code=code, text=text, headers={}, json=lambda: _json(data))

    def _unit(self, own: Unit, local: bool) -> Unit:
        if local:
            return own
        units = self._masakari.world.units.values()
        able = [u for u in units if u.api is not None and u.api.alive and not u.isolated]
        if not able:
            raise ConnectionRefusedError(111, "Connection refused")
        return able[0]

    def _nova(self, method: str, url: str, body: Any) -> tuple[int, Any]:
        from novaclient import exceptions

        nova = self._masakari.world.nova
        if url.startswith("/os-hypervisors"):
            return nova.hypervisors(url)
        if url.startswith("/os-migrations?"):
            return nova.instances.migrations(url)
        if url.startswith("/servers?"):
            return nova.instances.listed(url)
        if url.startswith("/servers/"):
            return nova.instances.show(url)
        if method == "GET":
            found = [
                {"id": s.uuid, "host": s.host, "forced_down": s.forced_down,
                 "status": "enabled" if s.enabled else "disabled"}
                for s in nova.services.values()
            ]  # fmt: skip
            return 200, {"services": found}
        uuid = url.rsplit("/", 1)[1]
        service = next(s for s in nova.services.values() if s.uuid == uuid)
        try:
            if "forced_down" in body:
                nova.set_forced_down(service, body["forced_down"])
            if "status" in body:
                nova.set_enabled(service, body["status"] == "enabled")
        except exceptions.ClientException as error:
            return error.code, str(error)
        return 200, {"service": {}}
