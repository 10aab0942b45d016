"""Failover segments over real HTTP, against a small cloud."""

from __future__ import annotations

import logging

import pytest

from fakecloud import FakeCloud
from segments.cloud import Cloud, CloudError
from segments.lookup import ActionError, split
from segments.segments import Segments

ONE, TWO, THREE = "node1.maas", "node2.maas", "node3.maas"


@pytest.fixture
def segments(cloud: FakeCloud) -> Segments:
    return Segments(connect(cloud), sleep=lambda seconds: None)


def connect(cloud: FakeCloud, **changes: object) -> Cloud:
    options = {
        "region": "RegionOne",
        "internal": False,
        "ca_bundle": None,
        "masakari_url": f"{cloud.url}/v1",
        **changes,
    }
    return Cloud(cloud.identity(), **options)  # type: ignore[arg-type]


def create(segments: Segments, **options: object) -> dict[str, object]:
    defaults: dict[str, object] = {
        "recovery_method": "auto",
        "description": None,
        "enabled": None,
        "hosts": [],
        "reserved_hosts": [],
        "disable_reserved": True,
    }
    return segments.create("rack1", **{**defaults, **options})  # type: ignore[arg-type]


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


class TestReturnHost:
    @pytest.fixture
    def failed(self, segments: Segments, cloud: FakeCloud) -> Segments:
        """node1 after a recovery."""
        create(segments, hosts=[ONE, TWO])
        cloud.services[ONE].update(status="disabled", forced_down=True)
        [host] = [host for host in cloud.hosts.values() if host["name"] == ONE]
        host["on_maintenance"] = True
        cloud.log.clear()
        return segments

    def test_host_comes_back(self, failed: Segments, cloud: FakeCloud) -> None:
        result = failed.return_host(ONE, reserved=False, timeout=10)
        assert result["outcome"] == "returned"
        assert result["host"]["on-maintenance"] == "false"
        assert result["host"]["compute-status"] == "enabled"
        assert result["host"]["forced-down"] == "false"

    def test_as_reserved_host(self, failed: Segments, cloud: FakeCloud) -> None:
        result = failed.return_host(ONE, reserved=True, timeout=10)
        assert result["host"]["reserved"] == "true"
        assert result["host"]["compute-status"] == "disabled"

    def test_dead_host_stays_forced_down(self, failed: Segments, cloud: FakeCloud) -> None:
        cloud.reports.clear()
        with pytest.raises(ActionError, match=f"nova-compute of {ONE} does not report; start"):
            failed.return_host(ONE, reserved=False, timeout=10)
        assert cloud.services[ONE]["forced_down"] is True
        assert cloud.services[ONE]["status"] == "disabled"
        assert [h for h in cloud.hosts.values() if h["on_maintenance"]]

    def test_slow_host_is_waited_for(self, failed: Segments, cloud: FakeCloud) -> None:
        cloud.reports.clear()
        waits: list[float] = []

        def sleep(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 3:
                cloud.reports.add(ONE)

        slow = Segments(connect(cloud), sleep)
        assert slow.return_host(ONE, reserved=False, timeout=60)["outcome"] == "returned"
        assert len(waits) == 3

    def test_what_nova_compute_reported_before_it_died_does_not_count(
        self, failed: Segments, cloud: FakeCloud
    ) -> None:
        """Nova believes that for a minute."""
        cloud.reports.clear()
        cloud.reported.add(ONE)
        with pytest.raises(ActionError, match=f"nova-compute of {ONE} does not report"):
            failed.return_host(ONE, reserved=False, timeout=10)
        assert cloud.services[ONE]["forced_down"] is True
        patient = Segments(connect(cloud), lambda seconds: cloud.reports.add(ONE))
        assert patient.return_host(ONE, reserved=False, timeout=10)["outcome"] == "returned"

    def test_nova_is_asked_again_until_nova_compute_has_cleaned_up(
        self, failed: Segments, cloud: FakeCloud
    ) -> None:
        cloud.unclean.add(ONE)
        patient = Segments(connect(cloud), lambda seconds: cloud.unclean.clear())
        assert patient.return_host(ONE, reserved=False, timeout=60)["outcome"] == "returned"

    def test_a_host_that_nova_does_not_take_back(self, failed: Segments, cloud: FakeCloud) -> None:
        cloud.unclean.add(ONE)
        with pytest.raises(ActionError, match=r"`done` evacuation.*restart its nova-compute"):
            failed.return_host(ONE, reserved=False, timeout=10)
        assert cloud.services[ONE]["status"] == "disabled"

    def test_no_failed_recovery_is_begun_again_while_it_is_taken_back(
        self, failed: Segments, cloud: FakeCloud
    ) -> None:
        marks: list[tuple[str, bool, bool]] = []

        def mark(name: str, returned: bool) -> None:
            marks.append((name, returned, bool(cloud.services[ONE]["forced_down"])))

        cloud.services[ONE].update(status="disabled", forced_down=True)
        back = Segments(connect(cloud), lambda seconds: None, mark_returned=mark)
        back.return_host(ONE, reserved=False, timeout=0)
        assert marks == [(ONE, True, True)], "before anything is changed"
        cloud.services[ONE].update(status="disabled", forced_down=True, state="down")
        cloud.unclean.add(ONE)
        with pytest.raises(ActionError):
            back.return_host(ONE, reserved=False, timeout=0)
        assert marks[1:] == [(ONE, True, True), (ONE, False, True)], "it is not back after all"

    def test_nothing_changes_before_the_cluster_has_it_back(
        self, failed: Segments, cloud: FakeCloud
    ) -> None:
        absent = Segments(connect(cloud), lambda seconds: None, lambda name: f"{name} is lost")
        with pytest.raises(ActionError, match=f"{ONE} is not back: {ONE} is lost; start the host"):
            absent.return_host(ONE, reserved=False, timeout=10)
        assert [entry for entry in cloud.log if entry[0] == "PUT"] == []

    def test_the_cluster_is_waited_for(self, failed: Segments, cloud: FakeCloud) -> None:
        reasons: list[str | None] = ["not reached", "not reached", None]
        patient = Segments(connect(cloud), lambda seconds: None, lambda name: reasons.pop(0))
        assert patient.return_host(ONE, reserved=False, timeout=10)["outcome"] == "returned"
        assert reasons == []

    def test_unfinished_notification(self, failed: Segments, cloud: FakeCloud) -> None:
        cloud.busy |= set(cloud.segments)
        with pytest.raises(
            ActionError, match=f"{ONE} works again, but its maintenance cannot end"
        ):
            failed.return_host(ONE, reserved=False, timeout=10)

    def test_unfinished_notification_is_waited_for(
        self, failed: Segments, cloud: FakeCloud
    ) -> None:
        cloud.busy |= set(cloud.segments)
        patient = Segments(connect(cloud), sleep=lambda seconds: cloud.busy.clear())
        result = patient.return_host(ONE, reserved=False, timeout=10)
        assert result["host"]["on-maintenance"] == "false"

    def notify(self, cloud: FakeCloud, status: str, kind: str = "COMPUTE_HOST") -> dict[str, str]:
        [uuid] = [u for u, host in cloud.hosts.items() if host["name"] == ONE]
        cloud.notifications.append({"source_host_uuid": uuid, "type": kind, "status": status})
        return cloud.notifications[-1]

    @pytest.mark.parametrize("status", ["new", "running", "error"])
    def test_nothing_changes_while_its_guests_are_recovered(
        self, failed: Segments, cloud: FakeCloud, status: str
    ) -> None:
        self.notify(cloud, status)
        with pytest.raises(ActionError, match=f"the recovery of {ONE} still goes on"):
            failed.return_host(ONE, reserved=False, timeout=10)
        assert [entry for entry in cloud.log if entry[0] == "PUT"] == []

    def test_the_end_of_its_recovery_is_waited_for(
        self, failed: Segments, cloud: FakeCloud
    ) -> None:
        running = self.notify(cloud, "running")
        self.notify(cloud, "failed")
        self.notify(cloud, "running", kind="VM")
        patient = Segments(connect(cloud), sleep=lambda seconds: running.update(status="finished"))
        assert patient.return_host(ONE, reserved=False, timeout=10)["outcome"] == "returned"

    def test_unknown_to_nova(self, failed: Segments, cloud: FakeCloud) -> None:
        del cloud.services[ONE]
        with pytest.raises(ActionError, match=f"Nova has no nova-compute on {ONE}"):
            failed.return_host(ONE, reserved=False, timeout=10)

    def test_host_that_was_not_forced_down(self, failed: Segments, cloud: FakeCloud) -> None:
        cloud.services[ONE]["forced_down"] = False
        cloud.reports.clear()
        with pytest.raises(ActionError):
            failed.return_host(ONE, reserved=False, timeout=0)
        assert cloud.services[ONE]["forced_down"] is False


class TestCloud:
    def test_error_documents(self, segments: Segments, cloud: FakeCloud) -> None:
        create(segments, hosts=[ONE])
        cloud.busy |= set(cloud.segments)
        with pytest.raises(CloudError, match="Masakari: Host can't be updated as it is in-use"):
            segments.remove_hosts("rack1", [ONE])

    @pytest.mark.parametrize(
        ("status", "body", "text"),
        [
            (500, "<html>", "HTTP status 500"),
            (400, "{}", "HTTP status 400"),
            (200, "x", "is not JSON"),
        ],
    )
    def test_strange_answers(self, cloud: FakeCloud, status: int, body: str, text: str) -> None:
        client = connect(cloud)
        client.segments()  # authenticates
        cloud.broken = (status, body)
        with pytest.raises(CloudError, match=text):
            client.segments()

    def test_list_instead_of_object(self, cloud: FakeCloud) -> None:
        client = connect(cloud)
        client.segments()
        cloud.broken = (200, "[]")
        assert client.segments() == []

    def test_an_api_that_does_not_listen_yet_is_waited_for(
        self, cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        waits: list[float] = []
        monkeypatch.setattr("keystoneauth1.session.time.sleep", waits.append)
        client = connect(cloud, masakari_url="http://127.0.0.1:9/v1")
        with pytest.raises(CloudError, match="Masakari: Unable to establish connection"):
            client.segments()
        assert 20 <= sum(waits) <= 60

    def test_wrong_password(self, cloud: FakeCloud, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        client = connect(cloud)
        cloud.broken = None
        client._masakari.session.auth.auth_methods[0].password = "wrong-secret"
        with pytest.raises(CloudError, match="HTTP 401"):
            client.segments()
        assert "wrong-secret" not in caplog.text

    def test_region_without_nova(self, cloud: FakeCloud) -> None:
        with pytest.raises(CloudError, match=r"Nova: .*RegionTwo"):
            connect(cloud, region="RegionTwo").compute_services()


def test_split() -> None:
    assert split(" a, b,,a ") == ["a", "b"]
    assert split(None) == []
