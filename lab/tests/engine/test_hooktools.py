"""The hook tools, with the very command lines that ops and charmhelpers use."""

import json
import shlex

import pytest
import yaml
from jujulab.engine.hooktools import tools as hooktools
from jujulab.engine.hooktools.context import Context
from jujulab.engine.model import relations
from jujulab.engine.model.state import Hook, Task


@pytest.fixture
def relation(bench):
    bench.deploy("principal", "web", units=2)
    bench.deploy("principal", "db")
    relation = relations.add(bench.model, "web:sink", "db:source")
    bench.settle()
    return relation


@pytest.fixture
def run(bench, relation):
    """Runs tools in the context of a hook of web/0, which leads web."""
    hook = Hook("changed", relation.id, "sink", "db", "db/0")
    context = Context(bench.model, bench.model.unit("web/0"), lambda *_: None, hook=hook)

    def call(line, payload="", context=context):
        code, out, err = hooktools.run(context, shlex.split(line), payload)
        assert not code, err
        return out

    call.context = context
    return call


def refused(context, line, payload=""):
    code, out, err = hooktools.run(context, shlex.split(line), payload)
    assert code
    assert not out
    return err


def test_each_tool_says_how_it_is_used(run):
    shown = run("relation-get --help")
    assert shown.startswith("Usage: relation-get [options] [arguments]\n\nOptions:\n  --format\n")
    assert "  -r, --relation\n" in shown


def test_config_get(run):
    assert json.loads(run("config-get --format=json")) == {
        "message": "hello",
        "fail-hook": "",
        "loud": False,
    }
    assert json.loads(run("config-get --all --format=json"))["count"] is None
    assert run("config-get --format=json count") == "null\n"
    assert run("config-get message") == "hello\n"
    assert run("config-get loud") == "False\n"


def test_relations_are_listed(run, relation):
    assert json.loads(run("relation-ids sink --format=json")) == [f"sink:{relation.id}"]
    assert json.loads(run("relation-ids --format=json source")) == []
    assert json.loads(run("relation-list --format=json")) == ["db/0"]
    assert run(f"relation-list --format=json --app -r {relation.id}") == '"db"\n'


def test_a_databag_has_the_addresses_that_juju_puts_there(run, relation):
    bag = json.loads(run(f"relation-get --format=json -r sink:{relation.id} - db/0"))
    assert bag == {
        "egress-subnets": "10.77.3.12/32",
        "ingress-address": "10.77.3.12",
        "private-address": "10.77.3.12",
    }
    assert run("relation-get private-address") == "10.77.3.12\n"
    assert run("relation-get --format=json nothing db/0") == "null\n"


def test_writes_are_seen_by_their_own_hook_alone_until_it_succeeds(run, bench, relation):
    run(f"relation-set -r sink:{relation.id} --file -", '{"host": "a", "egress-subnets": ""}')
    own = json.loads(run(f"relation-get --format=json -r {relation.id} - web/0"))
    assert own["host"] == "a"
    assert "egress-subnets" not in own
    assert "host" not in relation.unit_data["web/0"]
    assert bench.settle() == []
    run.context.commit()
    assert relation.unit_data["web/0"]["host"] == "a"
    assert bench.settle() == ["db/0 source-relation-changed web/0"]


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ('{"a": "1", "b": ""}', {"a": "1", "b": ""}),
        ("a: 010\nb: null\nc: yes\n", {"a": "010", "b": "", "c": "yes"}),
        ("{a: 'null', b: ~}", {"a": "null", "b": ""}),
        ("", {}),
    ],
)
def test_relation_set_reads_yaml_as_text(run, relation, payload, expected):
    run("relation-set --file /tmp/x.yaml", payload)
    assert run.context.bags == {(relation.id, "web/0"): expected}


def test_relation_set_takes_arguments(run, relation):
    run("relation-set a=1 b=x=y c=")
    assert run.context.bags == {(relation.id, "web/0"): {"a": "1", "b": "x=y", "c": ""}}
    assert "expected a YAML map" in refused(run.context, "relation-set --file -", "[1]")
    assert "cannot parse" in refused(run.context, "relation-set --file -", "{")


def test_only_the_leader_writes_application_data(run, bench, relation):
    run("relation-set --app url=x")
    assert run.context.bags == {(relation.id, "web"): {"url": "x"}}
    other = Context(bench.model, bench.model.unit("web/1"), lambda *_: None)
    error = refused(other, f"relation-set --app -r {relation.id} url=y")
    assert error == "ERROR cannot write relation settings\n"


def test_who_may_read_application_data(run, bench, relation):
    relations.write(relation, "web", {"k": "v"})
    assert json.loads(run("relation-get --format=json --app - web")) == {"k": "v"}
    member = Context(bench.model, bench.model.unit("web/1"), lambda *_: None)
    line = f"relation-get --format=json -r {relation.id} --app - "
    assert refused(member, line + "web") == "ERROR permission denied\n"
    remote = Context(bench.model, bench.model.unit("db/0"), lambda *_: None)
    assert json.loads(run(line + "web/0", context=remote)) == {"k": "v"}
    ring = bench.model.state.relations["0"]
    relations.write(ring, "web", {"p": "q"})
    assert json.loads(run(f"relation-get --format=json -r ring:{ring.id} --app - web",
                          context=member)) == {"p": "q"}  # fmt: skip


def test_relations_of_others_do_not_exist(run, bench):
    assert "relation not found" in refused(run.context, "relation-list -r db:77")
    assert "settings not found" in refused(run.context, "relation-get - db/9")
    assert "not in the relation" in refused(run.context, "relation-get - other/0")
    task = Context(bench.model, bench.model.unit("web/0"), lambda *_: None)
    assert "no relation id specified" in refused(task, "relation-list")


def test_a_departed_unit_is_listed_no_more_but_can_be_read(bench, relation, run):
    hook = Hook("departed", relation.id, "sink", "db", "db/0", "db/0")
    context = Context(bench.model, bench.model.unit("web/0"), lambda *_: None, hook=hook)
    assert run("relation-list --format=json", context=context) == "[]\n"
    assert "ingress-address" in run("relation-get --format=json", context=context)


def test_network_get(run, bench, relation):
    info = json.loads(run("network-get --format=json storage-net"))
    assert info == {
        "bind-addresses": [
            {
                "mac-address": "",
                "interface-name": "internal",
                "addresses": [{"hostname": "", "value": "10.77.3.10", "cidr": "10.77.3.0/24"}],
            }
        ],
        "egress-subnets": ["10.77.3.10/32"],
        "ingress-addresses": ["10.77.3.10"],
    }
    bench.model.application("web").bindings.update({"": "admin", "storage-net": "storage"})
    moved = json.loads(run("network-get --format=json storage-net"))
    assert moved["ingress-addresses"] == ["10.77.4.10"]
    related = yaml.safe_load(run(f"network-get -r {relation.id} --format yaml sink"))
    assert related["ingress-addresses"] == ["10.77.2.10"]
    error = refused(run.context, "network-get --format=json nope")
    assert error == 'ERROR no network config found for binding "nope"\n'


def test_statuses(run, bench):
    run("status-set --application=False waiting -- 'for the database'")
    unit = json.loads(run("status-get --include-data --format=json --application=false"))
    assert unit == {"status": "waiting", "message": "for the database", "status-data": {}}
    run("status-set --application=True blocked -- no")
    app = json.loads(run("status-get --include-data --format=json --application=true"))
    assert app["application-status"]["status"] == "blocked"
    assert set(app["application-status"]["units"]) == {"web/0", "web/1"}
    other = Context(bench.model, bench.model.unit("web/1"), lambda *_: None)
    assert "not the leader" in refused(other, "status-set --application=True active")
    assert run("is-leader --format=json") == "true\n"
    assert run("is-leader --format=json", context=other) == "false\n"


def test_ports_are_opened_when_the_hook_succeeds(run, bench):
    for line in ("open-port 15868/TCP", "open-port 80", "open-port 8000-8010/udp",
                 "open-port icmp", "close-port 80/tcp"):  # fmt: skip
        run(line)
    ports = ["15868/tcp", "8000-8010/udp", "icmp"]
    assert json.loads(run("opened-ports --format=json")) == ports
    assert bench.model.unit("web/0").ports == []
    run.context.commit()
    assert bench.model.unit("web/0").ports == ports
    assert "invalid port" in refused(run.context, "open-port http")


def test_goal_state(run):
    goal = json.loads(run("goal-state --format=json"))
    assert set(goal["units"]) == {"web/0", "web/1"}
    assert set(goal["relations"]["sink"]) == {"db", "db/0"}


def test_actions(bench, relation, run):
    task = Task("2", "web/0", "greet", {"name": "bob", "deep": {"er": 1}})
    context = Context(bench.model, bench.model.unit("web/0"), lambda *_: None, task=task)
    assert json.loads(run("action-get --format=json", context=context)) == task.params
    assert run("action-get deep.er", context=context) == "1\n"
    assert run("action-get --format=json deep.nothing", context=context) == "null\n"
    run("action-set a.b=1 a.c=x=y d=", context=context)
    assert task.results == {"a": {"b": "1", "c": "x=y"}, "d": ""}
    run("action-log -- half way", context=context)
    assert task.log[0][1] == "half way"
    run("action-fail -- 'no luck'", context=context)
    assert context.failure == "no luck"
    assert "not running an action" in refused(run.context, "action-get")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("action-set ok=1 Bad=1", 'key "Bad" must start and end with lowercase alphanumeric'),
        ("action-set ok=1 a..b=1", 'key "" must start and end with lowercase alphanumeric'),
        ("action-set ok=1 a", 'argument "a" must be of the form key...=value'),
        ("action-set ok=1 stdout=x", 'cannot set reserved action key "stdout"'),
        (
            "action-set ok=1 a.stderr-encoding=x",
            'cannot set reserved action key "stderr-encoding"',
        ),
        ("action-fail no luck", 'unrecognized args: ["luck"]'),
        ("action-get a b", 'unrecognized args: ["b"]'),
        ("status-set waiting for the database", 'unrecognized args: ["the" "database"]'),
        ("status-set", "invalid args, require <status> [message]"),
        ("status-set error x", 'invalid status "error", expected one of [maintenance blocked'),
        ("network-get", "no arguments specified"),
        ("network-get -r sink:{}", "no arguments specified"),
        ("network-get ''", "no binding name specified"),
        ("network-get sink source", 'unrecognized args: ["source"]'),
    ],
)
def test_a_command_line_that_juju_does_not_take(bench, relation, line, says):
    """By the source of 3.6.28 and 4.0.15; ops checks the reserved keys itself."""
    task = Task("2", "web/0", "greet", {})
    context = Context(bench.model, bench.model.unit("web/0"), lambda *_: None, task=task)
    words = shlex.split(line.replace("{}", str(relation.id)))
    code, out, err = hooktools.run(context, words, "")
    assert (code, out) == (2, "")
    assert err.startswith(f"ERROR {says}")
    assert task.results == {}
    assert not context.failure
    assert "for the database" not in bench.model.unit("web/0").workload.message


def test_other_keys_of_results_are_the_charm_s_own(bench, relation):
    task = Task("2", "web/0", "greet", {})
    context = Context(bench.model, bench.model.unit("web/0"), lambda *_: None, task=task)
    assert hooktools.run(context, ["action-set", "return-code=7", "output=x"], "")[0] == 0
    assert task.results == {"return-code": "7", "output": "x"}


def test_other_tools(run, bench):
    run("application-version-set -- 14.0")
    assert bench.model.unit("web/0").version == "14.0"
    uuid = json.loads(run("relation-model-get --format=json"))["uuid"]
    assert uuid == bench.model.state.uuid


def test_juju_log_keeps_level_and_message(bench, relation):
    lines = []
    context = Context(bench.model, bench.model.unit("web/0"), lambda *line: lines.append(line))
    for words in (["--log-level", "DEBUG", "--", "a b"], ["-l", "ERROR", "c"], ["d"]):
        hooktools.run(context, ["juju-log", *words], "")
    assert lines == [("DEBUG", "a b"), ("ERROR", "c"), ("INFO", "d")]


def test_what_is_not_there_says_so(run):
    assert refused(run.context, "secret-add x=y").startswith("ERROR secret-add: ")
    assert "not defined: --frob" in refused(run.context, "is-leader --frob")
    assert {"secret-get", "relation-get"} <= set(hooktools.names())


def test_the_environment_of_a_relation_hook(run, bench, relation):
    environment = run.context.environment("/var/lib/juju", "/var/lib/juju/agent.socket")
    assert environment["PATH"].startswith("/var/lib/juju/tools:")
    assert environment["JUJU_CHARM_DIR"] == "/var/lib/juju/agents/unit-web-0/charm"
    assert environment["JUJU_DISPATCH_PATH"] == "hooks/sink-relation-changed"
    assert environment["JUJU_HOOK_NAME"] == "sink-relation-changed"
    assert environment["JUJU_RELATION_ID"] == f"sink:{relation.id}"
    assert (environment["JUJU_REMOTE_APP"], environment["JUJU_REMOTE_UNIT"]) == ("db", "db/0")
    assert "JUJU_DEPARTING_UNIT" not in environment
    assert "OPERATOR_DISPATCH" not in environment


def test_the_environment_of_an_action(bench, relation):
    task = Task("7", "web/0", "greet")
    context = Context(bench.model, bench.model.unit("web/0"), lambda *_: None, task=task)
    environment = context.environment("/x", "/x/s")
    assert environment["JUJU_DISPATCH_PATH"] == "actions/greet"
    assert environment["JUJU_HOOK_NAME"] == ""
    assert (environment["JUJU_ACTION_NAME"], environment["JUJU_ACTION_UUID"]) == ("greet", "7")
