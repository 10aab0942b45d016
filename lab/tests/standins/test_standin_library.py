"""The library of the stand-in charms: events, databags, memory, files and services."""

import json
import stat
from pathlib import Path

import pytest
import standin
import workload
from fake_juju import FakeJuju
from standin import NotReady, Unit


def unit(juju: FakeJuju, hook: str = "update-status", **environ: str) -> Unit:
    context = {"JUJU_UNIT_NAME": "glance/0", "JUJU_DISPATCH_PATH": f"hooks/{hook}", **environ}
    return Unit(context, juju.root)


def fire(juju: FakeJuju, event: str, remote: str = "", rid: str = "amqp:3") -> Unit:
    """Let the unit see an event of a relation."""
    seen = unit(
        juju,
        f"{rid.partition(':')[0]}-relation-{event}",
        JUJU_RELATION_ID=rid,
        JUJU_REMOTE_APP="rabbitmq-server",
        JUJU_REMOTE_UNIT=remote,
    )
    seen.observe()
    seen.commit()
    return seen


@pytest.fixture
def related(juju: FakeJuju) -> FakeJuju:
    bags = {"rabbitmq-server/0": {"password": "a"}, "rabbitmq-server/1": {"password": "b"}}
    relation = {"units": bags, "app_data": {"x": "y"}, "local": {}, "local_app": {}}
    juju.set(relations={"amqp:3": relation})
    return juju


class TestEvents:
    def test_only_the_unit_of_the_event_is_read(self, related: FakeJuju) -> None:
        fire(related, "created")
        assert related.calls("relation-get") == []
        fire(related, "changed", "rabbitmq-server/1")
        assert [call["argv"][-1] for call in related.calls("relation-get")] == [
            "rabbitmq-server/1"
        ]

    def test_what_was_read_is_remembered_until_the_unit_departs(self, related: FakeJuju) -> None:
        fire(related, "changed", "rabbitmq-server/0")
        fire(related, "changed", "rabbitmq-server/1")
        assert unit(related).bags("amqp") == [
            ("rabbitmq-server/0", {"password": "a"}),
            ("rabbitmq-server/1", {"password": "b"}),
        ]
        fire(related, "departed", "rabbitmq-server/0")
        assert [name for name, _ in unit(related).bags("amqp")] == ["rabbitmq-server/1"]

    def test_a_broken_relation_is_forgotten(self, related: FakeJuju) -> None:
        fire(related, "changed", "rabbitmq-server/0")
        fire(related, "broken")
        assert unit(related).related("amqp") == []

    def test_a_change_without_a_unit_is_one_of_the_application(self, related: FakeJuju) -> None:
        fire(related, "changed")
        (relation,) = unit(related).related("amqp")
        assert relation.app_data == {"x": "y"} and relation.units == {}

    def test_relations_come_oldest_first(self, juju: FakeJuju) -> None:
        bare = {"units": {}, "app_data": {}, "local": {}, "local_app": {}}
        juju.set(relations={"amqp:10": bare, "amqp:9": bare})
        fire(juju, "created", rid="amqp:10")
        fire(juju, "created", rid="amqp:9")
        assert [relation.id for relation in unit(juju).related("amqp")] == ["amqp:9", "amqp:10"]

    def test_config_and_addresses_are_asked_for_again_when_they_changed(
        self, juju: FakeJuju
    ) -> None:
        juju.set(config={"region": "one"}, addresses={"public": "10.0.0.1"})
        first = unit(juju)
        assert (first.config["region"], first.address("public")) == ("one", "10.0.0.1")
        first.commit()
        juju.set(config={"region": "two"}, addresses={"public": "10.0.0.2"})
        assert (unit(juju).config["region"], unit(juju).address("public")) == ("one", "10.0.0.1")
        later = unit(juju, "config-changed")
        later.observe()
        assert (later.config["region"], later.address("public")) == ("two", "10.0.0.2")


class TestPublishing:
    def test_only_differences_are_written(self, related: FakeJuju) -> None:
        relation = fire(related, "created").relations["amqp:3"]
        relation.publish({"username": "nova", "vhost": "openstack", "admin": None, "ttl": ""})
        relation.publish({"username": "nova", "vhost": "masakari"})
        relation.publish({"username": "nova", "vhost": "masakari"})
        relation.publish({"username": "nova"})
        written = [json.loads(call["stdin"]) for call in related.calls("relation-set")]
        assert written == [
            {"username": "nova", "vhost": "openstack"},
            {"vhost": "masakari"},
            {"vhost": ""},
        ]
        assert related.published("amqp:3") == {"username": "nova"}

    def test_what_a_failed_hook_published_is_published_again(self, related: FakeJuju) -> None:
        fire(related, "created")
        failing = unit(related)
        failing.publish("amqp", {"username": "nova"})  # no commit: Juju drops it, too
        related.forget()
        unit(related).publish("amqp", {"username": "nova"})
        assert len(related.calls("relation-set")) == 1

    def test_a_failing_tool_names_itself(self, related: FakeJuju) -> None:
        related.set(leader=False)
        relation = fire(related, "created").relations["amqp:3"]
        with pytest.raises(RuntimeError, match="relation-set: ERROR cannot write"):
            relation.publish_app({"a": "b"})


class TestMemory:
    def test_secrets_last_differ_and_are_for_root_alone(self, juju: FakeJuju) -> None:
        first = unit(juju)
        passwords = {first.secret("a"), first.secret("b"), first.secret("long", 64)}
        assert sorted(map(len, passwords)) == [32, 32, 64]
        assert unit(juju).secret("a") == first.secret("a")
        for path in (juju.root / "var/lib/juju-standin").iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert not any(secret in json.dumps(juju.calls()) for secret in passwords)

    def test_what_is_kept_survives_a_failing_hook_and_follows_its_key(
        self, juju: FakeJuju
    ) -> None:
        made: list[str] = []

        def make() -> str:
            made.append("made")
            return f"value {len(made)}"

        assert unit(juju).keep("schema", make, key={"url": "a"}) == "value 1"
        assert unit(juju).keep("schema", make, key={"url": "a"}) == "value 1"
        assert unit(juju).keep("schema", make, key={"url": "b"}) == "value 2"

    def test_what_fails_is_not_kept(self, juju: FakeJuju) -> None:
        def fail() -> None:
            raise OSError("no")

        with pytest.raises(OSError, match="no"):
            unit(juju).keep("schema", fail)
        assert unit(juju).keep("schema", lambda: "done") == "done"


class TestMain:
    def test_a_ready_unit_that_changes_nothing_calls_no_tool(self, juju: FakeJuju) -> None:
        standin.main(lambda _: ["glance-api"], unit=unit(juju))
        assert juju.status() == ("active", "Unit is ready")
        juju.forget()
        standin.main(lambda _: ["glance-api"], unit=unit(juju))
        assert [call["tool"] for call in juju.calls()] == ["systemctl"]

    def test_a_service_that_is_down_blocks(self, juju: FakeJuju) -> None:
        juju.set(down=["nova-api"])
        standin.main(lambda _: ["nova-conductor", "nova-api"], unit=unit(juju))
        assert juju.status() == ("blocked", "Services not running that should be: nova-api")

    def test_the_log_says_why_a_service_is_down(self, juju: FakeJuju) -> None:
        juju.set(down=["nova-api"])
        standin.main(lambda _: ["nova-conductor", "nova-api"], unit=unit(juju))
        asked = [call["argv"] for call in juju.calls("systemctl")][-1]
        assert (asked[0], asked[-1]) == ("status", "nova-api")

    def test_stop_turns_the_services_off(self, juju: FakeJuju) -> None:
        standin.main(lambda _: ["glance-api"], unit=unit(juju))
        standin.main(lambda _: ["glance-api"], unit=unit(juju, "stop"))
        assert juju.calls("systemctl")[-1]["argv"] == ["disable", "--now", "glance-api"]

    def test_a_later_unit_of_the_name_starts_from_nothing(self, juju: FakeJuju) -> None:
        """An application that is removed and added again has units of the same names."""
        made: list[str] = []

        def reconcile(it: Unit) -> list[str]:
            it.keep("started", lambda: made.append(it.hook))
            return ["glance-api"]

        standin.main(reconcile, unit=unit(juju))
        standin.main(reconcile, unit=unit(juju, "stop"))
        standin.main(reconcile, unit=unit(juju, "remove"))
        standin.main(reconcile, unit=unit(juju, "config-changed"))
        assert made == ["update-status", "config-changed"]

    def test_a_failing_hook_changes_no_memory(self, related: FakeJuju) -> None:
        def fail(_: Unit) -> list[str]:
            raise ValueError("broken")

        hook = unit(
            related, "amqp-relation-changed", JUJU_RELATION_ID="amqp:3", JUJU_REMOTE_APP="r",
            JUJU_REMOTE_UNIT="rabbitmq-server/0",
        )  # fmt: skip
        with pytest.raises(ValueError, match="broken"):
            standin.main(fail, unit=hook)
        assert unit(related).related("amqp") == []

    def test_install_shows_the_version(self, juju: FakeJuju) -> None:
        standin.main(lambda _: [], unit=unit(juju, "install"), version_of="nova-common")
        assert juju.calls("application-version-set")[0]["argv"] == ["26.2.2"]

    def test_an_action_answers_or_says_why_not(self, juju: FakeJuju) -> None:
        def good(_: Unit) -> dict[str, object]:
            return {"count": 3}

        def bad(_: Unit) -> dict[str, object]:
            raise standin.ActionFailed("no such thing")

        for name in ("good", "bad"):
            acting = unit(juju, JUJU_ACTION_NAME=name)
            standin.main(lambda _: [], actions={"good": good, "bad": bad}, unit=acting)
        assert juju.calls("action-set")[0]["argv"] == ["count=3"]
        assert juju.calls("action-fail")[0]["argv"] == ["--", "no such thing"]


NEEDS = {"database": ("shared-db", ""), "messaging": ("amqp", "url")}


class TestRequire:
    def test_a_missing_relation_blocks(self, juju: FakeJuju) -> None:
        with pytest.raises(NotReady, match=r"^Missing relations: database, messaging$") as caught:
            standin.require(unit(juju), NEEDS)
        assert caught.value.state == "blocked"

    def test_an_incomplete_answer_waits(self, related: FakeJuju) -> None:
        fire(related, "created", rid="shared-db:1")
        with pytest.raises(NotReady) as caught:
            standin.require(unit(related), NEEDS)
        assert str(caught.value) == "Missing relations: messaging; incomplete relations: database"
        fire(related, "created")
        with pytest.raises(NotReady, match=r"^Incomplete relations: database$") as caught:
            standin.require(unit(related), NEEDS)
        assert caught.value.state == "waiting"


class TestWorkload:
    def test_a_file_is_written_once(self, tmp_path: Path) -> None:
        path = tmp_path / "etc/a.conf"
        assert workload.write(path, "text", mode=0o640)
        before = path.stat()
        assert not workload.write(path, "text", mode=0o640)
        assert path.stat().st_mtime_ns == before.st_mtime_ns
        assert stat.S_IMODE(before.st_mode) == 0o640
        assert [entry.name for entry in path.parent.iterdir()] == ["a.conf"]

    def test_services_restart_only_for_a_changed_file(self, juju: FakeJuju) -> None:
        path = juju.root / "etc/a.conf"

        def serve(content: str, hook: str = "update-status") -> list[list[str]]:
            workload.write(path, content)
            juju.forget()
            workload.serve(unit(juju, hook), ["a", "b"], "etc/a.conf")
            return [call["argv"] for call in juju.calls("systemctl")]

        assert serve("one") == [["enable", "--quiet", "a", "b"], ["restart", "a", "b"]]
        assert serve("one") == []
        assert serve("one", "start") == [["start", "a", "b"]]
        assert serve("two")[-1] == ["restart", "a", "b"]

    def test_a_restart_that_failed_is_tried_again(self, juju: FakeJuju) -> None:
        workload.write(juju.root / "etc/a.conf", "one")
        juju.set(failing=["systemctl"])
        with pytest.raises(RuntimeError, match="systemctl enable --quiet ended with 1"):
            workload.serve(unit(juju), ["a"], "etc/a.conf")
        juju.set(failing=[])
        juju.forget()
        workload.serve(unit(juju), ["a"], "etc/a.conf")
        assert juju.calls("systemctl")[-1]["argv"] == ["restart", "a"]

    def test_ini_leaves_out_what_has_no_value(self) -> None:
        text = workload.ini({"a": {"x": 1, "y": None, "z": ""}, "b": {"w": False}})
        assert text.splitlines()[1:] == ["[a]", "x = 1", "[b]", "w = False"]

    def test_uwsgi_keeps_the_package_s_other_settings(self, tmp_path: Path) -> None:
        path = tmp_path / "uwsgi.ini"
        path.write_text("[uwsgi]\nprocesses = 8\nmaster = true\nthreads=32\n")
        assert workload.tune_uwsgi(path, 2, 1, "http-socket = :35357")
        expected = ["[uwsgi]", "master = true", "processes = 2", "threads = 1"]
        expected += ["add-header = Connection: close", "http-socket = :35357"]
        assert path.read_text().splitlines() == expected
        assert not workload.tune_uwsgi(path, 2, 1, "http-socket = :35357")

    def test_config_flags(self) -> None:
        assert workload.flags("a=1, b = x=y,junk") == {"a": "1", "b": "x=y"}
        assert workload.flags("") == {}
