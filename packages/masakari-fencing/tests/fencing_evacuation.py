"""One instance of a dead host, in virtual time."""

from __future__ import annotations

from typing import Any

from fencing_nova import FakeNova, Server
from masakari_fencing.workflow.instances import selection
from masakari_fencing.workflow.instances.evacuation import Evacuation
from masakari_fencing.workflow.instances.requests import Limits

HOST = "node1.maas"


class World:
    """A Nova with one instance on a host that is held for down, in virtual time."""

    def __init__(self, **state: Any) -> None:
        self.time = self.begun = 1_795_233_223.0
        self.nova = FakeNova(Server("g1", **state), clock=lambda: self.time)
        self.nova.rebuild = 3.0
        service = self.nova.services_known[HOST]
        service.state, service.forced_down = "down", True
        self.checks = 0
        self.before = selection.before(self.nova.instances["g1"].shown(), running=False)

    @property
    def guest(self) -> Server:
        return self.nova.instances["g1"]

    def sleep(self, seconds: float) -> None:
        self.time += seconds

    def check(self) -> None:
        self.checks += 1

    def evacuation(self, **changes: Any) -> Evacuation:
        options: dict[str, Any] = {
            "target": None,
            "check": self.check,
            "limits": Limits(),
            "sleep": self.sleep,
            "clock": lambda: self.time,
            "now": lambda: self.time,
        }
        return Evacuation(lambda: self.nova, HOST, self.before, **(options | changes))

    def run(self, *, fresh: bool = True, **changes: Any) -> str:
        return self.evacuation(**changes).run(fresh=fresh)
