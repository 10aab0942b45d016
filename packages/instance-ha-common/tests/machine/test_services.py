"""The real class, with a systemctl of our own on the PATH."""

import pytest
from instance_ha_common.machine.commands import CommandError, Runner
from instance_ha_common.machine.host import Host
from instance_ha_common.machine.services import ServiceError, Systemd

SYSTEMCTL = """#!/bin/sh
echo "$@" >> {log}
unit() {{
  name=${{1%.service}} load=loaded active=active file=enabled
  case $name in
    off) active=inactive file=disabled ;;
    masked) load=masked active=inactive file=masked ;;
    nosuch) load=not-found active=inactive file= ;;
    held-*) load=masked active=inactive file=masked-runtime ;;
    is-*) active=${{name#is-}} ;;
    at-boot-*) file=${{name#at-boot-}} ;;
  esac
  echo "Id=${{name#alias-of-}}.service"
  echo "Names=$1 ${{name#alias-of-}}.service"
  echo "LoadState=$load"
  echo "ActiveState=$active"
  echo "UnitFileState=$file"
}}
case "$*" in
  *bad*) echo "no such unit" >&2; exit 5 ;;
  *" off"*|*" off.service"*) [ "$1" = --quiet ] && exit 3 ;;
esac
[ "$1" = show ] || exit 0
shift 3
while [ $# -gt 0 ]; do unit "$1"; shift; [ $# = 0 ] || echo; done
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
    assert systemd.exists("masked")
    assert not systemd.exists("nosuch")
    assert systemd.running("alias-of-on")
    assert systemd.running("is-reloading")


@pytest.mark.parametrize(
    ("state", "at_boot"), [("static", True), ("generated", True), ("linked", False)]
)
def test_a_unit_file_starts_at_boot_where_systemctl_calls_it_enabled(systemd, state, at_boot):
    assert systemd.enabled(f"at-boot-{state}") is at_boot


def test_where_systemd_does_not_answer_nothing_is_there(systemd):
    assert systemd.state("bad") == ""
    for question in (systemd.running, systemd.exists, systemd.enabled, systemd.masked):
        assert not question("bad")


def asked(log):
    return [line.partition(" -- ")[2] for line in log.read_text().splitlines() if "show" in line]


def test_what_is_asked_about_one_is_asked_about_all_and_once(systemd, log):
    systemd.ask_together(["off", "on.service"])
    assert not systemd.running("off")
    assert systemd.enabled("on")
    assert systemd.exists("other")
    assert systemd.running("other.service")
    assert asked(log) == ["off.service on.service", "other.service"]


@pytest.mark.parametrize(
    "verb",
    ["start", "restart", "reload", "enable", "disable", "mask", "unmask", "resume", "stop"],
)
def test_a_change_has_systemd_asked_again(systemd, log, verb):
    assert systemd.running("x")
    getattr(systemd, verb)("x")
    assert systemd.running("x")
    assert asked(log)[-1] == "x.service"
    assert len(asked(log)) >= 2


def test_a_change_of_packages_has_systemd_asked_again():
    host = Host.local()
    host.systemd._said["x.service"] = {}
    host.apt._changed()
    assert not host.systemd._said


@pytest.mark.parametrize(
    ("verb", "argv"),
    [
        ("start", "start x"),
        ("restart", "restart x"),
        ("reload", "reload x"),
        ("enable", "enable x"),
        ("disable", "disable x"),
        ("mask", "mask x"),
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
    assert changes(log) == ([] if verb is None else [f"{verb} {name}"])


@pytest.mark.parametrize(("verb", "name"), [("stop", "x"), ("pause", "off")])
def test_a_service_that_was_killed_because_it_took_too_long_to_stop_has_not_failed(
    systemd, log, verb, name
):
    getattr(systemd, verb)(name)
    assert log.read_text().splitlines()[-1] == f"reset-failed {name}"


@pytest.mark.parametrize("name", ["x", "is-activating", "is-deactivating"])
def test_stop(systemd, log, name):
    """One that fails over and over is `activating`: systemd waits for its next attempt."""
    systemd.stop(name)
    assert log.read_text().splitlines()[1:] == [f"stop {name}", f"reset-failed {name}"]


@pytest.mark.parametrize("name", ["is-inactive", "is-failed"])
def test_what_rests_is_not_stopped_again(systemd, log, name):
    systemd.stop(name)
    assert asked(log) == [f"{name}.service"]
    assert len(log.read_text().splitlines()) == 1


def test_daemon_reload(systemd, log):
    systemd.daemon_reload()
    assert log.read_text() == "daemon-reload\n"


def test_pause_masks(systemd, log):
    systemd.pause("off")
    assert "mask off" in log.read_text()


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("x", ["start x"]),
        ("at-boot-disabled", ["enable at-boot-disabled", "start at-boot-disabled"]),
    ],
)
def test_resume_changes_no_more_than_it_has_to(systemd, log, name, needed):
    """Each change of a unit file has systemd read all of them again."""
    systemd.resume(name)
    assert changes(log) == needed


@pytest.mark.parametrize(("name", "verb"), [("masked", "unmask"), ("off", "enable")])
def test_resume_of_what_does_not_run_afterwards_fails(systemd, log, name, verb):
    with pytest.raises(ServiceError, match=f"{name} was started and does not run"):
        systemd.resume(name)
    assert changes(log)[0] == f"{verb} {name}"


def test_what_is_held_back_may_start_again_afterwards(systemd, log):
    with systemd.held_back(["held-b", "held-a"]):
        assert changes(log) == ["mask --runtime --quiet held-a held-b"]
    assert changes(log)[1:] == ["unmask --runtime --quiet held-a held-b"]


def test_what_a_killed_hook_held_back_is_kept_running_all_the_same(systemd, log):
    systemd.keep_running("held-a", restart=False)
    assert changes(log)[0] == "unmask --runtime --quiet held-a"


def changes(log):
    return [line for line in log.read_text().splitlines() if not line.startswith("show")]


@pytest.mark.parametrize("verb", ["start", "stop", "restart", "enable", "disable"])
def test_failures_raise_with_what_systemctl_said(systemd, verb):
    with pytest.raises(ServiceError, match="no such unit"):
        getattr(systemd, verb)("bad")


@pytest.mark.parametrize(
    ("or_restart", "tried"), [(True, ["reload bad", "restart bad"]), (False, ["reload bad"])]
)
def test_what_somebody_else_stops_is_not_started_by_a_reload_that_fails(
    systemd, log, or_restart, tried
):
    with pytest.raises(ServiceError):
        systemd.reload("bad", or_restart=or_restart)
    assert changes(log) == tried


def test_unmask_failure(systemd):
    with pytest.raises(CommandError):
        systemd.unmask("bad")
