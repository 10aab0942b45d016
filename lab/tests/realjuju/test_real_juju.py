"""LAB_ENGINE=juju: what the lab asks of the juju client on the PATH, one that remembers it."""

import json
import os
import shutil
import subprocess
import sys
from ipaddress import IPv4Interface
from pathlib import Path

import pytest
from jujulab.files import LAB
from jujulab.juju.errors import JujuError
from jujulab.machines.addresses import MachineId, addresses
from jujulab.realjuju import site as site_module
from jujulab.realjuju.client import RealJuju, find
from jujulab.realjuju.site import Site

FAKE = Path(__file__).with_name("fake_juju.py")
START = {
    "version": "4.0.15-ubuntu-amd64", "said": [], "controllers": {}, "models": ["controller"],
    "machines": {}, "next": 0, "spaces": ["alpha"], "unreachable": False,
    "subnets-after": 0,
}  # fmt: skip


class FakeMachine:
    """A machine that has no processes, but a memory."""

    def __init__(self, lab: "FakeLab", machine_id: str) -> None:
        self.identity = MachineId.parse(machine_id)
        self.id, self.parent = machine_id, self.identity.parent
        self.hostname = self.identity.hostname
        part = self.identity.host_part({m.part for m in lab.made.values()})
        self.part = part
        self.keys = ""
        self.on = False

    @property
    def addresses(self) -> dict[str, IPv4Interface]:
        return addresses(self.part)

    def start(self, wait: float = 60) -> None:
        self.on = True

    def run(self, argv: list[str], *, input: str, timeout: float) -> None:  # noqa: A002
        assert self.on
        self.keys = input


class FakeLab:
    def __init__(self, home: Path) -> None:
        self.home, self.run_dir = home, home / "run"
        self.run_dir.mkdir(parents=True)
        self.made: dict[str, FakeMachine] = {}
        self.is_up = False

    def up(self) -> None:
        self.is_up = True

    def create(self, machine_id: str) -> FakeMachine:
        if machine_id not in self.made:
            self.made[machine_id] = FakeMachine(self, machine_id)
        return self.made[machine_id]

    def machines(self) -> list[FakeMachine]:
        return list(self.made.values())


class Bench:
    """A lab, a client, and what the client was told."""

    def __init__(self, home: Path, state: Path) -> None:
        self.lab, self.state = FakeLab(home), state
        self.said_by_site: list[str] = []

    def site(self, model: str = "") -> Site:
        juju = RealJuju(find(), self.lab.home, Path("/run/netns/lab"), model)
        return Site(self.lab, juju, self.said_by_site.append)

    def set(self, **values: object) -> None:
        self.state.write_text(json.dumps({**json.loads(self.state.read_text()), **values}))

    @property
    def now(self) -> dict:
        return json.loads(self.state.read_text())

    def told(self, command: str) -> list[str]:
        return [line for line in self.now["said"] if line.split()[0] == command]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    commands = tmp_path / "bin"
    commands.mkdir()
    # Where there is no namespace, what comes behind it is run.
    for name, text in {
        "nsenter": '#!/bin/sh\nshift\nexec "$@"\n',
        "juju": f'#!/bin/sh\nexec {sys.executable} {FAKE} "$@"\n',
        # The unit tests run where there is no ssh, too.
        **{name: "#!/bin/sh\n" for name in ("ssh", "scp") if not shutil.which(name)},
        "ssh-keygen": "#!/bin/sh\nfor key; do :; done\n"
        'touch "$key" && echo "ssh-ed25519 AAAA lab" >"$key.pub"\n',
    }.items():
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    state = tmp_path / "state.json"
    state.write_text(json.dumps(START))
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_JUJU", str(state))
    monkeypatch.delenv("JUJU_DATA", raising=False)
    return Bench(tmp_path / "home", state)


def test_a_controller_is_bootstrapped_on_a_machine_of_the_lab(bench, monkeypatch):
    monkeypatch.setenv("LAB_JUJU_BOOTSTRAP", "--config 'logging-config=<root>=DEBUG'")
    bench.site().ensure()
    assert bench.lab.is_up
    assert "type: unmanaged" in bench.now["cloud"]
    assert "endpoint: root@10.77.3.99" in bench.now["cloud"]
    assert bench.lab.made["89"].keys.startswith("ssh-ed25519 ")
    assert "manifest.yaml" in bench.now["controller-charm"]
    (line,) = bench.told("bootstrap")
    assert line.startswith("bootstrap lab lab --config enable-os-upgrade=false")
    assert line.endswith("--config logging-config=<root>=DEBUG")
    assert bench.now["models"] == ["controller", "lab"]


def test_what_is_there_is_not_made_again(bench):
    bench.site().ensure()
    before = bench.now["said"]
    bench.site().ensure()
    assert bench.now["said"] == before
    (bench.lab.run_dir / "real-juju-is-ready").unlink()  # interrupted just before
    bench.site().ensure()
    assert len(bench.told("bootstrap")) == len(bench.told("add-model")) == 1


def test_a_bootstrap_that_failed_is_tried_again(bench):
    bench.set(unreachable=True)
    with pytest.raises(JujuError, match=r"`juju bootstrap .*No route to host"):
        bench.site().ensure()
    bench.set(unreachable=False)
    bench.site().ensure()
    assert bench.now["controllers"] == {"lab": {}}


def test_each_machine_is_added_once_over_ssh_and_the_first_brings_the_spaces(bench):
    site = bench.site()
    site.ensure()
    assert [site.machine("1"), site.machine("0"), site.machine("1")] == ["0", "1", "0"]
    assert bench.told("add-machine") == [
        "add-machine ssh:root@10.77.3.11", "add-machine ssh:root@10.77.3.10",
    ]  # fmt: skip
    assert {"public", "admin", "internal", "storage", "tenant"} <= set(bench.now["spaces"])
    assert len(bench.told("add-space")) == 5
    assert bench.told("model-config") == ["model-config default-space=internal"]
    # The lab finds its machines by Juju's identifiers.
    names = json.loads((bench.lab.run_dir / "juju-machines.json").read_text())
    assert names == {"0": "1", "1": "0"}


def test_the_subnets_may_come_some_time_after_the_machine(bench, monkeypatch):
    monkeypatch.setattr(site_module, "POLL", 0)
    bench.set(**{"subnets-after": 2})
    site = bench.site()
    site.ensure()
    site.machine("1")
    assert len(bench.told("add-space")) == 7
    bench.set(**{"subnets-after": 9, "spaces": ["alpha"]})
    monkeypatch.setattr(site_module, "SUBNETS_TIMEOUT", 0)
    with pytest.raises(JujuError, match=r"add-space public .* failed: subnet .* not found"):
        site.machine("2")


def test_a_container_is_a_machine_of_its_own_on_a_node_that_is_on(bench):
    site = bench.site()
    site.ensure()
    assert [site.container("2"), site.container("2")] == ["0", "1"]
    assert bench.lab.made["2"].on
    assert site.lab_id("1") == "2/lxd/1"
    assert bench.told("add-machine") == [
        "add-machine ssh:root@10.77.3.100", "add-machine ssh:root@10.77.3.101",
    ]  # fmt: skip


@pytest.mark.skipif(not shutil.which("ssh"), reason="no ssh to ask")
def test_the_clients_ssh_takes_the_keys_of_the_labs_machines_and_of_no_other(bench):
    bench.site().prepare("1")
    ssh = RealJuju("ssh", bench.lab.home, Path("/run/netns/lab"))

    def settings(host: str) -> list[str]:
        lines = ssh("-G", host).splitlines()
        return [line for line in lines if line.startswith(("stricthost", "userknown"))]

    known = f"{bench.lab.home}/real-juju/ssh/known_hosts"
    ours = settings("root@10.77.3.11")
    assert "stricthostkeychecking false" in ours
    assert f"userknownhostsfile {known}" in ours
    assert "scp -F" in (bench.lab.home / "real-juju/ssh/scp").read_text()
    assert known not in str(settings("root@192.0.2.1"))
    assert "stricthostkeychecking false" not in settings("root@192.0.2.1")


def test_a_new_node_is_the_next_one_and_not_the_controllers(bench):
    site = bench.site()
    site.ensure()
    site.machine("3")
    site.node()
    assert set(bench.lab.made) == {"89", "3", "4"}


def test_a_machine_that_was_added_by_hand_is_taken(bench):
    bench.set(machines={"7": {"dns-name": "10.77.1.12", "ip-addresses": ["10.77.3.12"]}})
    site = bench.site()
    site.ensure()
    assert site.machine("2") == "7"
    assert bench.told("add-machine") == []


def test_a_machine_that_juju_has_lost_is_added_again(bench):
    site = bench.site()
    site.ensure()
    site.machine("1")
    bench.set(machines={})
    assert site.machine("1") == "1"


def test_a_model_that_is_there_is_used_with_the_users_own_client(bench, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    bench.set(models=["mine"], spaces=["public", "admin", "internal", "storage", "tenant"])
    site = bench.site("mine")
    site.ensure()
    assert site.machine("1") == "0"
    assert bench.told("bootstrap") == bench.told("add-model") == []
    assert (tmp_path / ".local/share/juju/ssh/juju_id_ed25519.pub").is_file()
    assert not (bench.lab.home / "juju-data").exists()


# What is wrong ends in one line with what to do.


def test_no_client_on_the_path(tmp_path):
    with pytest.raises(JujuError, match=r"no juju on the PATH: install .* or leave LAB_ENGINE"):
        find(str(tmp_path))


def test_the_labs_own_command_is_not_the_client(tmp_path):
    with pytest.raises(JujuError, match="no juju on the PATH"):
        find(f"{LAB}:{tmp_path}")


def test_the_command_says_it_without_a_lab(tmp_path):
    env = {"PATH": "/usr/bin:/bin", "LAB_ENGINE": "juju", "LAB_HOME": str(tmp_path / "home"),
           "LAB_CACHE": str(tmp_path / "cache")}  # fmt: skip
    done = subprocess.run(
        [str(LAB / "juju"), "status"], env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr.startswith("ERROR LAB_ENGINE=juju: there is no juju on the PATH")
    assert len(done.stderr.splitlines()) == 1
    env["LAB_ENGINE"] = "jujju"
    done = subprocess.run(
        [str(LAB / "juju"), "status"], env=env, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, "it is lab, or juju" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("version", "text"),
    [
        ("3.5.7-ubuntu-amd64", "juju 3.5.7-ubuntu-amd64 is not supported: it takes 3.6 LTS or 4"),
        ("2.9.51-ubuntu-amd64", "is not supported"),
        ("3.6.14-ubuntu-amd64", "name a model of another controller by JUJU_MODEL, or use Juju 4"),
        ("unknown", "says 'unknown', which is no version"),
    ],
)
def test_a_release_that_cannot_be_used(bench, version, text):
    bench.set(version=version)
    with pytest.raises(JujuError, match=text):
        bench.site().ensure()
    assert not bench.lab.is_up


def test_a_model_that_is_not_there(bench):
    with pytest.raises(JujuError, match=r"JUJU_MODEL names no model of use: .*model other not"):
        bench.site("other").ensure()


def test_a_controller_that_the_machines_do_not_reach(bench):
    site = bench.site()
    site.ensure()
    bench.set(unreachable=True)
    with pytest.raises(
        JujuError, match=r"`juju add-machine ssh:root@10\.77\.3\.11` failed: .*route"
    ):
        site.machine("1")


def test_a_space_that_somebody_elses_model_lacks(bench, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    bench.set(models=["mine"])
    site = bench.site("mine")
    site.ensure()
    cure = r"has no space public: `juju add-space public 10\.77\.1\.0/24` makes it"
    with pytest.raises(JujuError, match=cure):
        site.machine("1")


def test_a_machine_without_ssh(bench, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name, path=None: None if "ssh" in name else name)
    with pytest.raises(JujuError, match=r"no ssh on this machine, .*: openssh-client"):
        bench.site().ensure()


def test_a_dry_run_adds_no_machine(bench):
    bench.site().ensure()
    juju = RealJuju(find(), bench.lab.home, Path("/run/netns/lab"))
    site = Site(bench.lab, juju, print, dry_run=True)
    with pytest.raises(JujuError, match="machine 1 is not in the model yet, and a dry run adds"):
        site.machine("1")
    assert bench.told("add-machine") == []
