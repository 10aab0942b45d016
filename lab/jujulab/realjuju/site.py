"""The lab's machines as a cloud for a real Juju: its controller, its model, its spaces.

Everything is done once and can be interrupted: what is there already is kept.
"""

import functools
import json
import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import yaml

from jujulab.files import replace_text
from jujulab.juju import archive
from jujulab.juju.errors import JujuError
from jujulab.machines.addresses import DEFAULT_SPACE, SPACES
from jujulab.machines.lab import JUJU_MACHINES, Lab, Machine
from jujulab.realjuju.client import RealJuju
from jujulab.waiting import answered

NAME = "lab"
"""The name of the cloud, the controller and the model."""

CONTROLLER = "89"
"""The machine of the controller: the last that the lab has an address for."""

EXTRA = "LAB_JUJU_BOOTSTRAP"
"""Environment variable: further arguments of `juju bootstrap`."""

QUIET = ("--config", "enable-os-upgrade=false", "--config", "enable-os-refresh-update=false")
"""The machines have no way to a package mirror."""

SSH_TIMEOUT = 60.0

SUBNETS_TIMEOUT = 180.0
"""Seconds in which the agent of the first machine has told Juju of its subnets."""

POLL = 2.0

RELEASE = 'ID=ubuntu\nVERSION_ID="22.04"\nVERSION_CODENAME=jammy\nPRETTY_NAME="Ubuntu, for Juju"\n'
_PREPARE = f"""\
set -e
install -d -m 700 /root/.ssh
cat >/root/.ssh/authorized_keys
rm -f /etc/os-release
cat >/etc/os-release <<'END'
{RELEASE}END
printf 'DISTRIB_ID=Ubuntu\\nDISTRIB_RELEASE=22.04\\nDISTRIB_CODENAME=jammy\\n' >/etc/lsb-release
id syslog >/dev/null 2>&1 || useradd --system --no-create-home --groups adm syslog
systemctl enable --now ssh
"""
"""What Juju takes for granted on a machine that it reaches over ssh."""


class Site:
    """The lab as Juju has it.

    Args:
        lab: where the machines are.
        juju: the client.
        say: gets a line for each step that takes a while.
        dry_run: add no machine to the model.
    """

    def __init__(
        self, lab: Lab, juju: RealJuju, say: Callable[[str], None], *, dry_run: bool = False
    ) -> None:
        self._lab = lab
        self._dry_run = dry_run
        self._juju = juju
        self._say = say
        self._ready = lab.run_dir / "real-juju-is-ready"
        self._known = lab.run_dir / JUJU_MACHINES

    def ensure(self) -> None:
        """Have a model to work in.

        Raises:
            JujuError: the client or the model is of no use; the text says what to do.
        """
        if self._ready.exists():
            return
        version = self._juju.version()
        if self._juju.model:
            self._check_model()
        elif version[0] < 4:
            raise JujuError(
                "the controller of Juju 3.6 keeps its state in a snap, which the lab's machines"
                " cannot have: name a model of another controller by JUJU_MODEL, or use Juju 4"
            )
        self._lab.up()
        if not self._juju.model:
            self._bootstrap()
        replace_text(self._ready, "\n")

    def machine(self, lab_id: str) -> str:
        """Return Juju's identifier of a machine of the lab, which is made and added if need be.

        Args:
            lab_id: as the lab has it: `3`, `3/lxd/0`. For Juju, each is a machine of its own.

        Raises:
            JujuError: Juju does not take it.
        """
        known = self._machines()
        for theirs, ours in known.items():
            if ours == lab_id:
                return theirs
        if self._dry_run:
            raise JujuError(f"machine {lab_id} is not in the model yet, and a dry run adds none")
        machine = self.prepare(lab_id)
        address = str(machine.addresses[DEFAULT_SPACE].ip)
        if (juju_id := self._find(address)) is None:
            self._say(f"juju add-machine ssh:root@{address}    {machine.hostname}")
            self._juju("add-machine", f"ssh:root@{address}")
            juju_id = self._find(address)
        if juju_id is None:
            raise JujuError(f"juju add-machine ssh:root@{address} has added no machine: see there")
        replace_text(self._known, json.dumps({**known, juju_id: lab_id}))
        self._have_spaces()
        return juju_id

    def container(self, node: str) -> str:
        """Add a new container on a node of the lab; return Juju's identifier of it."""
        numbers = [int(m.id.rpartition("/")[2]) for m in self._lab.machines() if m.parent == node]
        return self.machine(f"{node}/lxd/{max(numbers, default=-1) + 1}")

    def node(self) -> str:
        """Add a new node; return Juju's identifier of it."""
        nodes = [int(m.id) for m in self._lab.machines() if m.parent is None]
        return self.machine(str(max((n for n in nodes if str(n) != CONTROLLER), default=-1) + 1))

    def lab_id(self, juju_id: str) -> str:
        """Return the lab's identifier of a machine; the same for one that is not known."""
        return self._machines().get(juju_id, juju_id)

    def _machines(self) -> dict[str, str]:
        """Return the lab's identifiers of the model's machines, by Juju's."""
        if not self._known.exists():
            return {}
        known: dict[str, str] = json.loads(self._known.read_text())
        there = self._juju.json("machines").get("machines") or {}
        return {juju_id: ours for juju_id, ours in known.items() if juju_id in there}

    def _find(self, address: str) -> str | None:
        machines = self._juju.json("machines").get("machines") or {}
        for juju_id, machine in machines.items():
            known = (machine.get("dns-name"), *(machine.get("ip-addresses") or ()))
            # A machine that was added over ssh is known by how it was named, from the beginning.
            if address in known or machine.get("instance-id") == f"manual:{address}":
                return str(juju_id)
        return None

    def prepare(self, lab_id: str) -> Machine:
        """Make a machine of the lab, switch it on and let Juju's client in."""
        node, _, container = lab_id.partition("/lxd/")
        if container:
            self._lab.create(node).start()
        machine = self._lab.create(lab_id)
        machine.start()
        machine.run(["sh", "-c", _PREPARE], input=self._keys(), timeout=SSH_TIMEOUT)
        return machine

    def _keys(self) -> str:
        """Return the public keys of Juju's client; it uses each pair in this directory."""
        self._juju.know_machines()
        folder = self._juju.data / "ssh"
        if not list(folder.glob("*.pub")):
            folder.mkdir(parents=True, mode=0o700, exist_ok=True)
            key = folder / "juju_id_ed25519"
            words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(key)]
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            if done.returncode:
                raise JujuError(f"ssh-keygen: {done.stderr.strip()}")
        return "".join(path.read_text() for path in sorted(folder.glob("*.pub")))

    def _check_model(self) -> None:
        try:
            self._juju.json("show-model", self._juju.model)
        except JujuError as error:
            raise JujuError(f"JUJU_MODEL names no model of use: {error}") from error

    def _bootstrap(self) -> None:
        known = self._juju.data / "controllers.yaml"
        # The client knows none, and says null, after a bootstrap that failed.
        if not known.exists() or NAME not in (self._juju.json("controllers")["controllers"] or {}):
            address = self.prepare(CONTROLLER).addresses[DEFAULT_SPACE].ip
            with tempfile.TemporaryDirectory(prefix="lab-juju-") as scratch:
                cloud = Path(scratch) / "cloud.yaml"
                definition = {"type": "unmanaged", "endpoint": f"root@{address}"}
                cloud.write_text(yaml.safe_dump({"clouds": {NAME: definition}}))
                charm = Path(scratch) / "juju-controller.charm"
                write_controller_charm(charm)
                agents = Path(scratch) / "tools"
                agents.mkdir()
                # A bootstrap that failed leaves it behind, and it is not added twice.
                (self._juju.data / "clouds.yaml").unlink(missing_ok=True)
                self._juju("add-cloud", "--client", "--force", NAME, str(cloud))
                self._say("juju bootstrap: the controller, on a machine of its own")
                self._juju(
                    "bootstrap", NAME, NAME, *QUIET, "--controller-charm-path", str(charm),
                    # Empty, it has the client upload the agent that lies beside it; it would give
                    # up where Juju's own place for agents is out of reach.
                    "--metadata-source", str(agents),
                    *shlex.split(os.environ.get(EXTRA, "")),
                )  # fmt: skip
        models = self._juju.json("models", "--controller", NAME).get("models") or []
        if NAME not in {str(model.get("short-name")) for model in models}:
            self._juju("add-model", NAME, *QUIET)

    def _have_spaces(self) -> None:
        """Name the subnets, which Juju learns of by the first machine that is in them."""
        spaces = self._juju.json("spaces").get("spaces") or []
        there = {str(space["name"]) for space in spaces}
        for space, network in SPACES.items():
            if space not in there and not self._juju.model:
                # Until the first machine's agent has told of the subnet.
                add = functools.partial(self._juju, "add-space", space, str(network))
                answered(add, JujuError, SUBNETS_TIMEOUT, POLL)
            elif space not in there:
                cure = f"`juju add-space {space} {network}` makes it"
                raise JujuError(f"the model {self._juju.model} has no space {space}: {cure}")
        if not set(SPACES) <= there:
            # Else an endpoint that the bundle binds to none has no address: Juju's own default,
            # alpha, is left with the loopback network.
            self._juju("model-config", f"default-space={DEFAULT_SPACE}")


def write_controller_charm(path: Path) -> None:
    """Pack a charm that does nothing, for the machine of the controller.

    The real one comes from Charmhub, which the machine has no way to. These are the options that
    Juju 4 sets of it.
    """
    options = {
        "is-juju": {"type": "boolean", "default": True},
        "identity-provider-url": {"type": "string", "default": ""},
        "controller-url": {"type": "string", "default": ""},
    }
    with tempfile.TemporaryDirectory(prefix="lab-controller-") as scratch:
        tree = Path(scratch)
        text = "Stands for the controller's charm in the lab."
        project = {"name": "juju-controller", "summary": text, "description": text}
        archive.write_metadata({**project, "config": {"options": options}}, tree)
        (tree / "dispatch").write_text("#!/bin/sh\nexit 0\n")
        (tree / "dispatch").chmod(0o755)
        archive.write(tree, path)
