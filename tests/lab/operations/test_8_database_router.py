"""The database through mysql-router, put in front of a running deployment and taken away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from operating import Operator, wait_until

TAKES = 180
ROUTER = "masakari-mysql-router"


@pytest.fixture(scope="module")
def routed(operator: Operator) -> Iterator[None]:
    operator.settle()
    operator.deploy("mysql-router")
    wait_until("routers are deployed", lambda: bool(operator.machines(ROUTER)), 60)
    operator.settle()
    yield
    operator.juju.cli("remove-application", "--no-prompt", ROUTER)
    operator.wait_gone(ROUTER)
    operator.deploy()
    operator.settle()


def databases(operator: Operator) -> set[str]:
    """The addresses at which Masakari's processes have connections to port 3306."""
    found = set()
    for machine in operator.machines("masakari").values():
        command = ["ss", "--tcp", "--no-header", "--numeric", "--processes", "state",
                   "established", "( dport = :3306 )"]  # fmt: skip
        for line in machine.run(command).stdout.splitlines():
            if "masakari" in line:
                found.add(line.split()[3].rpartition(":")[0])
    return found


def direct(operator: Operator) -> set[str]:
    """The applications that MySQL serves without a router."""
    relations = operator.juju.status().apps["mysql"].relations.get("shared-db", [])
    return {relation.related_app for relation in relations}


def assert_works(operator: Operator) -> None:
    assert "rack1" in operator.openstack("openstack segment list")


def test_connections_go_through_the_router(operator: Operator, routed: None) -> None:
    wait_until("masakari uses the router", lambda: databases(operator) == {"127.0.0.1"}, TAKES)
    assert_works(operator)


def test_the_direct_relation_can_go(operator: Operator, routed: None) -> None:
    before = operator.starts("masakari")
    assert "masakari" in direct(operator)
    operator.juju.cli("remove-relation", "masakari:shared-db", "mysql:shared-db")
    wait_until(
        "the relation is gone",
        lambda: "masakari" not in direct(operator),
        TAKES,
    )
    operator.settle()
    assert operator.restarted(before) == set()
    assert databases(operator) == {"127.0.0.1"}
    assert_works(operator)
