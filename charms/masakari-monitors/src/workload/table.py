"""Masakari's monitors: their services, and the options that enable them."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Monitor:
    """One of the monitors.

    Attributes:
        option: the option that enables it.
        service: its systemd service, which is its package's name, too.
        program: its program.
        sections: sections of the configuration file that only it and some others read.
        kernel_name: whether it reports the kernel's host name, whatever is configured.
        group: the group whose socket it writes to.
        sudo: whether it starts a helper with root's rights, which keeps it from being confined.
    """

    option: str
    service: str
    program: str
    sections: frozenset[str]
    kernel_name: bool = False
    group: str = ""
    sudo: bool = False


MONITORS = (
    Monitor(
        "enable_host_monitor",
        "masakari-host-monitor",
        "/usr/bin/masakari-hostmonitor",
        frozenset({"host", "consul"}),
        sudo=True,
    ),
    Monitor(
        "enable_instance_monitor",
        "masakari-instance-monitor",
        "/usr/bin/masakari-instancemonitor",
        frozenset({"callback"}),
    ),
    Monitor(
        "enable_process_monitor",
        "masakari-process-monitor",
        "/usr/bin/masakari-processmonitor",
        frozenset({"process"}),
        kernel_name=True,
        sudo=True,
    ),
    Monitor(
        "enable_introspective_instance_monitor",
        "masakari-introspective-instance-monitor",
        "/usr/bin/masakari-introspectiveinstancemonitor",
        frozenset({"introspectiveinstancemonitor", "callback"}),
        kernel_name=True,
        group="libvirt",  # to ask the instances' agents; the others read, or ask as root
    ),
)
