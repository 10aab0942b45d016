"""Secrets of the model's user: who may read them, which revision, and who is told of a new one."""

import shutil
import sys
from pathlib import Path

import pytest
from jujulab.engine.hooktools import tools as hooktools
from jujulab.engine.hooktools.context import Context
from jujulab.engine.model import usersecrets
from jujulab.engine.model.state import Hook
from jujulab.juju.errors import JujuError, NotFoundError

READER = """\
import dataclasses
import sys

sys.path[:0] = {path}
import ops
import key_secret


@dataclasses.dataclass
class Config:
    ssl_key_secret: ops.Secret | None = None


class Reader(ops.CharmBase):
    def __init__(self, framework):
        super().__init__(framework)
        for event in (self.on.config_changed, self.on.secret_changed):
            framework.observe(event, self.look)

    def look(self, event):
        secret = self.load_config(Config).ssl_key_secret
        try:
            key = key_secret.private_key(secret) if secret else "none"
        except ValueError as error:
            key = str(error)
        self.unit.status = ops.ActiveStatus(" ".join(key.split()))


ops.main(Reader)
"""
METADATA = "name: reader\nsummary: Reads a key.\n"
CONFIG = "options: {ssl-key-secret: {type: secret, description: A key.}}\n"
KEY = "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n"
REPOSITORY = Path(__file__).parents[3]
SOURCES = ("charms/masakari/src", "packages/instance-ha-common/src")


def read(bench, secret: str, *flags: str) -> tuple[int, str, str]:
    """Run secret-get in a unit of web."""
    context = Context(bench.model, bench.model.unit("web/0"), lambda level, text: None)
    return hooktools.run(context, ["secret-get", secret, *flags, "--format=json"], "")


def test_only_those_that_it_is_granted_to_read_it(bench):
    bench.deploy("principal", "web")
    bench.settle()
    secret = usersecrets.add(bench.model, "tls", {"ssl-key": "a"})
    assert read(bench, f"secret:{secret.id}") == (1, "", "ERROR permission denied\n")
    usersecrets.grant(bench.model, "tls", ["web"])
    assert bench.settle() == [], "Juju tells nobody of a grant"
    assert read(bench, f"secret:{secret.id}") == (0, '{"ssl-key":"a"}\n', "")
    assert read(bench, f"secret:{'0' * 20}")[2].endswith("not found\n")
    with pytest.raises(NotFoundError):
        usersecrets.grant(bench.model, "tls", ["nowhere"])


def test_a_unit_that_reads_it_is_told_once_of_a_new_revision_and_takes_it_when_it_wants(bench):
    bench.deploy("principal", "web", units=2)
    secret = usersecrets.add(bench.model, "tls", {"ssl-key": "a"})
    usersecrets.grant(bench.model, secret.id, ["web"])
    bench.settle()
    assert read(bench, secret.id)[1] == '{"ssl-key":"a"}\n'
    usersecrets.update(bench.model, "tls", {"ssl-key": "a"})
    assert bench.settle() == [], "the same is no new revision"
    usersecrets.update(bench.model, "tls", {"ssl-key": "b"})
    assert bench.settle() == ["web/0 secret-changed"]
    assert read(bench, secret.id)[1] == '{"ssl-key":"a"}\n'
    assert read(bench, secret.id, "--peek")[1] == '{"ssl-key":"b"}\n'
    assert read(bench, secret.id)[1] == '{"ssl-key":"a"}\n'
    assert read(bench, secret.id, "--refresh")[1] == '{"ssl-key":"b"}\n'
    assert read(bench, secret.id)[1] == '{"ssl-key":"b"}\n'
    assert bench.settle() == []


def test_a_hook_knows_which_secret_it_is_about(bench):
    bench.deploy("principal", "web")
    bench.settle()
    hook = Hook("secret-changed", secret="cafe", version=2)
    context = Context(bench.model, bench.model.unit("web/0"), lambda level, text: None, hook=hook)
    environment = context.environment("/var/lib/juju", "@socket")
    assert environment["JUJU_SECRET_ID"] == "secret:cafe"
    assert environment["JUJU_DISPATCH_PATH"] == "hooks/secret-changed"


@pytest.mark.parametrize("content", [{}, {"a": "x"}, {"Key": "x"}, {"key-": "x"}])
def test_what_is_no_content_is_refused(bench, content):
    with pytest.raises(JujuError, match=r"not valid|missing secret value"):
        usersecrets.add(bench.model, "tls", content)


def test_the_commands(juju, tmp_path):
    key = tmp_path / "key.pem"
    key.write_text("KEY\n")
    uri = juju.cli("add-secret", "tls", f"ssl-key#file={key}", "other#base64=eA==").strip()
    secret = juju.cli("add-secret", "more", "key=v").strip()
    assert uri.startswith("secret:") and len(uri) == 27 and uri != secret
    juju.cli("update-secret", "tls", "ssl-key=b")
    assert "already exists" in juju.refused("add-secret", "tls", "key=v").stderr
    assert 'application "web"' in juju.refused("grant-secret", uri, "web").stderr
    assert "none.pem" in juju.refused("add-secret", "x", "key#file=none.pem").stderr
    assert "not base64" in juju.refused("add-secret", "x", "key#base64=!").stderr


@pytest.fixture
def reader(tmp_path: Path) -> Path:
    """A charm with the real ops that reads its key as masakari does."""
    charm = tmp_path / "reader"
    charm.mkdir()
    files = {
        "metadata.yaml": METADATA,
        "config.yaml": CONFIG,
        "charm.py": READER.format(path=[str(REPOSITORY / source) for source in SOURCES]),
        "dispatch": f"#!/bin/sh\nexec {sys.executable} charm.py\n",
    }
    for name, text in files.items():
        (charm / name).write_text(text)
    (charm / "dispatch").chmod(0o755)
    archive = shutil.make_archive(str(tmp_path / "reader"), "zip", charm)
    return Path(shutil.move(archive, tmp_path / "reader.charm"))


@pytest.mark.timeout(300)
def test_a_charm_reads_what_its_operator_grants_changes_and_spoils(juju, reader):
    def shows(text: str) -> None:
        juju.until(
            lambda status: any(
                text in unit.workload_status.message
                for unit in status.get_units("reader").values()
            )
        )

    uri = juju.cli("add-secret", "tls", f"ssl-key={KEY.format('QQ')}").strip()
    juju.deploy(reader, "reader")
    shows("none")
    juju.config("reader", {"ssl-key-secret": uri})
    shows("this application cannot read that secret: run juju grant-secret")
    juju.cli("grant-secret", "tls", "reader")
    juju.config("reader", reset="ssl-key-secret")
    shows("none")
    juju.config("reader", {"ssl-key-secret": uri})
    shows("PRIVATE KEY----- QQ")
    juju.cli("update-secret", "tls", f"ssl-key={KEY.format('RR')}")
    shows("PRIVATE KEY----- RR")
    juju.cli("update-secret", "tls", "key=x")
    shows("has no key ssl-key")
