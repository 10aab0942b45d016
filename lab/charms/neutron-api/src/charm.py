"""Stand-in for neutron-api: a network service without networks, see stub.py."""

from __future__ import annotations

from pathlib import Path

import openstack_peers
import workload
from standin import Unit, main, require

SERVICE = "neutron-api-stub"
UNIT = f"etc/systemd/system/{SERVICE}.service"
PROGRAM = "usr/local/lib/neutron-api-stub.py"
PORT = 9696

UNIT_TEXT = f"""\
[Unit]
Description=Network service without networks
After=network.target

[Service]
ExecStart=/usr/bin/python3 /{PROGRAM} {PORT}
DynamicUser=yes
Restart=on-failure

[Install]
WantedBy=multi-user.target
"""


def reconcile(unit: Unit) -> list[str]:
    """Operate the stub and tell Nova where it is."""
    openstack_peers.ask_identity(unit, "neutron", PORT)
    needs = {
        "database": ("shared-db", True),
        "messaging": ("amqp", True),
        "identity": ("identity-service", openstack_peers.identity(unit)),
    }
    require(unit, needs)
    program = Path(__file__).with_name("stub.py").read_text()
    workload.write(unit.root / PROGRAM, program)
    if workload.write(unit.root / UNIT, UNIT_TEXT):
        workload.run("systemctl", "daemon-reload")
    services = workload.serve(unit, [SERVICE], PROGRAM, UNIT)
    answer = {
        "neutron-url": f"http://{unit.address('internal')}:{PORT}",
        "neutron-plugin": unit.config["neutron-plugin"],
        "neutron-security-groups": "yes" if unit.config["neutron-security-groups"] else "no",
        "neutron-api-ready": "yes",
    }
    unit.publish("neutron-api", answer)
    return services


if __name__ == "__main__":
    main(reconcile)
