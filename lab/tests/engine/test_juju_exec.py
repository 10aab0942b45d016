"""juju-exec on a machine: commands in a unit's context that begin outside of a hook."""

import json
import subprocess


def tool(juju):
    """Return juju-exec on the machine of web/0."""
    machine = juju.peek().apps["web"].units["web/0"].machine
    return juju.machine(machine).juju_dir / "tools" / "juju-exec"


def execute(juju, *words, env=None):
    """Run juju-exec as a service of a machine would."""
    return subprocess.run(
        [tool(juju), *words], capture_output=True, text=True, timeout=30, env=env or {}
    )


def test_a_hook_is_run_by_hand(juju, charm):
    juju.deploy(charm, "web")
    juju.settled("web")
    machine = juju.peek().apps["web"].units["web/0"].machine
    before = len(juju.journal(machine))
    result = execute(juju, "web/0", "JUJU_DISPATCH_PATH=hooks/update-status ./dispatch")
    assert (result.returncode, result.stderr) == (0, "")
    assert juju.journal(machine)[before:] == ["web/0 update-status"]


def test_it_has_the_hook_tools_and_its_writes_count(juju, charm):
    juju.deploy(charm, "web")
    juju.deploy(charm, "peer")
    juju.integrate("web:source", "peer:sink")
    juju.settled("web", "peer")
    result = execute(
        juju, "web/0", 'relation-set -r "$(relation-ids source)" message=anew; echo hm'
    )
    assert (result.returncode, result.stdout) == (0, "hm\n")
    bag = juju.cli(
        "exec", "--unit", "peer/0", "--", "relation-get -r $(relation-ids sink) - web/0"
    )
    assert "message: anew" in bag


def test_exit_code_and_errors(juju, charm):
    juju.deploy(charm, "web")
    juju.settled("web")
    failed = execute(juju, "web/0", "echo no >&2; exit 3")
    assert (failed.returncode, failed.stderr) == (3, "no\n")
    assert execute(juju, "web/7", "true").returncode == 1
    assert "not found on this machine" in execute(juju, "web/7", "true").stderr
    assert (
        "from within a hook" in execute(juju, "web/0", "true", env={"JUJU_CONTEXT_ID": "x"}).stderr
    )
    assert execute(juju, "web/0").returncode == 2


def test_whoever_asked_may_go(juju, charm):
    """What was begun goes on, as with Juju: a hook may end the service that asked for it."""
    juju.deploy(charm, "web")
    juju.settled("web")
    mark = juju.home / "mark"
    begun = juju.home / "begun"
    command = f"touch {begun}; while [ -e {begun} ]; do sleep 0.05; done; touch {mark}"
    asker = subprocess.Popen([tool(juju), "web/0", command], env={})
    juju.until(lambda status: begun.exists())
    asker.kill()
    asker.wait()
    begun.unlink()
    juju.until(lambda status: mark.exists())
    assert execute(juju, "web/0", "true").returncode == 0

    def forgotten(_status) -> bool:
        state = json.loads((juju.home / "run" / "controller-state.json").read_text())
        return not [name for name in state["tasks"] if name.startswith("juju-exec")]

    juju.until(forgotten)  # the file is written a moment after the answer
