"""What the status says of recoveries that did not end well."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shlex

import ops
import pytest
from masakari_fencing import alert
from masakari_fencing.records import awaited_returns, out_of_service
from masakari_fencing.records.spool import EXPIRED
from ops import testing

from fakecluster import with_remote
from machine import Machine
from model import complete, with_config
from workload import cluster, fencing_package, recovery_status


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (
            "it is in no failover segment",
            "hv1.maas was fenced, but it is in no failover segment: its instances are not"
            " recovered (put it into one with add-hosts)",
        ),
        (
            "HTTP 404",
            "The fencing of hv1.maas cannot be reported to Masakari yet: HTTP 404",
        ),
        (
            EXPIRED,
            "hv1.maas was fenced, but Masakari could not be told in time: its instances are not"
            " recovered (if it is down, have it fenced once more by `sudo stonith_admin --reboot"
            " hv1.maas` on a unit; if it works, start those that do not run, then run return-host"
            " host=hv1.maas on each unit that says so)",
        ),
        ("", None),
    ],
)
def test_status_of_a_fencing_that_masakari_does_not_know_of(
    ctx: testing.Context, machine: Machine, reason: str, expected: str | None
) -> None:
    out = ctx.run(ctx.on.config_changed(), complete())
    for name in ("one", "two"):
        event = {"node": "hv1.maas", "time": 1.0, "reason": reason}
        machine.host.write(f"{fencing_package.SPOOL}/{name}.json", json.dumps(event))
    machine.host.write(f"{fencing_package.SPOOL}/broken.json", "{")
    out = ctx.run(ctx.on.update_status(), with_config(out))
    wanted = ops.ActiveStatus("Unit is ready") if expected is None else ops.BlockedStatus(expected)
    assert out.unit_status == wanted


@pytest.mark.parametrize(
    ("outcome", "said"),
    [({}, "refused"), ({"outcome": "refused"}, "refused"), ({"outcome": "failed"}, "failed")],
    ids=["of an older release", "refused", "failed"],
)
def test_status_of_a_recovery_that_was_refused_or_failed(
    ctx: testing.Context, machine: Machine, outcome: dict[str, str], said: str
) -> None:
    out = ctx.run(ctx.on.config_changed(), complete())
    refusal = {"host": "hv1.maas", "reason": "merely offline", "time": 1.0, **outcome}
    machine.host.write(f"{fencing_package.REFUSALS}/hv1.maas.json", json.dumps(refusal))
    out = ctx.run(ctx.on.update_status(), with_config(out))
    assert out.unit_status == ops.BlockedStatus(
        f"Recovery of hv1.maas {said}: merely offline (when it works again, run return-host"
        " host=hv1.maas)"
    )


class TestOutOfService:
    @pytest.fixture
    def ready(self, ctx: testing.Context, machine: Machine) -> testing.State:
        return with_config(ctx.run(ctx.on.config_changed(), complete()))

    def record(
        self,
        machine: Machine,
        maintenance: list[str],
        down: list[str],
        failed: tuple[str, ...] = (),
    ) -> None:
        seen = {"time": machine.now, "maintenance": maintenance, "forced_down": down}
        seen |= {"hosts": [], "misnamed": [], "drained": []}
        machine.host.write(str(out_of_service.RECORD), json.dumps({**seen, "failed": failed}))

    def test_hosts_that_could_not_be_recovered_are_blocked_before_they_fail(
        self,
        ctx: testing.Context,
        machine: Machine,
        ready: testing.State,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(cluster.Cluster, "inspect", lambda self, hosts, units: [])
        with_remote(machine)
        seen = out_of_service.OutOfService(
            hosts=("hv1.maas", "hv2", "hv3"),
            misnamed=("hv1.maas (Nova calls its hypervisor hv1)",),
        )
        record = {"time": machine.now, **dataclasses.asdict(seen)}
        machine.host.write(str(out_of_service.RECORD), json.dumps(record))
        out = ctx.run(ctx.on.update_status(), ready)
        assert isinstance(out.unit_status, ops.BlockedStatus)
        text = out.unit_status.message
        assert "hv1.maas (Nova calls its hypervisor hv1): not recovered if it fails" in text
        follower = dataclasses.replace(ready, leader=False)
        assert ctx.run(ctx.on.update_status(), follower).unit_status == ops.ActiveStatus(
            "Unit is ready"
        )

    def test_the_leader_names_them(
        self, ctx: testing.Context, machine: Machine, ready: testing.State
    ) -> None:
        self.record(machine, ["hv1.maas", "hv2.maas"], ["hv3.maas"])
        out = ctx.run(ctx.on.update_status(), ready)
        assert out.unit_status == ops.ActiveStatus(
            "Unit is ready (in maintenance: hv1.maas, hv2.maas, forced down: hv3.maas; when it"
            " works again, run return-host)"
        )
        out = ctx.run(ctx.on.update_status(), dataclasses.replace(ready, leader=False))
        assert out.unit_status == ops.ActiveStatus("Unit is ready")

    def test_one_that_nobody_goes_on_emptying_is_named(
        self, ctx: testing.Context, machine: Machine, ready: testing.State
    ) -> None:
        """Nova places nothing there, and its failure is one."""
        seen = dataclasses.asdict(out_of_service.OutOfService(drained=("hv1.maas",)))
        record = {"time": machine.now, **seen}
        machine.host.write(str(out_of_service.RECORD), json.dumps(record))
        out = ctx.run(ctx.on.update_status(), ready)
        assert out.unit_status == ops.ActiveStatus(
            "Unit is ready (drained in part: hv1.maas; when it works again, run return-host)"
        )

    def test_also_when_something_else_is_wrong(
        self, ctx: testing.Context, machine: Machine, ready: testing.State
    ) -> None:
        self.record(machine, [], ["hv3.maas"])
        with_remote(machine, stonith=False)
        out = ctx.run(ctx.on.update_status(), ready)
        assert isinstance(out.unit_status, ops.BlockedStatus)
        assert out.unit_status.message.startswith("STONITH is disabled")
        assert out.unit_status.message.endswith(
            " (forced down: hv3.maas; when it works again, run return-host)"
        )

    def test_of_many_the_first_are_named(
        self, ctx: testing.Context, machine: Machine, ready: testing.State
    ) -> None:
        self.record(machine, [f"hv{number}" for number in range(1, 10)], [])
        out = ctx.run(ctx.on.update_status(), ready)
        assert "in maintenance: hv1, hv2, hv3, hv4, hv5 and 4 more;" in out.unit_status.message

    def test_a_recovery_that_failed_is_blocked(
        self, ctx: testing.Context, machine: Machine, ready: testing.State
    ) -> None:
        self.record(machine, ["hv1.maas", "hv2.maas"], [], failed=("hv1.maas", "hv2.maas"))
        refusal = {"host": "hv2.maas", "reason": "merely offline", "time": 1.0}
        machine.host.write(f"{fencing_package.REFUSALS}/hv2.maas.json", json.dumps(refusal))
        out = ctx.run(ctx.on.update_status(), ready)
        assert isinstance(out.unit_status, ops.BlockedStatus)
        message = out.unit_status.message
        assert "Recovery of hv1.maas failed: see `openstack notification list`" in message
        assert "Recovery of hv2.maas refused: merely offline" in message
        assert "hv2.maas failed" not in message
        out = ctx.run(ctx.on.update_status(), dataclasses.replace(ready, leader=False))
        assert "hv1.maas" not in out.unit_status.message

    def test_an_old_record_says_only_that_nobody_has_answered_since(
        self, ctx: testing.Context, machine: Machine, ready: testing.State
    ) -> None:
        """With a password that is wrong, say: the status must not be better than it was."""
        self.record(machine, ["hv1.maas"], [])
        machine.now += out_of_service.MAX_AGE
        out = ctx.run(ctx.on.update_status(), ready)
        assert isinstance(out.unit_status, ops.WaitingStatus)
        assert out.unit_status.message.startswith("Masakari or Nova do not answer this unit")
        follower = dataclasses.replace(ready, leader=False)
        out = ctx.run(ctx.on.update_status(), follower)
        assert out.unit_status == ops.ActiveStatus("Unit is ready")

    def test_nor_is_one_good_that_has_never_answered(
        self, ctx: testing.Context, machine: Machine, ready: testing.State
    ) -> None:
        """The record goes with the notifier, which was restarted for a password that is wrong."""
        machine.host.write(alert.SOCKET, "")
        os.utime(machine.host.path(alert.SOCKET), (machine.now, machine.now))
        assert ctx.run(ctx.on.update_status(), ready).unit_status == ops.ActiveStatus(
            "Unit is ready"
        )
        made = machine.now - out_of_service.MAX_AGE
        os.utime(machine.host.path(alert.SOCKET), (made, made))
        out = ctx.run(ctx.on.update_status(), ready)
        assert isinstance(out.unit_status, ops.WaitingStatus)

    def test_why_one_is_not_back_by_itself(
        self, ctx: testing.Context, machine: Machine, ready: testing.State
    ) -> None:
        self.record(machine, ["hv1.maas"], [])
        said = {"time": machine.now, "hosts": {"hv1.maas": "it has failed 3 times within a day"}}
        machine.host.write(str(awaited_returns.FILE), json.dumps(said))
        out = ctx.run(ctx.on.update_status(), ready)
        assert out.unit_status.message == (
            "Unit is ready (in maintenance: hv1.maas; when it works again, run return-host;"
            " hv1.maas: it has failed 3 times within a day)"
        )

    def test_what_ends_the_note_is_looked_for(self, machine: Machine) -> None:
        """By grep, in the notifier's file, which names all hosts of segments, too."""
        path = machine.host.path(str(out_of_service.RECORD))
        path.parent.mkdir(parents=True, exist_ok=True)
        found = out_of_service.OutOfService(maintenance=("hv1.maas",), hosts=("hv1.maas", "hv2"))
        out_of_service.write(path, found, machine.now)
        _, until = recovery_status.Recoveries(machine.host, lambda: machine.now).out_of_service()
        no, grep, flags, pattern, file = shlex.split(until)
        assert (no, grep, flags, file) == ("!", "grep", "-Eqs", str(out_of_service.RECORD))
        assert re.search(pattern, path.read_text())
        out_of_service.write(path, dataclasses.replace(found, maintenance=()), machine.now)
        assert not re.search(pattern, path.read_text())
