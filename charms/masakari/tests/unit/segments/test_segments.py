"""Failover segments and their hosts."""

from __future__ import annotations

import pytest

from fakecloud import FakeCloud, create
from segments.lookup import ActionError, split
from segments.segments import Segments

ONE, TWO, THREE = "node1.maas", "node2.maas", "node3.maas"


def test_create_with_hosts_and_reserved_host(segments: Segments, cloud: FakeCloud) -> None:
    result = create(
        segments,
        recovery_method="reserved_host",
        description="first",
        hosts=[ONE, TWO],
        reserved_hosts=[THREE],
    )
    [uuid] = cloud.segments
    assert result == {
        "outcome": "created",
        "segment": {
            "name": "rack1",
            "uuid": uuid,
            "recovery-method": "reserved_host",
            "enabled": "true",
            "description": "first",
            "hosts": f"{ONE},{TWO}",
            "reserved-hosts": THREE,
        },
        "added": f"{ONE},{TWO},{THREE}",
        "disabled-in-nova": THREE,
    }
    assert cloud.services[THREE]["status"] == "disabled"
    assert cloud.services[ONE]["status"] == "enabled"
    assert {host["type"] for host in cloud.hosts.values()} == {"COMPUTE"}


def test_reserved_host_is_closed_before_it_is_in_reserve(
    segments: Segments, cloud: FakeCloud
) -> None:
    create(segments, reserved_hosts=[THREE])
    paths = [path for method, path, _ in cloud.log if "tokens" not in path]
    assert "os-services" in paths[1]
    assert paths[2].endswith("/hosts")


def test_reserved_host_may_stay_enabled(segments: Segments, cloud: FakeCloud) -> None:
    result = create(segments, reserved_hosts=[THREE], disable_reserved=False)
    assert cloud.services[THREE]["status"] == "enabled"
    assert "disabled-in-nova" not in result


def test_create_again_changes_nothing(segments: Segments, cloud: FakeCloud) -> None:
    options = {"hosts": [ONE], "reserved_hosts": [TWO]}
    create(segments, **options)
    cloud.log.clear()
    result = create(segments, **options)
    assert result["outcome"] == "unchanged"
    assert cloud.log == []


def test_create_completes_what_is_there(segments: Segments, cloud: FakeCloud) -> None:
    create(segments, hosts=[ONE])
    result = create(segments, hosts=[ONE, TWO])
    assert result["outcome"] == "completed"
    assert result["added"] == TWO


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"recovery_method": "reserved_host"},
            "segment rack1 exists with recovery-method 'auto', not 'reserved_host'; to change it,"
            " run: update-segment name=rack1 recovery-method=reserved_host",
        ),
        ({"description": "other"}, "exists with description 'one', not 'other'"),
        ({"enabled": False}, "exists with enabled 'true', not 'false'; to change it, run:"),
    ],
)
def test_create_does_not_change_what_is_there(
    segments: Segments, cloud: FakeCloud, options: dict[str, object], text: str
) -> None:
    create(segments, description="one")
    cloud.log.clear()
    with pytest.raises(ActionError) as caught:
        create(segments, **options)
    assert text in str(caught.value)
    assert cloud.log == []


@pytest.mark.parametrize("where", ["hosts", "reserved_hosts"])
def test_a_host_with_two_names_is_refused_before_anything_is_created(
    segments: Segments, cloud: FakeCloud, where: str
) -> None:
    """Masakari would call its guests evacuated before it has begun."""
    cloud.page = 1
    cloud.renamed = {TWO: "node2"}
    with pytest.raises(ActionError, match=f"{TWO} by two names: its hypervisor is node2, so"):
        create(segments, **{where: [ONE, TWO]})
    assert cloud.segments == {}


@pytest.mark.parametrize("page", [1, 2, 1000])
def test_hosts_beyond_the_first_page_are_there(
    segments: Segments, cloud: FakeCloud, page: int
) -> None:
    cloud.page = page
    create(segments, hosts=[ONE, TWO, THREE])
    assert segments.list_all()["count"] == 1
    assert create(segments, hosts=[ONE, TWO, THREE])["outcome"] == "unchanged"
    assert segments.remove_hosts("rack1", [THREE, TWO, ONE])["removed"] == f"{THREE},{TWO},{ONE}"


def test_unknown_host_is_refused_before_anything_is_created(
    segments: Segments, cloud: FakeCloud
) -> None:
    with pytest.raises(ActionError) as caught:
        create(segments, hosts=[ONE, "node1"])
    assert str(caught.value) == f"Nova has no nova-compute on node1; it has: {ONE}, {TWO}, {THREE}"
    assert cloud.segments == {}


def test_host_of_another_segment_is_refused(segments: Segments, cloud: FakeCloud) -> None:
    create(segments, hosts=[ONE])
    with pytest.raises(ActionError) as caught:
        segments.create(
            "rack2",
            recovery_method="auto",
            description=None,
            enabled=None,
            hosts=[ONE],
            reserved_hosts=[],
            disable_reserved=True,
        )
    assert str(caught.value) == (
        f"host {ONE} is in segment rack1; to move it, first run: remove-hosts segment=rack1"
        f" hosts={ONE}"
    )
    assert len(cloud.segments) == 1


def test_host_that_is_reserved_otherwise_is_refused(segments: Segments, cloud: FakeCloud) -> None:
    create(segments, hosts=[ONE])
    with pytest.raises(ActionError, match=f"run: update-host host={ONE} reserved=true"):
        create(segments, reserved_hosts=[ONE])


def test_host_in_both_lists_is_refused(segments: Segments) -> None:
    with pytest.raises(ActionError, match=f"in both hosts and reserved-hosts: {ONE}"):
        create(segments, hosts=[ONE], reserved_hosts=[ONE])


def test_segment_without_hosts_needs_no_nova(segments: Segments, cloud: FakeCloud) -> None:
    cloud.services.clear()
    assert create(segments, enabled=False)["outcome"] == "created"
    [segment] = cloud.segments.values()
    assert segment["enabled"] is False


def test_list(segments: Segments, cloud: FakeCloud) -> None:
    assert segments.list_all() == {"count": 0}
    create(segments, hosts=[ONE])
    result = segments.list_all()
    assert result["count"] == 1
    [(uuid, described)] = result["segments"].items()
    assert uuid in cloud.segments
    assert described["hosts"] == ONE


def test_show_by_name_and_uuid(segments: Segments, cloud: FakeCloud) -> None:
    create(segments, hosts=[ONE, TWO])
    del cloud.services[TWO]
    [uuid] = cloud.segments
    assert segments.show(uuid) == segments.show("rack1")
    hosts = {host["name"]: host for host in segments.show(uuid)["hosts"].values()}
    assert hosts[ONE] == {
        "name": ONE,
        "uuid": hosts[ONE]["uuid"],
        "reserved": "false",
        "on-maintenance": "false",
        "compute-status": "enabled",
        "compute-state": "up",
        "forced-down": "false",
    }
    assert hosts[TWO]["compute-service"] == "absent"


def test_show_of_nothing_says_what_there_is(segments: Segments) -> None:
    with pytest.raises(ActionError) as caught:
        segments.show("rack9")
    assert str(caught.value) == "no segment rack9; there are: none"
    create(segments)
    assert "hosts" not in segments.show("rack1")


def update(segments: Segments, **options: object) -> dict[str, object]:
    defaults: dict[str, object] = {
        "new_name": None,
        "recovery_method": None,
        "description": None,
        "enabled": None,
    }
    return segments.update("rack1", **{**defaults, **options})  # type: ignore[arg-type]


def test_update(segments: Segments, cloud: FakeCloud) -> None:
    create(segments)
    cloud.log.clear()
    with pytest.raises(ActionError, match="nothing to change"):
        update(segments)
    assert update(segments, recovery_method="auto")["outcome"] == "unchanged"
    assert cloud.log == []
    result = update(segments, recovery_method="rh_priority", enabled=False, new_name="rack2")
    assert result["outcome"] == "updated"
    [segment] = cloud.segments.values()
    assert segment["name"] == "rack2"
    assert segment["enabled"] is False


def test_delete(segments: Segments, cloud: FakeCloud) -> None:
    create(segments, hosts=[ONE])
    with pytest.raises(ActionError, match=f"segment rack1 has hosts: {ONE}; use remove-hosts"):
        segments.delete("rack1", with_hosts=False)
    assert segments.delete("rack1", with_hosts=True)["outcome"] == "deleted"
    assert cloud.hosts == {}
    assert segments.delete("rack1", with_hosts=False)["outcome"] == "absent"


def test_add_hosts(segments: Segments, cloud: FakeCloud) -> None:
    create(segments)
    options = {"hosts": [ONE], "reserved_hosts": [TWO], "disable_reserved": True}
    assert segments.add_hosts("rack1", **options)["added"] == f"{ONE},{TWO}"
    assert segments.add_hosts("rack1", **options)["outcome"] == "unchanged"
    with pytest.raises(ActionError, match="no host given"):
        segments.add_hosts("rack1", hosts=[], reserved_hosts=[], disable_reserved=True)
    with pytest.raises(ActionError, match="no segment rack9; there are: rack1"):
        segments.add_hosts("rack9", **options)


def test_remove_hosts(segments: Segments, cloud: FakeCloud) -> None:
    create(segments, hosts=[ONE, TWO])
    result = segments.remove_hosts("rack1", [ONE, "gone"])
    assert result["removed"] == ONE
    assert [host["name"] for host in cloud.hosts.values()] == [TWO]
    assert segments.remove_hosts("rack1", [ONE])["outcome"] == "unchanged"


def test_update_host(segments: Segments, cloud: FakeCloud) -> None:
    create(segments, hosts=[ONE])

    def change(**options: bool) -> dict[str, object]:
        defaults = {"reserved": None, "on_maintenance": None, "disable_reserved": True}
        return segments.update_host(ONE, **{**defaults, **options})  # type: ignore[arg-type]

    with pytest.raises(ActionError, match="nothing to change"):
        change()
    result = change(reserved=True)
    assert result["outcome"] == "updated"
    assert result["disabled-in-nova"] == ONE
    assert change(reserved=True)["outcome"] == "unchanged"
    assert change(on_maintenance=True)["outcome"] == "updated"
    with pytest.raises(ActionError, match=f"host nope is in no segment; hosts in segments: {ONE}"):
        segments.update_host("nope", reserved=True, on_maintenance=None, disable_reserved=True)


def test_split() -> None:
    assert split(" a, b,,a ") == ["a", "b"]
    assert split(None) == []
