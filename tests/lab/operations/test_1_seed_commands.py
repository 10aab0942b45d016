"""The commands that operators know from the documents of other deployments, word for word.

Appendix L of the OpenStack charms' deployment guide, and Sunbeam's page on instance recovery;
only the names of hosts, segments and guests are this lab's. They run with the packaged clients.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from operating import Operator, Refused, columns, fields, rows

SEGMENT_FIELDS = [
    "created_at",
    "updated_at",
    "uuid",
    "name",
    "description",
    "id",
    "service_type",
    "recovery_method",
]
HOST_FIELDS = [
    "created_at",
    "updated_at",
    "uuid",
    "name",
    "type",
    "control_attributes",
    "reserved",
    "on_maintenance",
    "failover_segment_id",
]
HOST_COLUMNS = HOST_FIELDS[2:]
SERVICE_COLUMNS = ["ID", "Binary", "Host", "Zone", "Status", "State", "Updated At"]
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
HOSTS = "openstack segment host list {} -c name -c reserved -c on_maintenance"


@pytest.fixture(scope="module")
def hypervisors(operator: Operator) -> Iterator[list[str]]:
    """The hypervisors, in no segment."""
    demo = operator.demo
    clear(operator)
    yield sorted(service["host"] for service in demo.cloud.compute_services())
    demo.create_segment()


@pytest.fixture
def tidy(operator: Operator, hypervisors: list[str]) -> Iterator[None]:
    """No segment is left afterwards, and every hypervisor is on duty."""
    yield
    clear(operator)
    for host in hypervisors:
        operator.openstack(f"openstack compute service set --enable {host} nova-compute")


def clear(operator: Operator) -> None:
    """Delete all segments with their hosts."""
    for segment in rows(operator.openstack("openstack segment list")):
        for host in rows(operator.openstack(f"openstack segment host list {segment['uuid']}")):
            operator.openstack(f"openstack segment host delete {segment['uuid']} {host['uuid']}")
        operator.openstack(f"openstack segment delete {segment['uuid']}")


def hosts_of(operator: Operator, segment: str) -> dict[str, tuple[str, str]]:
    """Whether each host of a segment is reserved, and in maintenance."""
    table = rows(operator.openstack(HOSTS.format(segment)))
    return {row["name"]: (row["reserved"], row["on_maintenance"]) for row in table}


@pytest.mark.usefixtures("tidy")
def test_appendix_l_auto(operator: Operator, hypervisors: list[str]) -> None:
    segment = fields(operator.openstack("openstack segment create segment1 auto COMPUTE"))
    assert set(SEGMENT_FIELDS) <= set(segment)
    assert segment["name"] == "segment1"
    assert segment["service_type"] == "COMPUTE"
    assert segment["recovery_method"] == "auto"
    assert UUID.fullmatch(segment["uuid"])
    for name in hypervisors:
        command = f"openstack segment host create {name} COMPUTE SSH {segment['uuid']}"
        host = fields(operator.openstack(command))
        assert list(host) == HOST_FIELDS
        assert (host["name"], host["reserved"], host["on_maintenance"]) == (name, "False", "False")
    table = operator.openstack(f"openstack segment host list {segment['uuid']}")
    assert columns(table) == HOST_COLUMNS
    assert sorted(row["name"] for row in rows(table)) == hypervisors
    assert {row["failover_segment_id"] for row in rows(table)} == {segment["uuid"]}


@pytest.mark.usefixtures("tidy")
def test_appendix_l_reserved_host(operator: Operator, hypervisors: list[str]) -> None:
    command = "openstack segment create segment1 reserved_host COMPUTE -c uuid -f value"
    uuid = operator.openstack(command).strip()
    assert UUID.fullmatch(uuid)
    *usual, reserve = hypervisors
    operator.openstack(
        f"openstack segment host create {reserve} --reserved True COMPUTE SSH {uuid}"
    )
    for name in usual:
        operator.openstack(f"openstack segment host create {name} COMPUTE SSH {uuid}")
    table = operator.openstack(f"openstack segment host list {uuid}")
    assert columns(table) == HOST_COLUMNS
    assert {row["name"]: row["reserved"] for row in rows(table)} == {
        **dict.fromkeys(usual, "False"),
        reserve: "True",
    }
    operator.openstack(f"openstack compute service set --disable {reserve} nova-compute")
    table = operator.openstack("openstack compute service list")
    assert columns(table) == SERVICE_COLUMNS
    states = {(row["Binary"], row["Host"]): row["Status"] for row in rows(table)}
    assert states["nova-compute", reserve] == "disabled"
    assert {states["nova-compute", name] for name in usual} == {"enabled"}


@pytest.mark.usefixtures("tidy")
def test_sunbeams_supplement(operator: Operator, hypervisors: list[str]) -> None:
    one, two, _ = hypervisors
    operator.openstack("openstack segment create S1 reserved_host COMPUTE")
    operator.openstack("openstack segment create S2 auto COMPUTE")
    operator.openstack(f"openstack segment host create {one} COMPUTE SSH S1")
    with pytest.raises(Refused):  # it is in another segment
        operator.openstack(f"openstack segment host create {one} COMPUTE SSH S2")
    operator.openstack(f"openstack segment host delete S1 {one}")
    operator.openstack(f"openstack segment host create {one} COMPUTE SSH S2")
    operator.openstack(f"openstack segment host update --reserved=True S2 {one}")
    assert hosts_of(operator, "S2") == {one: ("True", "False")}
    operator.openstack(f"openstack segment host update --reserved=False S2 {one}")
    operator.openstack(f"openstack segment host update --on_maintenance=True S2 {one}")
    assert hosts_of(operator, "S2") == {one: ("False", "True")}
    operator.openstack(f"openstack segment host update --on_maintenance=False S2 {one}")
    command = "openstack segment update --recovery_method rh_priority --service_type COMPUTE S2"
    operator.openstack(command)
    shown = fields(operator.openstack("openstack segment show S2"))
    assert set(SEGMENT_FIELDS) <= set(shown)
    assert (shown["name"], shown["recovery_method"]) == ("S2", "rh_priority")
    table = operator.openstack("openstack segment list")
    assert {"uuid", "name", "description", "service_type", "recovery_method"} <= set(
        columns(table)
    )
    assert {row["name"] for row in rows(table)} == {"S1", "S2"}
    assert two not in hosts_of(operator, "S2")
