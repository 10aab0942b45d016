"""The doubles behave like what they stand for."""

import pytest
from instance_ha_common.machine.commands import CommandError
from instance_ha_common.machine.services import ServiceError
from instance_ha_common.testing import fake_host


@pytest.fixture
def host(tmp_path):
    return fake_host(tmp_path, archive={"a": "1"}, services=["s"])


def test_runner_answers_and_records(host):
    host.runner.answer(["x"], "out")
    host.runner.answer(["x", "y"], (2, "error"))
    host.runner.answer(["z"], lambda argv: argv[1])
    assert host.runner.run(["x"], input="in").stdout == "out"
    assert host.runner.run(["z", "q"]).stdout == "q"
    with pytest.raises(CommandError, match="error"):
        host.runner.run(["x", "y", "z"])
    assert host.runner.run(["x", "y"], check=False).stderr == "error"
    assert host.runner.calls[0] == ["x"]
    assert host.runner.inputs[0] == "in"


def test_apt(host):
    host.apt.update()
    assert host.apt.available(["a", "b"]) == {"a"}
    assert host.apt.install(["a"])
    assert not host.apt.install(["a"])
    assert host.apt.version("a") == "1"
    with pytest.raises(CommandError):
        host.apt.install(["b"])
    assert host.apt.remove(["a", "b"])
    assert not host.apt.remove(["a"])
    assert host.apt.log == [("update",), ("install", "a"), ("remove", "a")]


def test_services(host):
    systemd = host.systemd
    assert systemd.exists("s")
    assert not systemd.exists("t")
    systemd.enable("s")
    systemd.enable("s")
    systemd.start("s")
    systemd.start("s")
    systemd.reload("s")
    systemd.restart("s")
    assert systemd.running("s")
    assert systemd.enabled("s")
    systemd.pause("s")
    assert systemd.masked("s")
    with pytest.raises(ServiceError):
        systemd.start("s")
    systemd.unmask("s")
    systemd.unmask("s")
    systemd.resume("s")
    systemd.stop("s")
    systemd.stop("s")
    systemd.disable("s")
    systemd.disable("s")
    systemd.broken.add("s")
    with pytest.raises(ServiceError):
        systemd.restart("s")
    with pytest.raises(ServiceError):
        systemd.disable("t")
    systemd.stop("t")
    systemd.daemon_reload()
    verbs = [verb for verb, _ in systemd.log]
    assert verbs == [
        *("enable", "start", "reload-or-restart", "restart", "pause", "start", "unmask", "resume"),
        *("stop", "disable", "restart", "daemon-reload"),
    ]
