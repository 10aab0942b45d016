"""How the OpenStack stand-ins ask their peers, and read what these answer.

The keys on the wire are those of the real charms: ``shared-db`` (interface mysql-shared), ``amqp``
(rabbitmq) and ``identity-service`` (keystone).
"""

from __future__ import annotations

from collections.abc import Mapping

from standin import Unit

LOCATION_KEYS = (
    "service_host", "service_port", "service_protocol",
    "auth_host", "auth_port", "auth_protocol",
)  # fmt: skip
ACCOUNT_KEYS = ("service_username", "service_password", "service_tenant", "service_domain")


def ask_database(unit: Unit, user: str, **databases: str) -> None:
    """Ask for databases that this unit may use.

    Args:
        unit: this unit.
        user: the database user.
        databases: name of each database by the prefix of its keys; '' for keys without prefix.
    """
    host = unit.address("shared-db")
    request = {}
    for prefix, database in databases.items():
        stem = f"{prefix}_" if prefix else ""
        request[f"{stem}database"] = database
        request[f"{stem}username"] = user
        request[f"{stem}hostname"] = host
    unit.publish("shared-db", request)


def database_url(unit: Unit, user: str, database: str, prefix: str = "") -> str:
    """The SQLAlchemy URL of a database; '' until this very unit has been let in."""
    stem = f"{prefix}_" if prefix else ""
    for _, bag in unit.bags("shared-db"):
        host, password = bag.get("db_host"), bag.get(f"{stem}password")
        if host and password and unit.name in bag.get(f"{stem}allowed_units", "").split():
            port = bag.get("db_port", "3306")
            return f"mysql+pymysql://{user}:{password}@{host}:{port}/{database}?charset=utf8"
    return ""


def ask_messaging(unit: Unit) -> None:
    """Ask for a user and virtual host of the message broker, as the charm's options name them."""
    names = {"username": unit.config["rabbit-user"], "vhost": unit.config["rabbit-vhost"]}
    unit.publish("amqp", names)


def transport_url(unit: Unit) -> str:
    """The oslo.messaging URL over all brokers that have answered; '' before the first."""
    user, vhost = unit.config["rabbit-user"], unit.config["rabbit-vhost"]
    hosts = sorted(
        f"{user}:{bag['password']}@{bag['private-address']}:5672"
        for _, bag in unit.bags("amqp")
        if bag.get("password") and bag.get("private-address")
    )
    return f"rabbit://{','.join(hosts)}/{vhost}" if hosts else ""


def ask_identity(
    unit: Unit, service: str, port: int, path: str = "", prefix: str = "", scheme: str = "http"
) -> None:
    """Register an API in the catalog, at this unit's public, internal and admin addresses.

    Args:
        unit: this unit.
        service: the service's name.
        port: the API's port.
        path: what follows the port in its URLs.
        prefix: of the keys; '' for keys without prefix.
        scheme: of its URLs, `http` or `https`.
    """
    stem = f"{prefix}_" if prefix else ""
    request = {f"{stem}service": service, f"{stem}region": unit.config["region"]}
    for interface in ("public", "internal", "admin"):
        request[f"{stem}{interface}_url"] = f"{scheme}://{unit.address(interface)}:{port}{path}"
    unit.publish("identity-service", request)


def identity(unit: Unit) -> dict[str, str]:
    """Keystone's answer to :func:`ask_identity`; empty until it is complete."""
    for _, bag in unit.bags("identity-service"):
        if all(bag.get(key) for key in LOCATION_KEYS + ACCOUNT_KEYS):
            return bag
    return {}


def auth_section(bag: Mapping[str, str]) -> dict[str, object]:
    """The keystoneauth options of a configuration section; none until Keystone has answered."""
    if not bag:
        return {}
    return {
        "auth_url": f"{bag['auth_protocol']}://{bag['auth_host']}:{bag['auth_port']}",
        "auth_type": "password",
        "project_domain_name": bag["service_domain"],
        "user_domain_name": bag["service_domain"],
        "project_name": bag["service_tenant"],
        "username": bag["service_username"],
        "password": bag["service_password"],
    }


def authtoken_section(bag: Mapping[str, str]) -> dict[str, object]:
    """The options of ``[keystone_authtoken]``; none until Keystone has answered."""
    if not bag:
        return {}
    public = f"{bag['service_protocol']}://{bag['service_host']}:{bag['service_port']}"
    return {"www_authenticate_uri": public, **auth_section(bag)}
