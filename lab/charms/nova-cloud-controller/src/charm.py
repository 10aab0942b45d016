"""Stand-in for nova-cloud-controller: Nova's API, conductor and scheduler, with one cell."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import openstack_peers
import tls
import workload
from standin import Unit, main, require

SETTINGS = "etc/nova/nova.conf"
UWSGI = "etc/nova/nova-api-uwsgi.ini"
SERVICES = ["nova-conductor", "nova-scheduler", "nova-api"]
PORT = 8774
DATABASES = {"nova": "nova", "novaapi": "nova_api", "novacell0": "nova_cell0"}


def reconcile(unit: Unit) -> list[str]:
    """Operate Nova's control plane and tell the hypervisors how to reach the cloud."""
    user = unit.config["database-user"]
    openstack_peers.ask_database(unit, user, **{**DATABASES, "nova": unit.config["database"]})
    openstack_peers.ask_messaging(unit)
    certificates = tls.serve(unit, "nova")
    scheme = "https" if certificates else "http"
    openstack_peers.ask_identity(unit, "nova", PORT, "/v2.1", "nova", scheme)
    unit.publish("placement", {"nova_placement_disabled": True})
    url = f"{scheme}://{unit.address('internal')}:{PORT}/v2.1"
    unit.publish("neutron-api", {"nova_url": url})
    peers = Peers(unit)
    # Nova's API is imported eventlet-patched and hangs under several threads of uwsgi. Two
    # processes, so that one request that waits for a dead hypervisor does not stop all others.
    workload.tune_uwsgi(unit.root / UWSGI, 2, 1)
    text = workload.ini(settings(unit, peers))
    workload.write(unit.root / SETTINGS, text, group="nova", mode=0o640)
    if peers.databases and peers.transport_url:
        # Needs no other peer: it is done while Keystone is on its way.
        where = {**peers.databases, "transport": peers.transport_url}
        unit.keep("schema", lambda: sync(unit), key=where)
    needs = {
        "database": ("shared-db", peers.databases),
        "messaging": ("amqp", peers.transport_url),
        "identity": ("identity-service", peers.identity),
        "image": ("image-service", peers.image_url),
        "placement": ("placement", peers.placement),
        "compute": ("cloud-compute", True),
    }
    require(unit, needs)
    services = workload.serve(unit, SERVICES, SETTINGS, UWSGI, *certificates)
    unit.publish("cloud-compute", for_hypervisors(unit, peers))
    return services


class Peers:
    """What the peers have answered; each false until it is complete.

    Attributes:
        databases: SQLAlchemy URL by the prefix of the request.
        transport_url: the broker's URL.
        identity: Keystone's answer.
        image_url: Glance's URL.
        network_url: Neutron's URL.
        placement: whether Placement serves.
    """

    def __init__(self, unit: Unit) -> None:
        """Read the databags."""
        user = unit.config["database-user"]
        urls = {
            prefix: openstack_peers.database_url(unit, user, name, prefix)
            for prefix, name in {**DATABASES, "nova": unit.config["database"]}.items()
        }
        self.databases = urls if all(urls.values()) else {}
        self.transport_url = openstack_peers.transport_url(unit)
        self.identity = openstack_peers.identity(unit)
        self.image_url = unit.answer("image-service", "glance-api-server")
        self.network_url = unit.answer("neutron-api", "neutron-url")
        self.placement = unit.answer("placement", "placement_enabled")


def settings(unit: Unit, peers: Peers) -> workload.Ini:
    """Nova's configuration, as far as the peers have answered."""
    auth = openstack_peers.auth_section(peers.identity)
    region = unit.config["region"]
    return {
        "DEFAULT": {
            "debug": unit.config["debug"],
            "transport_url": peers.transport_url,
            "log_dir": "/var/log/nova",
            "state_path": "/var/lib/nova",
            # Else the scheduler looks for new hypervisors only after up to a minute, by chance.
            "periodic_fuzzy_delay": 0,
            **workload.flags(unit.config.get("config-flags", "")),
        },
        "api": {"auth_strategy": "keystone"},
        "api_database": {"connection": peers.databases.get("novaapi"), "max_pool_size": 5},
        "database": {"connection": peers.databases.get("nova"), "max_pool_size": 5},
        "conductor": {"workers": 1},
        # A new hypervisor is put into its cell by itself, within seconds.
        "scheduler": {"workers": 1, "discover_hosts_in_cells_interval": 5},
        "glance": {"api_servers": peers.image_url},
        "neutron": {**auth, "region_name": region, "endpoint_override": peers.network_url},
        "placement": {**auth, "region_name": region},
        "keystone_authtoken": openstack_peers.authtoken_section(peers.identity),
        "oslo_concurrency": {"lock_path": "/var/lock/nova"},
        "oslo_messaging_notifications": {"driver": "noop"},
    }


def sync(unit: Unit) -> None:
    """Bring the schemas of the databases and the cells up to date."""
    unit.status("maintenance", "Making the database schemas")
    script = Path(__file__).with_name("schema.py").read_text()
    workload.run("python3", "-", stdin=script, user="nova")


def for_hypervisors(unit: Unit, peers: Peers) -> Mapping[str, object]:
    """What nova-compute is told: Nova's own account, and where Keystone and Neutron are."""
    identity = peers.identity
    same = {key: identity[key] for key in openstack_peers.LOCATION_KEYS}
    return {
        **same,
        "api_version": identity.get("api_version", "3"),
        "keystone_host": identity["auth_host"],
        "service_username": identity["service_username"],
        "service_password": identity["service_password"],
        "service_tenant": identity["service_tenant"],
        "service_tenant_name": identity["service_tenant"],
        "admin_domain_name": identity["service_domain"],
        "network_manager": "neutron",
        "quantum_url": peers.network_url,
        "region": unit.config["region"],
    }


if __name__ == "__main__":
    main(reconcile, version_of="nova-common")
