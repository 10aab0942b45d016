"""The process monitor's list of processes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml
from instance_ha_common.options import from_yaml

from workload.table import Monitor

_COMMANDS = (
    "start_command",
    "pre_start_command",
    "post_start_command",
    "restart_command",
    "pre_restart_command",
    "post_restart_command",
)
_REQUIRED = ("process_name", "start_command", "restart_command")

ITSELF = "masakari-process-monitor"
"""The monitor that reads the list. It does not watch itself."""

Process = Mapping[str, Any]
"""One entry, in the format of Masakari's process_list.yaml."""


def parse(text: str) -> list[Process] | None:
    """The operator's list, with every key that the monitor reads, or None for an empty option.

    Raises:
        ValueError: not such a list; the text says where.
    """
    if not text.strip():
        return None
    entries = from_yaml("process-list", text)
    if not isinstance(entries, list) or not entries:
        raise ValueError("process-list: must be a list of processes")
    return [_entry(number, entry) for number, entry in enumerate(entries, 1)]


def _entry(number: int, entry: object) -> Process:
    where = f"process-list: entry {number}"
    if not isinstance(entry, dict):
        raise ValueError(f"{where}: must be a mapping")
    unknown = {str(key) for key in entry} - {"process_name", "run_as_root", *_COMMANDS}
    if unknown:
        raise ValueError(f"{where}: unknown key {min(unknown)}")
    for key in ("process_name", *_COMMANDS):
        if not isinstance(entry.get(key), str | None) or (key in _REQUIRED and not entry.get(key)):
            raise ValueError(f"{where}: {key} must be a command")
    if not isinstance(entry.get("run_as_root", True), bool):
        raise ValueError(f"{where}: run_as_root must be true or false")
    return {
        "process_name": entry["process_name"],
        **{key: entry.get(key) for key in _COMMANDS},
        "run_as_root": entry.get("run_as_root", True),
    }


def default(monitors: Iterable[Monitor]) -> list[Process]:
    """What is watched without a list of the operator's: Nova, libvirt, and the other monitors.

    Args:
        monitors: the enabled ones.
    """
    return [
        _service("/usr/sbin/libvirtd", "libvirtd"),
        _service("/usr/bin/nova-compute", "nova-compute"),
        *(_service(m.program, m.service) for m in monitors if m.service != ITSELF),
    ]


def _service(program: str, name: str) -> Process:
    """Entry for a process that systemd starts.

    Args:
        program: path of the program, as it appears in the process table.
        name: its systemd service.
    """
    return {
        "process_name": program,
        **dict.fromkeys(_COMMANDS),
        "start_command": f"systemctl start {name}",
        "restart_command": f"systemctl restart {name}",
        "run_as_root": True,
    }


def render(processes: Iterable[Process]) -> str:
    """Text of process_list.yaml."""
    header = "# Written by the masakari-monitors charm; changes are overwritten.\n"
    return header + yaml.safe_dump([dict(p) for p in processes], sort_keys=False)
