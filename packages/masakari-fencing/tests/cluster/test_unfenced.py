"""What is said about a hypervisor that cannot be fenced, in the disaster."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fencing_fakes import Cluster, Remote
from masakari_fencing.cluster import unfenced
from masakari_fencing.maas.access import Access
from masakari_fencing.maas.client import MaasError, Machine, SettingsError
from masakari_fencing.pacemaker import crm_mon

HOST = "node1.maas"
NOW = 1_795_233_300.0
DEVICE = Access("http://maas/MAAS", "a:b:c")


class FakeMaas:
    """A client that answers, or does not."""

    def __init__(self) -> None:
        self.power_type = "ipmi"
        self.away: MaasError | None = None
        self.state: str | MaasError = "error"

    def __call__(self, url: str, key: str) -> FakeMaas:
        assert (url, key) == ("http://maas/MAAS", "a:b:c")
        return self

    def machine(self, host: str) -> Machine:
        if self.away:
            raise self.away
        return Machine("id", "node1", "on", host, self.power_type)

    def power_state(self, machine: Machine) -> str:
        if isinstance(self.state, MaasError):
            raise self.state
        return self.state


class Lost:
    """A hypervisor that was lost 70 s ago, and was tried in vain to be fenced."""

    def __init__(self) -> None:
        self.maas = FakeMaas()
        self.remote = Remote(HOST, online=False, unclean=True, role="Stopped")
        self.remote.events = [("reboot", "failed", NOW - 2), ("reboot", "failed", NOW - 70)]
        self.device: Access | None = DEVICE

    def explained(self) -> tuple[str, str] | None:
        runner = Cluster([self.remote]).runner
        status = crm_mon.status(runner)
        maas = self.maas
        return unfenced.explain(runner, status, HOST, self.device, maas=maas, now=NOW)


@pytest.fixture
def lost() -> Iterator[Lost]:
    yield Lost()


@pytest.mark.parametrize(
    ("changes", "reason", "cure"),
    [
        ({"away": MaasError("MAAS answers with HTTP 503")}, "HTTP 503", "bring MAAS back"),
        ({"away": SettingsError("MAAS refuses the API key")}, "refuses the", "maas_credentials"),
        ({"power_type": "manual"}, "its power type in MAAS is manual", "give it a power type"),
        ({"state": "error"}, "power controller does not answer MAAS (power error)", "BMC"),
        ({"state": ""}, "power controller does not answer MAAS (power unknown)", "BMC"),
        ({"state": MaasError("HTTP 503")}, "cannot get its power state (HTTP 503)", "BMC"),
    ],
)
def test_the_reason_and_its_cure(
    lost: Lost, changes: dict[str, object], reason: str, cure: str
) -> None:
    vars(lost.maas).update(changes)
    found = lost.explained()
    assert found is not None
    assert found[0].startswith("lost, and fencing it has failed since 03:53:50Z: ")
    assert reason in found[0]
    assert cure in found[1]
    assert f"see that {HOST} is off, and say so: confirm-host-dead host={HOST}" in found[1]


def test_the_operators_word_is_not_asked_for_before_a_minute(lost: Lost) -> None:
    """The next attempt may succeed; but what is wrong is no secret until then."""
    lost.remote.events = [("reboot", "failed", NOW - 59)]
    found = lost.explained()
    assert found is not None
    reason, cure = found
    assert reason == "fencing it failed: its power controller does not answer MAAS (power error)"
    assert cure == "repair its power controller (BMC), or the network to it"


def test_the_minute_begins_with_the_loss(lost: Lost) -> None:
    """One attempt may last longer than a minute."""
    lost.remote.events = [("reboot", "failed", NOW - 1)]
    lost.remote.start_failed = NOW - 75
    found = lost.explained()
    assert found is not None
    assert "since 03:53:45Z" in found[0]


def test_failures_from_before_its_last_connection_do_not_count(lost: Lost) -> None:
    lost.remote.connected = NOW - 30
    lost.remote.start_failed = NOW - 75
    found = lost.explained()
    assert found is not None
    assert found[0].startswith("fencing it failed: ")
    lost.remote.connected = NOW - 1
    assert lost.explained() is None


def test_failures_of_an_earlier_loss_do_not_count(lost: Lost) -> None:
    """Once it has stopped a connection, the cluster does not know when it was made."""
    lost.remote.connected = 0
    lost.remote.start_failed = NOW - 61
    found = lost.explained()
    assert found is not None
    assert "since 03:53:59Z" in found[0]


def test_failures_before_a_success_do_not_count(lost: Lost) -> None:
    lost.remote.events.insert(1, ("reboot", "success", NOW - 10))
    found = lost.explained()
    assert found is not None
    assert found[0].startswith("fencing it failed: ")  # two seconds ago
    lost.remote.events = lost.remote.events[1:]
    assert lost.explained() is None


def test_a_host_whose_power_answers_is_not_to_be_confirmed(lost: Lost) -> None:
    lost.maas.state = "on"
    assert lost.explained() is None


def test_other_devices_are_not_known(lost: Lost) -> None:
    lost.device = None
    assert lost.explained() is None


def test_where_nobody_tells_when_a_fencing_failed_the_loss_counts(lost: Lost) -> None:
    lost.remote.events = [("reboot", "failed", None)]
    assert lost.explained() is None
    lost.remote.start_failed = NOW - 70
    assert lost.explained() is not None
