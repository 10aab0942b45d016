"""A release has one number: the changelog's, each charm's and each package's."""

import re

from charm_sources import REPOSITORY

HEADING = re.compile(r"^## (\d+\.\d+\.\d+) \((unreleased|\d{4}-\d{2}-\d{2})\)$")
PROJECTS = sorted(REPOSITORY.glob("*/*/pyproject.toml"))


def headings() -> list[str]:
    text = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line.startswith("## ")]


def test_each_part_of_the_changelog_has_a_number_and_all_but_the_newest_a_date() -> None:
    parts = [HEADING.fullmatch(line) for line in headings()]
    assert all(parts), headings()
    assert "unreleased" not in {part[2] for part in parts[1:]}


def test_charms_and_packages_have_the_number_of_the_newest_part() -> None:
    number = HEADING.fullmatch(headings()[0])[1]
    assert len(PROJECTS) == 6
    for path in PROJECTS:
        found = re.findall(r'^version = "(.*)"$', path.read_text(encoding="utf-8"), re.M)
        assert found == [number], path
