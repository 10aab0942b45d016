import json
import os
from pathlib import Path

import pytest
from jujulab import host
from jujulab.errors import LabError
from jujulab.image import image
from jujulab.juju.client import Client
from jujulab.labcli import __main__ as labcli
from jujulab.machines.lab import Lab


@pytest.fixture
def lab(tmp_path, monkeypatch):
    root = tmp_path / "image"
    (root / "etc").mkdir(parents=True)
    (root / "etc/passwd").write_text(f"nova:x:{os.getuid()}:{os.getgid()}::/:/bin/sh\n")
    monkeypatch.setattr(image, "ensure", lambda cache: root)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("LAB_HOME", str(tmp_path / "home"))
    lab = Lab()
    lab.create("1")
    lab.create("1/lxd/0")
    return lab


def test_machines_as_a_table_and_as_json(lab, capsys):
    lab.machine("1").cut("storage")
    assert labcli.main(["machines"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["Machine", "Host", "name", "Power", "Address", "Remarks"]
    assert lines[1].split() == ["1", "node1.maas", "off", "10.77.3.11", "cut:", "storage"]
    assert labcli.main(["machines", "--format", "json"]) == 0
    first = json.loads(capsys.readouterr().out)[0]
    assert (first["id"], first["power"], first["cut"]) == ("1", "off", ["storage"])


def test_faults_are_in_the_journal(lab):
    assert labcli.main(["cut", "node1", "tenant", "public"]) == 0
    assert labcli.main(["power", "off", "node1.maas"]) == 0
    assert labcli.main(["maas", "outage", "on"]) == 0
    lines = (lab.run_dir / "faults.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    assert [(e["action"], e["node"], e["result"]) for e in entries] == [
        ("cut", "node1", "public tenant"),
        ("power-off", "node1", ""),
        ("maas-outage", "", "on"),
    ]
    assert lab.machine("1/lxd/0").cuts == {"public", "tenant"}


def test_what_cannot_be_used_is_said_before_anything_is_installed(lab, monkeypatch, capsys):
    def install() -> None:
        raise AssertionError

    monkeypatch.setattr(host, "install_packages", install)
    for home, text in (
        ("/etc", "is not a lab's home"),
        ("/dev/null", "cannot be used: Not a dir"),
    ):
        with pytest.raises(LabError, match=text):
            Lab(Path(home)).up()
    monkeypatch.setenv("LAB_CACHE", "/dev/null")
    monkeypatch.setattr(Lab, "clean", lambda lab: (lab.cache / "image").mkdir())
    monkeypatch.setattr(Client, "stop_controller", lambda client: None)
    assert labcli.main(["clean"]) == 1
    assert capsys.readouterr().err.startswith("lab: [Errno")


def test_the_power_controller_is_set_and_shown(lab, capsys):
    assert labcli.main(["maas", "boot-delay", "2.5"]) == 0
    assert labcli.main(["maas", "outage", "on"]) == 0
    assert labcli.main(["maas"]) == 0
    shown = capsys.readouterr().out
    assert "boot-delay: 2.5 s\n" in shown
    assert "outage: on\n" in shown
    assert "process: down\n" in shown


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["power", "off", "node9"], "lab: no machine node9\n"),
        (["cut", "node1", "dmz"], "lab: no space dmz; there are public,"),
        (["maas", "boot-delay", "soon"], "lab: maas boot-delay: give a number of seconds\n"),
        (["maas", "boot-delay", "-1"], "give a number of seconds\n"),
        (["maas", "power-delay"], "give a number of seconds\n"),
        (["maas", "answer-delay", "inf"], "give a number of seconds\n"),
        (["maas", "outage", "maybe"], "give on or off\n"),
        (["exec", "node1"], "give a command after --\n"),
        (["exec", "node1", "--", "true"], "is not running\n"),
        (["kill", "node1", "qemu", "--signal", "LOUD"], "no signal LOUD\n"),
        (["power", "on", "1/lxd/0"], "node 1 is off\n"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(lab, capsys, argv, text):
    assert labcli.main(argv) == 1
    error = capsys.readouterr().err
    assert text in error
    assert error.count("\n") == 1
    assert not (lab.run_dir / "faults.jsonl").exists()


def test_clean_removes_the_lab(lab):
    assert labcli.main(["clean"]) == 0
    assert not lab.home.exists()
    assert labcli.main(["clean"]) == 0


def test_only_root_may(lab, monkeypatch, capsys):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert labcli.main(["machines"]) == 1
    assert "needs root" in capsys.readouterr().err
