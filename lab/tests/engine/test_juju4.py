"""Juju 4's rules, as seen with 4.0.15, beside those of 3.6 LTS."""

import os
import subprocess
from types import ModuleType

import pytest
from jujulab.engine.hooktools import context as context_module
from jujulab.engine.hooktools import tools as hooktools
from jujulab.engine.hooktools.context import Context
from jujulab.engine.model import relations, removal, resolver
from jujulab.engine.model.state import Hook
from jujulab.juju import charm as charm_module


@pytest.fixture(params=["3", "4"])
def juju4(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether it is Juju 4."""
    modules: list[ModuleType] = [charm_module, context_module, hooktools, relations, resolver]
    for module in modules:
        monkeypatch.setattr(module, "JUJU4", request.param == "4")
    return bool(request.param == "4")


def run(bench, unit: str, hook: Hook, *words: str) -> tuple[int, str, str]:
    """Run a hook tool in a unit's hook."""
    found = bench.model.unit(unit)
    context = Context(bench.model, found, lambda level, text: None, hook=hook)
    return hooktools.run(context, list(words), "")


def test_a_databag_has_no_private_address(bench, juju4):
    bench.deploy("principal", "web")
    bench.deploy("principal", "db")
    relation = relations.add(bench.model, "web:source", "db:sink")
    bench.settle()
    assert ("private-address" in relation.unit_data["web/0"]) is not juju4
    assert relation.unit_data["web/0"]["ingress-address"].startswith("10.77.")


def test_an_application_that_goes_does_not_reach_its_other_relations(bench, juju4):
    bench.deploy("principal", "web")
    bench.deploy("principal", "db")
    first = relations.add(bench.model, "web:source", "db:sink")
    second = relations.add(bench.model, "web:sink", "db:source")
    bench.settle()
    hook = Hook("broken", relation=first.id, endpoint="source", remote_app="db")
    write = ("relation-set", "-r", f"sink:{second.id}", "a=b")
    assert run(bench, "web/0", hook, *write) == (0, "", "")
    removal.destroy_application(bench.model, "web")
    words = "relation not found" if juju4 else "permission denied"
    assert run(bench, "web/0", hook, *write) == (1, "", f"ERROR {words}\n")
    read = ("relation-get", "-r", f"sink:{second.id}", "-", "db/0")
    assert run(bench, "web/0", hook, *read) == (1, "", f"ERROR {words}\n")
    asked = run(bench, "web/0", hook, "network-get", "-r", f"sink:{second.id}", "sink")
    words = f"relation {second.id} not found" if juju4 else "permission denied"
    assert asked == (1, "", f"ERROR {words}\n")
    assert run(bench, "web/0", hook, "relation-set", "-r", f"source:{first.id}", "a=b")[0] == 0


def test_a_subordinate_ends_with_stop_and_without_answers(bench, juju4):
    bench.deploy("principal", "web")
    bench.deploy("hanger")
    relations.add(bench.model, "web:juju-info", "hanger:host")
    bench.settle()
    removal.remove_relation(bench.model, "web:juju-info", "hanger:host")
    answer = run(bench, "hanger/0", Hook("stop"), "config-get", "--format=json")
    if juju4:
        assert answer == (1, "", "ERROR connection is shutdown before send\n")
    else:
        assert answer[0] == 0
    lines = bench.settle("hanger/0")
    assert lines[-2:] == (["stop", "gone"] if juju4 else ["remove", "gone"])
    removal.destroy_application(bench.model, "web")
    assert "remove" in bench.settle("web/0")


def test_leader_settings_are_no_more(bench, juju4):
    bench.deploy("principal", "web", units=2)
    hooks = bench.settle()
    settings = [line for line in hooks if "leader-settings" in line]
    assert settings == ([] if juju4 else ["web/1 leader-settings-changed"])
    code, _, said = run(bench, "web/0", Hook("config-changed"), "leader-set", "colour=red")
    assert (code, said) == (1, "ERROR leader-set: use the databags of a peer relation\n")


def test_an_action_refuses_what_it_does_not_know(tmp_path, juju4):
    (tmp_path / "charmcraft.yaml").write_text("name: toy\nactions: {go: {}}\n")
    action = charm_module.load_meta(tmp_path).actions["go"]
    assert action.additional is not juju4


def test_the_client_deploys_no_directory_any_more(juju):
    for version in ("3", "4"):
        result = subprocess.run(
            [juju.cli_binary, "deploy", "."], capture_output=True, text=True,
            env=os.environ | {"LAB_JUJU": version},
        )  # fmt: skip
        assert result.returncode
        assert ("archive" in result.stderr) is (version == "4"), result.stderr
