"""Cutting a hypervisor off from its storage, and the fence agent that does it."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest
from fencing_ceph import MONITOR, NODE, FakeCeph, nodes, storage
from fencing_cib import EMPTY, Cib
from masakari_fencing.ceph.hypervisors import UnknownError
from masakari_fencing.ceph.monitors import CephError, DeniedError
from masakari_fencing.commands import Runner
from masakari_fencing.fence_agent import agent
from masakari_fencing.fence_agent.agent import Agent, AgentError
from masakari_fencing.fence_agent.storage import cut_off
from masakari_fencing.maas.client import MaasError
from masakari_fencing.pacemaker.tools import PacemakerError
from masakari_fencing.records import storage_fences
from masakari_fencing.records.storage_fences import StorageFence

NOW = 2_000_000.0


def cluster(**recorded: str) -> Cib:
    cib = Cib(EMPTY.replace("<nodes/>", nodes(**(recorded or {"node2": storage()}))))
    cib.others = lambda argv: "1\n" if argv == ["crm_node", "--quorum"] else 127
    return cib


def cut(cib: Cib, ceph: FakeCeph) -> StorageFence:
    return cut_off(cib, NODE, connect=ceph.connect, clock=lambda: NOW)


def test_all_clients_are_shut_out_before_it_counts() -> None:
    cib, ceph = cluster(), FakeCeph(NOW)
    fence = cut(cib, ceph)
    wanted = ("10.77.3.12", "10.77.4.12", "192.168.122.1")
    assert fence == StorageFence(NODE, NOW, wanted, (MONITOR,), True, "boot-1", NOW)
    assert storage_fences.read(cib, NODE) == fence
    assert set(ceph.blocked) == {f"{address}:0/0" for address in wanted}
    assert ceph.closed == ceph.opened


def test_it_is_written_down_before_the_first_client_is_shut_out() -> None:
    cib, ceph = cluster(), FakeCeph(NOW)
    ceph.deaf = True
    with pytest.raises(CephError, match="does not keep out"):
        cut(cib, ceph)
    found = storage_fences.read(cib, NODE)
    assert found is not None
    assert found.addresses
    assert found.time == 0.0, "it proves nothing"


def test_once_more_only_looks() -> None:
    cib, ceph = cluster(), FakeCeph(NOW)
    first = cut(cib, ceph)
    asked = len([item for item in ceph.asked if item.get("blocklistop") == "add"])
    assert cut_off(cib, NODE, connect=ceph.connect, clock=lambda: NOW + 60) == first
    assert len([item for item in ceph.asked if item.get("blocklistop") == "add"]) == asked
    ceph.blocked.clear()
    assert cut_off(cib, NODE, connect=ceph.connect, clock=lambda: NOW + 90) == first
    assert ceph.blocked, "whoever has taken them off"


def test_an_attempt_that_was_broken_off_is_gone_on_with() -> None:
    cib, ceph = cluster(), FakeCeph(NOW)
    storage_fences.write(cib, StorageFence(NODE, NOW - 50, ("10.77.9.9",)))
    fence = cut(cib, ceph)
    assert fence.begun == NOW - 50
    assert "10.77.9.9" in fence.addresses, "it is let in again with the others"


@pytest.mark.parametrize(
    ("change", "error", "why"),
    [
        ({"away": True}, CephError, "do not let this unit in"),
        ({"may": False}, DeniedError, "may not"),
        ({"full": ["OSD_FULL"]}, CephError, "full"),
    ],
)
def test_what_ceph_refuses_proves_nothing(
    change: dict[str, object], error: type[Exception], why: str
) -> None:
    cib, ceph = cluster(), FakeCeph(NOW)
    vars(ceph).update(change)
    with pytest.raises(error, match=why):
        cut(cib, ceph)
    assert storage_fences.read(cib, NODE) is None
    assert ceph.blocked == {}


def test_an_unknown_or_shared_address_shuts_nobody_out() -> None:
    for recorded in ({"node3": storage()}, {"node2": storage(), "node3": storage()}):
        cib, ceph = cluster(**recorded), FakeCeph(NOW)
        with pytest.raises(UnknownError):
            cut(cib, ceph)
        assert ceph.blocked == {}


def test_a_part_of_the_cluster_without_quorum_proves_nothing() -> None:
    cib, ceph = cluster(), FakeCeph(NOW)
    cib.others = lambda argv: "0\n"
    with pytest.raises(CephError, match="quorum"):
        cut(cib, ceph)
    found = storage_fences.read(cib, NODE)
    assert found is not None
    assert not found.time


def test_one_that_is_being_let_in_again_is_cut_off_anew() -> None:
    cib, ceph = cluster(), FakeCeph(NOW)
    before = cut(cib, ceph)
    earlier = replace(before, begun=NOW - 60, time=NOW - 59, released=NOW - 1)
    storage_fences.write(cib, earlier)
    assert not storage_fences.counts(cib.root, NODE)
    ceph.blocked.clear()
    found = cut(cib, ceph)
    assert (found.begun, found.time, found.released) == (NOW, NOW, 0.0)
    assert storage_fences.read(cib, NODE) == found
    assert "10.77.4.12:0/0" in ceph.blocked


class Power:
    """MAAS with one machine, and the order in which things happen."""

    def __init__(self, fails: object = False) -> None:
        self.fails = fails
        self.journal: list[str] = []
        self.cut = threading.Event()

    def agent(self, mode: str, device: str = "st-maas") -> Agent:
        cib = Cib(
            EMPTY.replace(
                "<resources/>",
                '<resources><primitive id="st-maas"><instance_attributes id="i">'
                '<nvpair id="u" name="url" value="u"/></instance_attributes></primitive>'
                "</resources>",
            )
        )
        values = {"plug": NODE, "max_hosts": "2", "device": device, "storage": mode}
        return Agent(
            cib,
            values,
            check=lambda *_, **__: None,
            maas=lambda *_, **__: self,  # type: ignore[arg-type, return-value]
            remember=lambda _: None,
            forget=lambda _: None,
            cut_off=self._cut_off,
        )

    def machine(self, node: str) -> str:
        return node

    def power_on(self, machine: str, within: float) -> None:
        self.journal.append("on")

    def power_off(self, machine: str, look: object) -> None:
        if self.fails == "at once":
            raise MaasError("the key is wrong")
        if self.fails:
            # In parallel, it is cut off long before the power controller has given up.
            self.journal.append(
                "cut" if self.cut.wait(0.0 if self.fails == "late" else 5.0) else ""
            )
            raise MaasError("the BMC does not answer")
        self.journal.append("off")

    def _cut_off(self, runner: Runner, node: str) -> None:
        self.journal.append(f"cut off {node}")
        self.cut.set()


def test_in_parallel_the_storage_does_not_wait_for_the_power() -> None:
    power = Power(fails=True)
    with pytest.raises(MaasError):
        power.agent("parallel").run("reboot")
    assert power.journal == [f"cut off {NODE}", "cut"]


@pytest.mark.parametrize("fails", [False, "at once"])
def test_it_is_cut_off_as_well_where_the_power_is_quicker(fails: object) -> None:
    """Or the next start of its instances would wait for what Ceph takes for a living client."""
    power = Power(fails=fails)

    def slowly(runner: Runner, node: str) -> None:
        time.sleep(0.3)
        power.journal.append(f"cut off {node}")

    power._cut_off = slowly  # type: ignore[method-assign]
    if fails:
        with pytest.raises(MaasError):
            power.agent("parallel").run("reboot")
        assert power.journal == [f"cut off {NODE}"]
    else:
        assert power.agent("parallel").run("reboot") == 0
        assert power.journal == ["off", "on", f"cut off {NODE}"]


def test_a_ceph_that_does_not_answer_holds_no_fence_up_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(agent, "CUT_AS_WELL", 0.1)
    power, over = Power(), threading.Event()
    power._cut_off = lambda runner, node: over.wait(30)  # type: ignore[method-assign, assignment]
    begun = time.monotonic()
    assert power.agent("parallel").run("off") == 0
    assert time.monotonic() - begun < 20
    over.set()


def test_that_it_is_cut_off_is_no_fence_for_pacemaker() -> None:
    """Its record speaks of the power, and what waits for that must go on waiting."""
    for mode in ("parallel", "after-power"):
        power = Power(fails=True)
        power.cut.set()
        with pytest.raises(MaasError, match="BMC"):
            power.agent(mode).run("off")
        assert f"cut off {NODE}" in power.journal


def test_after_the_power_only_where_that_fails() -> None:
    power = Power()
    assert power.agent("after-power").run("off") == 0
    assert power.journal == ["off"]
    power = Power(fails=True)
    power.cut.set()
    with pytest.raises(MaasError):
        power.agent("after-power").run("off")
    assert power.journal == ["cut", f"cut off {NODE}"]


def test_off_is_off_and_nonsense_is_refused() -> None:
    for mode in ("off", ""):
        power = Power()
        assert power.agent(mode).run("reboot") == 0
        assert power.journal == ["off", "on"]
    with pytest.raises(AgentError, match="storage: 'on'"):
        Power().agent("on").run("off")


def test_before_another_device_it_comes_first() -> None:
    power = Power()
    assert power.agent("parallel", device="").run("off") == 0
    assert power.journal == [f"cut off {NODE}"]
    assert power.agent("parallel", device="").run("on") == 0
    assert power.agent("after-power", device="").run("off") == 0
    assert power.journal == [f"cut off {NODE}"]


@pytest.mark.parametrize("error", [CephError("away"), UnknownError("whose"), PacemakerError("no")])
def test_why_it_is_not_cut_off_is_told_and_changes_nothing(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    power = Power()

    def fail(runner: Runner, node: str) -> None:
        raise error

    power._cut_off = fail  # type: ignore[method-assign]
    assert power.agent("parallel", device="").run("off") == 0
    assert f"not cut off from its storage: {error}" in capsys.readouterr().err
