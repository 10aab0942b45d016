"""What a charm remembers, also of what an older one has written."""

import pytest
from instance_ha_common.machine.memory import Memory
from instance_ha_common.testing import fake_host

PATH = "/var/lib/toy-charm/things.json"


@pytest.fixture
def host(tmp_path):
    return fake_host(tmp_path)


def test_what_is_written_is_read_by_the_next_hook(host):
    Memory(host, "toy").write("things", {"b": [1], "a": "x"})
    assert Memory(host, "toy").read("things", dict) == {"b": [1], "a": "x"}
    assert host.mode(PATH) == 0o600


def test_lists(host):
    memory = Memory(host, "toy")
    memory.write("things", ["a"])
    assert memory.read("things", list) == ["a"]


@pytest.mark.parametrize("text", [None, "", "{", "3", "null", "[]", "\0"])
def test_what_cannot_be_read_is_nothing(host, text):
    if text is not None:
        host.write(PATH, text)
    assert Memory(host, "toy").read("things", dict) == {}


def test_nothing_is_not_remembered(host):
    memory = Memory(host, "toy")
    memory.write("things", ["a"])
    memory.write("things", [])
    assert not host.path(PATH).exists()


def test_forgetting_leaves_what_is_no_memory(host):
    memory = Memory(host, "toy")
    memory.forget()
    memory.write("things", ["a"])
    host.write("/var/lib/toy-charm/paused", "")
    memory.forget()
    assert [path.name for path in host.path("/var/lib/toy-charm").iterdir()] == ["paused"]
