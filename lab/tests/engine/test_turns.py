"""Whose turn it is: among charm processes, and by LAB_SHUFFLE where Juju leaves it open."""

import threading
import time

import pytest
from jujulab.engine.agent.agent import MachineAgent
from jujulab.engine.agent.slots import Slots
from jujulab.engine.model import relations, shuffle

PATIENCE = 30.0
SEEDS = "123456789"
OTHERS = ("db", "queue", "cache")


def test_who_goes_out_and_asks_again_stands_behind_those_who_wait():
    slots, ran = Slots(1), []

    def work(name: str) -> None:
        with slots:
            ran.append(name)

    slots.__enter__()
    threads = []
    for name in ("first", "second"):
        thread = threading.Thread(target=work, args=(name,))
        thread.start()
        threads.append(thread)
        deadline = time.monotonic() + PATIENCE
        while len(slots._waiting) < len(threads):
            assert time.monotonic() < deadline
            time.sleep(0.001)
    slots.__exit__()
    work("again")
    for thread in threads:
        thread.join(PATIENCE)
    assert ran == ["first", "second", "again"]


def test_no_more_run_at_once_than_there_are_slots():
    slots, running, most = Slots(3), set(), []

    def work(name: int) -> None:
        for _ in range(20):
            with slots:
                running.add(name)
                most.append(len(running))
                time.sleep(0.0005)
                running.discard(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(most) == 160 and max(most) == 3


def deployment(bench):
    """An application with three relations to two units each and one among its own units."""
    bench.deploy("principal", "web", units=2)
    for name in OTHERS:
        bench.deploy("principal", name, units=2)
    return [relations.add(bench.model, "web:sink", f"{name}:source") for name in OTHERS]


def settled(bench, tmp_path, seed, monkeypatch):
    """Return the hooks of a new model's unit, from nothing."""
    monkeypatch.setattr(shuffle, "SEED", seed)
    one = type(bench)(tmp_path / f"seed{seed}-{len(list(tmp_path.iterdir()))}")
    deployment(one)
    return one.settle("web/0")


def test_without_a_seed_relations_take_their_turns_by_their_ids(bench, tmp_path, monkeypatch):
    hooks = settled(bench, tmp_path, "", monkeypatch)
    joined = [hook for hook in hooks if hook.startswith("sink-relation-joined")]
    assert joined == [f"sink-relation-joined {name}/{i}" for name in OTHERS for i in (0, 1)]


def test_a_seed_draws_one_order_each_time(bench, tmp_path, monkeypatch):
    first, again = (settled(bench, tmp_path, "7", monkeypatch) for _ in range(2))
    assert first == again


def test_seeds_differ_in_their_order_and_in_nothing_else(bench, tmp_path, monkeypatch):
    own = settled(bench, tmp_path, "", monkeypatch)
    runs = [settled(bench, tmp_path, seed, monkeypatch) for seed in SEEDS]
    assert len({tuple(hooks) for hooks in runs}) > len(SEEDS) / 2
    assert all(sorted(hooks) == sorted(own) for hooks in runs)


def test_hooks_of_two_relations_come_between_each_other(bench, tmp_path, monkeypatch):
    """After joined, changed of the same unit is the next one of that relation, not of the unit."""
    between = 0
    for seed in SEEDS:
        hooks = settled(bench, tmp_path, seed, monkeypatch)
        for at, hook in enumerate(hooks):
            kind, _, unit = hook.partition(" ")
            if kind.endswith("-joined"):
                changed = kind.replace("joined", "changed") + f" {unit}"
                between += hooks[at + 1] != changed
    assert between


@pytest.mark.parametrize("seed", SEEDS)
def test_what_juju_holds_to_stays(bench, tmp_path, monkeypatch, seed):
    hooks = settled(bench, tmp_path, seed, monkeypatch)
    created = [at for at, hook in enumerate(hooks) if hook.endswith("-created")]
    assert hooks[0] == "install"
    assert max(created) < hooks.index("config-changed") < hooks.index("start")
    assert hooks.index("leader-elected") < hooks.index("config-changed")
    for name in OTHERS:
        mine = [hook for hook in hooks if f" {name}/" in hook]
        assert mine == [
            f"sink-relation-{kind} {name}/{i}" for i in (0, 1) for kind in ("joined", "changed")
        ]
        assert hooks.index("start") < hooks.index(mine[0])


def test_machines_are_given_at_different_times(monkeypatch):
    assert shuffle.lateness("0") == 0
    monkeypatch.setattr(shuffle, "SEED", "7")
    late = [shuffle.lateness(str(machine)) for machine in range(20)]
    assert late == [shuffle.lateness(str(machine)) for machine in range(20)]
    assert all(0 <= seconds < shuffle.SPREAD for seconds in late) and len(set(late)) == 20


def test_the_units_of_a_machine_take_turns_that_are_drawn(monkeypatch):
    names = ["a/0", "b/0", "c/0", "d/0"]

    class Named:
        def __init__(self, name: str) -> None:
            self.name = name

    agent = MachineAgent.__new__(MachineAgent)
    agent._served, firsts = "", {"": set(), "7": set()}
    for seed, first in firsts.items():
        monkeypatch.setattr(shuffle, "SEED", seed)
        for agent._turns in range(40):
            turn = agent._in_turn([Named(name) for name in names])
            assert sorted(unit.name for unit in turn) == names
            first.add(turn[0].name)
    assert firsts == {"": {"a/0"}, "7": set(names)}
