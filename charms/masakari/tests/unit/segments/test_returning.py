"""Taking a recovered hypervisor back into service."""

from __future__ import annotations

import pytest

from fakecloud import FakeCloud, connect, create
from segments.lookup import ActionError
from segments.segments import Segments

ONE, TWO, THREE = "node1.maas", "node2.maas", "node3.maas"


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

    def test_a_host_whose_next_start_would_end_what_runs_there(
        self, failed: Segments, cloud: FakeCloud
    ) -> None:
        """Two evacuations of one instance were asked for, as the first request was lost."""
        cloud.evacuations = [("guest", TWO, "accepted"), ("guest", ONE, "accepted")]
        with pytest.raises(ActionError, match=r"1 of its instances, such as guest.*restart its"):
            failed.return_host(ONE, reserved=False, timeout=10)
        assert cloud.services[ONE]["forced_down"] is True
        del cloud.evacuations[1]
        assert failed.return_host(ONE, reserved=False, timeout=10)["outcome"] == "returned"

    def test_one_that_fails_meanwhile_stays_in_maintenance(
        self, failed: Segments, cloud: FakeCloud
    ) -> None:
        """Masakari takes no change while it recovers the host, which Nova holds for down then."""
        cloud.busy |= set(cloud.segments)

        def sleep(seconds: float) -> None:
            cloud.services[ONE].update(status="disabled", forced_down=True)
            cloud.busy.clear()

        taken = Segments(connect(cloud), sleep)
        with pytest.raises(ActionError, match=f"{ONE} has failed again, and was recovered"):
            taken.return_host(ONE, reserved=False, timeout=60)
        assert [h for h in cloud.hosts.values() if h["on_maintenance"]]

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
        with pytest.raises(ActionError, match=f"the recovery of {ONE} is still going on"):
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
