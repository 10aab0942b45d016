"""Lets the tests import the modules beside them."""

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parent)]


def pytest_addoption(parser):
    parser.addoption("--pack", action="store_true", help="have charmcraft pack: minutes")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--pack"):
        skip = pytest.mark.skip(reason="charmcraft packs with --pack alone")
        for item in items:
            if "packs" in item.fixturenames:
                item.add_marker(skip)
