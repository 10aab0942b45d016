"""The fence agent `fence_masakari_guard`, in the form that Pacemaker expects of fence agents.

With a MAAS device, it also switches the power itself, once the guard has let it through: as the
only device of a node's fencing level, so that Pacemaker leaves a reboot as one action, and with
the power controller's own word that the machine is off before it is confirmed. Before any other
device it is only the guard.

Before all of them, where the operator wants that, it waits for the word of a node that panics (see
`kdump`): such a node is not power-cycled while it writes its dump.

Where the operator wants that, it also cuts the node off from its storage (see `storage`), which is
a proof of its own. What it answers to the fencer is about the power alone: Pacemaker knows but one
kind of fence, and would neither go on with the power, nor tell a recovery what it may rely on.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import TextIO

from masakari_fencing.ceph.hypervisors import UnknownError
from masakari_fencing.ceph.monitors import CephError
from masakari_fencing.commands import Runner, Subprocess
from masakari_fencing.fence_agent import kdump, limit, storage
from masakari_fencing.fence_agent.fencing_lock import FencingLock
from masakari_fencing.maas import access
from masakari_fencing.maas.client import Maas, MaasError, Machine
from masakari_fencing.pacemaker import cibadmin, fencing_limit, tools
from masakari_fencing.pacemaker.fencing_limit import AGENT, FencingLimit
from masakari_fencing.pacemaker.remote_nodes import PORT, addresses
from masakari_fencing.records import stopped_fencing
from masakari_fencing.records.stopped_fencing import StoppedFencing

POWER_TIMEOUT = 75.0
"""Seconds for the power to go off, by a controller that may be slow: then the fence has failed.
Less than `cluster.topology.TIMEOUT`, after which Pacemaker ends the agent."""

ON_AGAIN = 8.0
"""Seconds for which it is tried to switch a machine on again that is off. It is on record as
fenced when the agent ends, and may be up a minute after MAAS has heard of it and not answered."""

CUT_AS_WELL = 3.0
"""Seconds for which a node whose power is off still waits to be cut off from its storage; that
takes about one (docs/decisions/0005-storage-fence.md)."""

CUT_ALONE = 20.0
"""The same for one whose power could not be switched off. A MAAS that refuses does so at once, and
nothing goes on once the agent has ended."""

FRESH = 2.0
"""Seconds since the guard let it through after which it is asked again before the power is cut:
MAAS may take most of a minute to be found, and to take a request."""

_PARAMETERS = {
    "action": "What to do",
    "plug": "Node to fence",
    "max_hosts": "Nodes that may be lost at once; 0 for no limit by number",
    "max_share": "Percentage of the nodes that may be lost at once; 0 for no limit by share",
    "window": "Seconds for which a fenced node counts as lost",
    "matrix": "Whether other nodes may object that they can reach it: true or false",
    "device": "MAAS device whose url and apikey to use; without it, nothing is switched",
    access.PARAMETER: "File of the members with the url and key of MAAS, instead of the device's",
    "kdump": "Seconds to wait for the node to say that it runs its crash kernel: all that is done "
    "then; 0 for not at all",
    "storage": "When to cut a node off from Ceph: off, after-power (where the power fails) or "
    "parallel",
}


class AgentError(Exception):
    """The action cannot be carried out."""


_FAILURES = (AgentError, kdump.NoWordError, tools.PacemakerError, MaasError, ValueError, OSError)


def metadata() -> str:
    """Return the description that Pacemaker reads, by ClusterLabs' schema of fence agents.

    See `lib/metadata.rng` of https://github.com/ClusterLabs/fence-agents.
    """
    parameters = "".join(
        f'<parameter name="{name}" unique="0" required="0"><getopt mixed="--{name}=[{name}]"/>'
        f'<content type="string"/><shortdesc lang="en">{text}</shortdesc></parameter>'
        for name, text in _PARAMETERS.items()
    )
    names = ("on", "off", "reboot", "status", "monitor", "metadata", "validate-all")
    actions = "".join(f'<action name="{name}"/>' for name in names)
    return (
        f'<?xml version="1.0" ?>\n<resource-agent name="{AGENT}" '
        'shortdesc="Fences hypervisors, but not too many at once">'
        "<longdesc>Refuses to fence when more nodes are lost than a limit allows.</longdesc>"
        "<vendor-url>https://docs.openstack.org/masakari/</vendor-url>"
        f"<parameters>{parameters}</parameters><actions>{actions}</actions></resource-agent>\n"
    )


def options(argv: Sequence[str], stdin: TextIO) -> dict[str, str]:
    """Read the options, from the command line or else from the standard input."""
    lines = [word.removeprefix("--") for word in argv] if argv else stdin.read().splitlines()
    pairs = (line.strip().partition("=") for line in lines if "=" in line)
    return {name.replace("-", "_"): value for name, _, value in pairs}


class Agent:
    """One call of the agent.

    Args:
        runner: runs Pacemaker's commands.
        values: the options.
        check: the guard; see `limit.check`.
        maas: makes a client for a URL, a key and a limit of time.
        remember: keeps a refusal.
        forget: forgets that of a node.
        cut_off: cuts a node off from its storage; see `storage.cut_off`.
        listen: waits for a node's own word; see `kdump.await_word`.
    """

    def __init__(
        self,
        runner: Runner,
        values: dict[str, str],
        *,
        check: Callable[..., str | None] = limit.check,
        maas: Callable[..., Maas] = Maas,
        remember: Callable[[StoppedFencing], None] = stopped_fencing.remember,
        forget: Callable[[str], None] = stopped_fencing.forget,
        cut_off: Callable[[Runner, str], object] = storage.cut_off,
        listen: Callable[[Runner, str, int], None] = kdump.await_word,
    ) -> None:
        self._runner = runner
        self._values = values
        self._check = check
        self._maas = maas
        self._remember = remember
        self._forget = forget
        self._cut_off = cut_off
        self._listen = listen
        self._begun = time.time()
        self._looked = 0.0
        self._lock = FencingLock(runner)

    def run(self, action: str) -> int:
        """Carry an action out.

        Returns:
            the exit code: 0, or 2 for the status of a node that is off.

        Raises:
            AgentError: the guard refuses, or an option is wrong.
            PacemakerError: the cluster does not answer.
            MaasError: MAAS does not answer, or the power is not off.
            NoWordError: the node does not say that it runs its crash kernel.
        """
        if action in ("monitor", "validate-all"):
            self._guard()
            return 0
        try:
            if action in ("off", "reboot"):
                self._pass(self._node())
            if seconds := self._number("kdump"):
                return self._await_kdump(action, seconds)
            return self._fence(action)
        finally:
            self._lock.give_back()

    def _fence(self, action: str) -> int:
        """Switch the power, and cut the node off from its storage, as far as that is its work."""
        mode = self._values.get("storage") or "off"
        if mode not in storage.MODES:
            raise AgentError(f"storage: {mode!r} is none of {', '.join(storage.MODES)}")
        fences = action in ("off", "reboot")
        if not self._values.get("device"):
            if fences and mode == "parallel":
                self._cut()  # what switches the power comes after this
            return 0
        if mode == "off" or not fences:
            return self._switch(action)
        if mode == "parallel":
            return self._both(action)
        try:
            return self._switch(action)
        except (MaasError, tools.PacemakerError):
            # MAAS has taken its time: the node may be back.
            self._pass(self._node())
            self._cut()
            raise

    def _both(self, action: str) -> int:
        """Switch the power while the node is cut off from its storage.

        That the power is off proves more; but for half a minute Ceph takes a dead client for a
        living one, unless that is cut off, and an instance that is up elsewhere waits for it.
        """
        cutting = threading.Thread(target=self._cut, daemon=True)
        cutting.start()
        try:
            code = self._switch(action)
        except (MaasError, tools.PacemakerError):
            cutting.join(CUT_ALONE)
            raise
        cutting.join(CUT_AS_WELL)
        return code

    def _await_kdump(self, action: str, seconds: int) -> int:
        """Wait for the node's own word, and look once more whether it may count as fenced."""
        if action == "on":
            raise AgentError("this one switches nothing; the next level does")
        if action == "status":
            return 0
        node = self._node()
        address, _ = addresses(cibadmin.cib(self._runner)).get(node, (node, PORT))
        self._listen(self._runner, address, seconds)
        self._look_again()
        print(f"{AGENT}: {node} runs its crash kernel", file=sys.stderr)
        return 0

    def _number(self, name: str) -> int:
        text = self._values.get(name) or "0"
        if not text.isdecimal():
            raise AgentError(f"{name}: {text!r} is no number")
        return int(text)

    def _cut(self) -> None:
        """Cut the node off from its storage; why that fails is for the log and the status."""
        node = self._node()
        try:
            self._cut_off(self._runner, node)
        except (CephError, UnknownError, tools.PacemakerError, ValueError, OSError) as error:
            print(f"{AGENT}: {node} is not cut off from its storage: {error}", file=sys.stderr)
        else:
            print(f"{AGENT}: {node} is cut off from its storage", file=sys.stderr)

    def _switch(self, action: str) -> int:
        client, machine = self._machine()
        if action == "status":
            return 0 if client.power_state(machine) != "off" else 2
        if action in ("off", "reboot"):
            client.power_off(machine, look=self._look_again)
            self._lock.keep()
        if action == "on":
            client.power_on(machine)
        elif action == "reboot":
            try:
                client.power_on(machine, within=ON_AGAIN)
            except MaasError as error:
                # What counts is that it was off: let the recovery go on.
                text = f"{machine.hostname} is off; whether it starts again is not known: {error}"
                print(text, file=sys.stderr)
        return 0

    def _look_again(self) -> None:
        """Look whether the node is still to be fenced, where that was a while ago."""
        if time.monotonic() - self._looked > FRESH:
            self._pass(self._node())

    def _pass(self, node: str) -> None:
        """Let a fencing through, or not."""
        try:
            reason = self._check(
                self._runner, node, self._guard(), begun=self._begun, lock=self._lock
            )
        except limit.Spared as error:
            raise AgentError(f"not fencing {node}: {error}") from None
        if reason is not None:
            self._remember(StoppedFencing(node, reason, time.time()))
            raise AgentError(f"not fencing {node}: {reason}")
        self._forget(node)
        self._looked = time.monotonic()

    def _machine(self) -> tuple[Maas, Machine]:
        found = self._access()
        client = self._maas(found.url, found.key, patience=POWER_TIMEOUT)
        return client, client.machine(self._node())

    def _access(self) -> access.Access:
        """The MAAS, by the file; by the device where there is none, as that may do it, too."""
        if path := self._values.get(access.PARAMETER):
            if found := access.of_file(path):
                return found
            print(f"{AGENT}: {path} cannot be used: taking the device's key", file=sys.stderr)
        device = self._values["device"]
        tools.check_name(device)
        argv = ["cibadmin", "--query", "--xpath", f"//primitive[@id='{device}']"]
        primitive = tools.parse(tools.run(self._runner, argv, timeout=15))
        pairs = primitive.iter("nvpair")
        return access.of_device({p.get("name", ""): p.get("value", "") for p in pairs})

    def _node(self) -> str:
        for name in ("nodename", "plug", "port"):
            if self._values.get(name):
                return self._values[name]
        raise AgentError("no node is given")

    def _guard(self) -> FencingLimit:
        try:
            return fencing_limit.from_options(self._values)
        except ValueError as error:
            raise AgentError(str(error)) from None


def main(argv: Sequence[str], stdin: TextIO) -> int:
    """Run as a fence agent.

    Returns:
        the exit code.
    """
    values = options(argv, stdin)
    action = values.get("action") or "reboot"
    if action in ("metadata", "meta-data"):
        sys.stdout.write(metadata())
        return 0
    try:
        return Agent(Subprocess(), values).run(action)
    except _FAILURES as error:
        print(f"{AGENT}: {error}", file=sys.stderr)
        return 1
