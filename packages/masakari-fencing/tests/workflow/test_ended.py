"""When an engine has ended, its recoveries go to others."""

from __future__ import annotations

import socket

import pytest
from fencing_cib import Cib
from masakari_fencing import processes
from masakari_fencing.records.recoveries import Records
from masakari_fencing.records.recovery import FAILED, End, Record
from masakari_fencing.workflow import ended

HOST = "node1.maas"


@pytest.fixture
def cib(monkeypatch: pytest.MonkeyPatch) -> Cib:
    monkeypatch.setattr(socket, "gethostname", lambda: "juju-1")
    return Cib()


def engine(cib: Cib) -> str:
    record = Records(cib).read(HOST)
    assert record is not None
    return record.engine


@pytest.mark.parametrize(
    ("owner", "end", "left"),
    [
        ("juju-1.0.1.2", None, ""),
        ("juju-2.0.1.2", None, "juju-2.0.1.2"),
        ("juju-1.0.1.2", End(FAILED, "so it is", 5.0), "juju-1.0.1.2"),
    ],
    ids=["its own", "another's", "one that has ended"],
)
def test_which_are_struck_out(cib: Cib, owner: str, end: End | None, left: str) -> None:
    Records(cib).create(Record(HOST, "notification", owner, end=end))
    assert ended.main(cib) == 0
    assert engine(cib) == left


def test_one_that_lives_goes_on(cib: Cib) -> None:
    living = processes.identity()
    Records(cib).create(Record(HOST, "notification", living))
    assert ended.main(cib) == 0
    assert engine(cib) == living


def test_a_cluster_without_quorum(cib: Cib, caplog: pytest.LogCaptureFixture) -> None:
    Records(cib).create(Record(HOST, "notification", "juju-1.0.1.2"))
    cib.quorum(False)
    assert ended.main(cib) == 1
    assert "wait for the notifier" in caplog.text
    cib.quorum(True)
    assert engine(cib) == "juju-1.0.1.2"
