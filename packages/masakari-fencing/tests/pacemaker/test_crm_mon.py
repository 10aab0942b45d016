"""Reading what Pacemaker 2.1.5 really printed, in each state of a lost hypervisor."""

from __future__ import annotations

import re

import pytest
from fencing_fakes import FakeRunner, fixture
from masakari_fencing.pacemaker import cibadmin, crm_mon, crm_node, stonith_admin, tools


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


WHOLE = fixture("fenced.crm_mon.xml")


@pytest.mark.parametrize(
    "text",
    [
        WHOLE[: len(WHOLE) // 2],
        WHOLE.replace('<status code="0" message="OK"/>', ""),
        WHOLE.replace('<status code="0" message="OK"/>', '<status code="102" message="no"/>'),
        WHOLE.replace("pacemaker-result", "crm_mon"),
        f"\x1b[32m{WHOLE}\x1b[0m",
        WHOLE.replace("<nodes>", "<nœuds>").replace("</nodes>", "</nœuds>"),
        f"Attention: {WHOLE}",
        re.sub("version=.2.1.5-[0-9a-f]+.", 'version=""', WHOLE),
        "",
    ],
    ids=[
        "cut",
        "no end",
        "failed",
        "other",
        "coloured",
        "translated",
        "talk",
        "no version",
        "empty",
    ],
)
def test_what_is_no_whole_answer_is_refused(text: str) -> None:
    with pytest.raises(tools.PacemakerError) as refused:
        crm_mon.parse_status(text)
    assert not isinstance(refused.value, tools.Unsupported)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "2.1.5-a3f44794f94",
            "1.1.24-1",
            "1.1.24 is not supported, only 2.1.x and 3.0.x are",
        ),
        ("2.1.5-a3f44794f94", "2.0.3-4b1f869f0f", "Pacemaker 2.0.3 is not supported"),
        ("2.1.5-a3f44794f94", "2.10.1-1", "Pacemaker 2.10.1 is not supported"),
        ("2.1.5-a3f44794f94", "4.0.0-1", "Pacemaker 4.0.0 is not supported"),
        ("2.1.5-a3f44794f94", "newest", "Pacemaker newest is not supported"),
        ('api-version="2.25"', 'api-version="3.0"', "in format 3.0, and only 2.x is known"),
        (' api-version="2.25"', "", r"in format \(none\)"),
    ],
)
def test_an_unknown_release_is_refused_by_name(old: str, new: str, says: str) -> None:
    with pytest.raises(tools.Unsupported, match=says):
        crm_mon.parse_status(WHOLE.replace(old, new))


@pytest.mark.parametrize("version", ["2.1.2-ada5c3b36e2", "2.1.6-6fdc9deea29", "3.0.1", "2.1.10"])
def test_known_releases_are_read(version: str) -> None:
    assert crm_mon.parse_status(WHOLE.replace("2.1.5-a3f44794f94", version)).dc == "ha1"


@pytest.mark.parametrize(
    "text", ["<configuration/>", "<xpath-query/>", "", "<cib>", "\x1b[1m<cib/>"]
)
def test_another_answer_than_the_cib_is_refused(text: str) -> None:
    with pytest.raises(tools.PacemakerError):
        cibadmin.cib(FakeRunner().on("cibadmin --query", text))
    with pytest.raises(tools.PacemakerError):
        cibadmin.configuration(FakeRunner().on("cibadmin", text.replace("configuration", "cib")))


@pytest.mark.parametrize("text", ["", "\x1b[1mha1\x1b[0m\n", "Could not connect: no cluster\n"])
def test_a_name_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(tools.PacemakerError, match="called"):
        crm_node.local_name(FakeRunner().on("crm_node --name", text))


@pytest.mark.parametrize("answer", ["Reboot", "aus\n", "", 1, 102])
def test_an_action_of_fencing_that_is_none_is_refused(answer: str | int) -> None:
    with pytest.raises(tools.PacemakerError):
        stonith_admin.default_action(FakeRunner().on("crm_attribute", answer))


@pytest.mark.parametrize(
    ("answer", "action"), [(105, "reboot"), ("off\n", "off"), ("reboot\n", "reboot")]
)
def test_what_the_cluster_does_to_a_node(answer: str | int, action: str) -> None:
    assert stonith_admin.default_action(FakeRunner().on("crm_attribute", answer)) == action
