"""The MAAS key that hypervisors are fenced with, as a secret of the model."""

from __future__ import annotations

import dataclasses
import json

import ops
import pytest
from masakari_fencing.maas.access import Access
from ops import testing

import model
import power_key
from charm import MasakariCharm
from fakecluster import CIB, with_remote, written
from machine import Machine
from model import complete, with_config
from relations.peers import FENCING, POWER_KEY

KEY = "consumer:token:s3cretkey"
CONTENT = {"maas-url": "http://maas/MAAS", "maas-credentials": KEY}
OWN = Access(CONTENT["maas-url"], KEY)
MAAS = """<primitive id="st-maas" class="stonith" type="external/maas"><instance_attributes>
  <nvpair name="apikey" value="none:none:none"/><nvpair name="hostnames" value="hv1.maas"/>
  </instance_attributes></primitive>"""
GUARD = f"""<primitive id="masakari-fencing-guard-st-maas" class="stonith"
  type="fence_masakari_guard"><instance_attributes>
  <nvpair id="g-f" name="access_file" value="{power_key.FILE}"/>
  </instance_attributes></primitive>"""


def named(machine: Machine, guard: str = "") -> None:
    """Have the cluster know a hypervisor that MAAS fences, with a guard or without."""
    with_remote(machine)
    text = CIB.replace("</resources>", f"{MAAS}{guard}</resources>")
    machine.cib.load(text)


def keyed(
    content: dict[str, str] | None = None,
    *,
    known: bool = True,
    peer: dict[str, str] | None = None,
) -> testing.State:
    secret = testing.Secret(content or CONTENT)
    relations = []
    if peer is not None:
        units = {1: {"cluster-address": "10.77.3.12", FENCING: "installed", **peer}}
        relations = [model.cluster(units)]  # type: ignore[arg-type]
    return complete(
        *relations,
        config={power_key.OPTION: secret.id},
        secrets=[secret] if known else [],
    )


def published(out: testing.State) -> dict[str, str]:
    return dict(model.only(out, "cluster").local_unit_data)


def test_it_is_in_a_file_of_root_and_nowhere_else(ctx: testing.Context, machine: Machine) -> None:
    named(machine)
    out = ctx.run(ctx.on.config_changed(), keyed())
    assert json.loads(machine.read(power_key.FILE)) == OWN.dump()
    assert machine.host.mode(power_key.FILE) == 0o600
    assert f'name="access_file" value="{power_key.FILE}"' in written(machine)
    told = f"{machine.host.runner.calls} {machine.host.runner.inputs} {ctx.juju_log}"
    told += f"{[r.local_unit_data for r in out.relations]} {out.unit_status}"
    told += f"{[getattr(r, 'local_app_data', '') for r in out.relations]}"
    assert "s3cretkey" not in told
    assert published(out)[POWER_KEY] == OWN.fingerprint
    holders = [
        path
        for path in machine.host.root.rglob("*")
        if path.is_file() and b"s3cretkey" in path.read_bytes()
    ]
    assert holders == [machine.host.path(power_key.FILE)]


@pytest.mark.parametrize("peer", [{}, {POWER_KEY: "another"}])
def test_the_cluster_names_it_only_when_every_unit_has_it(
    ctx: testing.Context, machine: Machine, peer: dict[str, str]
) -> None:
    named(machine)
    out = ctx.run(ctx.on.config_changed(), keyed(peer=peer))
    assert "access_file" not in written(machine)
    assert "masakari-fencing-guard-st-maas" in written(machine), "it is guarded all the same"
    assert isinstance(out.unit_status, ops.WaitingStatus)
    assert "waiting for masakari/1 to have the key" in out.unit_status.message


def test_all_units_have_it(ctx: testing.Context, machine: Machine) -> None:
    named(machine)
    ctx.run(ctx.on.config_changed(), keyed(peer={POWER_KEY: OWN.fingerprint}))
    assert "access_file" in written(machine)


def test_a_new_revision_is_taken_at_once(ctx: testing.Context, machine: Machine) -> None:
    secret = testing.Secret(CONTENT)
    state = complete(config={power_key.OPTION: secret.id}, secrets=[secret])
    out = ctx.run(ctx.on.config_changed(), state)
    newer = dataclasses.replace(
        secret, latest_content={**CONTENT, "maas-credentials": "new:new:new"}
    )
    ctx.run(ctx.on.secret_changed(newer), dataclasses.replace(out, secrets=[newer]))
    assert json.loads(machine.read(power_key.FILE))["key"] == "new:new:new"


def test_the_file_stays_while_a_guard_reads_it(ctx: testing.Context, machine: Machine) -> None:
    named(machine)
    out = ctx.run(ctx.on.config_changed(), keyed())
    without = with_config(out, **{power_key.OPTION: None})
    named(machine, GUARD)
    out = ctx.run(ctx.on.config_changed(), without)
    assert machine.read(power_key.FILE)
    assert published(out)[POWER_KEY] == OWN.fingerprint
    named(machine)
    out = ctx.run(ctx.on.update_status(), out)
    assert not machine.host.path(power_key.FILE).exists()
    assert POWER_KEY not in published(out)


@pytest.mark.parametrize(
    ("content", "known", "cure"),
    [
        (CONTENT, False, "run juju grant-secret, or correct the option"),
        ({"maas-url": "http://maas/MAAS"}, True, "no maas-credentials: run juju update-secret"),
        ({"maas-credentials": KEY}, True, "no maas-url: run juju update-secret"),
        ({**CONTENT, "maas-credentials": "s3cretkey"}, True, "consumer:token:secret"),
        ({**CONTENT, "maas-url": "maas"}, True, "not an http or https URL"),
    ],
)
def test_a_secret_of_no_use_is_blocked_with_the_cure(
    ctx: testing.Context, machine: Machine, content: dict[str, str], known: bool, cure: str
) -> None:
    out = ctx.run(ctx.on.config_changed(), keyed(content, known=known))
    assert isinstance(out.unit_status, ops.BlockedStatus)
    assert out.unit_status.message.startswith(f"{power_key.OPTION}: ")
    assert cure in out.unit_status.message
    assert "s3cretkey" not in out.unit_status.message
    assert not machine.host.path(power_key.FILE).exists()


def test_nothing_is_left_when_the_unit_goes(ctx: testing.Context, machine: Machine) -> None:
    out = ctx.run(ctx.on.config_changed(), keyed())
    ctx.run(ctx.on.remove(), out)
    assert not machine.host.path(power_key.FILE).exists()


@pytest.mark.parametrize(
    ("version", "units", "named_there"),
    [
        ("4.0.15", {"masakari/0": {}, "masakari/1": {}}, False),
        ("4.0.15", {"masakari/0": {}}, True),
        ("4.0.15", None, False),
        ("3.6.14", {"masakari/0": {}}, False),
    ],
    ids=["there", "gone", "unknown", "3.6 tells of it"],
)
def test_a_peer_that_is_gone_is_not_waited_for(
    machine: Machine, version: str, units: dict[str, object] | None, named_there: bool
) -> None:
    """Juju 4.0 sends no relation-departed for it, and goes on showing its databag."""
    named(machine)
    answer = "" if units is None else json.dumps({"units": units, "relations": {}})
    machine.host.runner.answer(["goal-state"], answer)
    ctx = testing.Context(MasakariCharm, juju_version=version, machine_id="1/lxd/0")
    ctx.run(ctx.on.config_changed(), keyed(peer={}))
    assert ("access_file" in written(machine)) is named_there
