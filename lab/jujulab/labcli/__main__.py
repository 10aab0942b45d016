"""``lab/lab``: the lab's machines and faults on the command line.

What Juju does is ``lab/juju``'s; here is what a data centre's technician does.
"""

import argparse
import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

from jujulab.cloud import operator
from jujulab.cloud.console import StepError
from jujulab.errors import LabError
from jujulab.image import image
from jujulab.juju.client import Client
from jujulab.juju.errors import JujuError
from jujulab.maas.power import PowerController, Settings
from jujulab.maas.server import credentials_file, url
from jujulab.machines.addresses import DEFAULT_SPACE, SPACES
from jujulab.machines.lab import Lab, Machine, require_root
from jujulab.tables import aligned
from jujulab.trials.faults import Faults

DELAYS = {"boot-delay": "boot_delay", "power-delay": "power_delay", "answer-delay": "answer_delay"}
"""Settings of the power controller in seconds, and their names in `Settings`."""

Command = Callable[[Lab, argparse.Namespace], int | None]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status."""
    arguments = parser().parse_args(argv)
    command: Command = arguments.command
    told = (LabError, StepError, JujuError, ValueError, OSError, subprocess.TimeoutExpired)
    try:
        require_root()
        return command(Lab(), arguments) or 0
    except KeyError as error:
        print(f"lab: {error.args[0]}", file=sys.stderr)
    except told as error:
        print(f"lab: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("lab: interrupted", file=sys.stderr)
        return 130
    return 1


def parser() -> argparse.ArgumentParser:
    """Return the command line's grammar."""
    top = argparse.ArgumentParser(prog="lab", description=(__doc__ or "").partition("\n")[0])
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Command, summary: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=summary, description=summary)
        added.set_defaults(command=command)
        return added

    def add_node(name: str, command: Command, summary: str) -> argparse.ArgumentParser:
        added = add(name, command, summary)
        added.add_argument("node", metavar="NODE", help="machine id or host name")
        return added

    clean = add("clean", _clean, "Switch everything off and remove the lab's files.")
    clean.add_argument("--image", action="store_true", help="also remove the image cache")
    machines = add("machines", _machines, "Show the machines.")
    machines.add_argument("--format", choices=("table", "json"), default="table")
    power = add("power", _power, "Switch a machine's power, or show it.")
    power.add_argument("action", choices=("on", "off", "cycle", "status"))
    power.add_argument("node", metavar="NODE", help="machine id or host name")
    for name, summary in (
        ("cut", "Unplug a machine's network cables."),
        ("restore", "Plug a machine's network cables in again."),
        ("freeze", "Hang a machine: stop every process where it is."),
        ("thaw", "Let a hung machine go on."),
    ):
        fault = add_node(name, _fault, summary)
        fault.set_defaults(fault=name, space=())
        if name in ("cut", "restore"):
            names = f"{', '.join(SPACES)} (default: all)"
            fault.add_argument("space", nargs="*", metavar="SPACE", help=names)
    kill = add_node("kill", _kill, "Kill processes on a machine.")
    kill.add_argument("pattern", metavar="PATTERN", help="what their command lines contain")
    kill.add_argument("--signal", default="KILL", help="the signal's name (default: KILL)")
    execute = add_node("exec", _exec, "Run a command on a machine.")
    execute.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    for name, become, summary in (
        ("shell", operator.shell, "Open a shell (bash) with the lab's commands and credentials."),
        ("openstack", operator.openstack, "Run the openstack client as the administrator."),
    ):
        # Everything behind the name is the other program's, its options too.
        other = commands.add_parser(name, help=summary, add_help=False, prefix_chars="\0")
        other.add_argument("argv", nargs="*")
        other.set_defaults(command=_become, become=become)
    maas = add("maas", _maas, "Show or change the power controller's behaviour.")
    maas.add_argument("setting", nargs="?", choices=("outage", *DELAYS))
    maas.add_argument("value", nargs="?", help="on or off for outage, else seconds")
    return top


def _clean(lab: Lab, arguments: argparse.Namespace) -> None:
    with lab.claim():
        Client(lab.home).stop_controller()
        lab.clean()
    if arguments.image:
        image.remove(lab.cache)


def _machines(lab: Lab, arguments: argparse.Namespace) -> None:
    power = PowerController(lab)
    rows = [_describe(power, machine) for machine in lab.machines()]
    if arguments.format == "json":
        print(json.dumps(rows, indent=2))
        return
    lines = [("Machine", "Host name", "Power", "Address", "Remarks")]
    for row in rows:
        remarks = ["frozen"] if row["frozen"] else []
        if row["cut"]:
            remarks.append(f"cut: {' '.join(row['cut'])}")
        if row["state"] != row["power"]:
            remarks.append("in firmware")
        told, address = ", ".join(remarks), row["addresses"][DEFAULT_SPACE]
        lines.append((row["id"], row["fqdn"], row["power"], address, told))
    for cells in aligned(lines):
        print("  ".join(cells).rstrip())


def _describe(power: PowerController, machine: Machine) -> dict[str, Any]:
    return {
        "id": machine.id,
        "fqdn": machine.fqdn,
        "state": machine.state,
        "power": power.state(machine),
        "frozen": machine.frozen,
        "cut": sorted(machine.cuts),
        "addresses": {space: str(address.ip) for space, address in machine.addresses.items()},
    }


def _power(lab: Lab, arguments: argparse.Namespace) -> None:
    machine, faults = lab.find(arguments.node), Faults(lab)
    if arguments.action in ("off", "cycle"):
        faults.power_off(machine)
    if arguments.action in ("on", "cycle"):
        faults.power_on(machine)
    print(f"{machine.hostname}: {PowerController(lab).state(machine)}")


def _fault(lab: Lab, arguments: argparse.Namespace) -> None:
    getattr(Faults(lab), arguments.fault)(lab.find(arguments.node), *arguments.space)


def _kill(lab: Lab, arguments: argparse.Namespace) -> None:
    name = f"SIG{arguments.signal.upper().removeprefix('SIG')}"
    if name not in signal.Signals.__members__:
        raise LabError(f"no signal {arguments.signal}")
    machine = lab.find(arguments.node)
    killed = Faults(lab).kill(machine, arguments.pattern, signal.Signals[name])
    print(f"{machine.hostname}: {name} to {' '.join(map(str, killed))}")


def _exec(lab: Lab, arguments: argparse.Namespace) -> int:
    argv = arguments.argv[1:] if arguments.argv[:1] == ["--"] else arguments.argv
    if not argv:
        raise LabError("exec: give a command after --")
    machine = lab.find(arguments.node)
    # The terminal's keys reach the command: it stays in the terminal's process group.
    return machine.popen(argv, start_new_session=False).wait()


def _become(lab: Lab, arguments: argparse.Namespace) -> None:
    arguments.become(lab, arguments.argv)


def _maas(lab: Lab, arguments: argparse.Namespace) -> None:
    settings = Settings(lab.run_dir)
    if arguments.setting is None:
        print(f"url: {url()}")
        print(f"credentials: {credentials_file(lab)}")
        print(f"process: {lab.maas.pid or 'down'}")
        print(f"outage: {'on' if settings.outage else 'off'}")
        for name, attribute in DELAYS.items():
            print(f"{name}: {getattr(settings, attribute):g} s")
    elif arguments.setting == "outage":
        if arguments.value not in ("on", "off"):
            raise LabError("maas outage: give on or off")
        Faults(lab).maas_outage(arguments.value == "on")
    else:
        seconds = _seconds(arguments.setting, arguments.value)
        setattr(settings, DELAYS[arguments.setting], seconds)


def _seconds(setting: str, text: str | None) -> float:
    with contextlib.suppress(TypeError, ValueError):
        seconds = float(text)  # type: ignore[arg-type]
        if 0 <= seconds < float("inf"):
            return seconds
    raise LabError(f"maas {setting}: give a number of seconds")


if __name__ == "__main__":
    sys.exit(main())
