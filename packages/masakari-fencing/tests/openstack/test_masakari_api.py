"""The requests to Masakari's API, over real HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from fencing_masakari import FakeMasakari
from fencing_notifier import HOST
from keystoneauth1 import session as ks
from keystoneauth1.token_endpoint import Token
from masakari_fencing.openstack.masakari_api import MasakariApi, UnknownHost
from masakari_fencing.openstack.rest import ApiError


@pytest.fixture
def masakari() -> Iterator[FakeMasakari]:
    server = FakeMasakari([HOST, "node2.maas"])
    yield server
    server.close()


def test_errors_of_the_api_are_told_apart(masakari: FakeMasakari) -> None:
    api = MasakariApi(ks.Session(auth=Token("http://x/", "t")), [masakari.url], 30)
    with pytest.raises(UnknownHost):
        api.find_host("node9.maas")
    with pytest.raises(ApiError, match="404"):
        api.request("GET", "/nothing")
    assert api.find_host("NODE1.maas").name == HOST


@pytest.mark.parametrize("status", [502, 503])
def test_a_question_that_is_lost_is_asked_again(
    masakari: FakeMasakari, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    handle, lost = masakari.handle, set()

    def shaky(method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Each request is lost once."""
        if (method, path) in lost:
            return handle(method, path, body)
        lost.add((method, path))
        return status, {}

    monkeypatch.setattr(masakari, "handle", shaky)
    api = MasakariApi(ks.Session(auth=Token("http://x/", "t")), [masakari.url], 2)
    assert sorted(host.name for host in api.hosts()) == [HOST, "node2.maas"]
    with pytest.raises(ApiError):
        api.notify(HOST, time.time())
    assert len([one for one in masakari.requests if one.startswith("POST")]) == 1
    masakari.broken = status
    masakari.requests.clear()
    with pytest.raises(ApiError):
        list(api.hosts())
    assert len(masakari.requests) == 3, "and not for ever"


def test_the_recoveries_that_masakari_works_on(masakari: FakeMasakari) -> None:
    api = MasakariApi(ks.Session(auth=Token("http://x/", "t")), [masakari.url], 30)
    wanted = [masakari.add(HOST, 1.0, "running"), masakari.add(HOST, 3.0, "running", kind="VM")]
    masakari.add(HOST, 2.0, "finished")
    started = masakari.add(HOST, 4.0, "running")
    started["payload"] = {"event": "STARTED"}
    found = api.running()
    assert {item.uuid for item in found} == {item["notification_uuid"] for item in wanted}
    assert {item.host for item in found} == {masakari.hosts[HOST]["uuid"]}


def test_a_list_that_never_ends_is_an_error(masakari: FakeMasakari) -> None:
    masakari.raw = (
        '{"segments": [{"id": 1, "uuid": "s"}], "hosts": [{"id": 1, "uuid": "a", "name": "b"}]}'
    )
    api = MasakariApi(ks.Session(auth=Token("http://x/", "t")), [masakari.url], 30)
    with pytest.raises(ApiError, match="no next page"):
        list(api.hosts())


def test_the_same_trouble_reads_the_same() -> None:
    """Or the journal would have a line for each attempt."""

    class Refusing:
        def request(self, url: str, method: str, **options: object) -> object:
            raise ConnectionError(f"{object()!r}: Connection refused")

    api = MasakariApi(Refusing(), ["http://127.0.0.1:9/v1"], 30)
    texts = set()
    for _ in range(2):
        with pytest.raises(ApiError) as caught:
            list(api.hosts())
        texts.add(str(caught.value))
    assert len(texts) == 1
    assert "0x" not in texts.pop()


def test_which_recoveries_of_instances_have_failed(masakari: FakeMasakari) -> None:
    now = time.time()
    item = masakari.add(HOST, now, "failed", kind="VM")
    item["payload"] = {"event": "LIFECYCLE", "instance_uuid": "g1"}
    masakari.add(HOST, now, "failed")
    masakari.add(HOST, now, "finished", kind="VM")
    api = MasakariApi(ks.Session(auth=Token("http://x/", "t")), [masakari.url], 30)
    assert [found.instance for found in api.failed_instances(now - 60)] == ["g1"]
    assert api.failed_instances(now + 60) == []
