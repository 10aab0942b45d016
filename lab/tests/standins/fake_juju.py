"""A Juju for one unit, in a file: what the stand-in charms' hooks see in unit tests.

The hook tools and the system's commands are small programs first on PATH; what they are told, and
what they answer, is in a file that the test looks into. Tests of a whole charm call them in this
process, which is the same code and ten times as quick.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fake_tool
import pytest
import standin
import yaml

CHARMS = Path(standin.__file__).resolve().parents[1]
_run_process = subprocess.run
FAKE_TOOL = Path(__file__).with_name("fake_tool.py")

TOOLS = (
    "action-fail", "action-get", "action-set", "application-version-set", "config-get",
    "is-leader", "network-get", "relation-get", "relation-set", "status-set",
)  # fmt: skip
COMMANDS = (
    "ceph", "ceph-authtool", "ceph-mon", "ceph-osd", "dpkg-query", "install", "monmaptool",
    "mysql", "prlimit", "rabbitmqctl", "setpriv", "systemctl",
)  # fmt: skip


class FakeJuju:
    """One unit's Juju and machine.

    Attributes:
        root: the machine's root directory.
        environ: the environment in which hooks find the tools.
    """

    def __init__(self, folder: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self._monkeypatch = monkeypatch
        self._file = folder / "state.json"
        tools = folder / "bin"
        tools.mkdir(parents=True)
        for name in TOOLS + COMMANDS:
            script = f'#!/bin/sh\nexec {sys.executable} -S -I {FAKE_TOOL} {name} "$@"\n'
            (tools / name).write_text(script)
            (tools / name).chmod(0o755)
        path = f"{tools}{os.pathsep}{os.environ['PATH']}"
        self.environ = {"PATH": path, "FAKE_JUJU": str(self._file)}
        for name, value in self.environ.items():
            monkeypatch.setenv(name, value)
        self.set(config={}, leader=True, addresses={}, relations={}, calls=[], down=[], failing=[])

    def answer_in_process(self) -> None:
        """Call hook tools and commands without a process for each."""
        self._monkeypatch.setattr(standin, "tool", self._tool)
        self._monkeypatch.setattr(subprocess, "run", self._run)

    def _tool(self, *argv: str, stdin: str | None = None) -> str:
        return fake_tool.perform(argv[0], list(argv[1:]), stdin or "", self._file)

    def _run(
        self, argv: Sequence[str], *, check: bool = False, **options: Any
    ) -> subprocess.CompletedProcess[Any]:
        if argv[0] not in COMMANDS:
            return _run_process(argv, check=check, **options)
        code, out, err = fake_tool.run(list(argv), options.get("input") or "", self._file)
        done = subprocess.CompletedProcess(argv, code, out, err)
        if check:
            done.check_returncode()
        return done

    @property
    def state(self) -> dict[str, Any]:
        return dict(json.loads(self._file.read_text()))

    def set(self, **change: Any) -> None:
        """Change what Juju and the machine answer: config, leader, addresses, down, failing."""
        state = self.state if self._file.exists() else {}
        self._file.write_text(json.dumps({**state, **change}))

    def calls(self, tool: str = "") -> list[dict[str, Any]]:
        """The calls of a tool, or of all, since the last :meth:`forget`."""
        return [call for call in self.state["calls"] if tool in ("", call["tool"])]

    def forget(self) -> None:
        """Forget the calls so far."""
        self.set(calls=[])

    def status(self) -> tuple[str, str]:
        """The unit's last workload status."""
        state, message = self.calls("status-set")[-1]["argv"]
        return state, message

    def published(self, rid: str, app: bool = False) -> dict[str, str]:
        """What the unit has published on a relation."""
        return dict(self.state["relations"][rid]["local_app" if app else "local"])


class Charm:
    """A stand-in charm and its one unit.

    Attributes:
        module: its module ``charm``.
    """

    def __init__(self, juju: FakeJuju, name: str, unit: str = "") -> None:
        self.juju = juju
        juju.answer_in_process()
        self.unit = unit or f"{name}/0"
        folder = CHARMS / name
        sources = str(folder / "src")
        if sources not in sys.path:
            sys.path.append(sources)
        self.module = _load(folder / "src/charm.py")
        self.metadata = yaml.safe_load((folder / "charmcraft.yaml").read_text())
        options = self.metadata["config"]["options"]
        endpoints = [*self.metadata.get("extra-bindings", {})]
        for role in ("provides", "requires", "peers"):
            endpoints += self.metadata.get(role, {})
        networks = {"public": "10.77.1.105", "admin": "10.77.2.105"}
        for package in (
            "glance/glance-api",
            "keystone/keystone",
            "nova/nova-api",
            "placement/placement-api",
        ):
            ini = juju.root / f"etc/{package}-uwsgi.ini"
            ini.parent.mkdir(parents=True, exist_ok=True)
            ini.write_text("[uwsgi]\nprocesses = 8\nthreads = 32\nlogto = /var/log/x.log\n")
        juju.set(
            config={key: spec["default"] for key, spec in options.items() if "default" in spec},
            addresses={name: networks.get(name, "10.77.3.105") for name in endpoints},
        )

    def hook(self, name: str, **environ: str) -> None:
        """Run a hook; raises what the charm raises."""
        context = {
            **self.juju.environ,
            "JUJU_UNIT_NAME": self.unit,
            "JUJU_DISPATCH_PATH": f"hooks/{name}",
            **environ,
        }
        unit = standin.Unit(context, self.juju.root)
        actions = getattr(self.module, "ACTIONS", {})
        standin.main(self.module.reconcile, actions=actions, unit=unit)

    def action(self, name: str, **parameters: str) -> dict[str, str]:
        """Run an action and return its results; those of a failed one are `{"failure": text}`."""
        self.juju.set(parameters={key.replace("_", "-"): v for key, v in parameters.items()})
        self.juju.forget()
        self.hook("", JUJU_DISPATCH_PATH=f"actions/{name}", JUJU_ACTION_NAME=name)
        for call in self.juju.calls("action-fail"):
            return {"failure": call["argv"][-1]}
        words = [word for call in self.juju.calls("action-set") for word in call["argv"]]
        return dict(word.split("=", 1) for word in words)

    def relate(self, rid: str, app: str, data: dict[str, Any] | None = None) -> None:
        """Create a relation; ``data`` are the bags of remote units, by unit number."""
        relations = self.juju.state["relations"]
        relations[rid] = {"local": {}, "local_app": {}, "app_data": {}, "units": {}}
        self.juju.set(relations=relations)
        self._fire(rid, "created", app, "")
        for number, bag in (data or {}).items():
            self.change(rid, f"{app}/{number}", bag)

    def change(self, rid: str, remote: str, bag: dict[str, str]) -> None:
        """Let a remote unit (or application, for its bag) publish something."""
        relations = self.juju.state["relations"]
        app, _, number = remote.partition("/")
        if number:
            juju_keys = {"ingress-address": "10.77.3.9", "private-address": "10.77.3.9"}
            relations[rid]["units"][remote] = {**juju_keys, "egress-subnets": "", **bag}
        else:
            relations[rid]["app_data"] = bag
        self.juju.set(relations=relations)
        self._fire(rid, "changed", app, remote if number else "")

    def depart(self, rid: str, remote: str) -> None:
        """Let a remote unit leave."""
        self._fire(rid, "departed", remote.partition("/")[0], remote)

    def leave(self, rid: str, app: str) -> None:
        """Break a relation."""
        self._fire(rid, "broken", app, "")

    def _fire(self, rid: str, event: str, app: str, unit: str) -> None:
        endpoint = rid.partition(":")[0]
        self.hook(
            f"{endpoint}-relation-{event}",
            JUJU_RELATION=endpoint,
            JUJU_RELATION_ID=rid,
            JUJU_REMOTE_APP=app,
            JUJU_REMOTE_UNIT=unit,
        )

    def file(self, path: str) -> str:
        """The content of a file of the machine."""
        return (self.juju.root / path).read_text()


def _load(path: Path) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(f"charm_{path.parents[1].name}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
