"""What an operator types: the field's own commands, pasted into the lab's shell."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from jujulab.cloud.console import JUJU
from jujulab.cloud.guests import Guests
from jujulab.cloud.operator import try_next
from jujulab.files import REPOSITORY
from jujulab.trials.deployment import PREFIX, SEGMENT, Deployment
from jujulab.trials.experiment import Experiment

LAB = JUJU.with_name("lab")

COMMANDS = f"""\
openstack segment list
openstack segment host list {SEGMENT} -c name -c reserved -c on_maintenance
openstack compute service list
openstack compute service list -c Host -c Status -c State --service nova-compute
openstack server list --long --all-projects -c Name -c Host
openstack server set --property HA_Enabled=True {PREFIX}1
juju status
lab machines
"""
"""What changes nothing, or what nobody minds."""

SEGMENTS = f"""\
for host in $(openstack segment host list {SEGMENT} -c uuid -f value); do
    openstack segment host delete {SEGMENT} $host
done
openstack segment create segment1 auto COMPUTE
openstack segment host create node1.maas COMPUTE SSH segment1
openstack segment host list segment1
segment=$(openstack segment create S1 reserved_host COMPUTE -c uuid -f value)
openstack segment host create node2.maas --reserved True COMPUTE SSH $segment
openstack segment host create --reserved True node3.maas COMPUTE SSH S1
openstack segment host list $segment
openstack segment host list S1 -c name -c reserved -c on_maintenance
openstack compute service set --disable node3.maas nova-compute
openstack compute service list
openstack compute service set --enable node3.maas nova-compute
"""
"""Segments and hosts, made by hand as in the field's guides."""


def paste(text: str) -> str:
    """Paste lines into `lab/lab shell`, which stops at the first that fails; return the output."""
    done = subprocess.run(
        [str(LAB), "shell"],
        input=f"set -ex\n{text}",
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_commands_of_the_fields_guides_work_as_they_stand(
    on_duty: Deployment, guests_on: tuple[str, Guests]
) -> None:
    host, _guests = guests_on
    output = paste(COMMANDS)
    assert f"| {SEGMENT} " in output
    assert f"| {PREFIX}1 | {host} |" in output


def test_the_lines_that_the_demo_ends_with_work_when_pasted(
    on_duty: Deployment, guests_on: tuple[str, Guests]
) -> None:
    host, _guests = guests_on
    assert Experiment(on_duty).lose_hypervisor(host) == []
    for line in try_next(SEGMENT, host, f"{PREFIX}2"):
        shell = ["bash", "-c", line]
        pasted = subprocess.run(shell, cwd=REPOSITORY, stdin=subprocess.DEVNULL, timeout=600)
        assert pasted.returncode == 0, line


@pytest.fixture
def own_segments(on_duty: Deployment) -> Iterator[Deployment]:
    """The segment of all other tests is there again afterwards, alone."""
    try:
        yield on_duty
    finally:
        for segment in on_duty.cloud.get("instance-ha", "/segments")["segments"]:
            path = f"/segments/{segment['uuid']}"
            for host in on_duty.cloud.get("instance-ha", f"{path}/hosts")["hosts"]:
                on_duty.cloud.request("DELETE", "instance-ha", f"{path}/hosts/{host['uuid']}")
            on_duty.cloud.request("DELETE", "instance-ha", path)
        on_duty.create_segment()


def test_segments_are_made_by_hand_as_in_the_fields_guides(own_segments: Deployment) -> None:
    output = paste(SEGMENTS)
    assert "| node1.maas " in output
    assert "| node3.maas | True     | False          |" in output
