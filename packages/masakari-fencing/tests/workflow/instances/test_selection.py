"""Which instances of a host are recovered, and what is remembered of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from masakari_fencing.openstack import instances
from masakari_fencing.records.recovery import Instance
from masakari_fencing.workflow.instances import selection


def server(uuid: str, state: str = "active", **changes: Any) -> SimpleNamespace:
    found = SimpleNamespace(id=uuid, metadata=changes.pop("metadata", {}))
    vars(found).update({instances.STATE: state, **changes})
    return found


@pytest.mark.parametrize("everyone", [False, True])
@pytest.mark.parametrize("skip_errors", [False, True])
def test_who_is_recovered(everyone: bool, skip_errors: bool) -> None:
    found = selection.to_recover(
        [
            server("not-ha", metadata={"HA_Enabled": "False"}),
            server("ha", metadata={"HA_Enabled": "True"}),
            server("plain", "stopped"),
            server("ha-broken", "error", metadata={"HA_Enabled": " yes "}),
        ],
        key="HA_Enabled",
        everyone=everyone,
        skip_errors=skip_errors,
    )
    expected = ["ha"] if skip_errors else ["ha", "ha-broken"]
    if everyone:
        expected += ["not-ha", "plain"]
    assert [item.id for item in found] == expected, "those with the key first, as Masakari does"


@pytest.mark.parametrize("metadata", [None, "HA_Enabled", ["HA_Enabled"], {"HA_Enabled": ["x"]}])
def test_metadata_of_the_wrong_type_says_no_yes(metadata: object) -> None:
    there = [server("odd", metadata=metadata), server("ha", metadata={"HA_Enabled": True})]
    chosen = [
        selection.to_recover(there, key="HA_Enabled", everyone=everyone, skip_errors=False)
        for everyone in (True, False)
    ]
    assert [[item.id for item in found] for found in chosen] == [["ha", "odd"], ["ha"]]


@pytest.mark.parametrize(
    "gone",
    [
        {instances.TASK: "deleting"},
        {instances.TASK: "soft-deleting"},
        {"state": "soft-delete"},
        {"state": "deleted"},
    ],
)
def test_one_that_its_owner_has_deleted_is_left_alone(gone: dict[str, str]) -> None:
    there = [server("g1", **gone), server("g2", **{instances.TASK: "powering-off"})]
    found = selection.to_recover(there, key="HA_Enabled", everyone=True, skip_errors=False)
    assert [item.id for item in found] == ["g2"]


def test_nova_is_asked_for_everybodys_instances_by_the_name_of_its_own_service() -> None:
    asked: list[dict[str, Any]] = []

    def found(**options: Any) -> list[Any]:
        asked.append(options)
        return [server("g1")]

    client = SimpleNamespace(servers=SimpleNamespace(list=found))
    assert [item.id for item in instances.of_host(client, "node1.maas")] == ["g1"]
    options = {"host": "node1.maas", "all_tenants": True}
    assert asked == [{"detailed": True, "search_opts": options, "limit": -1}], "all pages"
    instances.of_host(client, "node1.maas", every=False)
    assert asked[1]["limit"] is None


def test_what_an_instance_was() -> None:
    values = {instances.TASK: "powering-off", instances.POWER: 1, "locked": True}
    assert selection.before(server("g1", "paused", **values), running=False) == Instance(
        "g1", "paused", "powering-off", 1, locked=True
    )


def test_one_that_ran_is_remembered_as_such_whatever_nova_says_by_now() -> None:
    values = {instances.TASK: "powering-off", instances.POWER: 4}
    found = selection.before(server("g1", "stopped", **values), running=True)
    assert (found.vm_state, found.task_state, found.locked) == ("active", "", False)


def test_one_of_which_nova_says_little() -> None:
    bare = SimpleNamespace(id="g1")
    assert selection.before(bare, running=False) == Instance("g1", "")
    assert instances.host_of(bare) == ""
    assert instances.host_of(server("g1", **{instances.HOST: "node2.maas"})) == "node2.maas"


@pytest.mark.parametrize("task", sorted(instances.UNGATED))
def test_what_its_host_is_to_start_is_left_to_it(task: str) -> None:
    waits, other = server("g1", **{instances.TASK: task}), server("g2")
    assert selection.to_recover([waits, other], key="HA", everyone=True, skip_errors=False) == [
        other
    ]
    assert "waits for its host" in selection.why_left(waits, "HA")


def test_what_was_never_started_is_left_alone() -> None:
    never, other = server("g1"), server("g2")
    setattr(never, instances.LAUNCHED, None)
    setattr(other, instances.LAUNCHED, "2026-11-29T07:00:00.000000")
    found = selection.to_recover([never, other], key="HA", everyone=True, skip_errors=False)
    assert found == [other]
    assert "never started" in selection.why_left(never, "HA")
