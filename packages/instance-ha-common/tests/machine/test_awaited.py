"""What a unit awaits: the service that looks for it, run here as systemd would run it."""

import os
import subprocess
from pathlib import Path

import pytest
from instance_ha_common.machine import awaited, hostname
from instance_ha_common.machine.awaited import AGAIN, LOOK, Watcher
from instance_ha_common.testing import FakeHost, fake_host

SERVICE = "masakari-0-awaits.service"


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    """A machine whose systemd keeps what is started as it does, in /run/systemd/transient."""
    host = fake_host(tmp_path)

    def start(argv: list[str]) -> str:
        host.write(f"/run/systemd/transient/{SERVICE}", " ".join(argv))
        return ""

    def stop(argv: list[str]) -> str:
        host.remove(f"/run/systemd/transient/{argv[-1]}")
        return ""

    host.runner.answer(["systemd-run"], start)
    host.runner.answer(["systemctl", "stop"], stop)
    return host


@pytest.fixture
def watcher(host: FakeHost) -> Watcher:
    return Watcher(host, "masakari/0", Path("/charm"))


def arguments(host: FakeHost) -> list[str]:
    """What the script of the last service was given."""
    argv = [argv for argv in host.runner.calls if argv[0] == "systemd-run"][-1]
    return argv[argv.index("sh") + 1 :]


class TestWatcher:
    def test_nothing_awaited_starts_and_ends_nothing(
        self, host: FakeHost, watcher: Watcher
    ) -> None:
        watcher.watch([])
        assert host.runner.calls == []

    def test_watches_once_for_the_same(self, host: FakeHost, watcher: Watcher) -> None:
        watcher.watch(["true", "false"])
        assert arguments(host) == ["masakari/0", "/charm", f"{LOOK}=1", "0", "0", "false", "true"]
        watcher.watch(["false", "true"])
        assert len(host.runner.calls) == 1

    def test_a_systemd_that_refuses_is_no_failure_of_the_hook(
        self, host: FakeHost, watcher: Watcher, caplog: pytest.LogCaptureFixture
    ) -> None:
        host.runner.answer(["systemd-run"], (1, f"Unit {SERVICE} was already loaded"))
        watcher.watch(["true"])
        assert "was already loaded" in caplog.text

    def test_another_thing_awaited_begins_anew(self, host: FakeHost, watcher: Watcher) -> None:
        watcher.watch(["true"])
        watcher.watch(["false"])
        assert ["systemctl", "stop", SERVICE] in host.runner.calls
        assert arguments(host)[5:] == ["false"]

    def test_ends_when_nothing_is_awaited_any_more(self, host: FakeHost, watcher: Watcher) -> None:
        watcher.watch(["true"])
        watcher.watch([])
        assert ["systemctl", "stop", SERVICE] in host.runner.calls

    @pytest.mark.parametrize(
        ("looks", "pause", "again"),
        [("", 0, 5), ("1", 1, 10), ("2", 3, 20), ("5", 31, 60), ("40", 60, 60)],
    )
    def test_a_look_that_ended_nothing_is_followed_by_a_later_one(
        self,
        host: FakeHost,
        watcher: Watcher,
        monkeypatch: pytest.MonkeyPatch,
        looks: str,
        pause: int,
        again: int,
    ) -> None:
        watcher.watch([AGAIN])
        if looks:
            monkeypatch.setenv(LOOK, looks)
        watcher.watch([AGAIN, "true"])
        number = int(looks or "0") + 1
        assert arguments(host)[2:] == [f"{LOOK}={number}", str(pause), str(again), "true"]

    def test_a_service_that_has_just_ended_is_no_error(
        self, host: FakeHost, watcher: Watcher
    ) -> None:
        watcher.watch(["true"])
        host.runner.answer(["systemctl", "stop"], (5, "Unit not loaded."))
        watcher.end()


class TestScript:
    """The very script, with a juju-exec that writes down how it was called."""

    @pytest.fixture
    def run(self, host: FakeHost, watcher: Watcher, tmp_path: Path):
        (tmp_path / "charm").mkdir()
        tool = tmp_path / "juju-exec"
        tool.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/called\n[ ! -e {tmp_path}/fails ]\n')
        tool.chmod(0o755)

        def run(*conditions: str, again: int = 0) -> subprocess.Popen[bytes]:
            watcher.watch(["false"])
            argv = host.runner.calls[-1]
            script = argv[argv.index("-c") + 1]
            words = ["masakari/0", str(tmp_path / "charm"), f"{LOOK}=1", "0", str(again)]
            environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
            return subprocess.Popen(
                ["/bin/sh", "-c", script, "sh", *words, *conditions], env=environment
            )

        return run

    def called(self, tmp_path: Path) -> list[str]:
        path = tmp_path / "called"
        return path.read_text().splitlines() if path.exists() else []

    CALL = f"masakari/0 {LOOK}=1 JUJU_DISPATCH_PATH=hooks/update-status ./dispatch"

    def test_looks_when_one_thing_is_there(self, run, tmp_path: Path) -> None:
        process = run("exit 1", f"test -e '{tmp_path}/there'")
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.5)
        assert self.called(tmp_path) == []
        (tmp_path / "there").touch()
        assert process.wait(20) == 0
        assert self.called(tmp_path) == [self.CALL]

    def test_looks_again_after_its_time(self, run, tmp_path: Path) -> None:
        assert run("false", again=1).wait(20) == 0
        assert self.called(tmp_path) == [self.CALL]

    def test_looks_anew_where_the_agent_does_not_take_it(self, run, tmp_path: Path) -> None:
        (tmp_path / "fails").touch()
        process = run("true")
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(2)
        (tmp_path / "fails").unlink()
        assert process.wait(20) == 0
        assert len(self.called(tmp_path)) >= 2

    def test_ends_with_the_charm(self, run, tmp_path: Path) -> None:
        (tmp_path / "charm").rmdir()
        assert run("true").wait(20) == 0
        assert self.called(tmp_path) == []


def succeeds(command: str, path: str = os.environ["PATH"]) -> bool:
    return subprocess.run(["/bin/sh", "-c", command], env={"PATH": path}).returncode == 0


@pytest.fixture
def systemctl(tmp_path: Path) -> str:
    """A PATH with a systemctl that takes `up` and `well` for active, like the real one any of."""
    tool = tmp_path / "systemctl"
    tool.write_text(
        "#!/bin/sh\nshift 2\nfor i; do case $i in up|well) exit 0;; esac; done\nexit 3\n"
    )
    tool.chmod(0o755)
    return f"{tmp_path}:{os.environ['PATH']}"


def test_services(systemctl: str) -> None:
    assert succeeds(awaited.runs(["up", "well"]), systemctl)
    assert not succeeds(awaited.runs(["up", "down"]), systemctl)
    assert succeeds(awaited.any_runs(["down", "up"]), systemctl)
    assert not succeeds(awaited.any_runs(["down"]), systemctl)
    assert succeeds(awaited.rests(["down", "off"]), systemctl)
    assert not succeeds(awaited.rests(["down", "up"]), systemctl)


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "a file"
    assert awaited.succeeds(["test", "-e", str(path)]) == f"test -e '{path}'"
    assert not succeeds(awaited.holds(str(path), "^x"))
    path.write_text('x "a"\n')
    assert succeeds(awaited.holds(str(path), "^x"))


@pytest.mark.parametrize(
    ("text", "configured"),
    [
        ("[DEFAULT]\nhost = node1.maas\n", True),
        ("[DEFAULT]\ntransport_url=rabbit://x\n", True),
        ("[DEFAULT]\n#host = x\nhost=\nhost_x = y\n", False),
    ],
)
def test_nova_is_configured(tmp_path: Path, text: str, configured: bool) -> None:
    """The shell's eye sees what the charm's does."""
    path = tmp_path / "etc/nova/nova.conf"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert succeeds(hostname.CONFIGURED.replace("/etc/nova", str(path.parent))) is configured
    assert hostname.nova_is_configured(fake_host(tmp_path)) is configured
