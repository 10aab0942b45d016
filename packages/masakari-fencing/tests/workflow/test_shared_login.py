"""One login for the same account, by keystoneauth1's own loading."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from keystoneauth1 import exceptions, loading
from masakari_fencing.workflow.shared_login import SharedPassword

ACCOUNT = {"auth_url": "http://keystone:5000/v3", "username": "masakari", "password": "a"}


@pytest.fixture
def load() -> Iterator[Any]:
    yield lambda **options: SharedPassword().load_from_options(**{**ACCOUNT, **options})
    SharedPassword._shared.clear()


def test_an_account_logs_in_once(load: Any) -> None:
    login = load(system_scope=None)
    assert load(system_scope=None) is login
    assert isinstance(login, SharedPassword().plugin_class)


def test_another_account_is_another_login(load: Any) -> None:
    assert load(password="b") is not load()
    assert load(auth_url="https://keystone:5000/v3") is not load()


def test_it_has_the_options_of_a_password(load: Any) -> None:
    theirs = loading.get_plugin_loader("password").get_options()
    assert {option.dest for option in SharedPassword().get_options()} == {
        option.dest for option in theirs
    }


def test_what_is_missing_is_an_error_and_not_kept() -> None:
    with pytest.raises(exceptions.MissingRequiredOptions):
        SharedPassword().load_from_options(username="masakari")
    assert SharedPassword._shared == {}
