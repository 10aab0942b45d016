"""What is done by hand for the floor, and what the kernel says of others meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jujulab.bench import disturbance, floor
from jujulab.bench.disturbance import Disturbance
from jujulab.bench.floor import Floor
from jujulab.cloud.connection import CloudError
from jujulab.cloud.console import StepError
from jujulab.files import LAB
from jujulab.maas.oauth import ApiKey

HOST = "node4.maas"


class World:
    """A hypervisor with two instances, its cluster, and MAAS by a process of its own."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(floor, "TIMEOUT", 1.0)
        monkeypatch.setattr(floor, "LOOK", 0.0)
        self.log: list[str] = []
        self.online = True
        self.forced = False
        self.refusals = 0
        self.status = "SHUTOFF"
        (tmp_path / "maas-credentials").write_text("c:t:s\n")
        script = "print('ready' if input() else '', flush=True); input(); print('off', flush=True)"
        hand = SimpleNamespace(
            popen=lambda argv, **options: subprocess.Popen(
                [sys.executable, "-c", script], **options
            )
        )
        lab = SimpleNamespace(machine=lambda name: hand, home=tmp_path)
        self.machine: Any = SimpleNamespace(
            fqdn=HOST, hostname="node4", power_off=lambda: setattr(self, "online", False)
        )
        cloud = SimpleNamespace(
            compute_services=lambda: [{"id": "s4", "host": HOST, "forced_down": self.forced}],
            request=self.request,
            post=lambda service, path, body, **_: self.log.append(f"{path} {json.dumps(body)}"),
            get=lambda service, path: {
                "server": {"status": self.status, "OS-EXT-STS:task_state": None}
            },
        )
        console = SimpleNamespace(run_action=lambda *words: self.log.append(" ".join(words[1:])))
        deployment: Any = SimpleNamespace(
            cloud=cloud, console=console, lab=lab, power_on=lambda: self.log.append("power on")
        )
        guests: Any = SimpleNamespace(
            find=lambda prefix: {
                f"g{n}": {"id": f"g{n}", "OS-EXT-SRV-ATTR:host": HOST} for n in (1, 2)
            }
        )
        cluster: Any = SimpleNamespace(look=self.look)
        self.floor = Floor(deployment, cluster, guests)

    def look(self) -> ElementTree.Element:
        text = f"<r><nodes><node name='{HOST}' online='{str(self.online).lower()}'/></nodes></r>"
        return ElementTree.fromstring(text)  # noqa: S314 - above

    def request(self, method: str, service: str, path: str, *, body: Any, **_: Any) -> None:
        if not body["forced_down"] and self.refusals:
            self.refusals -= 1
            raise CloudError("not yet", 400)
        self.forced = body["forced_down"]
        self.log.append(f"{path} {json.dumps(body)}")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_a_lost_host_is_switched_off_and_all_its_instances_are_evacuated_at_once(
    world: World,
) -> None:
    world.refusals = 1
    with world.floor.asleep(HOST):
        world.floor.cut(world.machine)
    asleep, down, *evacuated, on, believed, awake = world.log
    assert asleep == "update-segment name=rack1 enabled=false"
    assert down == '/os-services/s4 {"forced_down": true}'
    assert sorted(evacuated) == [f'/servers/g{n}/action {{"evacuate": {{}}}}' for n in (1, 2)]
    assert (on, believed) == ("power on", '/os-services/s4 {"forced_down": false}')
    assert awake == "update-segment name=rack1 enabled=true"


def test_an_instance_whose_qemu_died_is_started(world: World) -> None:
    with world.floor.asleep(HOST):
        world.floor.start("g1")
    asked = [line for line in world.log if line.startswith("/servers/")]
    assert asked == [f'/servers/g1/action {{"os-{verb}": null}}' for verb in ("stop", "start")]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda world: setattr(world, "status", "ACTIVE"), "Nova does not stop"),
        (lambda world: setattr(world.machine, "power_off", lambda: None), "does not miss node4"),
    ],
)
def test_what_goes_wrong_by_hand_is_told_and_the_project_is_awake_again(
    world: World, change: Callable[[World], None], text: str
) -> None:
    change(world)
    with pytest.raises(StepError, match=text), world.floor.asleep(HOST):
        if "Nova" in text:
            world.floor.start("g1")
        else:
            world.floor.cut(world.machine)
    assert world.log[-1] == "update-segment name=rack1 enabled=true"


@pytest.fixture
def maas() -> Iterator[Any]:
    """A MAAS whose machine is off at the second question."""
    asked: list[str] = []
    key = ApiKey("c", "t", "s")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._serve("GET")

        def do_POST(self) -> None:
            self._serve("POST")

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

        def _serve(self, method: str) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            asked.append(f"{method} {self.path} {body}".rstrip())
            if not key.accepts(self.headers["Authorization"]):
                self.send_error(401)
                return
            off = len([one for one in asked if "query" in one]) > 1
            found: Any = [{"system_id": "lab004"}] if "hostname" in self.path else {}
            content = json.dumps(found or {"state": "off" if off else "on"}).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(content)

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield SimpleNamespace(url=f"http://127.0.0.1:{server.server_port}/MAAS", asked=asked)
    server.shutdown()
    server.server_close()


def test_maas_is_asked_by_hand_and_said_to_be_done_when_it_says_so(maas: Any) -> None:
    script = LAB / "inside" / "maas_by_hand.py"
    given = json.dumps({"url": maas.url, "key": "c:t:s", "hostname": "node4"})
    done = subprocess.run(
        [sys.executable, str(script)],
        input=f"{given}\n\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == ["ready", "off"]
    assert maas.asked == [
        "GET /MAAS/api/2.0/machines/?hostname=node4",
        "POST /MAAS/api/2.0/machines/lab004/op-power_off stop_mode=hard",
        *["GET /MAAS/api/2.0/machines/lab004/op-query_power_state"] * 2,
    ]


def test_what_others_use_is_all_that_is_used_without_the_lab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tick = os.sysconf("SC_CLK_TCK")
    stat, group = tmp_path / "stat", tmp_path / "juju-lab"
    group.mkdir()

    def used(all_seconds: int, lab_seconds: int) -> None:
        stat.write_text(f"cpu  {all_seconds * tick} 0 0 9999 9999 0 0 0 0 0\ncpu0 1 2 3\n")
        (group / "cpu.stat").write_text(f"usage_usec {lab_seconds * 1_000_000}\nuser_usec 1\n")

    now = [100.0]
    monkeypatch.setattr(disturbance.time, "monotonic", lambda: now[0])
    used(1000, 300)
    measured = Disturbance(tmp_path, "juju-lab", stat)
    used(1018, 310)
    now[0] += 10
    assert measured.seen() == pytest.approx(0.8)
    assert Disturbance(None, "juju-lab", stat).seen() == 0
