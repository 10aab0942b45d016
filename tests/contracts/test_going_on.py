"""One failure in the lab hides no other test, as long as the lab is whole."""

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
LAB = Path(__file__).resolve().parents[1] / "lab"

CONFTEST = f"""
import sys

sys.path.insert(0, {str(LAB)!r})
from goingon import GoingOn

def pytest_configure(config):
    config.pluginmanager.register(GoingOn(look, lambda: "node1 by a test"))

looks = []
def look():
    looks.append(1)
    print("looked", len(looks))
    return ANSWERS[len(looks) - 1]
"""
TESTS = """
import pytest

@pytest.fixture
def broken():
    raise OSError("no lab")

def test_1(): pass
def test_2(): assert False
def test_3(): pass
def test_4(broken): pass
def test_5(): pass
def test_6(): pass
"""


def run(pytester: pytest.Pytester, *answers: str | None) -> pytest.RunResult:
    pytester.makeconftest(f"ANSWERS = {list(answers)!r}\n{CONFTEST}")
    pytester.makepyfile(TESTS)
    return pytester.runpytest_inprocess("-p", "no:cacheprovider")


def test_where_the_lab_is_whole_all_tests_run(pytester):
    result = run(pytester, None, None)
    result.assert_outcomes(passed=4, failed=1, errors=1)
    assert "NOT RUN" not in result.stdout.str()


def test_where_it_is_broken_the_last_lines_say_what_was_not_run(pytester):
    result = run(pytester, None, "node 1 is off")
    result.assert_outcomes(passed=2, failed=1, errors=1, skipped=2)
    assert result.ret != 0
    lines = result.stdout.lines
    start = next(i for i, line in enumerate(lines) if "2 NOT RUN" in line)
    assert "node 1 is off" in lines[start]
    assert [line.rpartition("::")[2] for line in lines[start + 1 : start + 3]] == [
        "test_5",
        "test_6",
    ]


def test_the_lab_is_looked_at_once_for_each_failure_until_it_is_broken(pytester):
    result = run(pytester, "gone")
    result.assert_outcomes(passed=1, failed=1, skipped=4)


def test_a_failure_says_who_was_fenced(pytester):
    result = run(pytester, None, None)
    text = result.stdout.str()
    assert text.count("Fenced so far") == text.count("node1 by a test") == 2
