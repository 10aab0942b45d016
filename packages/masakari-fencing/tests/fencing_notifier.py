"""A member's notifier, with its own spool, over real HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keystoneauth1 import session as ks
from keystoneauth1.token_endpoint import Token
from masakari_fencing.notifier.delivery import Delivery
from masakari_fencing.notifier.reporter import Reporter
from masakari_fencing.notifier.settings import Settings
from masakari_fencing.openstack.masakari_api import MasakariApi
from masakari_fencing.openstack.nova_api import NovaApi
from masakari_fencing.records.spool import Spool

HOST = "node1.maas"


class Member:
    """One member's notifier, with its own spool."""

    def __init__(
        self,
        directory: Path,
        *endpoints: str,
        rank: int | None = 0,
        catalog: str = "http://127.0.0.1:9/v1",
        now: Callable[[], float] = time.time,
        timer: Callable[[], float] | None = None,
        back: bool = False,
        **settings: Any,
    ) -> None:
        directory.mkdir(exist_ok=True)
        self.directory = directory
        self.settings = Settings(spool=directory, endpoints=endpoints, timeout=2, **settings)
        session = ks.Session(auth=Token(catalog, "token"))
        api = MasakariApi(session, endpoints, 2)
        delivery = Delivery(
            api,
            redrive_within=self.settings.redrive_within,
            has_instances=NovaApi(session, 2).has_instances,
            clock=now,
        )
        self.back = back
        self.notifier = Reporter(
            Spool(directory),
            delivery,
            self.settings,
            lambda node: rank,
            lambda node: self.back,
            clock=now,
            timer=timer or now,
        )

    def fenced(self, node: str = HOST, when: float | None = None, ref: str = "ref-1") -> None:
        data = {"id": ref, "node": node, "action": "reboot", "time": when or time.time()}
        (self.directory / f"{ref}.json").write_text(json.dumps(data))

    @property
    def waiting(self) -> int:
        return len(list(self.directory.glob("*.json")))

    def until_done(self, limit: float = 8) -> None:
        end = time.monotonic() + limit
        while self.waiting and time.monotonic() < end:
            time.sleep(min(0.05, self.notifier.check()))


class Time:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now
