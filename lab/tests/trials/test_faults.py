import json
import subprocess
from types import SimpleNamespace

import pytest
from jujulab.errors import LabError
from jujulab.maas.power import Settings
from jujulab.trials.faults import Faults


class Node:
    """A machine that notes what is run in it."""

    hostname = "node1"

    def __init__(self, status=0):
        self.status, self.ran, self.cuts = status, [], []

    def run(self, argv, **options):
        self.ran.append((argv, options.get("input", "")))
        return subprocess.CompletedProcess(argv, self.status, "", "no such unit\n")

    def cut(self, *spaces, containers):
        self.cuts.append((spaces, containers))


@pytest.fixture
def faults(tmp_path):
    return Faults(SimpleNamespace(run_dir=tmp_path))


def journal(faults):
    return [json.loads(line) for line in faults.journal.read_text().splitlines()]


def test_a_service_is_switched_and_that_is_written_down(faults):
    node = Node()
    faults.service(node, "restart", "rabbitmq-server")
    assert node.ran == [(["systemctl", "restart", "rabbitmq-server"], "")]
    (entry,) = journal(faults)
    assert (entry["action"], entry["result"]) == ("restart", "rabbitmq-server")


def test_a_service_that_cannot_be_switched_is_an_error(faults):
    with pytest.raises(LabError, match="no such unit"):
        faults.service(Node(status=5), "stop", "nonsense")


def test_a_service_is_taken_away_so_that_not_even_its_charm_starts_it(faults):
    """A charm unmasks its services; what systemd starts only on a condition stays down."""
    node = Node()
    faults.take_away(node, "masakari-api")
    faults.give_back(node, "masakari-api")
    directory = "/run/systemd/system/masakari-api.service.d"
    assert [" ".join(argv) for argv, _ in node.ran] == [
        f"/bin/sh -c mkdir -p {directory} && cat > {directory}/taken.conf",
        "systemctl daemon-reload",
        "systemctl stop masakari-api",
        f"rm -rf {directory}",
        "systemctl daemon-reload",
        "systemctl start masakari-api",
    ]
    assert "ConditionPathExists=" in node.ran[0][1]


def test_a_service_is_killed_so_that_systemd_does_not_restart_it(faults):
    node = Node()
    faults.kill_for_good(node, "pacemaker_remote")
    directory = "/run/systemd/system/pacemaker_remote.service.d"
    assert [" ".join(argv) for argv, _ in node.ran] == [
        f"/bin/sh -c mkdir -p {directory} && cat > {directory}/taken.conf",
        "systemctl daemon-reload",
        "systemctl kill --signal=KILL pacemaker_remote",
    ]
    assert node.ran[0][1] == "[Service]\nRestart=no\n"
    assert journal(faults)[0]["action"] == "kill"


def test_a_cut_may_leave_the_containers_alone(faults):
    node = Node()
    faults.cut(node, "internal")
    faults.cut(node, "internal", containers=False)
    assert node.cuts == [(("internal",), True), (("internal",), False)]


def test_a_panic_is_written_down_before_it_happens(faults):
    node = Node()
    node.panic = lambda argv, boots: node.ran.append((argv, boots, journal(faults)[0]["action"]))
    faults.panic(node, ["dump"], boots=1.0)
    assert node.ran == [(["dump"], 1.0, "panic")]


def test_maas_forgets_and_remembers(faults, tmp_path):
    faults.maas_forget("node1")
    assert Settings(tmp_path).forgotten == {"node1"}
    faults.maas_forget()
    assert Settings(tmp_path).forgotten == frozenset()


def test_controllers_are_mute_and_speak_again(faults, tmp_path):
    faults.mute_controllers("node1")
    assert Settings(tmp_path).mute == {"node1"}
    faults.mute_controllers()
    assert Settings(tmp_path).mute == frozenset()


def test_qemu_is_replaced_only_while_it_is_to_keep_no_locks(faults, tmp_path):
    """Run for real, on a file in place of QEMU, each way twice."""
    qemu = tmp_path / "qemu"
    qemu.write_text("#!/bin/sh\n")

    class Local(Node):
        def run(self, argv, **options):
            command = [*argv[:-1], str(qemu)]
            return subprocess.run(command, text=True, check=True, timeout=10, **options)

    for kept in (False, False, True, True):
        faults.image_locks(Local(), kept)
        assert ("locking" in qemu.read_text()) is not kept
    assert qemu.read_text() == "#!/bin/sh\n"
