"""Each rule of the simulation's cibadmin and its like, next to what the real ones do."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest
from clusters import CALM, Both
from masakari_fencing.notifier import presence
from masakari_fencing.notifier.membership import quorate_ring
from masakari_fencing.notifier.presence import Presence
from masakari_fencing.pacemaker import cibadmin, crm_node, tools
from members import ClusterSide, code, run, status, view
from simulation.models.pacemaker.commands import cib_xml

pytestmark = pytest.mark.lab

SET = (
    "<cluster_property_set id='model-test'>"
    "<nvpair id='model-a' name='model-a' value='{}'/></cluster_property_set>"
)
PATH = "//cluster_property_set[@id='model-test']"
OTHER = f"{PATH}[nvpair[@id='model-a'][@value='9']]"
HERE = f"{PATH}[nvpair[@id='model-a'][@value='1']]"
SCOPE = ("--scope", "crm_config", "--xml-pipe")
WHOLE = "<crm_config>" + SET + "</crm_config>"

CREATE = (("--create", *SCOPE), SET.format(1))


def at(path: str, operation: str = "--modify", quorum: int = 1) -> tuple[str, ...]:
    """Return arguments for a change where the member's part has quorum, or where it has not."""
    xpath = ("--xpath", f"/cib[@have-quorum='{quorum}']{path}")
    return (operation, *xpath) if operation == "--delete" else (operation, *xpath, "--xml-pipe")


CONFIG = "/configuration/crm_config"
MISSING = f"{CONFIG}[not(cluster_property_set[@id='model-test'])]"
CHANGES: dict[str, list[tuple[tuple[str, ...], str | None]]] = {
    "create": [CREATE],
    "create twice": [CREATE, (("--create", *SCOPE), SET.format(2))],
    "swap": [CREATE, (("--modify", "--xpath", HERE, "--xml-pipe"), SET.format(2))],
    "swap, too late": [CREATE, (("--modify", "--xpath", OTHER, "--xml-pipe"), SET.format(2))],
    "swap nothing": [(("--modify", "--xpath", HERE, "--xml-pipe"), SET.format(2))],
    "modify": [CREATE, (("--modify", *SCOPE), SET.format(2))],
    "modify nothing": [(("--modify", *SCOPE), SET.format(2))],
    "modify or create": [(("--modify", "--allow-create", *SCOPE), SET.format(2))],
    "modify the section": [
        CREATE,
        (("--modify", "--allow-create", *SCOPE), WHOLE.format(3)),
    ],
    "delete": [CREATE, (("--delete", "--xpath", f"{PATH}/nvpair"), None)],
    "delete nothing": [(("--delete", "--xpath", OTHER), None)],
    "delete in the section": [CREATE, (("--delete", *SCOPE), SET.format(1))],
    "replace": [CREATE, (("--replace", *SCOPE), SET.format(4))],
    "replace at a path": [CREATE, (("--replace", "--xpath", HERE, "--xml-pipe"), SET.format(5))],
    "create at a path": [(at(MISSING, "--create"), SET.format(1))],
    "create at a path, twice": [CREATE, (at(CONFIG, "--create"), SET.format(2))],
    "put what is missing": [(at(MISSING), WHOLE.format(1))],
    "put what is missing, twice": [(at(MISSING), WHOLE.format(n)) for n in (1, 2)],
    "put the section": [(at(CONFIG), WHOLE.format(1))],
    "put the section, twice": [(at(CONFIG), WHOLE.format(n)) for n in (1, 2)],
    "put the configuration": [
        (at("/configuration"), f"<configuration>{WHOLE.format(1)}</configuration>")
    ],
    "put in the configuration": [(at("/configuration"), WHOLE.format(1))],
    "modify somewhere below": [CREATE, (at("/configuration"), SET.format(2))],
    "modify nothing below": [(at("/configuration"), SET.format(2))],
    "modify another": [CREATE, (at(PATH), SET.format(2).replace("model-test", "model-other"))],
    "swap with quorum": [CREATE, (at(HERE), SET.format(2))],
    "swap with quorum, too late": [CREATE, (at(OTHER), SET.format(2))],
    "delete with quorum": [CREATE, (at(PATH, "--delete"), None)],
    "delete nothing with quorum": [CREATE, (at(OTHER, "--delete"), None)],
    "without quorum": [
        (at(MISSING, quorum=0), WHOLE.format(1)),
        CREATE,
        (at(CONFIG, quorum=0), WHOLE.format(2)),
        (at(PATH, quorum=0), SET.format(2)),
        (at(PATH, "--delete", quorum=0), None),
    ],
}


def found_with_quorum(
    side: ClusterSide, quorum: int, number: int = 0, what: str = PATH
) -> list[Any]:
    """Ask for what is there, and for what always is, where the part has quorum, or has not."""
    path = f"/cib[@have-quorum='{quorum}']"
    paths = f"{path}{what} | {path}//nvpair[@name='dc-version']"
    answer = run(side, ["cibadmin", "--query", "--xpath", paths], number=number)
    if answer.returncode:
        return [answer.returncode]
    root = tools.parse(answer.stdout)
    return [root.tag, root.get("name"), [(child.tag, child.get("name")) for child in root]]


@pytest.mark.parametrize("name", CHANGES)
def test_changes_of_the_configuration(module: Both, name: str) -> None:
    def rule(side: ClusterSide) -> list[Any]:
        code(side, "cibadmin", "--delete", "--xpath", PATH)
        codes = [code(side, "cibadmin", *argv, text=text) for argv, text in CHANGES[name]]
        answer = run(side, ["cibadmin", "--query", "--xpath", PATH])
        shown = ET.canonicalize(answer.stdout, strip_text=True) if answer.stdout else ""
        parts = [found_with_quorum(side, quorum) for quorum in (1, 0)]
        code(side, "cibadmin", "--delete", "--xpath", PATH)
        return [codes, answer.returncode, shown, *parts]

    codes, *_ = module.alike(rule)
    if name == "create twice":
        assert codes == [0, cib_xml.EXISTS]


@pytest.mark.parametrize(
    "argv",
    [
        ("cibadmin", "--query", "--xpath", "//nothing"),
        ("cibadmin", "--query", "--xpath", "//node_state[@uname='nobody']"),
        ("crm_attribute", "--type=crm_config", "--name=model-none", "--query", "--quiet"),
        ("crm_resource", "--resource", "nobody", "--cleanup"),
        ("stonith_admin", "--list", "nobody", "--timeout=20"),
    ],
)
def test_what_does_not_exist(module: Both, argv: tuple[str, ...]) -> None:
    module.alike(lambda side: code(side, *argv))


def test_a_property(module: Both) -> None:
    def rule(side: ClusterSide) -> list[Any]:
        name = ("--type=crm_config", "--name=model-property")
        done = [code(side, "crm_attribute", *name, "--update=7")]
        answer = run(side, ["crm_attribute", *name, "--query", "--quiet"])
        path = "//nvpair[@name='model-property']"
        return [*done, answer.stdout, code(side, "cibadmin", "--delete", "--xpath", path)]

    module.alike(rule)


def test_an_attribute_of_a_member(module: Both) -> None:
    def rule(side: ClusterSide) -> list[Any]:
        runner = side.runner()
        other = Presence(runner)
        found: list[Any] = [presence.main(runner), presence.main(runner)]
        named = crm_node.local_name(runner)
        found += [status(side, n).unattended == {named} for n in (1, 2)]
        found += [status(side, 1).order[-1] == named, other.check(), other.check()]
        return [*found, status(side, 1).unattended, status(side, 2).unattended]

    module.alike(rule)


def test_several_matches_are_in_one_element(module: Both) -> None:
    def rule(side: ClusterSide) -> list[Any]:
        path = "//primitive[@provider='pacemaker'][@type='remote']"
        answer = run(side, ["cibadmin", "--query", "--xpath", path])
        root = tools.parse(answer.stdout)
        return [root.tag, sorted(child.get("id", "") for child in root)]

    module.alike(rule)


def test_a_section_is_shown_with_its_own_element(module: Both) -> None:
    def rule(side: ClusterSide) -> list[Any]:
        return [cibadmin.configuration(side.runner()).tag, cibadmin.cib(side.runner()).tag]

    module.alike(rule)


def test_a_member_knows_its_name_and_its_quorum(module: Both) -> None:
    def rule(side: ClusterSide) -> list[Any]:
        return [
            (crm_node.local_name(side.runner(n)), crm_node.has_quorum(side.runner(n)))
            for n in range(3)
        ]

    module.alike(rule)


def test_the_devices_that_can_fence_a_node(module: Both) -> None:
    module.alike(lambda side: code(side, "stonith_admin", "--list", side.node, "--timeout=20"))


# -- without quorum -----------------------------------------------------------------------------
def test_each_membership_has_a_ring_of_its_own(both: Both) -> None:
    """As long as the ring is the same, nobody has come or gone, or stood still for long."""

    def rule(side: ClusterSide) -> list[Any]:
        def rings() -> list[str]:
            return [quorate_ring(side.runner(number)) for number in range(3)]

        def one() -> bool:
            return len(set(rings())) == 1 and bool(rings()[0])

        seen: list[Any] = [side.wait(one, 60)]
        first = rings()[0]
        side.sleep(CALM)
        seen.append(rings() == [first] * 3)
        side.isolate(2, True)
        seen.append(side.wait(lambda: not rings()[2], 60))
        apart = rings()
        seen += [apart[0] == apart[1], apart[0] != first, bool(apart[0])]
        side.isolate(2, False)
        seen.append(side.wait(one, 120))
        return [*seen, rings()[0] in (first, apart[0])]

    both.alike(rule)


def test_a_member_that_starts_alone_has_no_quorum(both: Both) -> None:
    """Whatever its disk says: it had quorum when it was stopped."""

    def rule(side: ClusterSide) -> tuple[bool, bool, bool]:
        seen: set[str] = set()

        def told() -> bool:
            try:
                cibadmin.check_quorum(side.runner(2))
            except cibadmin.NoQuorum:
                seen.add("none")
                # It is no member that starts any more once it knows better itself.
                return not status(side, 2).quorum and bool(status(side, 2).dc)
            seen.add("quorum")
            return True

        side.stop_members([0, 1, 2], corosync=True)
        side.start_members([2])
        ended = side.wait(told, 120)
        side.start_members([0, 1])
        together = side.wait(lambda: status(side, 2).quorum, 120)
        return ended, together, "quorum" in seen

    assert both.alike(rule) == (True, True, False)


@pytest.mark.parametrize("newest", [False, True], ids=["outdated", "newest"])
def test_the_copy_of_a_member_that_was_cut_off(both: Both, newest: bool) -> None:
    """With all that was changed in it, it becomes everybody's, unless others outdate it."""
    others = PATH.replace("model-", "others-")

    def rule(side: ClusterSide) -> list[Any]:
        def fenced() -> bool:
            [member] = status(side, 0).named(side.members[2])
            return not (member.online or member.unclean)

        side.isolate(2, True)
        seen: list[Any] = [side.wait(lambda: not status(side, 2).quorum, 60)]
        seen.append(side.wait(lambda: bool(status(side, 2).dc), 60))
        modify = ("cibadmin", "--modify")
        for number in range(20):
            code(side, *modify, "--allow-create", *SCOPE, text=SET.format(number), number=2)
        if newest:
            count = (*modify, "--xpath", "/cib", "--xml-pipe")
            more = "<cib admin_epoch='admin_epoch+=10'/>"
            seen += [code(side, *count, text=more, number=2) for _ in range(9)]
        theirs = SET.format(1).replace("model-", "others-")
        seen.append(code(side, "cibadmin", "--create", *SCOPE, text=theirs))
        # One that is back before it is fenced ends its Pacemaker.
        seen.append(side.wait(fenced, 60))
        side.isolate(2, False)
        seen.append(side.wait(lambda: status(side, 2).quorum, 120))
        side.sleep(CALM)
        for path in (PATH, others):
            seen.append([found_with_quorum(side, 1, number, path) for number in range(3)])
            cibadmin.delete(side.runner(), path)
        return seen

    both.alike(rule)


def test_a_member_that_is_cut_off(both: Both) -> None:
    """It has no quorum, shows the others as offline, and changes nothing."""

    def rule(side: ClusterSide) -> list[Any]:
        side.isolate(2, True)
        # What is asked for before it knows of that is done, once it does: in its own copy.
        argv = ("cibadmin", *at(MISSING))
        seen: list[Any] = [code(side, *argv, text=WHOLE.format(1), number=2)]
        seen.append(side.wait(lambda: not status(side, 2).quorum, 60))
        seen += [found_with_quorum(side, 0, 2), found_with_quorum(side, 1, 0)]
        code(side, "cibadmin", "--delete", "--xpath", PATH, number=2)
        side.wait(lambda: not status(side, 2).named(side.members[0])[0].online, 60)
        shown = status(side, 2)
        seen.append([shown.named(name)[0].online for name in side.members])
        seen.append(crm_node.has_quorum(side.runner(2)))
        path = "/cib[@have-quorum='1']"
        seen.append(code(side, "cibadmin", "--query", "--xpath", path, number=2))
        seen.append(code(side, "cibadmin", "--query", "--xpath", path, number=0))

        def change(argv: tuple[str, ...], text: str | None) -> tuple[int, list[Any], list[Any]]:
            """Do that, and return what the member has then, and what the others have."""
            done = code(side, "cibadmin", *argv, text=text, number=2)
            return done, found_with_quorum(side, 0, 2), found_with_quorum(side, 1, 0)

        # What asks for quorum changes nothing.
        seen.append([change(at(p), WHOLE.format(1)) for p in (MISSING, CONFIG)])
        seen.append(found_with_quorum(side, 1, 2))
        # What does not changes the member's own copy.
        seen.append(change(("--create", *SCOPE), SET.format(1)))
        seen.append(change(("--modify", *SCOPE), SET.format(2)))
        seen.append([change(at(p), SET.format(3)) for p in (PATH, f"{PATH}[nvpair[@value='2']]")])
        seen.append(change(at(PATH, "--delete"), None))
        path = f"{PATH}/*[@value='2']"
        seen.append(code(side, "cibadmin", "--query", "--xpath", path, number=2))
        seen.append(change(("--delete", "--xpath", PATH), None))
        seen += [status(side, 0).quorum, view(side, number=0)]
        side.isolate(2, False)
        return [*seen, side.wait(lambda: status(side, 2).quorum, 120)]

    try:
        both.alike(rule)
    finally:
        # Whichever copy has become everybody's.
        code(both.lab, "cibadmin", "--delete", "--xpath", PATH)
