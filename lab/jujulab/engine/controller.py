"""The controller: one process that owns the model and runs every agent.

    python -m jujulab.engine.controller HOME

The command line starts it on demand. A lock file keeps a second one from starting.
"""

import fcntl
import logging
import os
import signal
import sys
import threading
import time
from functools import partial
from pathlib import Path

from jujulab.engine.agent.agent import MachineAgent
from jujulab.engine.agent.runner import Shared
from jujulab.engine.agent.slots import Slots
from jujulab.engine.api.server import Api, Server
from jujulab.engine.model import store, tasks
from jujulab.engine.model.model import Model
from jujulab.engine.stalls import StallWatch
from jujulab.juju.logs import Logs
from jujulab.juju.store import CharmStore
from jujulab.machines.backend import open_lab

log = logging.getLogger(__name__)

_TICK = 1.0


class Controller:
    """Everything that runs for the model; state, charms and logs are in the lab's directory."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._stopping = threading.Event()
        state_file = home / "run" / "controller-state.json"
        model = Model(store.read(state_file), CharmStore(home / "charms"), open_lab(home))
        self._model = model
        self._writer = store.Writer(state_file, model.snapshot)
        model.on_commit = self._writer.touch
        self._shared = Shared(
            model=model,
            logs=Logs(home / "logs"),
            slots=Slots((os.cpu_count() or 1) + 1),
            run_dir=home / "run",
            stopping=self._stopping,
            flush=self._writer.flush,
        )
        self._agents: dict[str, MachineAgent] = {}
        self._stalls = StallWatch(model, time.time())
        api = partial(Api, model, self._writer.flush, self._stopping.set)
        self._server = Server(home / "run" / "controller.sock", api)

    def interrupt(self) -> None:
        """Ask `run` to end; safe in a signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Serve until told to stop, or until the lab's directory is gone."""
        with self._model.lock:
            tasks.abort_running(self._model)
            self._model.commit()
        self._writer.start()
        self._server.start()
        log.info("controller of %s is up, pid %d", self._home, os.getpid())
        powered: dict[str, str] = {}
        while not self._stopping.is_set() and self._home.joinpath("run").exists():
            self._tick(powered)
            with self._model.lock:
                self._model.changed.wait(_TICK)
        self._stop()

    def _tick(self, powered: dict[str, str]) -> None:
        """Start agents of new machines, and see to leaders and to machines that went or came."""
        model = self._model
        with model.lock:
            machines = list(model.state.machines.values())
            for machine in machines:
                agent = self._agents.get(machine.id)
                if agent is None or not agent.is_alive():
                    self._agents[machine.id] = MachineAgent(machine.id, self._shared)
                    self._agents[machine.id].start()
            boots = {m.id: model.boot(m.id) for m in machines if m.provisioned}
            for machine_id in boots.keys() & powered.keys():
                if bool(boots[machine_id]) != bool(powered[machine_id]):
                    self._note_power(machine_id, on=bool(boots[machine_id]))
            changed = boots != powered
            powered.clear()
            powered.update(boots)
            stalled = self._stalls.look(time.time())
            if model.elect_leaders(time.time()) or changed or stalled:
                tasks.prune(model)
                model.commit()
        for machine_id in set(self._agents) - {machine.id for machine in machines}:
            if not self._agents[machine_id].is_alive():
                del self._agents[machine_id]

    def _note_power(self, machine_id: str, *, on: bool) -> None:
        entity = f"machine-{machine_id.replace('/', '-')}"
        text = "machine is back" if on else "machine is down: its agent is lost"
        self._shared.logs.write(entity, "INFO" if on else "WARNING", "juju.controller", text)
        now = time.time()
        self._model.machine(machine_id).status.since = now
        for unit in self._model.units_on(machine_id):
            unit.agent.since = unit.workload.since = now

    def _stop(self) -> None:
        self._stopping.set()
        with self._model.lock:
            self._model.changed.notify_all()
        self._server.stop()
        for agent in self._agents.values():
            agent.join(_TICK)
        if self._home.joinpath("run").exists():
            self._writer.stop()
        log.info("controller is down")


def main(home: Path) -> int:
    """Run the controller of a lab, unless one runs.

    Returns:
        0 when it ended as told or another one is running.
    """
    os.umask(0o022)  # what machines are made of has to be readable in them, by every user
    logs = home / "logs"
    logs.mkdir(mode=0o700, parents=True, exist_ok=True)
    logging.basicConfig(
        filename=logs / "controller.log",
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(threadName)s %(message)s",
    )
    lock = os.open(home / "run" / "controller.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return 0
    try:
        controller = Controller(home)
        signal.signal(signal.SIGTERM, lambda *_: controller.interrupt())
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        controller.run()
    except Exception:
        log.exception("controller failed")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
