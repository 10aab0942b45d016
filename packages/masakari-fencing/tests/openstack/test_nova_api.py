"""For how long a hypervisor is up, asked of Nova over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fencing_masakari import FakeMasakari
from keystoneauth1 import session as ks
from keystoneauth1.token_endpoint import Token
from masakari_fencing.openstack.nova_api import NovaApi
from masakari_fencing.openstack.rest import ApiError


@pytest.fixture
def cloud() -> Iterator[FakeMasakari]:
    server = FakeMasakari(["node1.maas", "node2.maas"])
    yield server
    server.close()


@pytest.fixture
def nova(cloud: FakeMasakari) -> NovaApi:
    return NovaApi(ks.Session(auth=Token(cloud.url, "token")), 30)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (" 14:35:01 up 12 days,  3:04,  2 users,  load average: 0.1, 0.2, 0.3\n", 1047840),
        (" 14:35:01 up 1 day, 2 min,  0 users,  load average: 0.1, 0.2, 0.3\n", 86520),
        (" 14:35:01 up  3:04,  1 user,  load average: 0.1, 0.2, 0.3\n", 11040),
        (" 14:35:01 up 5 min,  0 users,  load average: 0.1, 0.2, 0.3\n", 300),
        ("anything else", 0),
    ],
)
def test_what_uptime_prints(cloud: FakeMasakari, nova: NovaApi, said: str, seconds: float) -> None:
    cloud.uptimes["node1.maas"] = said
    assert nova.up_for("NODE1.maas") == seconds


def test_one_host_is_asked_for_however_many_there_are(cloud: FakeMasakari, nova: NovaApi) -> None:
    for n in range(3, 30):
        cloud.hosts[f"node{n}.maas"] = {"id": n, "uuid": f"u{n}", "name": f"node{n}.maas"}
    cloud.page = 10
    cloud.uptimes["node20.maas"] = " 14:35:01 up 5 min,  0 users"
    assert nova.up_for("Node20.maas") == 300
    assert len(cloud.requests) == 2
    cloud.renamed["node20.maas"] = "another"
    assert nova.up_for("node20.maas") == 300


def test_a_host_whose_nova_compute_does_not_say(cloud: FakeMasakari, nova: NovaApi) -> None:
    assert nova.up_for("node1.maas") == 0
    assert nova.up_for("unknown") == 0


def test_a_nova_that_does_not_answer_is_an_error(cloud: FakeMasakari, nova: NovaApi) -> None:
    cloud.broken = 503
    with pytest.raises(ApiError):
        nova.up_for("node1.maas")


@pytest.mark.parametrize(
    ("state", "task", "user", "down"),
    [
        ("stopped", None, None, True),
        ("stopped", None, "own", True),
        ("stopped", "powering-on", "own", True),
        ("active", "powering-off", None, True),
        ("stopped", None, "owner", False),
        ("active", None, "own", False),
        ("error", None, "own", False),
    ],
)
def test_whether_an_instance_waits_for_its_recovery(
    cloud: FakeMasakari,
    nova: NovaApi,
    state: str,
    task: str | None,
    user: str | None,
    down: bool,
) -> None:
    cloud.instances["g1"] = (
        {"OS-EXT-STS:vm_state": state, "OS-EXT-STS:task_state": task},
        [
            {"action": "stop", "start_time": "2026-11-21T07:00:02.000000", "user_id": user},
            {"action": "create", "start_time": "2026-11-21T07:00:01.000000", "user_id": "owner"},
            {
                "action": "unlock",
                "start_time": "2026-11-21T07:00:03.000000",
                "user_id": "operator",
            },
        ],
    )
    nova._session.get_user_id = lambda: "own"  # type: ignore[method-assign]
    assert nova.stays_down("g1") is down
    with pytest.raises(ApiError):
        nova.stays_down("unknown")
