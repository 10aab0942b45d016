"""Two benches for the engine.

`bench` drives the model alone: it plays the agents, running no process, so that orders and
invariants are tested in milliseconds. `juju` is the whole thing, the command line, the controller
and charms' real dispatch and hook tools, with directories for machines.
"""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import jubilant
import pytest
from jujulab.engine.model import applications, removal, resolver, units
from jujulab.engine.model.model import Model
from jujulab.engine.model.state import State, Unit
from jujulab.juju.client import Client
from jujulab.juju.store import CharmStore, StoredCharm
from jujulab.machines.backend import LocalLab, LocalMachine

LAB = Path(__file__).parents[2]
CHARMS = Path(__file__).parents[1] / "charms"


class Bench:
    """A model with agents that do nothing but tick hooks off."""

    def __init__(self, home: Path) -> None:
        self.lab = LocalLab(home)
        self.lab.up()
        self.model = Model(State(), CharmStore(home / "charms"), self.lab)
        self.now = time.time()

    def charm(self, name: str) -> StoredCharm:
        return self.model.charms.add(str(CHARMS / name), revision=None, next_local=0)

    def deploy(self, charm: str, app: str = "", *, units: int = 1) -> list[Unit]:
        application = applications.add_application(self.model, app or charm, self.charm(charm))
        return [] if application.subordinate else self.add_units(application.name, units)

    def add_units(self, app: str, count: int = 1) -> list[Unit]:
        return [units.add_unit(self.model, app, units.place(self.model, "")) for _ in range(count)]

    def machine(self, unit: str) -> LocalMachine:
        return self.lab.machine(self.model.state.units[unit].machine)

    def step(self) -> str:
        """Run the next hook of any unit; return its line, empty when all are idle."""
        model = self.model
        for machine in model.state.machines.values():
            if not machine.provisioned:
                self.lab.create(machine.id).start()
                machine.provisioned = True
        model.elect_leaders(self.now)
        for unit in sorted(model.state.units.values(), key=lambda u: (u.app, u.number)):
            boot = model.boot(unit.machine, fresh=True)
            hook = resolver.next_hook(model, unit, boot, self.now) if boot else None
            if hook:
                digest = model.config_digest(unit)
                resolver.record(model, unit, hook, boot_id=boot, digest=digest, now=self.now)
                words = (unit.name, hook.name, hook.remote_unit, hook.departing_unit)
                return " ".join(word for word in words if word)
            if unit.removed and not unit.subordinates:
                removal.drop_unit(model, unit)
                return f"{unit.name} gone"
        return ""

    def settle(self, unit: str = "") -> list[str]:
        """Run hooks until all are idle; return their lines, or those of one unit without it."""
        lines: list[str] = []
        while line := self.step():
            lines.append(line)
            assert len(lines) < 1000, lines[-10:]
        return [x.partition(" ")[2] for x in lines if x.startswith(unit + " ")] if unit else lines


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


class LabJuju(jubilant.Juju):
    """`jubilant.Juju` as it is, and a look behind the scenes."""

    home: Path

    def journal(self, machine: str = "0") -> list[str]:
        """What hooks of the toy charms have written on a machine."""
        path = self.home / "machines" / machine.replace("/", "-") / "juju" / "journal"
        return path.read_text().splitlines() if path.exists() else []

    def machine(self, machine: str) -> LocalMachine:
        return LocalLab(self.home).machine(machine)

    def peek(self) -> jubilant.Status:
        """The status, without the cost of a process; for tests that wait."""
        answer = Client(self.home).call("status", patterns=[])
        return jubilant.Status._from_dict(answer)

    def until(self, ready: Callable[[jubilant.Status], bool]) -> jubilant.Status:
        """Wait until a status satisfies `ready`, and return it."""
        deadline = time.monotonic() + 120
        while not ready(status := self.peek()):
            assert time.monotonic() < deadline, status
            time.sleep(0.02)
        return status

    def settled(self, *apps: str) -> jubilant.Status:
        """Wait until all units are active and idle."""
        return self.until(
            lambda status: (
                jubilant.all_active(status, *apps) and jubilant.all_agents_idle(status, *apps)
            )
        )

    def refused(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command that has to fail."""
        result = subprocess.run([self.cli_binary, *words], capture_output=True, text=True)
        assert result.returncode, result.stdout
        return result


@contextmanager
def _engine(version: str) -> Iterator[LabJuju]:
    """Run the engine with the rules of Juju 3 or 4, in a home of its own."""
    home = Path(tempfile.mkdtemp(prefix="lab-", dir="/tmp"))  # sockets' paths have to be short
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_HOME", str(home))
        patch.setenv("LAB_BACKEND", "local")
        patch.setenv("LAB_JUJU", version)
        juju = LabJuju(cli_binary=LAB / "juju")
        juju.home = home
        yield juju
        Client(home).stop_controller()
    # Agents that end with it may be removing files of theirs at this moment.
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def lab_juju() -> Iterator[LabJuju]:
    with _engine("3") as juju:
        yield juju


@pytest.fixture
def lab_juju4(lab_juju: LabJuju) -> Iterator[LabJuju]:
    with _engine("4") as juju:
        yield juju


@pytest.fixture
def juju(lab_juju: LabJuju) -> Iterator[LabJuju]:
    yield lab_juju
    Client(lab_juju.home).call("destroy_model")


@pytest.fixture
def charm() -> Path:
    return CHARMS / "principal"


@pytest.fixture
def subordinate() -> Path:
    return CHARMS / "hanger"
