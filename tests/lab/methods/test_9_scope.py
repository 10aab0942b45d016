"""Which guests are recovered and which are left alone, by every kind of rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from jujulab.cloud import heartbeat
from jujulab.cloud.connection import Cloud
from jujulab.cloud.guests import FLAVOR, IMAGE
from jujulab.cloud.operator import credentials
from jujulab.trials.failover import Failover
from jujulab.trials.watch import PREFIX

PLAIN, NAMED, OWNED, TAGGED, SMALL, IMAGED = (
    f"{PREFIX}{name}" for name in ("plain", "spare-1", "owned", "tagged", "small", "imaged")
)
ROLE, PROJECT = "admin", "spare"

Boot = Callable[..., None]


@pytest.fixture
def other_project(failover: Failover) -> Iterator[tuple[str, Cloud]]:
    """Another project, and the administrator's connection to it."""
    cloud, auth = failover.cloud, credentials(failover.demo.console)
    domains = cloud.get("identity", "/domains")["domains"]
    domain = next(d["id"] for d in domains if d["name"] == auth["project_domain_name"])
    body = {"project": {"name": PROJECT, "domain_id": domain}}
    project = cloud.post("identity", "/projects", body)["project"]["id"]
    users = cloud.get("identity", f"/users?name={auth['username']}")["users"]
    user = next(u["id"] for u in users if u["domain_id"] == domain)
    role = cloud.get("identity", f"/roles?name={ROLE}")["roles"][0]["id"]
    path = f"/projects/{project}/users/{user}/roles/{role}"
    cloud.request("PUT", "identity", path)
    connection = Cloud(failover.lab.machine("0"), {**auth, "project_name": PROJECT})
    yield project, connection
    failover.guests.delete(PREFIX)
    connection.close()
    cloud.request("DELETE", "identity", f"/projects/{project}")


@pytest.fixture
def flavor(failover: Failover) -> Iterator[str]:
    """A flavor whose extra specs say that its instances may be lost."""
    found = failover.cloud.get("compute", "/flavors/detail")["flavors"]
    size = next(one for one in found if one["name"] == FLAVOR)
    body = {"name": "spare", "ram": size["ram"], "vcpus": 1, "disk": 0}
    made = failover.cloud.post("compute", "/flavors", {"flavor": body})["flavor"]["id"]
    specs = {"extra_specs": {"quality:spare": "true"}}
    failover.cloud.post("compute", f"/flavors/{made}/os-extra_specs", specs)
    yield made
    failover.guests.delete(PREFIX)
    failover.cloud.request("DELETE", "compute", f"/flavors/{made}")


@pytest.fixture
def image(failover: Failover) -> Iterator[str]:
    """An image with a property and a tag."""
    machine = failover.lab.machine("0")
    heartbeat.build_image(machine.juju_dir / "scope.raw")
    about = {"name": "scope", "disk_format": "raw", "container_format": "bare"}
    made = failover.cloud.post("image", "/v2/images", {**about, "spare": "yes", "tags": ["vital"]})
    path = f"/v2/images/{made['id']}"
    failover.cloud.request("PUT", "image", f"{path}/file", data="/var/lib/juju/scope.raw")
    (machine.juju_dir / "scope.raw").unlink()
    yield str(made["id"])
    failover.guests.delete(PREFIX)
    failover.cloud.request("DELETE", "image", path)


@pytest.fixture
def boot(failover: Failover) -> Boot:
    """Boots guests beside those that the trial follows, each with something of its own."""
    images = failover.cloud.get("image", f"/v2/images?name={IMAGE}&status=active")["images"]
    flavors = failover.cloud.get("compute", "/flavors")["flavors"]
    usual = {
        "imageRef": images[0]["id"],
        "flavorRef": next(f["id"] for f in flavors if f["name"] == FLAVOR),
        "networks": "none",
    }

    def make(host: str, *servers: tuple[Cloud, str, Mapping[str, Any]]) -> None:
        for cloud, name, own in servers:
            server = {**usual, "name": name, "host": host, **own}
            cloud.post("compute", "/servers", {"server": server}, microversion="2.74")
        failover.guests.wait([name for _, name, _ in servers], host)
        failover.follow({name: host for _, name, _ in servers})

    return make


def test_each_kind_of_rule_keeps_its_guests_where_they_are(
    failover: Failover, other_project: tuple[str, Cloud], flavor: str, image: str, boot: Boot
) -> None:
    first, *others = failover.hypervisors()
    project, their_cloud = other_project
    failover.arrange("auto")
    rules = {
        NAMED: f"name:{PREFIX}spare-*",
        OWNED: f"project:{project}",
        TAGGED: "metadata:spare",
        SMALL: "flavor:quality:spare=true",
        IMAGED: "image:spare",
    }
    failover.configure(f"recover-never={', '.join(rules.values())}")
    failover.boot({PLAIN: first, NAMED: first})
    boot(
        first,
        (their_cloud, OWNED, {}),
        (failover.cloud, TAGGED, {"metadata": {"spare": "true"}}),
        (failover.cloud, SMALL, {"flavorRef": flavor}),
        (failover.cloud, IMAGED, {"imageRef": image}),
    )
    left = {failover.server(name)["id"]: rule for name, rule in rules.items()}
    plan = failover.action("plan-recovery", f"host={first}")
    assert all(uuid in plan["left-alone"] for uuid in left)

    with failover.watched(f"power cut: {first}, with one guest to recover and five to leave"):
        failover.faults.power_off(failover.machine(first))
        failover.await_records(
            lambda lists: (
                lists.servers[PLAIN].host in others
                and (lists.servers[PLAIN].status, lists.servers[PLAIN].task) == ("ACTIVE", None)
            )
        )
        assert failover.await_end() == ["finished"]
    assert failover.beats(PLAIN)
    lists = failover.show()
    assert {lists.servers[name].host for name in rules} == {first}
    assert failover.silent(NAMED)
    report = failover.action("show-recovery")
    assert set(report["left-alone"]) == set(left)
    for uuid, rule in left.items():
        assert rule.partition(":")[0] in report["left-alone"][uuid], report["left-alone"][uuid]
    failover.judge(first)


def test_only_those_are_recovered_for_which_a_rule_holds(
    failover: Failover, image: str, boot: Boot
) -> None:
    """By its image's tag; or, on another host, by the aggregate that the host is in."""
    first, second, *others = failover.hypervisors()
    failover.arrange("auto")
    failover.configure("recover-only=aggregate:production, image-tag:vital")
    body = {"aggregate": {"name": "production", "availability_zone": None}}
    made = failover.cloud.post("compute", "/os-aggregates", body)["aggregate"]
    act = f"/os-aggregates/{made['id']}/action"
    failover.repair(failover.cloud.request, "DELETE", "compute", f"/os-aggregates/{made['id']}")
    failover.cloud.post("compute", act, {"add_host": {"host": second}})
    failover.repair(failover.cloud.post, "compute", act, {"remove_host": {"host": second}})
    failover.cloud.post("compute", act, {"set_metadata": {"metadata": {"production": "true"}}})
    failover.boot({PLAIN: first, NAMED: second})
    boot(first, (failover.cloud, IMAGED, {"imageRef": image}))
    assert failover.action("plan-recovery", f"host={second}").get("left-alone", "") == ""

    with failover.watched(f"power cut: {first}, with a vital guest and another one"):
        failover.faults.power_off(failover.machine(first))
        failover.await_records(
            lambda lists: (
                lists.servers[IMAGED].host in (second, *others)
                and (lists.servers[IMAGED].status, lists.servers[IMAGED].task) == ("ACTIVE", None)
            )
        )
        assert failover.await_end() == ["finished"]
    assert failover.beats(IMAGED)
    assert failover.show().servers[PLAIN].host == first
    assert failover.silent(PLAIN)
    failover.judge(first)
