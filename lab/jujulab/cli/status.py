"""`juju status` with its table, and `juju show-unit`."""

from typing import Any

from jujulab.cli.command import Invocation, command
from jujulab.cli.output import emit, format_flag, table
from jujulab.juju.gnuflag import Flag
from jujulab.juju.names import natural, sorted_names

_MAX_VERSION = 15


@command("status", "[<selector> ...]", format_flag("tabular", "json", "tabular", "yaml"))
def status(call: Invocation) -> None:
    """Report the status of the model, its machines, applications and units."""
    shown = call.client.call("status", patterns=call.args)
    if call.flags["format"] == "tabular":
        print(tabular(shown), end="")
    else:
        emit(shown, call.flags["format"])


def tabular(status: dict[str, Any]) -> str:
    """Return what ``--format json`` prints as Juju's default table."""
    model, time = status["model"], status["controller"]["timestamp"]
    head = ["Model", "Controller", "Cloud/Region", "Version", "Timestamp"]
    about = [model[key] for key in ("name", "controller", "cloud", "version")]
    sections = [table([head, [*about, time]])]
    if status["applications"]:
        sections.append(table(_application_rows(status["applications"]), right=(3, 6)))
    units = _unit_rows(status["applications"])
    if len(units) > 1:
        sections.append(table(units))
    if status["machines"]:
        sections.append(table(machine_rows(status["machines"])))
    if not status["applications"] and not status["machines"]:
        sections.append(f'Model "admin/{model["name"]}" is empty.\n')
    return "\n".join(sections)


def _application_rows(applications: dict[str, Any]) -> list[list[str]]:
    rows = [["App", "Version", "Status", "Scale", "Charm", "Channel", "Rev", "Exposed", "Message"]]
    for name, app in applications.items():
        info = app["application-status"]
        version = app.get("version", "").split("\n")[0]
        if len(version) > _MAX_VERSION:
            version = version[: _MAX_VERSION - 3] + "..."
        rows.append(
            [
                name,
                version,
                info.get("current", ""),
                _scale(name, applications),
                app["charm-name"],
                app.get("charm-channel", ""),
                str(app["charm-rev"]),
                "no",
                info.get("message", ""),
            ]
        )
    return rows


def _scale(name: str, applications: dict[str, Any]) -> str:
    """Return how many units are there; with how many should be, where these differ."""
    every = all_units(applications).items()
    units = [unit for unit_name, unit in every if unit_name.partition("/")[0] == name]
    present = sum(u["juju-status"].get("current") in ("idle", "executing") for u in units)
    return str(present) if present == len(units) else f"{present}/{len(units)}"


def all_units(applications: dict[str, Any]) -> dict[str, Any]:
    """Return all units of a status, subordinates included, by name."""
    units: dict[str, Any] = {}
    for app in applications.values():
        for name, unit in app.get("units", {}).items():
            units[name] = unit
            units |= unit.get("subordinates", {})
    return units


def _unit_rows(applications: dict[str, Any]) -> list[list[str]]:
    rows = [["Unit", "Workload", "Agent", "Machine", "Public address", "Ports", "Message"]]
    principals = {n: u for app in applications.values() for n, u in app.get("units", {}).items()}
    for name in sorted_names(principals):
        rows.append(_unit_row(name, principals[name], ""))
        subordinates = principals[name].get("subordinates", {})
        rows += [_unit_row(n, subordinates[n], "  ") for n in sorted_names(subordinates)]
    return rows


def _unit_row(name: str, unit: dict[str, Any], indent: str) -> list[str]:
    workload, agent = unit["workload-status"], unit["juju-status"]
    message = workload.get("message", "")
    doing = agent.get("message", "").removeprefix("running ")
    if agent.get("current") == "executing" and doing:
        doing = doing.removeprefix("action ").removesuffix(" hook")
        message = f"({doing}) {message}"
    return [
        indent + name + ("*" if unit.get("leader") else ""),
        workload.get("current", ""),
        agent.get("current", ""),
        unit.get("machine", ""),
        unit.get("public-address", ""),
        ",".join(unit.get("open-ports", [])),
        message,
    ]


def machine_rows(machines: dict[str, Any]) -> list[list[str]]:
    """Return the rows of the table of machines, containers after their hosts."""
    rows = [["Machine", "State", "Address", "Inst id", "Base", "AZ", "Message"]]
    for name in sorted(machines, key=natural):
        rows += _machine_rows(name, machines[name])
    return rows


def _machine_rows(name: str, machine: dict[str, Any]) -> list[list[str]]:
    info, base = machine["juju-status"], machine["base"]
    message = machine["machine-status"].get("message", "")
    if info.get("current") == "down":
        message = info.get("message", "")
    rows = [
        [
            name,
            info.get("current", ""),
            machine.get("dns-name", ""),
            machine.get("instance-id", "pending"),
            f"{base['name']}@{base['channel']}",
            "default" if "hostname" in machine else "",
            message,
        ]
    ]
    for container, inner in machine.get("containers", {}).items():
        rows += _machine_rows(container, inner)
    return rows


@command(
    "show-unit",
    "<unit> [...]",
    format_flag("yaml", "json", "smart", "yaml"),
    Flag("endpoint", default=""),
)
def show_unit(call: Invocation) -> None:
    """Display information about a unit."""
    call.expect(1, None, "unit")
    units = call.client.call("show_unit", names=call.args)
    if endpoint := call.flags["endpoint"]:
        for unit in units.values():
            unit["relation-info"] = [r for r in unit["relation-info"] if r["endpoint"] == endpoint]
    emit(units, call.flags["format"])
