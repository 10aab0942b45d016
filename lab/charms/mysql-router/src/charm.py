"""Stand-in for mysql-router: a proxy on the loopback interface of its principal's machine.

The protocols are those of the real charm. The proxy knows nothing of MySQL: it passes TCP
connections on to the one database that the lab has.
"""

from __future__ import annotations

import json
from typing import Any

import workload
from mysql_protocol import requests
from standin import Relation, Unit, main, require

LOOPBACK = "127.0.0.1"
OWN = "mysqlrouter"
"""Prefix of the request for the router's own account."""
USER = "mysqlrouteruser"
UNPREFIXED = "MRUP"
"""Prefix under which a client's request that has none is passed on."""


def reconcile(unit: Unit) -> list[str]:
    """Operate the proxy, pass the principal's requests on and the answers back."""
    address = unit.address("db-router")
    own = {f"{OWN}_username": USER, f"{OWN}_hostname": address, "private-address": address}
    unit.publish("db-router", {**own, **passed_on(unit)})
    host, admitted = received(unit, "db_host"), received(unit, f"{OWN}_password")
    needs = {"db-router": ("db-router", host and admitted), "shared-db": ("shared-db", True)}
    require(unit, needs)
    name = unit.name.partition("/")[0]
    service = f"etc/systemd/system/{name}.service"
    if workload.write(unit.root / service, proxy(unit, name, str(host))):
        workload.run("systemctl", "daemon-reload")
    services = workload.serve(unit, [name], service)
    for relation in unit.related("shared-db"):
        relation.publish(answer(unit, relation))
    return services


def passed_on(unit: Unit) -> dict[str, str]:
    """The principal's requests, as they are sent to the database.

    They wait for the proxy, that is for the router's own account, as with the real charm.
    """
    if not received(unit, f"{OWN}_password"):
        return {}
    found = {}
    for _, bag in unit.bags("shared-db"):
        for prefix, request in requests(bag).items():
            for field, value in request.items():
                found[f"{prefix or UNPREFIXED}_{field}"] = value
    return found


def received(unit: Unit, key: str) -> Any:
    """What the database says under a key, decoded; None while it says nothing.

    The application's databag comes first; each unit repeats it for older routers.
    """
    for relation in unit.related("db-router"):
        for bag in (relation.app_data, *relation.units.values()):
            if key in bag:
                return json.loads(bag[key])
    return None


def proxy(unit: Unit, name: str, host: str) -> str:
    """The systemd service that passes connections on."""
    listen = f"{LOOPBACK}:{unit.config['base-port']}"
    most = unit.config["max_connections"]
    sections = {
        "Unit": {"Description": f"Database proxy {name}", "After": "network.target"},
        "Service": {
            "ExecStart": f"/usr/bin/systemd-socket-activate --listen={listen}"
            f" /lib/systemd/systemd-socket-proxyd --connections-max={most} {host}:3306",
            "Restart": "always",
            "DynamicUser": "yes",
        },
        "Install": {"WantedBy": "multi-user.target"},
    }
    return workload.ini(sections)


def answer(unit: Unit, relation: Relation) -> dict[str, object]:
    """What to tell the principal; nothing while the database has not let it in."""
    data: dict[str, object] = {}
    for principal, bag in relation.units.items():
        for prefix in requests(bag):
            sent = prefix or UNPREFIXED
            password = received(unit, f"{sent}_password")
            if not password:
                return {}
            stem = f"{prefix}_" if prefix else ""
            data[f"{stem}password"] = password
            # The real charm looks for its name as a part of the text, too.
            if unit.name in (received(unit, f"{sent}_allowed_units") or ""):
                data[f"{stem}allowed_units"] = principal
    if not data:
        return {}
    return {
        "db_host": LOOPBACK,
        "db_port": unit.config["base-port"],
        "wait_timeout": received(unit, "wait_timeout"),
        "ssl_ca": received(unit, "ssl_ca"),
        **data,
    }


if __name__ == "__main__":
    main(reconcile)
