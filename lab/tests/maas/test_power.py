import threading
import time

import pytest
from jujulab.maas.power import BOOT_DELAY, PowerController, Settings
from jujulab.machines.addresses import MachineId, addresses


class Node:
    """A node that is switched at once and notes when it is."""

    def __init__(self, machine_id):
        self.identity = MachineId.parse(machine_id)
        self.id = machine_id
        self.hostname = self.identity.hostname
        self.fqdn = self.identity.fqdn
        self.parent = self.identity.parent
        self.addresses = addresses(11)
        self.state = "on"
        self.firmware_until = None
        self.booted = threading.Event()

    def power_off(self):
        self.state, self.firmware_until = "off", None

    def power_on(self):
        self.state, self.firmware_until = "on", None
        self.booted.set()


class FakeLab:
    def __init__(self, run_dir, *identifiers):
        self.run_dir = run_dir
        self.all = [Node(identifier) for identifier in identifiers]

    def machines(self):
        return self.all


@pytest.fixture
def power(tmp_path):
    controller = PowerController(FakeLab(tmp_path, "1", "1/lxd/0"))
    controller.settings.boot_delay = 0.05
    return controller


@pytest.fixture
def node(power):
    return power.nodes()[0]


def journal(power):
    return power.journal.read()


def test_settings_have_defaults_and_survive_rubbish(tmp_path):
    settings = Settings(tmp_path)
    assert (settings.boot_delay, settings.power_delay, settings.outage) == (BOOT_DELAY, 0, False)
    (tmp_path / "boot-delay").write_text("soon")
    assert settings.boot_delay == BOOT_DELAY
    settings.boot_delay = 1.5
    settings.power_delay, settings.answer_delay = 2, 10
    settings.outage = True
    again = Settings(tmp_path)
    assert (again.boot_delay, again.power_delay, again.outage) == (1.5, 2, True)
    assert again.answer_delay == 10
    again.outage = False
    assert not settings.outage


def test_containers_have_no_power_supply(power):
    assert [node.id for node in power.nodes()] == ["1"]


def test_off_is_off_when_the_call_returns(power, node):
    before = time.time()
    power.power_off(node)
    assert power.state(node) == "off"
    (entry,) = journal(power)
    after = time.time()
    assert before <= entry["time"] <= after
    assert (entry["action"], entry["node"], entry["result"]) == ("power_off", "node1", "off")
    assert 0 <= entry["seconds"] <= after - before


def test_a_slow_controller_accepts_first_and_cuts_later(power, node):
    power.settings.power_delay = 0.05
    power.power_off(node)
    assert power.state(node) == "on"
    deadline = time.monotonic() + 5
    while node.state == "on" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert power.state(node) == "off"
    time.sleep(0.02)
    assert [e["result"] for e in journal(power)] == ["accepted", "off"]


def test_a_slow_controller_that_is_asked_again_cuts_once(power, node):
    power.settings.power_delay = 1.0  # much more than a busy machine oversleeps
    power.power_off(node)
    time.sleep(0.3)
    power.power_off(node)
    deadline = time.monotonic() + 5
    while node.state == "on" and time.monotonic() < deadline:
        time.sleep(0.005)
    power.power_on(node)
    assert node.booted.wait(5)
    time.sleep(0.6)
    assert power.state(node) == "on", "the second request was for the power that is gone"
    power.settings.power_delay = 0
    power.power_off(node)
    assert power.state(node) == "off"
    results = [e["result"] for e in journal(power) if e["action"] == "power_off"]
    assert results == ["accepted", "accepted already", "off", "off"]


def test_a_node_has_power_while_it_is_in_its_firmware(power, node):
    power.power_off(node)
    power.power_on(node)
    assert (power.state(node), node.state) == ("on", "off")
    assert node.booted.wait(5)
    assert (power.state(node), node.state) == ("on", "on")


def test_switching_off_in_the_firmware_cancels_the_boot(power, node):
    power.power_off(node)
    power.power_on(node)
    power.power_off(node)
    assert power.state(node) == "off"
    assert not node.booted.wait(0.2)


def test_a_cancelled_boot_does_not_shorten_the_next_one(power, node):
    power.power_off(node)
    power.power_on(node)
    power.power_off(node)
    power.settings.boot_delay = 30
    power.power_on(node)
    assert not node.booted.wait(0.2)
    assert power.state(node) == "on"


def test_switching_on_what_is_on_does_nothing(power, node):
    power.power_on(node)
    assert not node.booted.wait(0.2)
    assert node.firmware_until is None


def test_another_controller_takes_over_the_boots(power, node):
    power.power_off(node)
    node.firmware_until = time.time() - 100
    PowerController(power.lab).resume()
    assert node.booted.wait(5)
