"""The whole thing through jubilant: command line, controller, agents, real charms and tools."""

import contextlib
import json
import os
import re
import signal
from pathlib import Path

import jubilant
import pytest
from jujulab.cli import main as cli
from jujulab.juju.client import Client


def test_deploy_relate_configure(juju, charm):
    juju.deploy(charm, "db", config={"message": "from the start"})
    juju.deploy(charm, "web", num_units=2)
    juju.integrate("web:sink", "db:source")
    status = juju.settled("db", "web")
    assert status.apps["db"].app_status.message == "message=from the start"
    assert status.apps["db"].relations["source"][0].related_app == "web"
    assert status.apps["web"].units["web/0"].open_ports == ["8080/tcp"]
    assert status.apps["web"].version == "1.2.3"
    assert [u.leader for u in status.apps["web"].units.values()].count(True) == 1
    assert juju.config("db")["message"] == "from the start"

    juju.config("db", {"message": "changed", "loud": True, "count": 3})
    unit = status.apps["web"].units["web/0"].machine
    juju.until(lambda s: s.apps["db"].app_status.message == "message=changed")
    juju.settled("db", "web")
    assert juju.journal(unit)[-1] == "web/0 sink-relation-changed db/0"
    relation = juju.show_unit("web/0").relation_info[-1]
    assert relation.related_units["db/0"].data["message"] == "changed"
    assert relation.app_data == {"leader": "db/0"}
    assert juju.config("db")["count"] == 3
    juju.config("db", reset=["count", "message"])
    assert "count" not in juju.config("db")
    assert juju.config("db")["message"] == "hello"


def test_subordinates_show_below_their_principals(juju, charm, subordinate):
    juju.deploy(charm, "web")
    juju.deploy(subordinate)
    juju.integrate("hanger:host", "web")
    status = juju.settled("web", "hanger")
    assert status.apps["hanger"].subordinate_to == ["web"]
    assert list(status.get_units("hanger")) == ["hanger/0"]
    assert status.apps["web"].units["web/0"].subordinates["hanger/0"].is_active


def test_actions(juju, charm):
    juju.deploy(charm, "web")
    juju.settled("web")
    task = juju.run("web/leader", "greet", {"name": "bob", "times": 2})
    assert task.success
    assert task.results == {"greeting": {"text": "hello bob"}, "times": "2"}
    assert task.log[0].endswith("greeting")
    with pytest.raises(jubilant.TaskError) as failure:
        juju.run("web/0", "refuse")
    assert (failure.value.task.status, failure.value.task.message) == ("failed", "not today")
    # The exit code is that of the charm's process, which has done its work.
    assert "failed: not today" in juju.cli("run", "web/0", "refuse")
    with pytest.raises(ValueError, match="nothing-like-it"):
        juju.run("web/0", "nothing-like-it")
    with pytest.raises(jubilant.CLIError, match='"name" property is missing and required'):
        juju.run("web/0", "greet", {})


def test_commands_run_in_a_units_context(juju, charm):
    juju.deploy(charm, "web")
    machine = juju.settled("web").apps["web"].units["web/0"].machine
    task = juju.exec("config-get message; echo oops >&2", unit="web/0")
    assert (task.stdout, task.stderr) == ("hello\n", "oops\n")
    assert juju.exec("echo", "a b", "$HOME", machine=machine).stdout == "a b $HOME\n"
    with pytest.raises(jubilant.TaskError) as failure:
        juju.exec("exit 3", unit="web/0")
    assert failure.value.task.return_code == 3
    with pytest.raises(TimeoutError):
        juju.exec("sleep 0.5", unit="web/0", wait=0.01)


def test_a_hook_that_fails_is_an_error_and_commits_nothing(juju, charm):
    juju.deploy(charm, "db")
    juju.deploy(charm, "web")
    juju.integrate("web:sink", "db:source")
    juju.settled("db", "web")
    juju.config("db", {"fail-hook": "config-changed"})
    status = juju.until(jubilant.any_error)
    unit = status.apps["db"].units["db/0"]
    assert unit.workload_status.message == 'hook failed: "config-changed"'
    assert unit.juju_status.current == "idle"
    assert status.apps["db"].is_error
    data = juju.show_unit("db/0").relation_info[-1].local_unit.data
    assert "poison" not in data
    assert juju.run("db/0", "greet", {"name": "x"}).success, "actions run in an error state"
    assert "failing as told" in (juju.home / "logs" / "unit-db-0.log").read_text()
    juju.config("db", {"fail-hook": ""})
    juju.cli("resolve", "db/0")
    juju.settled("db")
    assert juju.refused("resolve", "db/0").stderr == (
        'ERROR unit "db/0" is not in an error state\n'
    )


def test_a_machine_that_dies_in_a_hook_makes_no_error(juju, charm):
    juju.deploy(charm, "web", num_units=2)
    juju.settled("web")
    task = juju.cli("exec", "--background", "--unit", "web/1", "--", "sleep 60")
    assert task == ""
    machine = juju.machine(juju.status().apps["web"].units["web/1"].machine)
    juju.until(lambda s: s.apps["web"].units["web/1"].juju_status.current == "executing")
    machine.power_off()
    status = juju.until(lambda s: s.machines[machine.id].juju_status.current == "down")
    unit = status.apps["web"].units["web/1"]
    assert (unit.juju_status.current, unit.workload_status.current) == ("lost", "unknown")
    machine.start()
    juju.until(lambda _: juju.journal(machine.id)[-1] == "web/1 start")
    juju.settled("web")


def test_units_and_applications_go(juju, charm, subordinate):
    juju.deploy(charm, "web", num_units=2)
    juju.deploy(subordinate)
    juju.integrate("hanger:host", "web")
    juju.settled("web", "hanger")
    juju.remove_unit("web/1")
    juju.until(lambda s: set(s.apps["web"].units) == {"web/0"})
    juju.remove_application("web", "hanger")
    juju.until(lambda s: not s.apps)
    assert not juju.status().machines, "machines with nothing on them are given back"


def test_containers_and_machines(juju, charm):
    juju.deploy(charm, "host")
    host = juju.settled("host").apps["host"].units["host/0"].machine
    juju.deploy(charm, "web", to=f"lxd:{host}")
    status = juju.settled("web")
    assert status.apps["web"].units["web/0"].machine == f"{host}/lxd/0"
    assert status.machines[host].containers[f"{host}/lxd/0"].juju_status.current == "started"
    assert "not found" in juju.refused("deploy", str(charm), "other", "--to", "99").stderr
    assert "other" not in juju.status().apps, "refused before anything changes"


def test_refresh_runs_upgrade_charm(juju, charm, tmp_path):
    juju.deploy(charm, "web")
    juju.settled("web")
    newer = tmp_path / "newer"
    newer.mkdir()
    for file in charm.iterdir():
        (newer / file.name).write_text(file.read_text().replace('"message=', '"newer message='))
    (newer / "dispatch").chmod(0o755)
    juju.refresh("web", path=newer)
    juju.until(lambda s: s.apps["web"].app_status.message == "newer message=hello")
    machine = juju.status().apps["web"].units["web/0"].machine
    assert juju.journal(machine)[-2:] == ["web/0 upgrade-charm", "web/0 config-changed"]
    assert juju.status().apps["web"].charm_rev > 0


def test_a_bundle_with_an_overlay(juju, charm, subordinate, tmp_path):
    bundle = tmp_path / "bundle.yaml"
    bundle.write_text(f"""
        default-base: ubuntu@22.04/stable
        machines: {{"0": {{}}}}
        applications:
          web: {{charm: {charm}, num_units: 1, to: ["0"], options: {{message: bundled}}}}
          db: {{charm: {charm}, num_units: 1, to: ["lxd:0"]}}
        relations: [["web:sink", "db:source"]]
        """)
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(f"""
        applications:
          hang: {{charm: {subordinate}}}
        relations: [["hang:host", "web:juju-info"]]
        """)
    juju.deploy(bundle)
    status = juju.settled("web", "db")
    assert status.apps["web"].app_status.message == "message=bundled"
    before = {name: juju.journal(name) for name in status.machines}
    host = status.apps["web"].units["web/0"].machine
    out = juju.refused("deploy", str(bundle), "--overlay", str(tmp_path / "none.yaml"))
    assert "none.yaml" in out.stderr
    _, said = juju._cli("deploy", str(bundle), "--overlay", str(overlay),
                        "--map-machines", f"0={host}")  # fmt: skip
    assert said.splitlines()[-1] == "Deploy of bundle completed."
    assert '- set constraints for web to ""' in said, "Juju has added an architecture"
    juju.settled("web", "db", "hang")
    new = juju.journal(host)[len(before[host]) :]
    assert not [line for line in new if "install" in line and not line.startswith("hang")]
    _, said = juju._cli("deploy", str(bundle), "--overlay", str(overlay),
                        "--map-machines", f"0={host}")  # fmt: skip
    assert said.splitlines()[-1] == "No changes to apply."


def test_a_controller_that_is_killed_goes_on_where_it_was(juju, charm):
    juju.deploy(charm, "web")
    juju.settled("web")
    (process,) = processes(b"jujulab.engine.controller\0" + bytes(juju.home))
    _, said = juju._cli("exec", "--background", "--unit", "web/0", "--", "exec sleep 61")
    juju.until(lambda s: s.apps["web"].units["web/0"].juju_status.current == "executing")
    os.kill(process, signal.SIGKILL)
    status = juju.settled("web")
    machine = status.apps["web"].units["web/0"].machine
    juju.config("web", {"message": "still here"})
    juju.until(lambda s: s.apps["web"].app_status.message == "message=still here")
    assert juju.journal(machine).count("web/0 install") == 1
    (number,) = re.findall(r"'juju show-task (\d+)'", said)
    task = json.loads(juju.cli("show-task", "--format", "json", number))
    assert task["status"] == "failed", "an action is not run twice"
    assert not processes(b"sleep\x0061"), "what was running is ended, not left behind"


def processes(command):
    """Return the ids of processes whose command line ends so."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if path.read_bytes().endswith(command + b"\0"):
                found.append(int(path.parent.name))
    return found


def test_nobody_else_reads_what_the_controller_knows(juju, charm):
    juju.deploy(charm, "web")
    juju.settled("web")
    for path in (juju.home / "run").iterdir():
        assert path.stat().st_mode & 0o077 == 0, path
    assert (juju.home / "logs").stat().st_mode & 0o077 == 0


def test_models_and_versions(juju):
    assert juju.version().tuple == (3, 6, 14)
    assert juju.model_config()["update-status-hook-interval"] == "60s"
    juju.model_config({"update-status-hook-interval": "5m"})
    assert juju.model_config()["update-status-hook-interval"] == "5m"
    juju.model_config(reset="update-status-hook-interval")
    assert jubilant.Juju(model="lab", cli_binary=juju.cli_binary).status().model.name == "lab"
    with pytest.raises(jubilant.CLIError, match="the lab has one model"):
        jubilant.Juju(model="prod", cli_binary=juju.cli_binary).status()


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["frobnicate"], 2, 'juju: "frobnicate" is not a juju command'),
        (["status", "--frob"], 2, "option provided but not defined: --frob"),
        (["deploy"], 2, "no charm or bundle specified"),
        (["deploy", "no-such-charm"], 1, 'charm "no-such-charm" not found'),
        (["deploy", "./nowhere"], 1, "no charm or bundle was found"),
        (["add-unit", "ghost"], 1, 'application "ghost" not found'),
        (["integrate", "a"], 2, "must involve two applications"),
        (["run", "greet"], 2, "no unit specified"),
        (["exec", "--", "true"], 2, "You must specify a target"),
        (["status", "-m", "other"], 1, "the lab has one model"),
        (["add-model", "second"], 2, "or the lab does not have it"),
        (["model-config", "nope=1"], 1, 'unknown model config key "nope"'),
        (["model-config", "leadership-lease=soon"], 1, "invalid duration"),
    ],
)
def test_mistakes_are_refused_like_juju_does(lab_juju, capsys, words, code, text):
    assert cli.main(words) == code
    said = capsys.readouterr()
    assert said.err.startswith("ERROR ")
    assert text in said.err
    assert not said.out
    assert not lab_juju.peek().apps, "refused before anything changes"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["config", "web", "message=@{}"], "cannot read option value: 'utf-8' codec"),
        (["refresh", "web", "--config", "{}"], "cannot read {}: 'utf-8' codec"),
        (["run", "web/0", "greet", "--params", "{}"], "cannot read {}: 'utf-8' codec"),
    ],
)
def test_a_file_that_is_no_text_is_refused(lab_juju, capsys, tmp_path, words, text):
    file = tmp_path / "binary"
    file.write_bytes(b"name: \xff")
    assert cli.main([word.format(file) for word in words]) == 1
    assert capsys.readouterr().err.startswith(f"ERROR {text.format(file)}")


def test_the_commands_exit_code_and_complaint_are_the_processs(juju):
    for words, code in ((["frobnicate"], 2), (["add-unit", "ghost"], 1)):
        result = juju.refused(*words)
        assert result.returncode == code
        assert result.stderr.startswith("ERROR ")


def test_a_model_is_destroyed_with_all_that_is_in_it(juju, charm):
    juju.deploy(charm, "web")
    juju.settled("web")
    Client(juju.home).call("destroy_model")
    assert not juju.status().apps
    assert not juju.status().machines
