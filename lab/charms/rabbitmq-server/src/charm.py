"""Stand-in for rabbitmq-server: RabbitMQ behind the `amqp` protocol.

Several units form one cluster around the unit that led first.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
from dataclasses import dataclass, field

import workload
from standin import ActionFailed, Relation, Unit, main, shared

SERVICE = "rabbitmq-server"
ENVIRONMENT = "etc/rabbitmq/rabbitmq-env.conf"
COOKIE = "var/lib/rabbitmq/.erlang.cookie"
OWNER = {"owner": "rabbitmq", "group": "rabbitmq"}

# Erlang's schedulers otherwise spin for work, which many machines on few cores cannot afford.
ERLANG = 'RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="+sbwt none +sbwtdcpu none +sbwtdio none"\n'


def reconcile(unit: Unit) -> list[str]:
    """Operate the broker and answer the related units."""
    cluster = cluster_bag(unit)
    workload.write(unit.root / ENVIRONMENT, ERLANG)
    workload.write(unit.root / COOKIE, cluster["cookie"], **OWNER, mode=0o400)
    services = workload.serve(unit, [SERVICE], ENVIRONMENT, COOKIE)
    join(unit, cluster["node"])
    users = requests(unit)
    if users and unit.leader:
        admit(unit, users, cluster)
    for relation in unit.related("amqp"):
        relation.publish(answer(unit, relation, cluster))
    return services


def cluster_bag(unit: Unit) -> dict[str, str]:
    """What all units share through the peer relation, laid down by the first leader.

    Returns:
        ``node``, the Erlang node of the cluster's first unit, ``cookie``, and ``<user>.passwd``
        for every user that has been admitted.

    Raises:
        NotReady: it is not known yet.
    """
    node = f"rabbit@{socket.gethostname()}"
    return shared(unit, "node", lambda: {"node": node, "cookie": unit.secret("erlang cookie")})


def join(unit: Unit, node: str) -> None:
    """Make this unit a member of the cluster around a node."""
    if node == f"rabbit@{socket.gethostname()}":
        return

    def do() -> None:
        unit.status("maintenance", "Joining the cluster")
        workload.run("rabbitmqctl", "stop_app")
        workload.run("rabbitmqctl", "join_cluster", node)
        workload.run("rabbitmqctl", "start_app")

    unit.keep("member of", do, key=node)


@dataclass
class User:
    """What clients ask for one user.

    Attributes:
        vhosts: the virtual hosts it may use.
        administrator: whether it administers; any text in a client's ``admin`` asks for that, be
            it ``False``, as it does with the real charm.
    """

    vhosts: set[str] = field(default_factory=set)
    administrator: bool = False


def requests(unit: Unit) -> dict[str, User]:
    """The users that all clients together ask for, by name."""
    users: dict[str, User] = {}
    for _, bag in unit.bags("amqp"):
        name, vhost = bag.get("username"), bag.get("vhost")
        if name and vhost:
            user = users.setdefault(name, User())
            user.vhosts.add(vhost)
            user.administrator |= bool(bag.get("admin"))
    return dict(sorted(users.items()))


def admit(unit: Unit, users: dict[str, User], cluster: dict[str, str]) -> None:
    """Make users and virtual hosts in the broker and tell the other units the passwords."""
    for name in users:
        cluster.setdefault(f"{name}.passwd", unit.secret(f"password of {name}"))
    asked = {
        name: ",".join([*sorted(user.vhosts), str(user.administrator)])
        for name, user in users.items()
    }

    unit.keep("users", lambda: load(users, cluster), key=asked)
    unit.related("cluster")[0].publish_app(cluster)


def load(users: dict[str, User], cluster: dict[str, str]) -> None:
    """Make users, virtual hosts and rights in the broker as they should be."""
    text = json.dumps(definitions(users, cluster))
    workload.run("rabbitmqctl", "import_definitions", stdin=text)


def definitions(users: dict[str, User], cluster: dict[str, str]) -> dict[str, object]:
    """The users, virtual hosts and rights in the form that the broker imports."""
    return {
        "users": [
            {
                "name": name,
                "password_hash": hashed_password(cluster[f"{name}.passwd"]),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": ["administrator"] if user.administrator else [],
            }
            for name, user in users.items()
        ],
        "vhosts": [
            {"name": vhost} for vhost in sorted(set().union(*(u.vhosts for u in users.values())))
        ],
        "permissions": [
            {"user": name, "vhost": vhost, "configure": ".*", "write": ".*", "read": ".*"}
            for name, user in users.items()
            for vhost in sorted(user.vhosts)
        ],
    }


def hashed_password(password: str) -> str:
    """A password in the form in which RabbitMQ stores it: a salt and a salted SHA-256."""
    salt = os.urandom(4)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def answer(unit: Unit, relation: Relation, cluster: dict[str, str]) -> dict[str, object]:
    """What this unit tells the clients of a relation; the password last, it says ready."""
    for bag in relation.units.values():
        password = cluster.get(f"{bag.get('username')}.passwd")
        if password and bag.get("vhost"):
            address = unit.address("amqp")
            return {"hostname": address, "private-address": address, "password": password}
    return {}


def list_service_usernames(unit: Unit) -> dict[str, str]:
    """The action of that name."""
    return {"usernames": json.dumps(list(requests(unit)))}


def rotate_service_user_password(unit: Unit) -> dict[str, str]:
    """The action of that name: the broker first, then the clients; other units follow."""
    name = unit.parameter("service-user")
    if not name:
        raise ActionFailed("The 'service-user' parameter was not passed and is required.")
    if not unit.leader:
        raise ActionFailed(
            "This unit either isn't the leader or is not ready to do leader actions."
        )
    users, cluster = requests(unit), cluster_bag(unit)
    if name not in users:
        raise ActionFailed(f"Service username {name} is not valid for password rotation.")
    cluster[f"{name}.passwd"] = unit.renew(f"password of {name}", 64)
    load({name: users[name]}, cluster)
    unit.related("cluster")[0].publish_app(cluster)
    for relation in unit.related("amqp"):
        relation.publish(answer(unit, relation, cluster))
    return {}


ACTIONS = {
    "list-service-usernames": list_service_usernames,
    "rotate-service-user-password": rotate_service_user_password,
}

if __name__ == "__main__":
    main(reconcile, version_of=SERVICE, actions=ACTIONS)
