"""The network witness of one machine: files, service, and what it says. Knows nothing of Juju."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from instance_ha_common.machine import packed
from instance_ha_common.machine.hardening import HARDENING
from instance_ha_common.machine.host import Host
from network_matrix import ports
from networks import Watch

SERVICE = "masakari-network-witness"
HOME = "/usr/share/masakari-network-matrix"
UNIT = f"/etc/systemd/system/{SERVICE}.service"
SETTINGS = f"{HOME}/witness.json"
"""Readable for everybody: the service has an account of its own. It names Consul's agents."""

_FORMER_SETTINGS = "/etc/masakarimonitors/witness.json"
MATRIX = "/etc/masakarimonitors/matrix.yaml"

_ATTEMPTS, _PAUSE = 6, 0.5

_TIMEOUT = 15
"""Seconds for an answer: it asks Consul before it speaks."""


@dataclasses.dataclass(frozen=True)
class Network:
    """What the witness says about one network.

    Attributes:
        members: Consul's names of the members.
        silent: members whose agent is gone although their machine answers.
        problems: agents that do not answer, or do not count.
        witnesses: members on which a witness has answered.
    """

    members: tuple[str, ...]
    silent: tuple[str, ...]
    problems: tuple[str, ...]
    witnesses: tuple[str, ...] = ()


def driver_agent(network: str) -> str:
    """Where the witness is the agent of a network for Masakari's driver, `host:port`."""
    return f"127.0.0.1:{ports.AGENTS[network]}"


class Witness:
    """The witness on one machine."""

    def __init__(self, host: Host, source: Path | None = None) -> None:
        """Take the package from `source`, or from where this charm would import it."""
        self._host = host
        self._source = source

    def configure(self, watch: Watch) -> bool:
        """Write all files.

        Returns:
            Whether the service has to be restarted.
        """
        changed = [
            self._host.write(path, content)
            for path, content in self._modules(self._source or packed.directory("network_matrix"))
        ]
        agents = {name: " ".join(map(str, found)) for name, found in watch.agents.items()}
        settings = {"agents": agents, "matrix": watch.matrix.data()}
        changed.append(self._host.write(SETTINGS, json.dumps(settings, indent=1)))
        self._host.remove(_FORMER_SETTINGS)
        if self._host.write(UNIT, _UNIT.format(home=HOME, settings=SETTINGS, hardening=HARDENING)):
            self._host.systemd.daemon_reload()
            changed.append(True)
        return any(changed)

    def write_matrix(self, watch: Watch) -> bool:
        """Write the matrix for Masakari's driver.

        Returns:
            Whether it has to be read anew.
        """
        text = yaml.safe_dump(watch.matrix.data(), sort_keys=False)
        return self._host.write(MATRIX, f"# Written by the masakari-monitors charm.\n{text}")

    def stop(self) -> None:
        """Stop it, and let it stay so."""
        self._host.systemd.stop(SERVICE)
        if self._host.systemd.enabled(SERVICE):
            self._host.systemd.disable(SERVICE)

    def remove(self) -> None:
        """Remove everything that `configure` wrote."""
        self.stop()
        for module in sorted(self._host.path(HOME).rglob("*.py")):
            module.unlink()
        for path in (SETTINGS, _FORMER_SETTINGS, MATRIX):
            self._host.remove(path)
        if self._host.remove(UNIT):
            self._host.systemd.daemon_reload()

    def _modules(self, package: Path) -> Iterator[tuple[str, bytes]]:
        for path in sorted(package.glob("*.py")):
            yield f"{HOME}/{package.name}/{path.name}", path.read_bytes()


def ask() -> dict[str, Network]:
    """Ask the witness of this machine about the networks; empty where it does not answer.

    One that was started a moment ago gets some seconds.
    """
    for _ in range(_ATTEMPTS):
        if found := _ask():
            return found
        time.sleep(_PAUSE)
    return {}


def _ask() -> dict[str, Network]:
    import http.client  # only where there is a witness

    connection = http.client.HTTPConnection("127.0.0.1", ports.TESTIMONY, timeout=_TIMEOUT)
    try:
        connection.request("GET", "/v1/networks")
        return _networks(json.loads(connection.getresponse().read()))
    except (OSError, http.client.HTTPException):
        return {}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}  # another program's
    finally:
        connection.close()


def alone(found: Mapping[str, Network], hostname: str) -> bool:
    """Whether no witness of another hypervisor has answered, in any network."""
    return not {name for network in found.values() for name in network.witnesses} - {hostname}


def problems(found: Mapping[str, Network], hostname: str) -> list[str]:
    """What keeps Consul from judging this hypervisor, each with its cure."""
    return [text for name, network in found.items() for text in _problems(name, network, hostname)]


def _problems(name: str, network: Network, hostname: str) -> Iterator[str]:
    for problem in network.problems:
        yield f"Consul, {name} network: {problem}"
    if hostname in network.silent:
        yield f"Consul, {name} network: the agent of {hostname} is gone: start it"
    elif network.members and hostname not in network.members:
        short = hostname.split(".")[0].lower()
        alike = [m for m in network.members if m.split(".")[0].lower() == short]
        what = f"calls this host {alike[0]}" if alike else "does not know this host"
        yield f"Consul, {name} network: {what}: set node_name to {hostname} on its agent"


def _networks(data: Mapping[str, Mapping[str, Any]]) -> dict[str, Network]:
    return {
        name: Network(
            tuple(found["members"]),
            tuple(found["silent"]),
            tuple(found["problems"]),
            tuple(found["witnesses"]),
        )
        for name, found in data.items()
    }


_UNIT = """\
# Written by the masakari-monitors charm; changes are overwritten.
[Unit]
Description=Network witness for Masakari and Pacemaker
After=network-online.target
Wants=network-online.target

[Service]
# It answers everybody who asks, so it may do nothing but connect to others and answer: not even
# the monitors' account is its own.
DynamicUser=yes
WorkingDirectory={home}
ExecStart=/usr/bin/python3 -B -m network_matrix.witness {settings}
Restart=always
RestartSec=2
{hardening}
SystemCallFilter=~@privileged @resources
ProtectProc=invisible
ProcSubset=pid
UMask=0077
MemoryDenyWriteExecute=yes

[Install]
WantedBy=multi-user.target
"""
