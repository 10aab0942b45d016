"""Recoveries whose engine died in the middle are handed back to Masakari."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fencing_fakes import CONFIGURATION, Cluster
from masakari_fencing import giveup, orphans, pacemaker
from masakari_fencing.orphans import Orphans
from masakari_fencing.pacemaker import PacemakerError

HERE = "juju-1-lxd-0"
OWN = f"{HERE}.b.77.8"


class Bench:
    """One member's look at a cluster in which engines carry recoveries out."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *entries: tuple[str, str]) -> None:
        self.entries = list(entries)
        self.cluster = Cluster(dc=HERE)
        self.living: set[str] = set()
        self.claimed_by_another = False
        self.now = 0.0
        monkeypatch.setattr(socket, "gethostname", lambda: HERE)
        runner = self.cluster.runner
        runner.on(CONFIGURATION, self.turns)
        runner.on(f"{sys.executable} -m masakari_fencing.giveup", "")
        runner.on("cibadmin --modify --xpath", self._claim)
        self.living.add(OWN)
        self.orphans = Orphans(
            runner,
            lambda: pacemaker.configuration(runner),
            alive=self._alive,
            own=lambda: OWN,
            clock=lambda: self.now,
        )

    def _claim(self, argv: list[str]) -> str | int:
        """What Pacemaker 2.1.5 does."""
        names = re.search(
            r"^//cluster_property_set\[@id='masakari-fencing-recovery-n(\d)'\]"
            r"\[nvpair\[@name='[^']+'\]\[@value='([^']+)'\]\]"
            r"/nvpair\[@id='[^']+-engine'\]\[@value='([^']+)'\]$",
            argv[3],
        )
        assert names is not None
        number = int(names[1])
        if self.claimed_by_another or self.entries[number] != (names[2], names[3]):
            return pacemaker.NO_SUCH
        (value,) = re.findall(r'value="([^"]+)"', argv[5])
        self.entries[number] = (names[2], value)
        return ""

    def _alive(self, identity: str) -> bool | None:
        return identity in self.living if identity.startswith(f"{HERE}.") else None

    def turns(self, argv: list[str]) -> str:
        groups = "".join(
            f'<cluster_property_set id="masakari-fencing-recovery-n{number}">'
            f'<nvpair id="masakari-fencing-recovery-n{number}-by" value="{uuid}"/>'
            f'<nvpair id="masakari-fencing-recovery-n{number}-engine" value="{identity}"/>'
            "</cluster_property_set>"
            for number, (uuid, identity) in enumerate(self.entries)
        )
        return f"<configuration><crm_config>{groups}</crm_config></configuration>"

    def given_up(self) -> list[str]:
        return [call[-1] for call in self.cluster.runner.ran(f"{sys.executable} -m")]


def test_a_recovery_whose_engine_lives_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, ("uuid-1", f"{HERE}.b.1.2"))
    bench.living = {f"{HERE}.b.1.2"}
    assert bench.orphans.look() == []


def test_a_recovery_whose_engine_was_restarted_is_handed_back_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch, ("uuid-1", f"{HERE}.b.1.2"), ("uuid-2", f"{HERE}.b.1.9"))
    bench.living |= {f"{HERE}.b.1.9"}
    assert bench.orphans.look() == ["uuid-1"]
    assert bench.orphans.look() == []
    bench.entries[0] = ("uuid-1", f"{HERE}.b.5.6")
    assert bench.orphans.look() == ["uuid-1"], "the retry's engine died as well"


def test_a_hand_back_that_fails_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, ("uuid-1", f"{HERE}.b.1.2"))
    bench.cluster.runner.on(f"{sys.executable} -m masakari_fencing.giveup", 1)
    for _ in range(2):
        with pytest.raises(PacemakerError):
            bench.orphans.look()
    assert len(bench.given_up()) == 2


def test_of_two_units_one_hands_a_recovery_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The unit with the dead engine may be back when another one steps in for it."""
    bench = Bench(monkeypatch, ("uuid-1", f"{HERE}.b.1.2"))
    bench.claimed_by_another = True
    assert bench.orphans.look() == []
    assert bench.given_up() == []


def test_who_has_stepped_in_and_dies_is_followed_by_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch, ("uuid-1", f"{HERE}.b.1.2"))
    bench.orphans.look()
    assert bench.entries == [("uuid-1", OWN)]
    bench.living.clear()
    again = Bench(monkeypatch, *bench.entries)
    again.living.clear()
    assert again.orphans.look() == ["uuid-1"]


def test_the_recovery_of_a_unit_that_is_gone_is_taken_over_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch, ("uuid-1", "juju-9-lxd-0.b.1.2"))
    assert bench.orphans.look() == []
    bench.now = orphans.GRACE + 1
    assert bench.orphans.look() == ["uuid-1"]


def on_one_machine(member: str, hypervisor: str) -> str:
    """Return a configuration that records both as carried by machine 3."""
    return "<cib><configuration><nodes>{}</nodes></configuration></cib>".format(
        "".join(
            f'<node id="{name}" uname="{name}"><instance_attributes id="{name}-a"><nvpair '
            f'id="{name}-m" name="juju-machine" value="{machine}"/></instance_attributes></node>'
            for name, machine in ((member, "3/lxd/0"), (hypervisor, "3"))
        )
    )


@pytest.mark.parametrize("fenced", [True, False])
def test_a_unit_that_was_fenced_with_its_machine_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, fenced: bool
) -> None:
    bench = Bench(monkeypatch, ("uuid-1", "juju-9-lxd-0.b.1.2"))
    bench.cluster.remotes[0].fenced = 1_000_000 if fenced else 0
    cib = on_one_machine("juju-9-lxd-0", bench.cluster.remotes[0].name)
    bench.cluster.runner.on("cibadmin --query", cib)
    bench.cluster.runner.on("cibadmin --query --xpath //node_state", bench.cluster.node_state)
    bench.cluster.runner.on(CONFIGURATION, bench.turns)
    assert bench.orphans.look() == (["uuid-1"] if fenced else [])


def test_only_the_controller_takes_over(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, ("uuid-1", "juju-9-lxd-0.b.1.2"))
    bench.cluster.dc = "juju-2-lxd-0"
    for now in (0.0, 100.0):
        bench.now = now
        assert bench.orphans.look() == []


def test_a_unit_that_is_back_in_time_keeps_its_recovery(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, ("uuid-1", "juju-3-lxd-0.maas.b.1.2"))
    bench.cluster.members = (HERE, "juju-2-lxd-0")
    assert bench.orphans.look() == []
    bench.cluster.members = (HERE, "juju-2-lxd-0", "juju-3-lxd-0")
    bench.now = 15.0
    assert bench.orphans.look() == []
    bench.cluster.members = (HERE, "juju-2-lxd-0")
    bench.now = 30.0
    assert bench.orphans.look() == [], "the time counts anew"


def test_without_quorum_nobody_is_known_to_be_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, ("uuid-1", "juju-9-lxd-0.b.1.2"))
    bench.cluster.quorum = False
    for now in (0.0, 100.0):
        bench.now = now
        assert bench.orphans.look() == []


def test_nothing_recovered_costs_one_command(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    assert bench.orphans.look() == []
    assert len(bench.cluster.runner.calls) == 1


def test_processes_are_told_apart() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        identity = orphans.engine(process.pid)
        assert orphans.lives(identity) is True
        assert orphans.lives(orphans.engine()) is True
        assert orphans.engine() != identity
        earlier = identity.rsplit(".", 1)[0] + ".1"
        assert orphans.lives(earlier) is False, "another process with the same number"
        process.kill()
    assert orphans.lives(identity) is False
    assert orphans.lives(f"elsewhere.b.{os.getpid()}.1") is None
    assert orphans.lives("nonsense") is None


def test_a_process_with_a_strange_name(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "stat").write_text("7 (a) b) " + " ".join(str(n) for n in range(3, 53)))
    (tmp_path / "sys/kernel/random").mkdir(parents=True)
    (tmp_path / "sys/kernel/random/boot_id").write_text("0123456789abcdef\n")
    assert orphans.engine(7, tmp_path) == f"{socket.gethostname()}.01234567.7.22"


class Objects:
    """Masakari's objects: one notification."""

    def __init__(self, status: str) -> None:
        self.notification = self._row(status)
        self.told: list[str] = []
        self.Notification = SimpleNamespace(get_by_uuid=lambda context, uuid: self.notification)

    def process_notification(self, context: object, notification: Any) -> None:
        """As `masakari.engine.rpcapi.EngineAPI`; engines look the notification up themselves."""
        self.told.append(notification.saved)

    @staticmethod
    def _row(status: str) -> Any:
        row = SimpleNamespace(status=status, saved=None)
        row.save = lambda: setattr(row, "saved", row.status)
        return row


def give_up(objects: Objects, *status: str) -> bool:
    return giveup.give_up("context", objects, objects, "uuid", *status)


def test_a_running_notification_is_retried() -> None:
    objects = Objects("running")
    assert give_up(objects) is True
    assert objects.notification.saved == "new"
    assert objects.told == ["new"], "an engine takes it up at once"


@pytest.mark.parametrize("status", ["new", "error", "failed", "finished", "ignored"])
def test_any_other_notification_stays_as_it_is(status: str) -> None:
    objects = Objects(status)
    assert give_up(objects) is False
    assert objects.notification.saved is None
    assert objects.told == []


def test_one_that_has_failed_is_retried_where_that_is_asked_for() -> None:
    objects = Objects("error")
    assert give_up(objects, "error") is True
    assert objects.told == ["new"]
    assert give_up(Objects("running"), "error") is False, "somebody has begun it again"
