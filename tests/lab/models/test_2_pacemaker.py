"""Each rule of the simulation's Pacemaker, next to what the real one does."""

from __future__ import annotations

from typing import Any

import pytest
from clusters import BACK, CALM, Both, connected
from jujulab.waiting import poll
from masakari_fencing import alert
from masakari_fencing.pacemaker import cibadmin, tools
from members import ClusterSide, Entry, View, code, history, run, status, view
from simulation.models.pacemaker import fencing
from simulation.models.pacemaker.commands.cib_xml import DISCONNECTED

pytestmark = pytest.mark.lab

FENCED = 120
"""Seconds in which a lost node is fenced, on a machine that does much else."""


def failures_of_a_member(side: ClusterSide) -> int:
    """Return how many failures of the node's connection a member keeps at most."""
    shown = run(side, ["crm_mon", "--output-as=xml", "--inactive", "--fence-history=3"]).stdout
    members = [
        failure.get("node")
        for failure in tools.parse(shown).iter("failure")
        if failure.get("op_key", "").startswith(f"{side.node}_")
    ]
    return max(map(members.count, members), default=0)


# -- what it shows ------------------------------------------------------------------------------
def test_what_the_cluster_shows_of_itself(module: Both) -> None:
    def rule(side: ClusterSide) -> list[Any]:
        shown = status(side)
        return [
            shown.quorum,
            shown.dc in side.members,
            shown.stonith_enabled,
            shown.maintenance_mode,
            {(n.name, n.kind, n.online, n.unclean, n.maintenance) for n in shown.nodes},
            {(c.node, c.role, c.failed, c.managed) for c in shown.connections},
            {c.member in side.members for c in shown.connections},
        ]

    module.alike(rule)


def test_when_a_node_was_connected(module: Both) -> None:
    def rule(side: ClusterSide) -> list[Any]:
        since = cibadmin.connected_since(side.runner(), side.node)
        return [view(side), since is not None and since < side.now()]

    assert module.alike(rule)[1]


def test_what_is_built_in(module: Both) -> None:
    metadata = module.lab.machines[0].run(["/usr/lib/pacemaker/pacemaker-controld", "metadata"])
    root = tools.parse(metadata.stdout)
    defaults = {
        parameter.get("name"): parameter.find("content").get("default")  # type: ignore[union-attr]
        for parameter in root.iter("parameter")
    }
    assert int(str(defaults["stonith-max-attempts"])) == fencing.ATTEMPTS


# -- a node is lost -----------------------------------------------------------------------------
def test_a_node_that_is_lost_is_fenced_and_connected_to_again(both: Both) -> None:
    """Unclean, fenced by the controller, recorded as fenced, and clean once it is back."""
    both.lab.machines[0].run(["rm", "-f", "/var/tmp/model-alerts"])
    both.model.spooled.clear()

    def rule(side: ClusterSide) -> list[Any]:
        before = len(history(side))
        begun = side.now()
        side.lose()
        seen: list[Any] = [side.wait(lambda: view(side).unclean, 60)]
        shown = view(side)
        # Its role is "Started" yet, or "Stopped" already, by how far the controller has got.
        seen.append((shown.online, shown.unclean, shown.failed, shown.managed))
        # A look may come too late to see it pending.
        asked = lambda: history(side)[: len(history(side)) - before]  # noqa: E731
        side.wait(lambda: bool(asked()), 60)
        for entry in asked():
            seen += [entry.action, entry.client, entry.dated == (entry.status != "pending")]
        seen.append(side.wait(lambda: view(side).record == "fenced", FENCED))
        side.wait(lambda: not view(side).unclean, 30)
        # It may be connected to again by now.
        shown = view(side)
        seen += [shown.unclean, shown.managed, history(side)[0], len(history(side)) - before]
        seen.append(side.wait(lambda: connected(side), BACK))
        # The records come a moment after that.
        since = lambda: cibadmin.connected_since(side.runner(), side.node) or 0.0  # noqa: E731
        side.wait(lambda: since() > begun and view(side).record == "not fenced", 30)
        return [*seen, view(side)[:6], since() > begun, failures_of_a_member(side) <= 1]

    both.alike(rule)
    told = [event for event in map(_event, both.lab.alerts()) if event]
    [modelled] = both.model.spooled[:1]
    assert len(told) == 1
    assert [told[0][key] for key in ("node", "action")] == [
        modelled[key] for key in ("node", "action")
    ]


def _event(environ: dict[str, str]) -> dict[str, Any] | None:
    return alert.event(environ, 0.0)


def test_failures_that_are_cleaned_up(both: Both) -> None:
    def rule(side: ClusterSide) -> list[Any]:
        side.lose()
        side.wait(lambda: view(side).record == "fenced", FENCED)
        failed = view(side).failures != ()
        done = code(side, "crm_resource", "--resource", side.node, "--cleanup")
        forgotten = side.wait(lambda: view(side).failures == (), 30)
        # It is still fenced, and connected to as soon as it answers.
        shown = view(side)
        seen = [failed, done, forgotten, shown.unclean, shown.record]
        return [*seen, side.wait(lambda: connected(side), BACK)]

    both.alike(rule)


def test_a_fence_that_two_ask_for_is_one(both: Both) -> None:
    def rule(side: ClusterSide) -> list[Any]:
        before = [entry for entry in history(side) if entry.status == "success"]
        argv = ("stonith_admin", "--reboot", side.node, "--timeout=60")
        asked = [lambda n=n: code(side, *argv, number=n) for n in (0, 1)]
        seen: list[Any] = [side.together(asked)]
        after = [entry for entry in history(side) if entry.status == "success"]
        # The other request is shown where it was made, and to others once they exchange histories.
        seen += [1 <= len(after) - len(before) <= 2, after[0].client]
        # The record comes first; the connection is stopped by the transition after it.
        seen.append(side.wait(lambda: view(side).record == "fenced", 30))
        seen.append(side.wait(lambda: view(side).role == "Stopped" and view(side).failed, 30))
        seen.append(view(side))
        return [*seen, side.wait(lambda: connected(side), BACK)]

    both.alike(rule)


def test_a_node_that_is_switched_off_and_on(both: Both) -> None:
    """It stays fenced, and clean, until it is connected to again."""

    def rule(side: ClusterSide) -> list[Any]:
        before = len(history(side))
        seen: list[Any] = [code(side, "stonith_admin", "--fence", side.node, "--timeout=60")]
        side.wait(lambda: view(side).record == "fenced", 30)
        # The record comes first; the connection is stopped by the transition after it.
        side.wait(lambda: view(side).role == "Stopped" and view(side).failed, 30)
        seen += [view(side), history(side)[0], len(history(side)) - before]
        side.sleep(CALM)
        seen.append(view(side)[:6])
        seen.append(code(side, "stonith_admin", "--unfence", side.node, "--timeout=60"))
        return [*seen, side.wait(lambda: connected(side), BACK), history(side)[0].action]

    both.alike(rule)


def test_a_fence_that_fails_is_tried_again_and_confirmed_by_hand(both: Both) -> None:
    def rule(side: ClusterSide) -> list[Any]:
        def ended(status: str) -> list[Entry]:
            return [entry for entry in history(side) if entry.status == status]

        def tried_again() -> bool:
            return len(ended("failed")) > failed and len(history(side)) > before + 1

        before, failed, words = len(history(side)), len(ended("failed")), len(ended("success"))
        side.power_controller(False)
        side.lose()
        # The device itself tries for a minute.
        seen = [side.wait(tried_again, 150), ended("failed")[0], view(side)]
        seen.append(code(side, "stonith_admin", "--confirm", side.node))
        side.wait(lambda: view(side).record == "fenced", 30)
        side.wait(lambda: not view(side).unclean, 30)
        # Another attempt may be under way, and the connection be tried anew.
        shown = view(side)
        seen += [len(ended("success")) - words, ended("success")[0]]
        seen += [shown.unclean, shown.role != "Started", shown.managed, shown.record]
        side.power_controller(True)
        return seen

    try:
        both.alike(rule)
    finally:
        both.lab.power_controller(True)
        both.lab.trial.demo.power_on()
        both.model.world.power_on(both.model.world.hosts[both.model.node])


def test_a_node_that_is_taken_out_of_its_hands_is_not_fenced(both: Both) -> None:
    def rule(side: ClusterSide) -> list[Any]:
        before = len(history(side))
        manage(side, False)
        shown = side.wait(lambda: not view(side).managed, 30)
        side.stop_daemon(True)
        side.wait(lambda: view(side).failed, 30)
        side.sleep(CALM)
        seen = [shown, view(side).unclean, view(side).managed, len(history(side)) - before]
        side.stop_daemon(False)
        side.sleep(5)
        manage(side, True)
        return seen

    try:
        both.alike(rule)
    finally:
        code(both.lab, "crm_resource", "--resource", both.lab.node, "--cleanup")


def manage(side: ClusterSide, managed: bool) -> None:
    """Take the connection out of Pacemaker's hands, or give it back."""
    name = ("--meta", f"--parameter-value={str(managed).lower()}")
    code(side, "crm_resource", "--resource", side.node, "--set-parameter=is-managed", *name)


def given_up(side: ClusterSide, node: str) -> View | None:
    """Return how a node is shown once all members have tried to connect, and failed."""
    events = [event for event in status(side).fencing_of(node) if event.completed]
    shown = view(side, node)
    settled = events and shown.role == "Stopped" and not shown.failed
    return shown if settled else None


def once_given_up(side: ClusterSide, node: str) -> View | None:
    """Wait until it is shown so; None where it is not, in time."""
    found: View | None = None

    def settled() -> bool:
        nonlocal found
        found = given_up(side, node)
        return found is not None

    side.wait(settled, 90)
    return found


def test_a_node_that_was_never_connected(both: Both) -> None:
    """Each member tries to connect; then it is fenced, which fails: no device knows it."""
    name = "model-remote"

    def rule(side: ClusterSide) -> list[Any]:
        side.add_node(name)
        failed = side.wait(lambda: view(side, name).failures == ("start_0",), 90)
        shown = once_given_up(side, name)
        events = [
            (e.action, e.status, e.decided_by_pacemaker) for e in status(side).fencing_of(name)
        ]
        since = cibadmin.connected_since(side.runner(), name)
        side.remove_node(name)
        side.sleep(3)
        return [failed, shown, events[-1], since]

    both.alike(rule)


# -- members ------------------------------------------------------------------------------------
def test_a_member_whose_pacemaker_is_stopped(both: Both) -> None:
    commands = [
        ("crm_mon", "--output-as=xml", "--inactive", "--fence-history=3"),
        ("cibadmin", "--query"),
        ("crm_node", "--name"),
        ("crm_attribute", "--type=crm_config", "--name=stonith-action", "--query", "--quiet"),
        ("stonith_admin", "--list", "nobody", "--timeout=20"),
    ]

    def rule(side: ClusterSide) -> list[int]:
        side.stop_members([2])
        codes = [code(side, *argv, number=2) for argv in commands]
        side.start_members([2])
        return codes

    assert both.alike(rule) == [DISCONNECTED] * len(commands)


def test_another_member_takes_over(both: Both) -> None:
    """The controller's Pacemaker ends: there is another one, and nobody is fenced for that."""

    def rule(side: ClusterSide) -> list[Any]:
        before = [entry for entry in history(side, 1) if entry.status == "success"]
        side.stop_members([0])
        others = side.members[1:]
        elected = side.wait(lambda: status(side, 1).dc in others, 60)

        def held() -> bool:
            found = status(side, 1).connections
            return all(c.member in others and c.role == "Started" for c in found)

        seen = [elected, side.wait(held, 60), view(side, number=1)[:5]]
        # The new controller may want to fence the node before it is connected to again; the guard
        # refuses that, as it answers.
        after = [entry for entry in history(side, 1) if entry.status == "success"]
        seen += [status(side, 1).quorum, len(after) - len(before)]
        side.start_members([0])
        return [*seen, side.wait(lambda: status(side, 0).quorum, 60)]

    both.alike(rule)


def test_a_member_that_is_cut_off_switches_a_node_on(both: Both) -> None:
    def rule(side: ClusterSide) -> list[Any]:
        seen: list[Any] = [code(side, "stonith_admin", "--fence", side.node, "--timeout=60")]
        side.wait(lambda: view(side).record == "fenced", 30)
        side.isolate(2, True)
        side.wait(lambda: not status(side, 2).quorum, 60)
        argv = ("stonith_admin", "--unfence", side.node, "--timeout=60")
        seen.append(code(side, *argv, number=2))
        side.isolate(2, False)
        seen.append(side.wait(lambda: status(side, 2).quorum, 120))
        return [*seen, side.wait(lambda: connected(side), BACK)]

    both.alike(rule)


def test_what_is_lost_when_all_members_restart(both: Both) -> None:
    """The status section: whether the node was connected or fenced, and what failed."""

    def rule(side: ClusterSide) -> list[Any]:
        side.power_controller(False)
        side.stop_members([0, 1, 2])
        side.lose()
        side.start_members([0, 1, 2])
        failed = side.wait(lambda: view(side).failures == ("start_0",), 120)
        known = [event for event in history(side) if event.status == "success"]
        since = cibadmin.connected_since(side.runner(), side.node)
        # It is not known to have been connected, and fenced as one that never was.
        shown = once_given_up(side, side.node)
        side.power_controller(True)
        return [failed, known, since, shown, history(side)[-1]]

    try:
        both.alike(rule)
    finally:
        both.lab.power_controller(True)
        both.lab.trial.demo.power_on()
        assert poll(lambda: not both.lab.trial.cluster.unsettled(), BACK, 2)
