"""The real class, with a systemctl of our own on the PATH."""

import pytest
from instance_ha_common.machine.commands import CommandError, Runner
from instance_ha_common.machine.services import ServiceError, Systemd

SYSTEMCTL = """#!/bin/sh
echo "$@" >> {log}
case "$*" in
  *bad*) echo "no such unit" >&2; exit 5 ;;
  "is-active -- is-"*) echo "${{3#is-}}"; exit 3 ;;
  "is-active -- "*) echo active ;;
  "is-enabled masked") echo masked; exit 1 ;;
  "is-enabled --quiet off" | "--quiet is-active off") exit 3 ;;
esac
"""


@pytest.fixture
def log(tmp_path, monkeypatch):
    log = tmp_path / "log"
    program = tmp_path / "systemctl"
    program.write_text(SYSTEMCTL.format(log=log))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return log


@pytest.fixture
def systemd(log):
    return Systemd(Runner())


def test_questions(systemd):
    assert systemd.running("on")
    assert not systemd.running("off")
    assert systemd.enabled("on")
    assert not systemd.enabled("off")
    assert systemd.masked("masked")
    assert not systemd.masked("on")
    assert systemd.exists("on")
    assert not systemd.exists("bad")


@pytest.mark.parametrize(
    ("verb", "argv"),
    [
        ("start", "start x"),
        ("restart", "restart x"),
        ("reload", "reload x"),
        ("enable", "enable x"),
        ("disable", "disable x"),
        ("unmask", "unmask x"),
    ],
)
def test_changes(systemd, log, verb, argv):
    getattr(systemd, verb)("x")
    assert log.read_text().splitlines() == [argv]


def test_state(systemd):
    assert systemd.state("is-deactivating") == "deactivating"


@pytest.mark.parametrize(
    ("state", "restart", "start_stopped", "verb"),
    [
        ("active", False, True, None),
        ("active", True, True, "restart"),
        ("failed", True, False, "start"),
        ("inactive", False, True, "start"),
        ("inactive", True, False, None),
        ("deactivating", True, True, None),
    ],
)
def test_what_keeps_a_service_running_leaves_a_stop_alone(
    systemd, log, state, restart, start_stopped, verb
):
    name = f"is-{state}"
    systemd.keep_running(name, restart=restart, start_stopped=start_stopped)
    changes = [line for line in log.read_text().splitlines() if not line.startswith("is-")]
    assert changes == ([] if verb is None else [f"{verb} {name}"])


@pytest.mark.parametrize("verb", ["stop", "pause"])
def test_a_service_that_was_killed_because_it_took_too_long_to_stop_has_not_failed(
    systemd, log, verb
):
    getattr(systemd, verb)("off")
    assert log.read_text().splitlines()[-1] == "reset-failed off"


@pytest.mark.parametrize("name", ["x", "is-activating", "is-deactivating"])
def test_stop(systemd, log, name):
    """One that fails over and over is `activating`: systemd waits for its next attempt."""
    systemd.stop(name)
    assert log.read_text().splitlines()[1:] == [f"stop {name}", f"reset-failed {name}"]


@pytest.mark.parametrize("name", ["is-inactive", "is-failed"])
def test_what_rests_is_not_stopped_again(systemd, log, name):
    systemd.stop(name)
    assert log.read_text().splitlines() == [f"is-active -- {name}"]


def test_daemon_reload(systemd, log):
    systemd.daemon_reload()
    assert log.read_text() == "daemon-reload\n"


def test_pause_masks_and_resume_unmasks(systemd, log):
    systemd.pause("off")
    systemd.resume("x")
    done = log.read_text()
    assert "mask off" in done
    assert "unmask x" in done


@pytest.mark.parametrize("verb", ["start", "stop", "restart", "enable", "disable"])
def test_failures_raise_with_what_systemctl_said(systemd, verb):
    with pytest.raises(ServiceError, match="no such unit"):
        getattr(systemd, verb)("bad")


def test_unmask_failure(systemd):
    with pytest.raises(CommandError):
        systemd.unmask("bad")
