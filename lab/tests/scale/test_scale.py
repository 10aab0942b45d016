"""What is asked for, refused, read and shown; the cluster itself is measured by `make scale`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from jujulab.errors import LabError
from jujulab.scale import __main__ as scale
from jujulab.scale import configuration, nodes, readings
from jujulab.scale.apis import Apis
from jujulab.scale.nodes import Node

FENCE = Path(scale.__file__).parent / "fence_scale"


def meminfo(megabytes):
    return f"MemTotal: 99 kB\nMemAvailable:   {megabytes * 1024} kB\nBuffers: 1 kB\n"


def test_what_a_machine_carries_follows_from_its_free_memory():
    assert scale.carried(meminfo(1000)) == 0
    assert scale.carried("") == 0
    assert 1 < scale.carried(meminfo(3000)) < scale.carried(meminfo(5000))
    assert scale.carried(meminfo(64000)) == scale.carried(meminfo(128000))


def test_sizes_above_what_fits_become_what_fits():
    assert scale.fitting([64, 4, 16], 100) == [4, 16, 64]
    assert scale.fitting([4, 64, 128], 50) == [4, 50]
    with pytest.raises(LabError, match="free"):
        scale.fitting([4], 0)


def test_a_machine_that_is_too_small_goes_on_with_what_it_carries(monkeypatch, capsys):
    begun = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(scale, "carried", lambda text: 9)
    monkeypatch.setattr(scale.image, "path", lambda: Path("/"))
    monkeypatch.setattr(scale.nodes, "isolated", lambda words: begun.append(words) or 0)
    monkeypatch.setattr(sys, "argv", ["scale", "4", "64"])
    assert scale.main() == 0
    assert begun == [["4", "9", "--seconds=60"]]
    assert "carries 9 hypervisors: going on with that" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("user", "image", "words"),
    [(1000, "/", "run it as root"), (0, "/nowhere", "`make demo` builds it")],
)
def test_what_is_missing_is_said_with_the_cure(monkeypatch, user, image, words):
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(scale.image, "path", lambda: Path(image))
    monkeypatch.setattr(sys, "argv", ["scale", "4"])
    with pytest.raises(SystemExit, match=words):
        scale.main()


@pytest.mark.parametrize("words", [["1"], ["0"], ["many"], ["4", "--seconds=0"]])
def test_nonsense_is_refused(monkeypatch, words):
    monkeypatch.setattr(sys, "argv", ["scale", *words])
    with pytest.raises(SystemExit) as refusal:
        scale.main()
    assert refusal.value.code == 2


def measured(monkeypatch, outcomes):
    """Measure 4, 16 and 64, with these outcomes one after the other."""
    figures = {title: {"a": 1.0} for title in scale.TITLES}
    left = [(figures if there else {}, trouble, paused) for there, trouble, paused in outcomes]
    monkeypatch.setattr(scale, "_one", lambda size, window, logs: left.pop(0))
    text = scale.measure([4, 16, 64], 60)
    assert not left
    return text


def test_a_size_that_does_not_hold_ends_the_measurement_and_is_said(monkeypatch):
    lost = "fenced without a fault: node1.maas"
    text = measured(monkeypatch, [(True, "", 0.0), (True, lost, 0.0)])
    assert text.endswith(f"16 hypervisors do not hold here: {lost}")
    assert "        4       16   grows" in text
    assert not re.search(r" 64\b", text)
    text = measured(monkeypatch, [(False, "no cluster", 0.0)])
    assert text == "4 hypervisors do not hold here: no cluster"


def test_what_was_disturbed_is_measured_once_more(monkeypatch, capsys):
    good, late = (True, "", 0.0), (False, "not reported", 20.3)
    text = measured(monkeypatch, [good, late, good, good])
    assert "disturbed, for 20.3 s Corosync got no processor" in capsys.readouterr().err
    assert "hold" not in text
    assert "disturbed" not in text


def test_what_is_disturbed_each_time_is_said_to_be(monkeypatch):
    text = measured(monkeypatch, [*[(True, "", 5.0)] * 3, (True, "", 0.0), (True, "", 0.0)])
    assert text.endswith("4 hypervisors: disturbed, for 5.0 s Corosync got no processor")


def test_an_interruption_shows_what_was_measured(monkeypatch):
    def one(size, window, logs):
        if size > 4:
            raise KeyboardInterrupt
        return {title: {"a": 1.0} for title in scale.TITLES}, "", 0.0

    monkeypatch.setattr(scale, "_one", one)
    assert "        4   grows" in scale.measure([4, 16], 60)


def test_corosync_says_for_how_long_it_was_not_scheduled():
    log = "x was not scheduled (@17) for {} ms (threshold is 2920.0000 ms). Consider\n"
    assert readings.paused(log.format("3060.3") + log.format("6919.2") + "y\n") == 6.9192
    assert readings.paused("") == 0


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (b"/usr/lib/pacemaker/pacemaker-based\0", "pacemaker-based"),
        (b"corosync\0", "corosync"),
        (b"python3\0-m\0masakari_fencing.notifier\0", "notifier"),
        (b"python3\0-m\0http.server\0", "python3"),
        (b"", ""),
    ],
)
def test_a_daemon_is_known_by_its_command(command, name):
    assert readings.daemon(command) == name


def test_processor_time_has_that_of_children_that_have_ended():
    stat = f"7 (a (b) c) S {' '.join(['0'] * 10)} 100 20 3 40 0 0"
    assert readings.seconds(stat) == 163 / readings.TICK


def test_bytes_are_those_of_both_directions():
    text = "Inter-|\n face |\n  eth0: 10 1 0 0 0 0 0 0 5 1 0 0 0 0 0 0\n"
    assert readings.transferred(text) == {"eth0": 15}


def test_an_interface_that_was_made_anew_counts_from_nothing():
    before, after = {"a": 900, "b": 10, "c": 5}, {"a": 30, "b": 15, "c": 99}
    assert readings.moved(before, after, ["a", "b"]) == 35


def test_idle_and_waiting_processors_are_not_busy():
    assert readings.busy("cpu  1 2 3 1000 1000 4 5 0 9 9\ncpu0 1\n") == 15 / readings.TICK


def test_a_table_says_how_each_line_grows():
    found = [{"flat": 5.0, "linear": 4.0}, {"flat": 5.0, "linear": 16.0, "new": 0.1}]
    lines = readings.table("title", [4, 16], found, least=0.5).splitlines()
    assert [line.split()[0] for line in lines] == ["title", "flat", "linear", "new"]
    assert [line.split()[-1] for line in lines] == ["grows", "0.0", "1.0", "-"]
    assert readings.growth([4], [1.0]) == "-"
    assert "nan" in readings.table("title", [4, 16], [{"a": 1.0}, {}])


def test_the_configuration_has_a_connection_and_its_rules_for_each_hypervisor():
    text = configuration.resources(("a", "b", "c"), {"node1": "10.88.0.9", "node2": "10.88.0.10"})
    root = ET.fromstring(text)  # noqa: S314 - our own
    remotes = root.findall("resources/primitive[@type='remote']")
    assert [remote.get("id") for remote in remotes] == ["node1", "node2"]
    assert len(root.findall("constraints/rsc_location[@score='200']")) == 2
    hosts = root.find(".//primitive[@id='st-power']//nvpair[@name='pcmk_host_list']")
    assert hosts is not None
    assert hosts.get("value") == "node1 node2"
    # A hypervisor's node is called as its connection is.
    ids = [e.get("id") for part in root if part.tag != "nodes" for e in part.iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    assert configuration.corosync(["1.1.1.1", "1.1.1.2"]).count("nodeid") == 2


def test_each_node_has_an_address_of_its_own():
    assert len({Node("n", number, "").address for number in range(1, 1100)}) == 1099
    assert max(len(Node("n", number, "").port) for number in (1, 65000)) <= 15
    assert nodes.HOST not in {Node("n", number, "").address for number in range(1, 1100)}


def test_the_fence_agent_describes_itself():
    asked = {"input": "action=metadata\n", "capture_output": True, "text": True, "timeout": 20}
    reply = subprocess.run(["sh", str(FENCE)], check=True, **asked)
    described = ET.fromstring(reply.stdout)  # noqa: S314 - our own
    names = {action.get("name") for action in described.iter("action")}
    assert {"off", "reboot", "monitor", "metadata"} <= names


@pytest.fixture
def apis():
    found = Apis("127.0.0.1", ["node1", "node2"], port=0)
    yield found
    found.close()


def test_a_report_is_kept_with_its_time_and_can_be_found(apis):
    body = {"hostname": "node2", "type": "COMPUTE_HOST", "generated_time": "2026-01-01T00:00:00"}
    code, answer = apis.answer("POST", "/v1/notifications", {"notification": body})
    assert (code, answer["notification"]["notification_uuid"]) == (202, "n1")
    assert set(apis.told) == {"node2"}
    for host, count in (("node1", 0), ("node2", 1)):
        target = f"/v1/notifications?source_host_uuid={host}"
        assert len(apis.answer("GET", target, {})[1]["notifications"]) == count


def test_lists_are_one_page(apis):
    _, answer = apis.answer("GET", "/v1/segments/one/hosts", {})
    assert [host["name"] for host in answer["hosts"]] == ["node1", "node2"]
    assert apis.answer("GET", "/v1/segments/one/hosts?marker=2", {})[1]["hosts"] == []
    assert len(apis.answer("GET", "/v1/segments", {})[1]["segments"]) == 1
    _, answer = apis.answer("GET", "/v2.1/os-services?binary=nova-compute", {})
    assert len(answer["services"]) == 2
    assert apis.answer("GET", "/v2.1/os-aggregates", {})[1] == {"aggregates": []}


def test_the_notifier_gets_a_token_with_both_services(apis):
    code, answer = apis.answer("POST", "/v3/auth/tokens", {})
    kinds = [service["type"] for service in answer["token"]["catalog"]]
    assert (code, kinds) == (201, ["compute", "instance-ha"])
