"""Which of several units' answers is the newest; the masakari charm's tests have whole stories."""

import pytest
from instance_ha_common.juju.responders import Responders
from instance_ha_common.machine.memory import Memory
from instance_ha_common.testing import fake_host

OLD, NEW = {"password": "old"}, {"password": "new"}


@pytest.fixture
def responders(tmp_path):
    return Responders(Memory(fake_host(tmp_path), "toy"))


def choose(responders, bags, event_unit=None):
    return responders.choose("db", bags, lambda bag: "password" in bag, event_unit)


def test_the_unit_that_has_spoken_last(responders):
    assert choose(responders, {"k/0": OLD, "k/1": {}}) == "k/0"
    assert choose(responders, {"k/0": OLD, "k/1": NEW}) == "k/1"
    assert choose(responders, {"k/0": OLD, "k/1": NEW}, "k/0") == "k/1", "it has said nothing new"


def test_what_was_known_before_is_taken_over_once(responders):
    bags = {"k/0": OLD, "k/1": NEW}
    responders.adopt("db", bags, "k/1")
    assert choose(responders, bags) == "k/1"
    responders.adopt("db", bags, "k/0")
    assert choose(responders, bags) == "k/1"


@pytest.mark.parametrize("former", [None, ""])
def test_nothing_was_known(responders, former):
    responders.adopt("db", {"k/0": OLD, "k/1": NEW}, former)
    assert choose(responders, {"k/0": OLD, "k/1": NEW}, "k/1") == "k/1"
