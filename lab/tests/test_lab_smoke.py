"""The machine layer for real: containers that boot, lose power, hang and are cut off.

python -m pytest -m lab lab/tests/test_lab_smoke.py
"""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from jujulab.machines.addresses import SPACES
from jujulab.machines.lab import Lab, LabError
from jujulab.machines.network import NAMESPACES
from jujulab.realjuju.client import RealJuju
from jujulab.realjuju.site import Site

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

PLUGIN = Path(__file__).parents[1] / "charms/hacluster/files/external_maas.py"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    lab = Lab(tmp_path_factory.mktemp("lab") / "home")
    lab.up()
    for identifier in ("0", "1", "1/lxd/0"):
        lab.create(identifier)
    yield lab
    lab.clean()
    names = {path.name for path in NAMESPACES.iterdir()}
    assert not [n for n in names if n.split(".")[0] == lab.name]
    assert str(lab.home) not in Path("/proc/self/mountinfo").read_text()
    assert lab.maas.pid is None


@pytest.fixture
def watcher(lab):
    """A node that looks at the others."""
    lab.machine("0").start()
    return lab.machine("0")


@pytest.fixture
def node(lab):
    lab.machine("1").start()
    return lab.machine("1")


@pytest.fixture
def container(lab, node):
    lab.machine("1/lxd/0").start()
    return lab.machine("1/lxd/0")


def reaches(machine, address, *, within=3.0):
    """Whether a ping gets through; a cable that was plugged in takes a moment."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        ping = machine.run(["ping", "-c1", "-W1", str(address)], check=False)
        if ping.returncode == 0:
            return True
    return False


def test_machines_know_their_names_and_each_other(watcher, node, container):
    for machine in (node, container):
        assert machine.run(["hostname", "--fqdn"]).stdout.strip() == machine.fqdn
        assert reaches(watcher, machine.fqdn)
        for space in SPACES:
            assert reaches(watcher, machine.addresses[space].ip)
    assert not reaches(watcher, "192.0.2.1", within=1)


@pytest.mark.skipif(not shutil.which("ssh"), reason="no ssh, which Juju's client needs")
def test_a_machine_is_ready_for_a_real_jujus_client(lab, node, tmp_path):
    # The client's way in, and the options that it gives: opensshOptions of github.com/juju/utils.
    ssh = RealJuju("ssh", tmp_path, lab.network.path())
    Site(lab, ssh, print).prepare(node.id)
    (key,) = (ssh.data / "ssh").glob("*.pub")
    address = node.addresses["internal"].ip
    wanted = ("curl", "tmux", "iptables", "python3", "sudo")
    script = f"""
        sudo -n true && . /etc/os-release && echo $ID $VERSION_ID && id -nG syslog
        for command in {" ".join(wanted)}; do command -v $command >/dev/null && echo $command; done
    """
    options = ["-o", "PasswordAuthentication no", "-o", "ServerAliveInterval 30"]
    options += ["-i", str(key.with_suffix(""))]
    said = ssh(*options, f"root@{address}", script, timeout=60)
    assert said.split("\n")[:-1] == ["ubuntu 22.04", "syslog adm", *wanted]
    # The agent of the controller comes by scp.
    RealJuju("scp", tmp_path, lab.network.path())(*options, __file__, f"root@{address}:/tmp/it")
    assert node.run(["cat", "/tmp/it"]).stdout == Path(__file__).read_text()


def test_a_command_gets_a_clean_environment_and_its_input(container):
    os.environ["LAB_TEST_LEAK"] = "1"
    result = container.run(["sh", "-c", "env; pwd; cat"], env={"JUJU": "a b"}, input="text")
    assert "LAB_TEST_LEAK" not in result.stdout
    assert "JUJU=a b\n" in result.stdout
    assert result.stdout.endswith("/\ntext")
    with pytest.raises(subprocess.CalledProcessError):
        container.run(["false"])


def test_a_command_that_takes_too_long_is_killed_with_its_children(node):
    with pytest.raises(subprocess.TimeoutExpired):
        node.run(["sh", "-c", "sleep 4711 & sleep 4712"], timeout=0.5)
    deadline = time.monotonic() + 5
    while node.run(["pgrep", "-f", "sleep 471"], check=False).stdout:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_power_cut_takes_everything_along_and_nothing_comes_back(node, container):
    node.run(["ip", "addr", "add", "10.77.3.250/24", "dev", "internal"])
    node.run(["sh", "-c", "echo kept >/root/file"])
    command = container.popen(["sleep", "4713"])
    boots = node.boot_id, container.boot_id
    node.power_off()
    assert (node.state, container.state) == ("off", "off")
    assert command.wait(5) != 0
    with pytest.raises(LabError, match="node 1 is off"):
        container.start()
    node.power_on()
    node.start()
    container.start()
    assert (node.boot_id, container.boot_id) != boots
    assert None not in (node.boot_id, container.boot_id)
    assert "10.77.3.250" not in node.run(["ip", "addr"]).stdout
    assert node.run(["cat", "/root/file"]).stdout == "kept\n"


def test_a_cut_cable_stays_cut_over_a_power_cycle(watcher, node, container):
    node.cut("internal")
    assert not reaches(watcher, node.addresses["internal"].ip, within=1)
    assert not reaches(watcher, container.addresses["internal"].ip, within=1)
    assert reaches(watcher, node.addresses["admin"].ip)
    node.power_off()
    node.power_on()
    node.start()
    assert not reaches(watcher, node.addresses["internal"].ip, within=1)
    node.restore()
    assert reaches(watcher, node.addresses["internal"].ip)


@pytest.fixture
def off_afterwards(node):
    """Cut the machine's power in any case: one that stands still never boots for the next test."""
    yield
    node.power_off()


def beating(node):
    """Have the machine write its time all the while, and return the file, which is there.

    It is on a tmpfs that only the machine sees.
    """
    words = "(while :; do date +%N >/run/beat; sleep 0.02; done) >/dev/null 2>&1 &"
    node.run(["sh", "-c", words], timeout=10)
    beat = Path(f"/proc/{node.container.init}/root/run/beat")
    deadline = time.monotonic() + 10
    while not (beat.exists() and beat.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return beat


@pytest.mark.usefixtures("off_afterwards")
def test_a_frozen_machine_stands_still_and_can_be_switched_off(node, container):
    beat = beating(node)
    node.freeze()
    assert node.frozen
    assert container.frozen
    before = beat.read_text()
    time.sleep(0.3)
    assert beat.read_text() == before
    with pytest.raises(subprocess.TimeoutExpired):
        container.run(["true"], timeout=0.3)
    node.thaw()
    assert not container.frozen
    container.run(["true"], timeout=10)
    node.freeze()
    node.power_off()
    assert (node.state, container.state) == ("off", "off")


@pytest.mark.usefixtures("off_afterwards")
def test_a_kernel_that_panics_runs_its_crash_kernel_alone(node, container):
    beat = beating(node)
    running = node.panic(["sh", "-c", "ip -brief link >/run/links; exec sleep 60"], 0.5)
    before = beat.read_text()
    assert (node.state, container.state) == ("on", "off")
    deadline = time.monotonic() + 10
    while not beat.with_name("links").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert beat.read_text() == before
    with pytest.raises(subprocess.TimeoutExpired):
        node.run(["true"], timeout=0.3)
    node.power_off()
    assert node.state == "off"
    assert running.wait(10), "with the power, the crash kernel is gone"


@pytest.mark.parametrize("words", [["reboot"], ["reboot", "--force"]])
def test_a_reboot_from_inside_takes_the_containers_along(node, container, words):
    node.run(["ip", "addr", "add", "10.77.3.250/24", "dev", "internal"])
    before = node.boot_id, container.boot_id
    node.run(["systemctl", *words], check=False)
    deadline = time.monotonic() + 30
    while node.boot_id in (before[0], None) or container.boot_id in (before[1], None):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    node.start()
    assert "10.77.3.250" not in node.run(["ip", "addr"]).stdout


def test_a_poweroff_from_inside_switches_the_containers_off(lab, node, container):
    node.run(["systemctl", "poweroff"], check=False)
    deadline = time.monotonic() + 30
    while (node.state, container.state) != ("off", "off") or lab.network.machines() & {"1"}:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_clean_stop_runs_the_services_stop_commands(node):
    unit = (
        "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=true\nExecStop=touch /root/bye\n"
    )
    (node.root / "etc/systemd/system/goodbye.service").write_text(unit)
    node.run(["systemctl", "daemon-reload"])
    node.run(["systemctl", "start", "goodbye"])
    node.stop()
    assert node.state == "off"
    assert (node.root / "root/bye").exists()


def test_a_container_without_its_supervisor_is_still_a_machine(node):
    os.kill(node.container.supervisor, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while node.container.supervisor is not None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert node.state == "on"
    assert node.run(["hostname"]).stdout.strip() == "node1"
    node.power_off()
    assert node.state == "off"


def test_up_cleans_after_what_died_by_itself(lab, node):
    os.kill(node.container.init, signal.SIGKILL)
    os.kill(lab.maas.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while node.state == "on":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert node.slug in lab.network.machines()
    lab.up()
    assert node.slug not in lab.network.machines()
    assert lab.maas.pid is not None
    node.start()
    assert node.state == "on"


def test_the_stonith_plugin_switches_a_node_through_maas(lab, watcher, node):
    (lab.run_dir / "boot-delay").write_text("0.5")
    key = (lab.home / "maas-credentials").read_text().strip()
    (watcher.root / "root/plugin").write_text(PLUGIN.read_text())
    environment = {"url": "http://10.77.2.1:5240/MAAS", "hostnames": "node1 node1.maas"}

    def plugin(action, apikey=key):
        argv = ["python3", "/root/plugin", action, "node1.maas"]
        return watcher.run(argv, env=environment | {"apikey": apikey}, check=False).returncode

    before = node.boot_id
    assert plugin("off", f"{key}x") == 1
    assert (plugin("status"), node.boot_id) == (0, before)
    assert plugin("reset") == 0
    deadline = time.monotonic() + 30
    while node.boot_id in (before, None):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert plugin("off") == 0
    assert node.state == "off"
    (lab.run_dir / "maas-outage").touch()
    assert plugin("status") == 1
    (lab.run_dir / "maas-outage").unlink()


@pytest.mark.parametrize(
    "packages",
    [
        ["pacemaker", "corosync", "crmsh", "haproxy", "masakari-api", "masakari-engine"],
        ["pacemaker-remote", "masakari-host-monitor", "masakari-instance-monitor"],
    ],
)
def test_packages_install_from_the_local_repository(lab, packages):
    machine = lab.create("2")
    machine.start()
    try:
        machine.run(["apt-get", "-q", "update"], timeout=60)
        install = ["apt-get", "-q", "-y", "install", *packages]
        machine.run(install, env={"DEBIAN_FRONTEND": "noninteractive"}, timeout=180)
        state = machine.run(["dpkg-query", "-W", "-f=${db:Status-Status}\n", *packages]).stdout
        assert state.split() == ["installed"] * len(packages)
    finally:
        machine.destroy()
