"""Stand-in for mysql-innodb-cluster: MariaDB behind `shared-db` and, for routers, `db-router`.

MariaDB has no group replication like MySQL's, and the lab needs the protocol, not the redundancy:
the unit that leads first holds the database for good. The other units are idle and publish
nothing, as those of the real charm that do not lead.
"""

from __future__ import annotations

import json
import re

import workload
from mysql_protocol import ACCOUNT, REQUEST, requests
from standin import Relation, Unit, main, shared

SETTINGS = "etc/mysql/mariadb.conf.d/99-charm.cnf"


def reconcile(unit: Unit) -> list[str]:
    """Operate the database and let the related units in."""
    if primary(unit) != unit.name:
        return []
    workload.write(unit.root / SETTINGS, settings(unit))
    services = workload.serve(unit, ["mariadb"], SETTINGS)
    for relation in unit.related("shared-db"):
        relation.publish(answer(unit, relation))
    for relation in unit.related("db-router"):
        answer_routers(unit, relation)
    return services


def primary(unit: Unit) -> str:
    """The name of the unit that holds the database, for ever the first leader.

    Raises:
        NotReady: it is not known yet.
    """
    return shared(unit, "primary", lambda: {"primary": unit.name})["primary"]


def settings(unit: Unit) -> str:
    """The server's configuration file."""
    options = {
        "bind-address": "*",
        "max_connections": unit.config["max-connections"],
        "wait_timeout": unit.config["wait-timeout"],
        # A commit reaches the page cache, which outlives a power cut of a container, and need
        # not wait for the disk.
        "innodb_flush_log_at_trx_commit": 2,
        "performance_schema": "OFF",
        "skip-name-resolve": "ON",
    }
    return workload.ini({"mysqld": options})


def answer_routers(unit: Unit, relation: Relation) -> None:
    """Let routers in, and whom they ask for; each value is JSON, also in the application's bag."""
    data = {key: json.dumps(value) for key, value in answer(unit, relation).items()}
    relation.publish(data)
    if unit.leader:
        relation.publish_app(data)


def answer(unit: Unit, relation: Relation) -> dict[str, object]:
    """Let the units of a relation in, and return what to publish to them."""
    # A router has an account of its own, which needs no database.
    needed = ACCOUNT if relation.endpoint == "db-router" else REQUEST
    allowed: dict[str, list[str]] = {}
    users: dict[str, str] = {}
    for name, bag in relation.units.items():
        for prefix, request in requests(bag, needed).items():
            grant(unit, **request)
            users[prefix] = request["username"]
            allowed.setdefault(prefix, []).append(name)
    if not users:
        return {}
    data: dict[str, object] = {
        "db_host": unit.address(relation.endpoint),
        "wait_timeout": unit.config["wait-timeout"],
    }
    for prefix, user in users.items():
        stem = f"{prefix}_" if prefix else ""
        units = sorted(allowed[prefix], key=lambda name: int(name.rpartition("/")[2]))
        data[f"{stem}password"] = unit.secret(f"password of {user}")
        data[f"{stem}allowed_units"] = " ".join(units)
    return data


def grant(unit: Unit, username: str, hostname: str, database: str = "") -> None:
    """Let a user in from one address, and into a database that is made where it is missing.

    Raises:
        ValueError: a name that cannot stand in an SQL statement.
    """
    for value in filter(None, (database, username, hostname)):
        if not re.fullmatch(r"[\w.:%-]+", value):
            raise ValueError(f"shared-db: {value!r} is not a name")
    user = f"'{username}'@'{hostname}'"
    password = unit.secret(f"password of {username}")
    sql = f"CREATE USER IF NOT EXISTS {user} IDENTIFIED BY '{password}';\n"
    if database:
        sql = f"CREATE DATABASE IF NOT EXISTS `{database}` CHARACTER SET utf8mb3;\n{sql}"
        sql += f"GRANT ALL PRIVILEGES ON `{database}`.* TO {user};\n"
    unit.keep(f"grant {database} {user}", lambda: workload.run("mysql", stdin=sql))


if __name__ == "__main__":
    main(reconcile, version_of="mariadb-server")
