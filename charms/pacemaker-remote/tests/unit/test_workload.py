"""The daemon's machine: conflicts, packages, orderly stop; without Juju."""

import socket
import threading

import pytest
from hypervisor import install, stop_files, templates
from instance_ha_common.testing import FakeService
from workload.orderly_stop import DROP_IN, SCRIPT, OrderlyStop
from workload.own_node import Cluster, Node, cleanup_commands
from workload.pacemaker_remote import COROSYNC_CONF, SERVICE, PacemakerRemote, accepts_connections

DEFAULT_COROSYNC = "nodelist {\n  node {\n    name: node1\n    ring0_addr: 127.0.0.1\n  }\n}\n"


@pytest.fixture
def remote(host):
    return PacemakerRemote(host, lambda *args, **kwargs: True)


@pytest.mark.parametrize(
    ("conf", "pacemaker", "member"),
    [
        (None, False, False),
        (None, True, True),
        (DEFAULT_COROSYNC, True, False),
        (DEFAULT_COROSYNC, False, False),
        (DEFAULT_COROSYNC.replace("127.0.0.1", "10.0.0.1"), False, True),
        ("totem {\n  bindnetaddr: 10.0.0.0\n}\n", True, True),
        ("totem {\n  bindnetaddr: 10.0.0.0\n}\n", False, False),
    ],
    ids=["none", "running", "packaged", "leftover", "nodelist", "multicast", "multicast-down"],
)
def test_which_machine_is_a_full_member(host, remote, conf, pacemaker, member):
    if conf:
        host.write(COROSYNC_CONF, conf)
    if pacemaker:
        host.systemd.services["pacemaker"] = FakeService(active=True)
    assert remote.full_member() is member


def test_nothing_is_installed_twice(host, remote):
    remote.install()
    remote.install()
    assert [entry[0] for entry in host.apt.log] == ["update", "install"]


def test_packages_that_are_unpacked_and_not_configured(host, remote):
    """Apt was interrupted: there was no group for the key then, in no hook any more."""
    install(host)
    host.write("/etc/group", "root:x:0:\nhaclienta:x:1:\n")
    remote.install()
    assert [entry[0] for entry in host.apt.log] == ["update", "install"]
    remote.install()
    assert len(host.apt.log) == 2


def test_a_connection_is_accepted_or_not(monkeypatch):
    monkeypatch.undo()  # a real resolver, for loopback
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert accepts_connections("127.0.0.1", port)
    assert not accepts_connections("127.0.0.1", port)


def test_waiting_for_a_listener_that_comes_late(monkeypatch):
    monkeypatch.undo()  # a real resolver, for loopback
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    servers = []
    timer = threading.Timer(0.3, lambda: servers.append(socket.create_server(("127.0.0.1", port))))
    timer.start()
    try:
        assert accepts_connections("127.0.0.1", port, wait=10)
    finally:
        timer.join()
        servers[0].close()


def test_an_orderly_stop_is_installed_once_and_removed_for_good(host):
    found = OrderlyStop(host, templates(host))
    assert stop_files(host) == [False, False]
    assert found.install("node1.maas")
    assert stop_files(host) == [True, True]
    assert not found.install("node1.maas")
    assert host.mode(SCRIPT) == 0o755
    assert f"ExecStop=-{SCRIPT} stop" in host.read(DROP_IN)
    assert host.systemd.log == [("daemon-reload", "")]
    found.remove()
    found.remove()
    assert stop_files(host) == [False, False]
    assert host.systemd.log == [("daemon-reload", "")] * 2


def test_the_distributions_unit_is_only_added_to(host):
    OrderlyStop(host, templates(host)).install("node1.maas")
    text = host.read(DROP_IN)
    assert "Restart=" not in text
    assert "ExecStart=" not in text


@pytest.mark.parametrize(
    "answer",
    [(102, "Transport endpoint is not connected"), (124, "did not end"), "not xml", "<a/>"],
    ids=["unconnected", "hanging", "garbage", "unknown"],
)
def test_a_cluster_that_cannot_be_asked_is_not_online(host, answer):
    host.runner.answer(["cibadmin"], answer)
    assert not Cluster(host.runner).node("n").online


def test_a_single_match_is_not_wrapped(host):
    host.runner.answer(["cibadmin"], '<primitive id="n"/>')
    assert Cluster(host.runner).node("n") == Node(online=True, known=True)


@pytest.mark.parametrize("value", ["false", "False", "no", "0"])
def test_every_spelling_of_unmanaged(host, value):
    host.runner.answer(
        ["cibadmin"],
        '<primitive id="n"><meta_attributes id="m">'
        f'<nvpair id="i" name="is-managed" value="{value}"/></meta_attributes></primitive>',
    )
    node = Cluster(host.runner).node("n")
    assert not node.managed
    assert not node.stopping


def test_cleaning_up_stops_before_it_deletes():
    commands = cleanup_commands("n")
    assert "Stopped" in commands[0]
    assert commands[-1].endswith("--remove n")


def test_shutting_down_what_never_ran_leaves_the_packages_key(host, remote):
    install(host)
    remote.shut_down()
    assert not host.systemd.running(SERVICE)
    assert host.read("/etc/pacemaker/authkey") == "random"
