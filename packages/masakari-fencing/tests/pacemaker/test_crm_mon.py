"""Reading what Pacemaker 2.1.5 really printed, in each state of a lost hypervisor."""

from __future__ import annotations

import pytest
from fencing_fakes import FakeRunner, fixture
from masakari_fencing.pacemaker import cibadmin, crm_mon, stonith_admin, tools


@pytest.mark.parametrize(
    ("name", "online", "unclean", "role", "stopped_on_purpose", "pending", "fenced"),
    [
        ("online", True, False, "Started", False, False, None),
        ("pending", False, True, "Stopped", False, True, None),
        ("outage", False, True, "Stopped", False, True, None),
        ("fenced", False, False, "Stopped", False, False, 1795233585.0),
        ("starting", True, False, "Starting", False, False, 1795233585.0),
        ("unmanaged", False, False, "Stopped", True, False, None),
        ("target-stopped", False, False, "Stopped", True, False, None),
    ],
)
def test_states_of_a_hypervisor(
    name: str,
    online: bool,
    unclean: bool,
    role: str,
    stopped_on_purpose: bool,
    pending: bool,
    fenced: float | None,
) -> None:
    status = crm_mon.parse_status(fixture(f"{name}.crm_mon.xml"))
    (node,) = status.named("rem1")
    connection = status.connection("rem1")
    assert connection is not None
    assert (node.kind, node.online, node.unclean) == ("remote", online, unclean)
    assert (connection.role, connection.stopped_on_purpose) == (role, stopped_on_purpose)
    assert any(event.status == "pending" for event in status.fencing_of("rem1")) is pending
    record = cibadmin.parse_record(fixture(f"{name}.node_state.xml"), "rem1")
    assert (record.fenced is None) is (fenced is None)


def test_the_cluster_as_a_whole() -> None:
    status = crm_mon.parse_status(fixture("outage.crm_mon.xml"))
    assert (status.quorum, status.dc, status.stonith_enabled) == (True, "ha1", True)
    assert [n.name for n in status.nodes if n.kind == "member"] == ["ha1", "ha2"]
    assert [n.name for n in status.nodes if n.is_dc] == ["ha1"]
    latest, *older = status.fencing_of("rem1")
    assert latest.status == "pending"
    assert not latest.confirmed
    assert {event.status for event in older} == {"failed", "success"}


def test_a_fence_in_the_history_has_its_time() -> None:
    status = crm_mon.parse_status(fixture("fenced.crm_mon.xml"))
    record = cibadmin.parse_record(fixture("fenced.node_state.xml"), "rem1")
    confirmed = [event for event in status.fencing_of("rem1") if event.confirmed]
    assert record.fenced is not None
    assert confirmed[0].completed is not None
    assert abs(confirmed[0].completed - record.fenced) <= 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-11-21 03:53:43Z", 1795233223.0),
        ("2026-11-21 03:53:43.250000Z", 1795233223.25),
        ("2026-11-21 04:53:43 +01:00", 1795233223.0),
        ("2026-11-20 22:53:43-0500", 1795233223.0),
        ("2026-11-21T03:53:43Z", 1795233223.0),
        ("Sat Nov 21 03:53:43 2026", None),
        ("", None),
        (None, None),
    ],
)
def test_times(text: str | None, seconds: float | None) -> None:
    assert tools.parse_time(text) == seconds


def test_a_missing_record_is_a_host_that_was_never_fenced() -> None:
    runner = FakeRunner().on("cibadmin", 105)
    assert cibadmin.remote_record(runner, "node1").fenced is None


@pytest.mark.parametrize("code", [1, 102, 124, 127])
def test_any_other_failure_is_an_error(code: int) -> None:
    runner = FakeRunner().on("", code)
    for ask in (cibadmin.remote_record, cibadmin.connected_since):
        with pytest.raises(tools.PacemakerError, match=str(code)):
            ask(runner, "node1")
    with pytest.raises(tools.PacemakerError):
        crm_mon.status(runner)


def test_the_latest_successful_connection_counts() -> None:
    operations = """<xpath-query>
      <lrm_rsc_op operation="start" rc-code="0" last-rc-change="100"/>
      <lrm_rsc_op operation="migrate_from" rc-code="0" last-rc-change="300"/>
      <lrm_rsc_op operation="start" rc-code="1" last-rc-change="400"/>
      <lrm_rsc_op operation="monitor" rc-code="0" last-rc-change="500"/>
    </xpath-query>"""
    assert cibadmin.connected_since(FakeRunner().on("cibadmin", operations), "node1") == 300
    assert cibadmin.connected_since(FakeRunner().on("cibadmin", 105), "node1") is None


@pytest.mark.parametrize("name", ["", "a'b", "a b", "-a", "a-", "a]", "é", "x" * 300])
def test_names_that_cannot_be_put_into_a_command(name: str) -> None:
    runner = FakeRunner()
    for ask in (cibadmin.remote_record, cibadmin.connected_since):
        with pytest.raises(ValueError, match="cannot be the name"):
            ask(runner, name)
    with pytest.raises(ValueError, match="cannot be the name"):
        stonith_admin.fence(runner, name, action="off", timeout=10)
    with pytest.raises(ValueError, match="cannot be the name"):
        stonith_admin.switch_on(runner, name, timeout=10)
    assert runner.calls == []
