"""How a charm goes, bears with relations that are gone, and tells what it waits for."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import ops
import pytest
from instance_ha_common import testing, untraced
from instance_ha_common.juju import databag
from instance_ha_common.juju.charm import Charm, run
from instance_ha_common.juju.problems import Verdict, blocked, maintenance, waiting
from instance_ha_common.machine.awaited import AGAIN
from ops import testing as ops_testing

META = {
    "name": "toy",
    "subordinate": True,
    "requires": {
        "tie": {"interface": "juju-info", "scope": "container"},
        "db": {"interface": "db"},
        "other": {"interface": "other"},
    },
}
GONE = [
    ops.ModelError("ERROR permission denied\n"),
    ops.ModelError("ERROR relation 2 not found (not found)\n"),
    ops.RelationNotFoundError(),
]


class Toy(Charm):
    """Publishes on two endpoints, and says what the test wants."""

    tie = "tie"
    host: testing.FakeHost
    did: list[str]
    verdict: Verdict | None = Verdict()
    fails: Exception | None = None

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework, self.host)

    def reconcile(self, event: ops.EventBase) -> None:
        self.did.append("reconcile")
        if self.fails:
            raise self.fails
        for endpoint in ("db", "other"):
            for relation in self.model.relations[endpoint]:
                databag.publish(relation, self.unit, {"name": "toy"})

    def judge(self) -> Verdict | None:
        return self.verdict

    def cleaning(self, event: ops.EventBase):
        def fail() -> None:
            self.did.append("fail")
            if self.fails:
                raise self.fails

        return fail, lambda: self.model.relations["db"], lambda: self.did.append("clean")


@pytest.fixture
def charm(tmp_path, monkeypatch) -> type[Toy]:
    monkeypatch.setenv("SCENARIO_BARE_CHARM_ERRORS", "true")
    return type("Toy", (Toy,), {"host": testing.fake_host(tmp_path), "did": []})


@pytest.fixture
def ctx(charm) -> ops_testing.Context:
    return ops_testing.Context(charm, meta=META, principal_unit="nova-compute/0")


DB = ops_testing.Relation("db", remote_app_name="mysql")
TIE = ops_testing.SubordinateRelation("tie", remote_app_name="nova-compute")
STATE = ops_testing.State(relations=[DB, ops_testing.Relation("other"), TIE])


def test_an_ordinary_unit_reacts(ctx, charm):
    out = ctx.run(ctx.on.config_changed(), STATE)
    assert charm.did == ["reconcile"]
    assert out.get_relation(DB.id).local_unit_data["name"] == "toy"
    assert out.unit_status == ops.ActiveStatus("Unit is ready")


def test_on_an_unknown_release_of_ubuntu_nothing_is_done(ctx, charm):
    charm.host.write("/etc/os-release", 'ID=ubuntu\nVERSION_ID="20.04"\n')
    out = ctx.run(ctx.on.config_changed(), STATE)
    assert charm.did == []
    assert isinstance(out.unit_status, ops.BlockedStatus)
    assert "Ubuntu 20.04 is not supported, only 22.04 and 24.04" in out.unit_status.message
    ctx.run(ctx.on.stop(), STATE)
    assert "clean" in charm.did, "a unit can be removed from there all the same"
    charm.host.write("/etc/os-release", 'ID=ubuntu\nVERSION_ID="24.04"\n')
    out = ctx.run(ctx.on.install(), STATE)
    assert out.unit_status == ops.ActiveStatus("Unit is ready")


def test_another_unit_that_departs_is_nothing_special(ctx, charm):
    ctx.run(ctx.on.relation_departed(DB, remote_unit=0, departing_unit=0), STATE)
    ctx.run(ctx.on.relation_broken(DB), STATE)
    assert charm.did == ["reconcile", "reconcile"]


def test_a_unit_that_departs_cleans_up_once_and_does_no_more(ctx, charm, monkeypatch):
    with monkeypatch.context() as patch:
        testing.depart_itself(patch)
        out = ctx.run(ctx.on.relation_departed(DB, remote_unit=0), STATE)
        ctx.run(ctx.on.relation_departed(DB, remote_unit=0), STATE)
    assert charm.did == ["fail", "clean"]
    assert out.unit_status == ops.UnknownStatus()
    assert "name" not in out.get_relation(DB.id).local_unit_data
    ctx.run(ctx.on.relation_broken(DB), STATE)
    assert charm.did == ["fail", "clean"]
    ctx.run(ctx.on.stop(), STATE)
    assert charm.did == ["fail", "clean"] * 2
    ctx.run(ctx.on.install(), STATE)
    assert charm.did[4:] == ["reconcile"]


def test_a_unit_of_the_same_name_is_not_going(ctx, charm, monkeypatch):
    with monkeypatch.context() as patch:
        testing.depart_itself(patch)
        ctx.run(ctx.on.relation_departed(DB, remote_unit=0), STATE)
    ctx.run(ctx.on.install(), STATE)
    ctx.run(ctx.on.config_changed(), STATE)
    assert charm.did == ["fail", "clean", "reconcile", "reconcile"]


def test_a_subordinate_goes_with_what_ties_it_to_its_principal(ctx, charm):
    ctx.run(ctx.on.relation_broken(TIE), STATE)
    assert charm.did == ["fail", "clean"]


def test_what_ties_others_to_another_principal_is_nothing_special(charm):
    ctx = ops_testing.Context(charm, meta=META, principal_unit="nova-compute-ssd/0")
    ctx.run(ctx.on.relation_broken(TIE), STATE)
    assert charm.did == ["reconcile"]


@pytest.mark.parametrize("event", ["stop", "remove"])
@pytest.mark.parametrize("words", ["connection is shutdown before send", "permission denied"])
def test_no_hook_tool_is_needed_to_go(ctx, charm, monkeypatch, event, words):
    """Ops asks for the leader itself, and writes to Juju's log, before the charm is there."""
    testing.refuse_hook_tools(monkeypatch, words)
    monkeypatch.setenv("JUJU_DISPATCH_PATH", f"hooks/{event}")
    run(charm, lambda _: ctx.run(getattr(ctx.on, event)(), STATE))
    assert charm.did == ["fail", "clean"]


def test_a_unit_that_stays_needs_them(ctx, charm, monkeypatch):
    testing.refuse_hook_tools(monkeypatch, "connection is shutdown before send")
    with pytest.raises(ops.ModelError):
        run(charm, lambda _: ctx.run(ctx.on.config_changed(), STATE))


def test_a_step_that_fails_is_tried_again_after_all_others(ctx, charm, monkeypatch):
    charm.fails = OSError("busy")
    with monkeypatch.context() as patch:
        testing.depart_itself(patch)
        ctx.run(ctx.on.relation_departed(DB, remote_unit=0), STATE)  # stop is still to come
    with pytest.raises(OSError, match="busy"):
        ctx.run(ctx.on.stop(), STATE)
    assert charm.did == ["fail", "clean"] * 2
    assert charm.going


@pytest.mark.parametrize("error", GONE)
def test_a_relation_that_is_gone_keeps_nothing_from_the_others(ctx, charm, monkeypatch, error):
    from scenario.mocking import _MockModelBackend

    write = _MockModelBackend.relation_set

    def relation_set(backend, **options):
        if options["relation_id"] == DB.id:
            raise error
        write(backend, **options)

    monkeypatch.setattr(_MockModelBackend, "relation_set", relation_set)
    out = ctx.run(ctx.on.config_changed(), STATE)
    [other] = out.get_relations("other")
    assert other.local_unit_data["name"] == "toy"
    assert "name" not in out.get_relation(DB.id).local_unit_data
    assert out.unit_status == ops.ActiveStatus("Unit is ready")


@pytest.mark.parametrize("error", GONE)
def test_a_reading_that_fails_for_it_is_tried_again_soon(ctx, charm, error):
    charm.fails = error
    out = ctx.run(ctx.on.config_changed(), STATE)
    assert out.unit_status == ops.WaitingStatus("A relation is going away")
    assert charm.host.runner.calls[-1][-1] == "5"  # seconds


def test_other_errors_of_juju_are_errors(ctx, charm, monkeypatch):
    charm.fails = ops.ModelError("ERROR cannot write relation settings\n")
    with pytest.raises(ops.ModelError):
        ctx.run(ctx.on.config_changed(), STATE)
    from scenario.mocking import _MockModelBackend

    def refuse(*args, **options):
        raise ops.ModelError("ERROR no space left\n")

    charm.fails = None
    monkeypatch.setattr(_MockModelBackend, "relation_set", refuse)
    with pytest.raises(ops.ModelError):
        ctx.run(ctx.on.config_changed(), STATE)


class TestStatus:
    def test_the_worst_comes_first_and_all_of_it_is_told(self, ctx, charm):
        charm.verdict = Verdict([waiting("w"), blocked("a"), maintenance("m"), blocked("b")])
        assert ctx.run(ctx.on.start(), STATE).unit_status == ops.BlockedStatus("a; b")

    def test_a_note_is_told_in_any_case(self, ctx, charm):
        charm.verdict = Verdict(note=" (n)", until=AGAIN)
        assert ctx.run(ctx.on.start(), STATE).unit_status == ops.ActiveStatus("Unit is ready (n)")
        charm.verdict = Verdict([waiting("w")], " (n)")
        assert ctx.run(ctx.on.start(), STATE).unit_status == ops.WaitingStatus("w (n)")

    @pytest.mark.parametrize("letter", ["x", "\N{LATIN SMALL LETTER E WITH ACUTE}"])
    def test_of_more_than_juju_takes_the_rest_is_counted(self, ctx, charm, letter):
        """A longer argument of status-set fails the hook, on the day of the disaster."""
        charm.more = " (look)"
        charm.verdict = Verdict([blocked(f"{n}: {letter * 150}") for n in range(1000)], " (n)")
        text = ctx.run(ctx.on.start(), STATE).unit_status.message
        assert len(text.encode()) < 128 * 1024
        *told, rest = text.split("; ")
        assert told == [f"{n}: {letter * 150}" for n in range(len(told))], "none is cut"
        assert rest == f"... and {1000 - len(told)} more (look) (n)"
        assert len(told) > 300

    @pytest.mark.parametrize("more", [0, 2])
    def test_a_problem_or_a_note_too_long_for_juju_is_cut(self, ctx, charm, more):
        many = "\N{EURO SIGN}" * 200_000
        charm.verdict = Verdict([blocked(many), *[blocked("b")] * more], f" ({many})")
        text = ctx.run(ctx.on.start(), STATE).unit_status.message
        assert len(text.encode()) < 128 * 1024
        assert text.startswith(many[:10_000])
        assert ("; ... and 2 more (" in text) == bool(more)
        charm.verdict = Verdict(note=f" ({many})")
        text = ctx.run(ctx.on.start(), STATE).unit_status.message
        assert len(text.encode()) < 128 * 1024
        assert text.startswith("Unit is ready (")

    def test_nothing_to_say_leaves_it(self, ctx, charm):
        charm.verdict = None
        assert ctx.run(ctx.on.start(), STATE).unit_status == ops.UnknownStatus()

    def test_what_is_awaited_is_looked_for(self, ctx, charm):
        charm.verdict = Verdict([waiting("w", "true"), blocked("b", "false"), blocked("c")])
        ctx.run(ctx.on.start(), STATE)
        assert charm.host.runner.calls[-1][-2:] == ["false", "true"]


# Traces.

TRACES = ops_testing.Relation("charm-tracing", remote_app_name="tempo")
ENDPOINT = "http://10.0.0.9:4318"


@pytest.fixture
def traced(charm) -> ops_testing.Context:
    """Where Tempo may be related."""
    requires = {**META["requires"], "charm-tracing": {"interface": "tracing", "limit": 1}}
    meta = {**META, "requires": requires}
    return ops_testing.Context(charm, meta=meta, principal_unit="nova-compute/0")


def test_traces_are_recorded_only_where_somebody_collects_them(traced, charm, monkeypatch):
    made = []
    tracing = type("Tracing", (), {"__init__": lambda self, *given: made.append(given[1])})
    monkeypatch.setattr(ops.tracing, "Tracing", tracing)
    state = ops_testing.State(relations=[TRACES, TIE])
    mark = charm.host.path(untraced.mark("toy/0"))
    traced.run(traced.on.config_changed(), state)
    assert made == [] and not mark.exists()
    for event in (traced.on.relation_created(TRACES), traced.on.update_status()):
        traced.run(event, state)
    assert made == ["charm-tracing"] * 2 and mark.exists()
    traced.run(traced.on.relation_broken(TRACES), state)
    assert len(made) == 2 and not mark.exists()
    traced.run(traced.on.relation_created(TRACES), state)
    traced.run(traced.on.remove(), state)
    assert not mark.exists(), "nothing stays of a unit that is removed"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_collector_is_asked_for_its_address_and_sent_traces(traced, charm):
    """By the library of ops itself, which a leader has ask for all units."""
    receivers = [{"protocol": {"name": "otlp_http", "type": "http"}, "url": ENDPOINT}]
    answer = {"receivers": json.dumps(receivers)}
    relation = dataclasses.replace(TRACES, remote_app_data=answer)
    state = ops_testing.State(leader=True, relations=[relation, TIE])
    out = traced.run(traced.on.relation_changed(relation), state)
    asked = out.get_relation(relation.id).local_app_data["receivers"]
    assert json.loads(asked) == ["otlp_http"]
    assert charm.did == ["reconcile"]


def test_a_hook_loads_what_records_traces_only_then(tmp_path):
    for dispatched, loaded in (
        ("hooks/config-changed", "None"),
        ("hooks/charm-tracing-relation-changed", "module"),
        ("hooks/charm-tracing-relation-broken", "None"),
    ):
        program = "import instance_ha_common.untraced, ops; print(type(ops.tracing).__name__)"
        environment = {**os.environ, "JUJU_DISPATCH_PATH": dispatched}
        environment["PYTHONPATH"] = str(Path(untraced.__file__).parents[1])
        argv = [sys.executable, "-c", program]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.strip().removesuffix("Type") == loaded
