"""What `docs/releases.md` says of a release is there: recordings, locks, bases, limits.

That a recording is read as it should be is tested beside the parsers; here, that each row has one.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from charm_sources import OWN, REPOSITORY, charmcraft
from charmcraft import const

DOCUMENT = (REPOSITORY / "docs/releases.md").read_text(encoding="utf-8")
FENCING = REPOSITORY / "packages/masakari-fencing"
RECORDINGS = FENCING / "tests/fixtures"
MF = FENCING / "src/masakari_fencing"
STATES = ("online", "outage", "pending", "fenced", "starting", "unmanaged", "target-stopped")


def rows(title: str) -> dict[str, str]:
    """The first cell of each row of a part's first table, and the rest of the row."""
    part = DOCUMENT.split(f"\n## {title}\n")[1]
    table = part[part.index("\n|") :].strip().split("\n\n")[0].splitlines()[2:]
    cells = (row.strip("|").split("|", 1) for row in table)
    return {first.strip(): rest.strip() for first, rest in cells}


def numbers(text: str) -> set[int]:
    """What `13, 15 to 22` says."""
    found: set[int] = set()
    for first, last in re.findall(r"(\d+)(?: to (\d+))?", text):
        found |= set(range(int(first), int(last or first) + 1))
    return found


def constant(path: str, pattern: str) -> re.Match[str]:
    match = re.search(pattern, (REPOSITORY / path).read_text(encoding="utf-8"), re.MULTILINE)
    assert match, f"{path}: {pattern}"
    return match


RECORDED = {name for name, seen in rows("Pacemaker").items() if "recorded" in seen}


def test_there_are_no_other_recordings() -> None:
    assert {path.name for path in RECORDINGS.glob("pacemaker-*")} == {
        f"pacemaker-{release}" for release in RECORDED
    }
    assert {"2.1.2", "2.1.6", "2.1.7"} <= RECORDED, "Ubuntu's, and the one with another node_state"


@pytest.mark.parametrize("release", sorted(RECORDED))
def test_a_recording_is_of_that_release_and_whole(release: str) -> None:
    folder = RECORDINGS / f"pacemaker-{release}"
    for state in STATES:
        shown = (folder / f"{state}.crm_mon.xml").read_text(encoding="utf-8")
        assert re.search(rf'version="{re.escape(release)}\b', shown), state
        assert "<node_state" in (folder / f"{state}.node_state.xml").read_text(encoding="utf-8")
    answers = json.loads((folder / "answers.json").read_text(encoding="utf-8"))
    assert answers["fenced when its connection is removed"] is False
    assert "taken out of the cluster was fenced by none of the five" in DOCUMENT.replace("\n", " ")
    assert len(RECORDED) == 5


def test_each_release_of_masakari_runs_or_is_the_labs() -> None:
    said = [numbers(name) for name in rows("Masakari") if re.match(r"\d", name)]
    run, lab = said
    locks = list(REPOSITORY.glob("requirements-masakari-*.txt"))
    assert {int(path.stem.rpartition("-")[2]) for path in locks} == run
    for path in locks:
        pinned = re.search(r"^masakari==(\d+)\.", path.read_text(encoding="utf-8"), re.MULTILINE)
        assert pinned
        assert pinned[1] == path.stem.rpartition("-")[2]
    for module in (
        "charms/masakari/src/workload/packages.py",
        "charms/masakari-monitors/src/workload/monitors.py",
    ):
        first, end = constant(module, r"^SUPPORTED = range\((\d+), (\d+)\)$").groups()
        assert set(range(int(first), int(end))) == run | lab, module


def test_the_bases_are_those_that_are_packed_and_let_in() -> None:
    known = constant(
        "packages/instance-ha-common/src/instance_ha_common/ubuntu.py", r"^SUPPORTED = \((.*)\)$"
    )
    bases = set(re.findall(r"[\d.]+", known[1]))
    listed = [name for name in rows("Ubuntu and OpenStack") if name.startswith("Ubuntu")]
    assert set(re.findall(r"\d\d\.\d\d", listed[0])) == bases
    for charm in OWN:
        found = {name.split(":")[0] for name in charmcraft(charm)["platforms"]}
        assert found == {f"ubuntu@{base}" for base in bases}


def test_what_charmcraft_could_pack_for_is_named_where_it_is_not() -> None:
    """Of the releases with long-term support: the day that there is one more, somebody decides."""
    packable = {name.partition("@")[2] for name in const.SUPPORTED_BASE_STRINGS}
    newer = {base for base in packable if re.fullmatch(r"\d[02468]\.04", base) and base > "22"}
    named = " ".join(name for name in rows("Ubuntu and OpenStack") if name.startswith("Ubuntu"))
    assert newer <= set(re.findall(r"\d\d\.\d\d", named))


def test_what_was_seen_in_the_lab_alone_is_listed() -> None:
    names = (path.relative_to(MF) for path in MF.rglob("*.py") if seen_in_the_lab_alone(path))
    found = {f"MF/{name}" for name in names}
    assert found
    assert found <= set(re.findall(r"`(MF/[\w/.]+)`", DOCUMENT))


def seen_in_the_lab_alone(path: Path) -> bool:
    return bool(re.search(r"seen with\s+2\.1\.5", path.read_text(encoding="utf-8")))
