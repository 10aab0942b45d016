"""The guard lets nothing be fenced that an operator has disarmed, whoever asks."""

from __future__ import annotations

import pytest
from fencing_cib import Cib
from fencing_fakes import Cluster, Remote
from masakari_fencing.fence_agent import limit
from masakari_fencing.pacemaker.fencing_limit import FencingLimit
from masakari_fencing.records import disarmed
from masakari_fencing.records.disarmed import CLOUD, Disarmed, Left

NOW = 2_000_000.0
HOST = "node1.maas"
ASKED = {"requester": "stonith_admin.7@juju-2-lxd-0"}


class Bench:
    """A lost hypervisor, and what the guard says of it."""

    def __init__(self) -> None:
        self.remote = Remote(HOST, online=False, unclean=True, role="Stopped")
        self.remote.events = [("reboot", "pending", None)]
        self.cluster = Cluster([self.remote])
        self.cib = Cib()
        self.cib.others = lambda argv: self.cluster.runner.run(argv).stdout
        self.cib.fenced(HOST, 0)
        node = (
            f'<node uname="{HOST}"><instance_attributes><nvpair name="juju-machine" value="1"/>'
            "</instance_attributes></node>"
        )
        self.cib.root.find("configuration/nodes").append(disarmed_xml(node))
        self.now = NOW

    def disarm(self, seconds: float = 60) -> None:
        disarmed.disarm(self.cib, Disarmed(CLOUD, "", (), NOW, NOW + seconds, "work"))

    def refusal(self) -> str:
        """Why it is spared; empty: it may be fenced."""
        try:
            assert (
                limit.check(
                    self.cib,
                    HOST,
                    FencingLimit(max_hosts=0),
                    probes=limit.Probes(
                        reachable=lambda address, port: False, clock=lambda: self.now
                    ),
                )
                is None
            )
        except limit.Spared as error:
            return str(error)
        return ""

    @property
    def left(self) -> list[Left]:
        return disarmed.left(disarmed.read(self.cib))


def disarmed_xml(text: str) -> object:
    from lxml import etree

    return etree.fromstring(text)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_what_is_armed_is_fenced(bench: Bench) -> None:
    assert bench.refusal() == ""


@pytest.mark.parametrize("by", [{}, ASKED], ids=["pacemaker", "somebody"])
def test_what_is_disarmed_is_not_and_stays_so(bench: Bench, by: dict[str, str]) -> None:
    bench.disarm()
    vars(bench.remote).update(by)
    assert bench.refusal().startswith("disarmed until")
    assert bench.left == [Left(HOST, NOW)]


def test_when_it_is_over_pacemaker_is_refused_until_somebody_asks(bench: Bench) -> None:
    bench.disarm()
    bench.refusal()
    bench.now += 3600
    assert bench.refusal().startswith("lost at 1970")
    vars(bench.remote).update(ASKED)
    assert bench.refusal() == "", "stonith_admin on a member"
    vars(bench.remote).update(requester=Remote().requester)
    disarmed.forget(bench.cib, bench.left[0])
    assert bench.refusal() == "", "recover-host"


def test_one_that_fails_when_it_is_over_is_fenced(bench: Bench) -> None:
    bench.disarm(seconds=0)
    assert bench.refusal() == ""
    assert bench.left == []


def test_the_end_of_the_limit_does_not_end_it(bench: Bench) -> None:
    bench.disarm()
    xml = '<x><nvpair name="masakari-fencing-allow-until" value="9999999999"/></x>'
    bench.cib.root.find("configuration/crm_config").append(disarmed_xml(xml))
    assert bench.refusal().startswith("disarmed until")


def test_a_host_that_works_has_not_failed_because_somebody_would_fence_it(bench: Bench) -> None:
    bench.disarm()
    vars(bench.remote).update(vars(Remote(HOST, **ASKED)))
    bench.remote.events = [("reboot", "pending", None)]
    assert bench.refusal().startswith("disarmed until")
    assert bench.left == []


def test_a_word_that_cannot_be_written_fences_nobody(bench: Bench) -> None:
    bench.disarm()
    bench.cib.fail = lambda argv: 1 if "--modify" in argv else 0
    with pytest.raises(limit.cibadmin.PacemakerError):
        bench.refusal()
