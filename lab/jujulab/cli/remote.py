"""Shells and files on machines."""

from __future__ import annotations

import subprocess
import sys
from pathlib import PurePosixPath

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


@command("scp", "[-r] <source> <destination>", *_SSH_FLAGS)
def scp(call: Invocation) -> int:
    """Copy a file or directory to or from a machine."""
    words = [word for word in call.args if word != "-r"]
    if len(words) != 2 or (":" in words[0]) == (":" in words[1]):
        raise UsageError("exactly one of source and destination must be <target>:<path>")
    source, destination = words
    local = subprocess.Popen
    if ":" in source:
        target, _, path = source.partition(":")
        machine, pure = _machine(call, target), PurePosixPath(path)
        sender = machine.popen(_pack(pure), env=_ENVIRONMENT, stdout=subprocess.PIPE)
        receiver = local(_unpack(destination, pure.name), stdin=sender.stdout)
    else:
        target, _, path = destination.partition(":")
        pure = PurePosixPath(source)
        machine = _machine(call, target)
        sender = local(_pack(pure), stdout=subprocess.PIPE)
        receiver = machine.popen(
            _unpack(path or ".", pure.name), env=_ENVIRONMENT, stdin=sender.stdout
        )
    if sender.stdout:
        sender.stdout.close()
    if sender.wait() or receiver.wait():
        print("ERROR scp failed", file=sys.stderr)
        return 1
    return 0


def _pack(path: PurePosixPath) -> list[str]:
    return ["tar", "-C", str(path.parent), "-cf", "-", "--", path.name]


def _unpack(destination: str, name: str) -> list[str]:
    """Return the command that unpacks to a directory that exists, or under another name."""
    script = (
        'if [ -d "$1" ]; then exec tar -C "$1" -xf -; fi; '
        't=$(mktemp -d) && tar -C "$t" -xf - && mv -T -- "$t/$2" "$1" && rmdir "$t"'
    )
    return ["/bin/sh", "-c", script, "sh", destination, name]
