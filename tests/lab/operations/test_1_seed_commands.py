"""The commands that operators know from the documents of other deployments, word for word.

Appendix L of the OpenStack charms' deployment guide, and Sunbeam's page on instance recovery;
only the names of hosts, segments and guests are this lab's. They run with the packaged clients.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from jujulab.cloud.guests import Guests
from jujulab.trials.deployment import PREFIX, Deployment
from jujulab.trials.experiment import Experiment
from operating import Operator, Refused, columns, fields, rows, wait_until

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
SERVICES = "openstack compute service list -c Host -c Status -c State --service nova-compute"
# Sunbeam's page has --long, too, with which Debian 12's client has the column twice and fails.
SERVERS = "openstack server list --all-projects -c Name -c Host"


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


def services(operator: Operator) -> dict[str, tuple[str, str]]:
    """Status and state of each compute service."""
    table = rows(operator.openstack(SERVICES))
    return {row["Host"]: (row["Status"], row["State"]) for row in table}


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


def make_reserved_segment(operator: Operator, usual: list[str], reserve: str) -> None:
    """The segment of Sunbeam's page: S1, with one host in reserve."""
    operator.openstack("openstack segment create S1 reserved_host COMPUTE")
    for name in usual:
        command = f"openstack segment host create {name} COMPUTE SSH S1"
        assert list(fields(operator.openstack(command))) == HOST_FIELDS
    command = f"openstack segment host create --reserved True {reserve} COMPUTE SSH S1"
    assert fields(operator.openstack(command))["reserved"] == "True"
    operator.openstack(f"openstack compute service set --disable {reserve} nova-compute")


@pytest.mark.usefixtures("tidy")
def test_sunbeams_reserved_host_takes_over(
    operator: Operator, on_duty: Deployment, hypervisors: list[str]
) -> None:
    *usual, reserve = hypervisors
    make_reserved_segment(operator, usual, reserve)
    assert hosts_of(operator, "S1") == {
        **dict.fromkeys(usual, ("False", "False")),
        reserve: ("True", "False"),
    }
    assert services(operator)[reserve] == ("disabled", "up")
    failed = usual[0]
    on_duty.boot_guests(2, failed)
    guests = Guests(on_duty.lab, on_duty.cloud)
    try:
        table = rows(operator.openstack(SERVERS))
        assert {row["Name"]: row["Host"] for row in table} == {
            f"{PREFIX}1": failed,
            f"{PREFIX}2": failed,
        }
        assert Experiment(on_duty).lose_hypervisor(failed) == []
        assert {row["Host"] for row in rows(operator.openstack(SERVERS))} == {reserve}
        assert services(operator)[failed] == ("disabled", "down")
        assert services(operator)[reserve] == ("enabled", "up")
        wait_until(
            "the workflow ends",
            lambda: hosts_of(operator, "S1")[reserve] == ("False", "False"),
            timeout=120,
        )
        assert hosts_of(operator, "S1")[failed] == ("False", "True")
        notifications = operator.openstack("openstack notification list")
        assert {"notification_uuid", "generated_time", "status", "type"} <= set(
            columns(notifications)
        )
        on_duty.restore()
        assert services(operator)[failed] == ("enabled", "up")
        assert hosts_of(operator, "S1")[failed] == ("False", "False")
    finally:
        guests.delete(PREFIX)
        operator.openstack(f"openstack compute service set --enable {reserve} nova-compute")
        on_duty.restore()


@pytest.mark.usefixtures("tidy")
def test_sunbeams_instance_restart(
    operator: Operator, on_duty: Deployment, hypervisors: list[str]
) -> None:
    operator.openstack("openstack segment create S1 auto COMPUTE")
    for name in hypervisors:
        operator.openstack(f"openstack segment host create {name} COMPUTE SSH S1")
    on_duty.boot_guests(2)
    guest = f"{PREFIX}2"  # which has not been tagged
    try:
        operator.openstack(f"openstack server set --property HA_Enabled=True {guest}")
        command = (
            f"openstack server show {guest} -c OS-EXT-SRV-ATTR:host"
            " -c OS-EXT-SRV-ATTR:instance_name"
        )
        shown = fields(operator.openstack(command))
        host, domain = (
            shown[f"OS-EXT-SRV-ATTR:{attribute}"] for attribute in ("host", "instance_name")
        )
        machine = on_duty.lab.find(host)
        unit = next(u for u, m in operator.machines("nova-compute").items() if m.id == machine.id)
        before = operator.juju.exec(f"pgrep -f guest={domain}", unit=unit).stdout.split()
        # The pattern is in the command line of the shell that runs it, too.
        operator.juju.exec(f"sudo pkill -f -9 'guest=[{domain[0]}]{domain[1:]}'", unit=unit)

        def restarted() -> bool:
            found = machine.run(["pgrep", "-f", f"guest={domain},"], check=False).stdout.split()
            return bool(found) and not set(found) & set(before)

        wait_until(f"{guest} runs again", restarted, timeout=120)
    finally:
        Guests(on_duty.lab, on_duty.cloud).delete(PREFIX)
