"""Stand-in for glance: Glance with its images in files."""

from __future__ import annotations

from collections.abc import Mapping

import openstack_peers
import workload
from standin import Unit, main, require

SETTINGS = "etc/glance/glance-api.conf"
UWSGI = "etc/glance/glance-api-uwsgi.ini"
SERVICE = "glance-api"
PORT = 9292


def reconcile(unit: Unit) -> list[str]:
    """Operate Glance and tell Nova where it is."""
    name, user = unit.config["database"], unit.config["database-user"]
    openstack_peers.ask_database(unit, user, **{"": name})
    openstack_peers.ask_identity(unit, "glance", PORT)
    database = openstack_peers.database_url(unit, user, name)
    identity = openstack_peers.identity(unit)
    workload.tune_uwsgi(unit.root / UWSGI, 1, 4)
    text = workload.ini(settings(unit, database, identity))
    workload.write(unit.root / SETTINGS, text, group="glance", mode=0o640)
    if database:
        unit.keep("schema", lambda: sync(unit), key=database)
    needs = {"database": ("shared-db", database), "identity": ("identity-service", identity)}
    require(unit, needs)
    services = workload.serve(unit, [SERVICE], SETTINGS, UWSGI)
    url = f"http://{unit.address('internal')}:{PORT}"
    unit.publish("image-service", {"glance-api-server": url, "glance-api-ready": "yes"})
    return services


def settings(unit: Unit, database: str, identity: Mapping[str, str]) -> workload.Ini:
    """Glance's configuration, as far as its peers have answered."""
    return {
        "DEFAULT": {"debug": unit.config["debug"], "enabled_backends": "local:file"},
        "database": {"connection": database},
        "glance_store": {"default_backend": "local"},
        "local": {"filesystem_store_datadir": "/var/lib/glance/images"},
        "keystone_authtoken": openstack_peers.authtoken_section(identity),
        "paste_deploy": {"flavor": "keystone"},
    }


def sync(unit: Unit) -> None:
    """Bring the schema of the database up to date."""
    unit.status("maintenance", "Making the database schema")
    workload.run("glance-manage", "db_sync", user="glance")


if __name__ == "__main__":
    main(reconcile, version_of="glance-common")
