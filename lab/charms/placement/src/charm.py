"""Stand-in for placement: Placement, which counts what the hypervisors have to give."""

from __future__ import annotations

from collections.abc import Mapping

import openstack_peers
import workload
from standin import Unit, main, require

SETTINGS = "etc/placement/placement.conf"
UWSGI = "etc/placement/placement-api-uwsgi.ini"
SERVICE = "placement-api"
PORT = 8778


def reconcile(unit: Unit) -> list[str]:
    """Operate Placement and tell Nova when it serves."""
    openstack_peers.ask_database(unit, "placement", placement="placement")
    openstack_peers.ask_identity(unit, "placement", PORT)
    database = openstack_peers.database_url(unit, "placement", "placement", "placement")
    identity = openstack_peers.identity(unit)
    workload.tune_uwsgi(unit.root / UWSGI, 1, 4)
    text = workload.ini(settings(unit, database, identity))
    workload.write(unit.root / SETTINGS, text, group="placement", mode=0o640)
    if database:
        unit.keep("schema", lambda: sync(unit), key=database)
    # Nova once had a placement service of its own and must say that it is off.
    nova_ready = any("nova_placement_disabled" in bag for _, bag in unit.bags("placement"))
    needs = {
        "database": ("shared-db", database),
        "identity": ("identity-service", identity),
        "placement": ("placement", nova_ready),
    }
    require(unit, needs)
    services = workload.serve(unit, [SERVICE], SETTINGS, UWSGI)
    unit.publish("placement", {"placement_enabled": True})
    return services


def settings(unit: Unit, database: str, identity: Mapping[str, str]) -> workload.Ini:
    """Placement's configuration, as far as its peers have answered."""
    return {
        "DEFAULT": {"debug": unit.config["debug"]},
        "api": {"auth_strategy": "keystone"},
        "placement_database": {"connection": database},
        "keystone_authtoken": openstack_peers.authtoken_section(identity),
    }


def sync(unit: Unit) -> None:
    """Bring the schema of the database up to date."""
    unit.status("maintenance", "Making the database schema")
    workload.run("placement-manage", "db", "sync", user="placement")


if __name__ == "__main__":
    main(reconcile, version_of="placement-common")
