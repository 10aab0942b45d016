"""The two APIs."""

from __future__ import annotations

import logging

import pytest
from masakari_fencing.openstack.rest import ApiError

from fakecloud import FakeCloud, connect, create
from segments.segments import Segments

ONE, TWO, THREE = "node1.maas", "node2.maas", "node3.maas"


class TestCloud:
    def test_error_documents(self, segments: Segments, cloud: FakeCloud) -> None:
        create(segments, hosts=[ONE])
        cloud.busy |= set(cloud.segments)
        with pytest.raises(ApiError, match="Masakari: Host can't be updated as it is in-use"):
            segments.remove_hosts("rack1", [ONE])

    @pytest.mark.parametrize(
        ("status", "body", "text"),
        [
            (500, "<html>", "HTTP status 500"),
            (400, "{}", "HTTP status 400"),
            (200, "x", "is not JSON"),
            (200, "[]", "no object"),
            (200, "{}", "has no list of segments"),
        ],
    )
    def test_strange_answers(self, cloud: FakeCloud, status: int, body: str, text: str) -> None:
        client = connect(cloud)
        client.segments()  # authenticates
        cloud.broken = (status, body)
        with pytest.raises(ApiError, match=text):
            client.segments()

    def test_an_api_that_does_not_listen_yet_is_waited_for(
        self, cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        waits: list[float] = []
        monkeypatch.setattr("keystoneauth1.session.time.sleep", waits.append)
        client = connect(cloud, masakari_url="http://127.0.0.1:9/v1")
        with pytest.raises(ApiError, match="Masakari: Unable to establish connection"):
            client.segments()
        assert 20 <= sum(waits) <= 60

    def test_authorities_that_are_missing(
        self, cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The library raises an error of the operating system then."""
        monkeypatch.setattr(cloud, "url", "https://127.0.0.1:9")
        client = connect(cloud, ca_bundle="/nowhere", patient=False)
        with pytest.raises(ApiError, match="Nova: Could not find a suitable TLS CA certificate"):
            client.compute_services()

    def test_wrong_password(self, cloud: FakeCloud, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        client = connect(cloud)
        cloud.broken = None
        client._masakari._session.auth.auth_methods[0].password = "wrong-secret"
        with pytest.raises(ApiError, match="HTTP 401"):
            client.segments()
        assert "wrong-secret" not in caplog.text

    def test_region_without_nova(self, cloud: FakeCloud) -> None:
        with pytest.raises(ApiError, match=r"Nova: .*RegionTwo"):
            connect(cloud, region="RegionTwo").compute_services()
