"""Each release of Pacemaker, as `tests/lab/releases/record.py` has recorded it, is read alike."""

from __future__ import annotations

import json
import subprocess
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from fencing_fakes import FIXTURES, FakeRunner
from masakari_fencing.cluster import health
from masakari_fencing.pacemaker import cibadmin, crm_mon, crm_node, remote_nodes, stonith_admin

RELEASES = sorted(path.name.partition("-")[2] for path in FIXTURES.glob("pacemaker-*"))

MONOTONIC = "2.1.2"
"""It counts the end of a fencing from the boot of the machine."""

STATES = [
    # state, online, unclean, role, stopped on purpose, an entry is pending, fenced
    ("online", True, False, "Started", False, False, False),
    ("outage", False, True, "Stopped", False, None, False),
    ("pending", False, True, "Stopped", False, True, False),
    ("fenced", None, False, None, False, False, True),
    ("starting", True, False, "Starting", False, False, True),
    ("unmanaged", False, False, "Stopped", True, False, False),
    ("target-stopped", False, False, "Stopped", True, False, False),
]


def recorded(release: str, name: str) -> str:
    return (FIXTURES / f"pacemaker-{release}" / name).read_text(encoding="utf-8")


def answers(release: str) -> dict[str, Any]:
    return dict(json.loads(recorded(release, "answers.json")))


class Recorded(FakeRunner):
    """Answers each command as the release did."""

    def __init__(self, release: str) -> None:
        super().__init__()
        self._answers = answers(release)

    def run(self, argv: Any, **options: Any) -> subprocess.CompletedProcess[str]:
        code, text = self._answers[" ".join(argv)]
        return subprocess.CompletedProcess(list(argv), code, text, f"failed: {code}")


def test_every_release_that_is_named_is_recorded() -> None:
    assert set(RELEASES) == {"2.1.2", "2.1.5", "2.1.6", "2.1.7", "3.0.1"}


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(
    ("state", "online", "unclean", "role", "on_purpose", "pending", "fenced"), STATES
)
def test_states_of_a_hypervisor(
    release: str,
    state: str,
    online: bool | None,
    unclean: bool,
    role: str | None,
    on_purpose: bool,
    pending: bool | None,
    fenced: bool,
) -> None:
    status = crm_mon.parse_status(recorded(release, f"{state}.crm_mon.xml"))
    (node,) = status.named("rem1")
    connection = status.connection("rem1")
    assert connection is not None
    assert (node.kind, node.unclean) == ("remote", unclean)
    assert online in (None, node.online)
    assert role in (None, connection.role)
    assert connection.live == (state == "online")
    assert connection.stopped_on_purpose is on_purpose
    if pending is not None:
        assert any(event.pending for event in status.fencing_of("rem1")) is pending
        assert status.being_fenced(node) is pending
    record = cibadmin.parse_record(recorded(release, f"{state}.node_state.xml"), "rem1")
    assert (record.fenced is not None) is fenced


@pytest.mark.parametrize("release", RELEASES)
def test_the_cluster_as_a_whole(release: str) -> None:
    status = crm_mon.parse_status(recorded(release, "online.crm_mon.xml"))
    assert (status.dc, status.quorum, status.stonith_enabled) == ("ha1", True, True)
    assert [node.name for node in status.nodes if node.is_dc] == ["ha1"]
    assert status.maintenance_mode is False
    assert status.failed_devices == ()


@pytest.mark.parametrize("release", RELEASES)
def test_times_are_read(release: str) -> None:
    status = crm_mon.parse_status(recorded(release, "fenced.crm_mon.xml"))
    record = cibadmin.parse_record(recorded(release, "fenced.node_state.xml"), "rem1")
    done = [event for event in status.fencing_of("rem1") if event.confirmed]
    assert record.fenced is not None
    if release == MONOTONIC:
        assert done[0].completed is None, "seconds since a boot are no time"
    else:
        assert done[0].completed is not None
        assert abs(done[0].completed - record.fenced) <= 1
    before = crm_mon.parse_status(recorded(release, "outage.crm_mon.xml"))
    lost = before.lost_at("rem1")
    assert lost is not None
    assert 0 < record.fenced - lost < 600
    assert done[0].decided_by_pacemaker
    assert done[0].delegate == "ha1"


@pytest.mark.parametrize("release", RELEASES)
def test_failed_attempts_say_so(release: str) -> None:
    status = crm_mon.parse_status(recorded(release, "outage.crm_mon.xml"))
    failed = [event for event in status.fencing_of("rem1") if event.status == "failed"]
    assert failed
    assert not any(event.confirmed for event in failed)
    assert all(bool(event.completed) is (release != MONOTONIC) for event in failed)


@pytest.mark.parametrize("release", RELEASES)
def test_what_else_the_cluster_is_asked(release: str) -> None:
    runner = Recorded(release)
    assert cibadmin.connected_since(runner, "rem1") is not None
    assert cibadmin.remote_record(runner, "nobody").fenced is None
    configuration = cibadmin.configuration(runner)
    assert set(remote_nodes.addresses(configuration)) == {"rem1"}
    assert health.able(runner, "rem1") == ["st-maas"]
    assert stonith_admin.default_action(runner) == "reboot"
    assert crm_node.has_quorum(runner)
    assert crm_node.local_name(runner) == "ha1"


@pytest.mark.parametrize("release", RELEASES)
def test_two_kinds_of_objects_come_in_one_element(release: str) -> None:
    code, text = answers(release)[
        "cibadmin --query --xpath //primitive[@id='rem1']|//node[@id='rem1']"
    ]
    assert code == 0
    root = ET.fromstring(text)  # noqa: S314 - a fixture
    assert {element.get("id") for element in root.iter("primitive")} == {"rem1"}
