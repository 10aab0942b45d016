"""Lets the tests import the modules beside them."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent)]

import pack  # noqa: E402 - it is beside this file
import pytest  # noqa: E402


def pytest_addoption(parser):
    parser.addoption(
        "--all-bases", action="store_true", help="every base, not the oldest one alone"
    )


def bases(config):
    """Return the bases for which this run packs."""
    return pack.BASES if config.getoption("--all-bases") else pack.BASES[:1]


def pytest_generate_tests(metafunc):
    if "base" in metafunc.fixturenames:
        metafunc.parametrize("base", bases(metafunc.config))


@pytest.fixture(scope="session")
def packed_bases(pytestconfig):
    return bases(pytestconfig)
