"""What Masakari, Nova and the witnesses know about a host that was reported failed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from fencing_cib import Cib
from fencing_fakes import Cluster, FakeRunner, Remote
from fencing_nova import HttpError
from masakari_fencing import times
from masakari_fencing.openstack.compute_service import ComputeError, ServiceState
from masakari_fencing.pacemaker.tools import PacemakerError
from masakari_fencing.records import disarmed
from masakari_fencing.records.disarmed import Left
from masakari_fencing.workflow.proof import evidence
from masakari_fencing.workflow.proof.decision import Report
from masakari_fencing.workflow.proof.evidence import CloudEvidence
from masakari_fencing.workflow.proof.host_fence import ComputeUnknown
from masakari_fencing.workflow.proof.report_limit import ReportLimit

HOST = "node1.maas"
NOW = 1_795_233_223.0
ALLOW = "masakari-fencing-allow-until"
RESOURCES = "".join(
    f'<primitive type="remote" id="{name}"><instance_attributes><nvpair name="server" '
    f'value="{address}"/></instance_attributes></primitive>'
    for name, address in ((HOST, "10.0.0.1"), ("node2.maas", "10.0.0.2"))
)


class Cloud:
    """A segment of four hosts, Nova's view of one of them, and a cluster that knows two."""

    def __init__(self) -> None:
        self.segment = SimpleNamespace(uuid="s1", name="rack1", enabled=True)
        self.reported: list[str] = []
        self.runner = FakeRunner().on("cibadmin --query", self._cib())
        self.runner.on("cibadmin --query --xpath //cluster_property_set", 105)
        self.nova = SimpleNamespace(servers=SimpleNamespace(list=self._listed, get=self._get))
        self.there: list[str] | None = ["g1", "g2"]
        self.service = SimpleNamespace(state=lambda: ServiceState(NOW - 5, True))

    @staticmethod
    def _cib() -> str:
        return f"<cib><configuration><resources>{RESOURCES}</resources></configuration></cib>"

    def evidence(self) -> CloudEvidence:
        objects = SimpleNamespace(
            Host=SimpleNamespace(get_by_name=self._host),
            HostList=SimpleNamespace(get_all=self._hosts),
            NotificationList=SimpleNamespace(get_all=self._reports),
        )
        report = Report(HOST, NOW)
        service: Any = self.service
        limit = ReportLimit(2, 120)
        return CloudEvidence(
            self.runner, "context", objects, service, lambda: self.nova, report, limit
        )

    def _listed(self, **options: Any) -> list[Any]:
        if self.there is None:
            raise TimeoutError("503")
        going = SimpleNamespace(**{"id": "g4", "OS-EXT-STS:task_state": "deleting"})
        return [going, *(SimpleNamespace(id=uuid) for uuid in self.there)]

    def _get(self, uuid: str) -> Any:
        if uuid not in [server.id for server in self._listed()]:
            raise HttpError(404, "gone")
        return SimpleNamespace(id=uuid)

    def _host(self, context: str, name: str) -> Any:
        assert (context, name) == ("context", HOST)
        return SimpleNamespace(failover_segment=self.segment)

    @staticmethod
    def _hosts(context: str, filters: dict[str, Any]) -> list[Any]:
        return [SimpleNamespace(uuid=f"u{n}", name=f"node{n}.maas") for n in (1, 2, 3, 4)]

    def _reports(self, context: str, filters: dict[str, Any]) -> list[Any]:
        # By when the host was reported, not by the present time: a retry counts like it.
        assert filters["generated-since"].timestamp() == NOW - 120
        return [
            SimpleNamespace(
                source_host_uuid=uuid,
                payload={"event": "STOPPED"},
                status="new",
                generated_time=times.moment(NOW),
                created_at=None,
            )
            for uuid in self.reported
        ]


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


def test_a_disabled_segment_is_named(cloud: Cloud) -> None:
    assert cloud.evidence().switched_off() is None
    cloud.segment.enabled = False
    assert cloud.evidence().switched_off() == "its segment rack1 is disabled"


def test_segments_of_releases_that_cannot_disable_one_are_enabled(cloud: Cloud) -> None:
    del cloud.segment.enabled
    assert cloud.evidence().switched_off() is None


class Disarmed:
    """A cloud whose operator works on it, and a cluster that is connected to the host or not."""

    def __init__(self, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cloud, self.cib, self.now = cloud, Cib(), NOW + 1
        self.remote = Remote("Node1.maas")
        cluster = Cluster([self.remote])
        self.cib.others = lambda argv: cluster.runner.run(argv).stdout
        cloud.runner = self.cib  # type: ignore[assignment]
        monkeypatch.setattr(evidence.time, "time", lambda: self.now)
        wanted = disarmed.Disarmed("seg", "rack1", (HOST,), NOW - 60, NOW + 60, "new switch")
        disarmed.disarm(self.cib, wanted)

    def switched_off(self) -> str:
        return self.cloud.evidence().switched_off() or ""

    @property
    def left(self) -> list[Left]:
        return disarmed.left(disarmed.read(self.cib))


@pytest.fixture
def work(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Disarmed:
    return Disarmed(cloud, monkeypatch)


def test_what_is_disarmed_is_not_recovered_and_stays_so(work: Disarmed) -> None:
    work.remote.unclean = True
    assert work.switched_off().startswith("segment rack1 disarmed until")
    assert work.left == [Left("Node1.maas", NOW + 1)]
    work.now += 3600
    assert "recover-host host=Node1.maas" in work.switched_off()
    disarmed.forget(work.cib, work.left[0])
    assert work.switched_off() == ""


def test_a_report_about_a_host_that_works_is_not_taken_up_later(work: Disarmed) -> None:
    """Masakari tries again by itself what has failed."""
    assert work.switched_off().startswith("segment rack1 disarmed until")
    assert work.left == [Left("Node1.maas", NOW, reported=True)]
    work.now += 3600
    assert work.switched_off().startswith("reported failed at")


def test_a_cluster_that_does_not_say_is_asked_again(work: Disarmed) -> None:
    work.cib.fail = lambda argv: 102
    with pytest.raises(PacemakerError):
        work.switched_off()


def test_what_nova_says(cloud: Cloud) -> None:
    assert cloud.evidence().compute() == ServiceState(NOW - 5, True)


def test_which_instances_are_there(cloud: Cloud) -> None:
    assert cloud.evidence().instances() == {"g1", "g2"}
    assert cloud.evidence().exists("g1")
    assert not cloud.evidence().exists("g3")
    cloud.there = None
    with pytest.raises(ComputeUnknown, match="does not list"):
        cloud.evidence().instances()
    with pytest.raises(ComputeUnknown, match="does not show"):
        cloud.evidence().exists("g1")


def test_what_nova_says_of_others(cloud: Cloud) -> None:
    cloud.service.newest_report_of_others = lambda: NOW - 3
    assert cloud.evidence().newest_report_of_others() == NOW - 3


@pytest.mark.parametrize("name", ["state", "newest_report_of_others"])
def test_nova_that_does_not_answer_is_not_taken_for_a_dead_service(
    cloud: Cloud, name: str
) -> None:
    def fail() -> float:
        raise ComputeError("503")

    cloud.service = SimpleNamespace(**{name: fail})
    with pytest.raises(ComputeUnknown, match="503"):
        getattr(cloud.evidence(), "compute" if name == "state" else name)()


def test_too_many_reports_are_too_many_unless_the_operator_has_lifted_the_limits(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    lifted: list[object] = []
    monkeypatch.setattr(
        evidence.properties, "lifted", lambda runner: lifted.append(runner) or False
    )
    assert cloud.evidence().excess() is None
    assert lifted == [], "asked only where it matters"
    cloud.reported = ["u1", "u2", "u3"]
    text = cloud.evidence().excess()
    assert text is not None
    assert text.startswith("3 of the 4 hosts of segment rack1")
    monkeypatch.setattr(evidence.properties, "lifted", lambda runner: runner is cloud.runner)
    assert cloud.evidence().excess() is None


def test_the_other_hypervisors_are_asked(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[list[str], str]] = []

    def withdrawal(addresses: list[str], host: str) -> str:
        asked.append((addresses, host))
        return f"{host} still answers"

    monkeypatch.setattr(evidence.witnesses, "withdrawal", withdrawal)
    monkeypatch.setattr(evidence.witnesses, "confirmed", lambda *given: not asked.append(given))
    assert cloud.evidence().withdrawn() == f"{HOST} still answers"
    assert cloud.evidence().confirmed() is True
    assert asked == [(["10.0.0.2"], HOST)] * 2


def test_a_report_stands_where_nobody_can_be_asked_about_it(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cloud.runner.on("cibadmin --query", 102)
    assert cloud.evidence().withdrawn() is None
    assert cloud.evidence().confirmed() is False
    assert "Nobody can be asked" in caplog.text
