"""How long a hook of each charm takes that changes nothing, as a process from start to end.

The charms are packed as for the lab, and run with their own Python and a real `config-changed`, in
a complete model: every relation has answered, every package is there, every service runs. Hook
tools and the machine's commands are one small program, about as quick as Juju's own. The hook is
repeated until it changes nothing any more; then it is measured, next to what Python needs to start
and import ops alone, and to one of the tools.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml
from jujulab.juju.pack import REPOSITORY
from jujulab.juju.store import CharmStore

LIMIT = 3.0
"""Times the processor time of ops alone that a hook may take which changes nothing."""

LOOK = "health.json"
"""When masakari's charm last looked at the cluster: a clock, not a change."""

MACHINE = "3"
"""The unit's machine in Juju."""

HEAD = """\
milliseconds       of the hook    of ops alone                              one   without
config-changed       wall    cpu    wall    cpu  ratio  tools  commands    tool  cpu  ratio"""
"""The tools are Juju's, the commands the machine's; `without` is without both."""

RUNS = 9
SETTLING = 6
"""Hooks within which a unit that has everything has nothing left to do."""

TIMEOUT = 600
CHARMS = ("masakari", "masakari-monitors", "pacemaker-remote")
HERE = Path(__file__).resolve().parent
TOOLS = (
    *("application-version-set", "close-port", "config-get", "goal-state", "is-leader"),
    *("juju-log", "network-get", "open-port", "opened-ports", "relation-get", "relation-ids"),
    *("relation-list", "relation-set", "state-get", "status-get", "status-set"),
)
COMMANDS = (
    *("apt-cache", "apt-get", "apt-mark", "cibadmin", "crm_attribute", "crm_mon", "crm_node"),
    *(
        "crm_resource",
        "dpkg-query",
        "getent",
        "haproxy",
        "ip",
        "systemctl",
        "update-ca-certificates",
    ),
    *("usermod", "masakari-manage", "su", "runuser", "setpriv"),
)
READY = ["status-set", "--application=False", "active", "--", "Unit is ready"]
_CHANGES = ("relation-set", "open-port", "close-port", "apt-get", "usermod")
_VERBS = {"start", "stop", "restart", "reload", "enable", "disable", "mask", "unmask"}


class Unit:
    """A unit of a charm, installed in a directory.

    Args:
        charm: the charm's name.
        directory: where it is put.
        model: what `describe` says.
    """

    def __init__(self, charm: str, directory: Path, model: dict[str, Any]) -> None:
        self.charm = charm
        store = CharmStore(directory.parent / "charms")
        stored = store.add(str(REPOSITORY / "charms" / charm), revision=None, next_local=0)
        self.tree, self.root = store.directory(stored.key), directory / "root"
        self.state, programs = directory / "state.json", directory / "bin"
        python = self.tree / "venv" / "bin" / "python"  # made as `charms/dispatch` makes it
        python.parent.mkdir(exist_ok=True)
        python.symlink_to(Path("/usr/bin/python3").resolve())
        self.python = str(python)
        self._known = self.state.with_name(f"{self.state.name}.known")
        self._known.mkdir()
        programs.mkdir()
        shutil.copy(HERE / "tool.sh", programs / "tool")
        (programs / "tool").chmod(0o755)
        for name in (*TOOLS, *COMMANDS):
            (programs / name).symlink_to("tool")
        for path, text in model.pop("files").items():
            file = self.root / path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        self.state.write_text(json.dumps(model))
        self.environment = {
            "PATH": f"{programs}:/usr/bin:/bin",
            "PYTHONPATH": "src",
            "BENCH_ROOT": str(self.root),
            "BENCH_STATE": str(self.state),
            "BENCH_THINK": str(HERE / "think.py"),
            "JUJU_CHARM_DIR": str(self.tree),
            "JUJU_UNIT_NAME": model["unit"],
            "JUJU_MODEL_NAME": "bench",
            "JUJU_MODEL_UUID": "8c5b1f0e-5d2f-4f43-8e64-0c6b0c3f7d11",
            "JUJU_MACHINE_ID": MACHINE,
            "JUJU_PRINCIPAL_UNIT": model["principal"],
            "JUJU_VERSION": "3.6.14",
            "JUJU_HOOK_NAME": "config-changed",
            "JUJU_DISPATCH_PATH": "hooks/config-changed",
        }

    def hook(self) -> tuple[float, float]:
        """Run `config-changed`; return the seconds it took, and those of the processor."""
        return self._timed([self.python, str(HERE / "inside.py"), self.charm])

    def start(self) -> tuple[float, float]:
        """Start Python and import ops, without what records traces; return the same."""
        alone = "import sys; sys.modules['ops_tracing'] = None; import ops"
        return self._timed([self.python, "-c", alone])

    def tool(self) -> tuple[float, float]:
        """Run one of Juju's tools, whose answer is known; return the same."""
        return self._timed([str(self.state.parent / "bin" / "is-leader"), "--format=json"])

    def _timed(self, argv: list[str]) -> tuple[float, float]:
        used, started = _processor(), time.perf_counter()
        done = subprocess.run(
            argv, cwd=self.tree, env=self.environment, capture_output=True, text=True,
            timeout=TIMEOUT,
        )  # fmt: skip
        seconds = time.perf_counter() - started
        if done.returncode:
            raise RuntimeError(f"{self.charm}: {done.stdout}{done.stderr}")
        return seconds, _processor() - used

    def calls(self) -> list[list[str]]:
        """Return, and forget, what was called, each with its arguments."""
        log = self.state.with_name(f"{self.state.name}.log")
        calls = log.read_text().split("\0\n\0")[:-1] if log.exists() else []
        log.unlink(missing_ok=True)
        return [call.split("\0") for call in calls]

    def files(self) -> dict[Path, tuple[int, int]]:
        """Every file of the machine; one that is written again has another inode."""
        found = [path for path in self.root.rglob("*") if path.is_file() and path.name != LOOK]
        return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in found}

    def settle(self) -> list[list[str]]:
        """Run hooks until one changes nothing; return what that one called.

        Raises:
            RuntimeError: each one changes something, or the unit is not ready then.
        """
        self.hook()
        # What leaders alone do is done. They also ask the cluster, which here forgets all it is
        # told; so the others are measured.
        model = json.loads(self.state.read_text())
        self.state.write_text(json.dumps({**model, "leader": False}))
        for answer in self._known.iterdir():
            answer.unlink()
        for _ in range(SETTLING):
            self.calls()
            before = self.files()
            self.hook()
            calls = self.calls()
            changes = [" ".join(call) for call in calls if _changes(call)]
            changes += [str(path) for path, _ in self.files().items() ^ before.items()]
            if not changes:
                if calls[-1] != READY:
                    raise RuntimeError(f"{self.charm} is not ready: {calls[-1]}")
                return calls
        raise RuntimeError(f"{self.charm}: every hook changes something: {changes}")


def _processor() -> float:
    """Return the seconds that children used the processor: they tell how busy the machine was."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _changes(call: list[str]) -> bool:
    name, *arguments = call
    if name in ("cibadmin", "crm_attribute"):
        return "--query" not in arguments
    return name in _CHANGES or (name == "systemctl" and bool(_VERBS & set(arguments[:2])))


def describe(charm: str) -> dict[str, Any]:
    """Return a complete model for a charm, in which its own unit tests would call it ready.

    The charms have modules of the same names, so this is run in a process of its own.
    """
    directory = REPOSITORY / "charms" / charm
    packages = [
        path for name in ("src", "tests") for path in REPOSITORY.glob(f"packages/*/{name}")
    ]
    sys.path[:0] = [str(directory / "src"), str(directory / "tests/unit"), *map(str, packages)]
    files = {"/etc/os-release": 'ID=ubuntu\nVERSION_CODENAME=jammy\nVERSION_ID="22.04"\n'}
    answers: dict[str, str] = {}
    unit, principal = f"{charm}/0", "nova-compute/0"
    if charm == "masakari":
        import machine
        import model

        state, principal = model.complete(), ""
        files["/etc/group"] = machine.GROUPS
        files["/usr/bin/masakari-api"] = files["/usr/bin/masakari-engine"] = ""
        files["/usr/lib/python3/dist-packages/masakari-14.0.0.egg-info/PKG-INFO"] = ""
        answers = {"crm_mon": machine.CRM_MON, "cibadmin": machine.CIB, "ip": "[]",
                   "crm_node": "node1\n", "crm_attribute": f"{MACHINE}\n"}  # fmt: skip
    else:
        import hypervisor

        files["/etc/nova/nova.conf"] = "[DEFAULT]\nhost = node1.maas\n"
        files["/etc/passwd"] = "root:x:0:0::/root:/bin/sh\nmasakari:x:9:9::/:/bin/false\n"
        files["/etc/group"] = "root:x:0:\nhaclient:x:115:\nlibvirt:x:116:\n"
        files |= {f"/usr/sbin/{name}": "" for name in ("pacemaker-remoted", "crm_resource")}
        files["/usr/sbin/cibadmin"] = ""
        if charm == "masakari-monitors":
            state = hypervisor.state(hypervisor.keystone())
        else:
            state = hypervisor.state(hypervisor.hacluster())
            answers = {"cibadmin": _connected(hypervisor, files)}
    return {
        "unit": unit, "principal": principal, "leader": state.leader, "ports": [],
        "stopped": [] if charm == "masakari" else ["pacemaker"],
        "config": _options(directory) | dict(state.config), "files": files, "answers": answers,
        "relations": {str(r.id): _relation(r, unit, principal) for r in state.relations},
        "networks": {n.binding_name: _network(n) for n in state.networks} | {"": _network(None)},
    }  # fmt: skip


def _connected(hypervisor: Any, files: dict[str, str]) -> str:
    """Return what cibadmin prints on a hypervisor that its cluster is connected to."""
    import instance_ha_common.testing

    with tempfile.TemporaryDirectory() as root:
        host = instance_ha_common.testing.fake_host(Path(root))
        for path, text in files.items():
            host.write(path, text)
        host.runner.answer(["timeout"], hypervisor.looked)
        hypervisor.connect(host, machine=MACHINE)
        return str(host.runner.run(["cibadmin"]).stdout)


def _options(directory: Path) -> dict[str, Any]:
    options = yaml.safe_load((directory / "charmcraft.yaml").read_text())["config"]["options"]
    return {name: option["default"] for name, option in options.items() if "default" in option}


def _relation(relation: Any, unit: str, principal: str) -> dict[str, Any]:
    """Return a relation's endpoint and databags, by unit and application."""
    app = getattr(relation, "remote_app_name", "") or unit.partition("/")[0]
    if relation.endpoint in ("container", "juju-info"):
        app = principal.partition("/")[0]
    units = getattr(relation, "remote_units_data", None) or getattr(relation, "peers_data", {})
    if hasattr(relation, "remote_unit_data"):
        units = {0: relation.remote_unit_data}
    bags = {app: dict(getattr(relation, "remote_app_data", {}))}
    bags |= {f"{app}/{number}": dict(bag) for number, bag in units.items()}
    bags.setdefault(unit, {"ingress-address": "10.77.3.11", "private-address": "10.77.3.11"})
    return {"endpoint": relation.endpoint, "bags": bags}


def _network(network: Any) -> dict[str, Any]:
    """Return what network-get prints, for no network that of any other binding."""
    entries = [
        {"interface-name": bind.interface_name, "addresses": [
            {"hostname": "", "value": address.value, "cidr": address.cidr}
            for address in bind.addresses]}
        for bind in (network.bind_addresses if network else ())
    ]  # fmt: skip
    value = {"hostname": "", "value": "10.77.3.11", "cidr": "10.77.3.0/24"}
    entries = entries or [{"interface-name": "internal", "addresses": [value]}]
    first = entries[0]["addresses"][0]
    return {"bind-addresses": entries, "ingress-addresses": [first["value"]],
            "egress-subnets": [f"{first['value']}/32"]}  # fmt: skip


def measure(charm: str, directory: Path, times: int) -> float:
    """Print one charm's line; return its hook's processor time, in that of ops alone."""
    described = subprocess.run(
        [sys.executable, __file__, "--describe", charm],
        capture_output=True, text=True, check=True, timeout=TIMEOUT,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "lab")},
    )  # fmt: skip
    directory.mkdir()
    unit = Unit(charm, directory, json.loads(described.stdout))
    calls = unit.settle()
    tools = sum(call[0] in TOOLS for call in calls)
    runs = [(unit.start(), unit.hook(), unit.tool()) for _ in range(times)]
    base, hook, tool = (
        tuple(1000 * statistics.median(column) for column in zip(*kind, strict=True))
        for kind in zip(*runs, strict=True)
    )
    own = hook[1] - len(calls) * tool[1]
    print(
        f"{charm:<18} {hook[0]:6.0f} {hook[1]:6.0f} {base[0]:7.0f} {base[1]:6.0f}"
        f" {hook[1] / base[1]:6.2f} {tools:6} {len(calls) - tools:9} {tool[1]:7.1f}"
        f" {own:4.0f} {own / base[1]:6.2f}",
        flush=True,
    )
    return hook[1] / base[1]


def main(argv: list[str]) -> int:
    """Measure; the exit status is 1 when a hook costs more than it may."""
    parser = argparse.ArgumentParser(prog="hooks", description=__doc__)
    parser.add_argument("charms", nargs="*", choices=[*CHARMS, []], help="only these")
    parser.add_argument("--runs", type=int, default=RUNS, help="of each; the median counts")
    parser.add_argument("--describe", choices=CHARMS, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.describe:
        print(json.dumps(describe(options.describe)))
        return 0
    print(HEAD)
    with tempfile.TemporaryDirectory(prefix="hooks-") as scratch:
        ratios = [
            measure(name, Path(scratch) / name, options.runs) for name in options.charms or CHARMS
        ]
    return 0 if max(ratios) < LIMIT else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
