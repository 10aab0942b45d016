"""Shells on machines."""

from __future__ import annotations

from jujulab.cli.command import CommandError, Invocation, command
from jujulab.juju.gnuflag import Flag, UsageError
from jujulab.machines.backend import LabMachine, open_lab

_ENVIRONMENT = {
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "TERM": "xterm",
}
_SSH_FLAGS = (Flag("no-host-key-checks", kind="bool"), Flag("pty", kind="str", default=""))


def _machine(call: Invocation, target: str) -> LabMachine:
    """Return the machine of ``[user@]unit`` or ``[user@]machine``; it has to run."""
    user, _, name = target.rpartition("@")
    if user not in ("", "ubuntu", "root"):
        raise CommandError(f"no such user on the machine: {user}")
    machine = open_lab(call.client.home).machine(call.client.call("machine_of", target=name))
    if machine.state != "on":
        raise CommandError(f"machine {machine.id} is down")
    return machine


@command("ssh", "<[user@]target> [<command>]", *_SSH_FLAGS, interspersed=False)
def ssh(call: Invocation) -> int:
    """Run a command, or a shell, as root on a unit's machine or a machine."""
    call.expect(1, None, "target name")
    words = call.args[1:]
    if words and words[0].startswith("-"):
        raise UsageError(f"ssh option not supported by the lab: {words[0]}")
    shell = ["/bin/bash", "-l"] if not words else ["/bin/bash", "-c", " ".join(words)]
    process = _machine(call, call.args[0]).popen(shell, env=_ENVIRONMENT)
    return process.wait()
