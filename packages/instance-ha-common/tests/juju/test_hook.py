"""What a hook loads and which of Juju's tools it calls, as a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2] / "src"
TRACED = "hooks/charm-tracing-relation-changed"
CHARM = """\
import instance_ha_common.unpebbled
import instance_ha_common.unswept
import instance_ha_common.untraced
import atexit
import dataclasses
import gc
import logging
import sys
from pathlib import Path
from instance_ha_common.juju.charm import Charm, hook
from instance_ha_common.juju.problems import Verdict
from instance_ha_common.machine.host import Host

class Toy(Charm):
    def __init__(self, framework):
        super().__init__(framework, dataclasses.replace(Host.local(), root=Path.cwd()))

    def reconcile(self, event):
        assert gc.isenabled()
        logging.getLogger("toy").info("reconciled")
        if Path("broken").exists():
            raise ValueError("broken")

    def judge(self):
        return Verdict()

assert not gc.isenabled()
HEAVY = {"http.client", "ssl", "websocket", "opentelemetry.context"}
atexit.register(lambda: print(*sorted(HEAVY & set(sys.modules)), "ended"))
hook(Toy)
"""
TOOLS = ("juju-log", "is-leader", "status-set", "relation-ids", "relation-list", "relation-get")
TOOL = """\
#!/bin/sh
echo "${0##*/} $*" >>"$CALLS"
case ${0##*/} in
    is-leader) echo false ;;
    *-get | relation-ids | relation-list) echo '{}' ;;
esac
"""


@pytest.fixture
def hook(tmp_path):
    """Runs a hook of the toy; returns what it has loaded, and the lines of the tools it called."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in TOOLS:
        (tools / name).write_text(TOOL)
        (tools / name).chmod(0o755)
    (tmp_path / "metadata.yaml").write_text(
        "name: toy\nrequires:\n  charm-tracing: {interface: tracing}\n"
    )
    (tmp_path / "charm.py").write_text(CHARM)

    def run(dispatched: str, code: int = 0, **variables: str) -> tuple[str, list[str]]:
        calls = tmp_path / "calls"
        calls.write_text("")
        environment = {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "PYTHONPATH": str(SOURCES),
            "CALLS": str(calls),
            "JUJU_CHARM_DIR": str(tmp_path),
            "JUJU_DISPATCH_PATH": dispatched,
            "JUJU_UNIT_NAME": "toy/0",
            "JUJU_MODEL_NAME": "m",
            "JUJU_VERSION": "3.6.14",
            **variables,
        }
        argv = [sys.executable, str(tmp_path / "charm.py")]
        done = subprocess.run(
            argv, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == code, done.stderr
        return done.stdout.strip(), calls.read_text().splitlines()

    return run


def test_a_hook_loads_no_client_of_pebble_and_logs_only_what_is_its_own(hook):
    for _ in range(2):  # the first one makes ops' storage, which ops tells, too
        loaded, calls = hook("hooks/update-status")
    assert loaded == "ended", "what is to be done at the end of a process, is done"
    assert calls == [
        "juju-log --log-level INFO -- reconciled",
        "is-leader --format=json",
        "status-set --application=False active -- Unit is ready",
    ]


def test_a_hook_that_fails_tells_so(hook, tmp_path):
    (tmp_path / "broken").touch()
    said, calls = hook("hooks/update-status", code=1)
    assert said == "ended"
    assert any("ValueError: broken" in call for call in calls)


def test_where_traces_are_collected_ops_logs_everything(hook):
    relation = {"JUJU_RELATION": "charm-tracing", "JUJU_RELATION_ID": "charm-tracing:1"}
    _, calls = hook(TRACED, JUJU_REMOTE_APP="tempo", **relation)
    assert any("Emitting Juju event charm_tracing_relation_changed" in call for call in calls)


def test_pebble_is_there_for_who_uses_it():
    program = "; ".join(
        (
            "import instance_ha_common.unpebbled, instance_ha_common.untraced, ops, sys",
            "print(type(ops.pebble).__name__, 'ssl' in sys.modules)",
            "from ops.testing import Container",
            "print(ops.model.pebble.APIError is sys.modules['ops.pebble'].APIError)",
            "print(hasattr(ops.pebble, 'nothing'), ops.pebble.ServiceInfo.__name__)",
        )
    )
    environment = {"PYTHONPATH": str(SOURCES)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    )
    expected = ["Unloaded", "False", "True", "False", "ServiceInfo"]
    assert done.stdout.split() == expected, done.stderr


def test_what_traces_are_told_to_is_there_for_who_uses_it():
    program = "; ".join(
        (
            "import instance_ha_common.unpebbled, instance_ha_common.untraced, ops, sys",
            "import opentelemetry.trace as before",
            "print(type(before).__name__, 'opentelemetry.context' in sys.modules)",
            "print(before.StatusCode.OK.name)",
            "import opentelemetry.trace as now",
            "print(type(now).__name__, now.StatusCode is before.StatusCode)",
        )
    )
    environment = {"PYTHONPATH": str(SOURCES)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    )
    assert done.stdout.split() == ["Unloaded", "False", "OK", "module", "True"], done.stderr
