"""How the lab's `openstack` and shell are entered: whose credentials, which commands, where."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from jujulab.cloud import operator
from jujulab.cloud.console import StepError
from jujulab.errors import LabError
from jujulab.files import LAB
from jujulab.labcli import __main__ as labcli
from jujulab.machines.network import Network

UNITS = {"keystone/0": {"public-address": "10.77.3.103"}}


class Juju:
    """A console whose model has a Keystone, or not."""

    def __init__(self, applications):
        self.applications = applications

    def status(self):
        return {"applications": self.applications}

    def run_action(self, unit, action):
        assert (unit, action) == ("keystone/leader", "get-admin-password")
        return {"admin-password": "s3cret"}


@pytest.fixture
def entered(tmp_path, monkeypatch):
    """The command line and environment that a command ends in, with a cloud that is up."""
    calls = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "execvpe", lambda *call: calls.append(call))
    monkeypatch.setenv("LAB_HOME", str(tmp_path))
    monkeypatch.delenv("OS_AUTH_URL", raising=False)
    monkeypatch.setattr(Network, "path", lambda self, slug=None: tmp_path)
    monkeypatch.setattr(operator, "Console", lambda quiet: Juju({"keystone": {"units": UNITS}}))
    return calls


def test_the_password_is_asked_of_keystones_charm():
    auth = operator.credentials(Juju({"keystone": {"units": UNITS}}))
    assert auth["auth_url"] == "http://10.77.3.103:5000/v3"
    assert operator.environment(auth)["OS_PASSWORD"] == "s3cret"


@pytest.mark.parametrize(
    "applications",
    [{}, {"keystone": {"units": None}}, {"keystone": {"units": {"keystone/0": {}}}}],
)
def test_without_a_cloud_the_cure_is_named(applications):
    with pytest.raises(LabError, match="make demo"):
        operator.credentials(Juju(applications))


def test_the_client_runs_in_the_labs_network_and_its_password_in_no_process_list(
    entered, tmp_path
):
    arguments = ["server", "list", "--long", "-c", "Name"]
    labcli.main(["openstack", *arguments])
    program, argv, variables = entered[0]
    client = str(Path(sys.executable).with_name("openstack"))
    assert [program, *argv] == ["nsenter", "nsenter", f"--net={tmp_path}", client, *arguments]
    assert variables["OS_PASSWORD"] == "s3cret"
    assert "s3cret" not in " ".join(argv)


def test_credentials_that_are_loaded_are_not_asked_for_again(entered, monkeypatch):
    monkeypatch.setenv("OS_AUTH_URL", "http://elsewhere")
    labcli.main(["openstack", "token", "issue"])
    assert entered[0][2]["OS_AUTH_URL"] == "http://elsewhere"
    assert "OS_PASSWORD" not in entered[0][2]


def test_the_labs_commands_come_first_in_the_shell(entered):
    labcli.main(["shell", "-c", "command -v juju lab openstack; echo $OS_USERNAME"])
    _, argv, variables = entered[0]
    found = subprocess.run(argv, env=variables, capture_output=True, text=True, timeout=20)
    commands = [str(LAB / name) for name in ("juju", "lab", "openstack")]
    assert found.stdout.split() == [*commands, "admin"]


@pytest.mark.parametrize("command", ["openstack", "shell"])
def test_a_lab_that_is_not_up_is_no_traceback(command, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("LAB_HOME", str(tmp_path))
    assert labcli.main([command]) == 1
    assert "make demo" in capsys.readouterr().err


def test_a_keystone_that_gives_no_password_is_no_traceback(entered, monkeypatch, capsys):
    def fail(unit, action):
        raise StepError("the action get-admin-password of keystone/leader failed: no leader")

    console = Juju({"keystone": {"units": UNITS}})
    console.run_action = fail
    monkeypatch.setattr(operator, "Console", lambda quiet: console)
    assert labcli.main(["shell"]) == 1
    assert "no leader" in capsys.readouterr().err
    assert not entered
