"""What answers of an API mean, over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fencing_masakari import FakeMasakari
from keystoneauth1 import session as ks
from keystoneauth1.token_endpoint import Token
from masakari_fencing.openstack import rest
from masakari_fencing.openstack.rest import CATALOG, ApiError, Client


@pytest.fixture
def server() -> Iterator[FakeMasakari]:
    fake = FakeMasakari()
    yield fake
    fake.close()


def client(*endpoints: str) -> Client:
    return Client("Masakari", ks.Session(auth=Token("http://127.0.0.1:9", "t")), endpoints, 2, {})


class Answering:
    """A session that gets one answer to everything."""

    def __init__(self, code: int, text: str) -> None:
        self.status_code, self.text, self.headers = code, text, {"Date": ""}

    def request(self, url: str, method: str, **options: Any) -> Any:
        return self

    def json(self) -> Any:
        return json.loads(self.text)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, rest.BadRequest),
        (401, ApiError),
        (403, rest.Forbidden),
        (404, rest.NotFound),
        (405, rest.Unfit),
        (406, rest.Unfit),
        (409, rest.Conflict),
        (503, ApiError),
    ],
)
def test_an_error_document_is_told_in_the_words_of_the_api(code: int, kind: type) -> None:
    session = Answering(code, '{"conflictingRequest": {"code": 1, "message": "It is in use."}}')
    with pytest.raises(ApiError) as caught:
        Client("Nova", session, [CATALOG], 2, {}).request("GET", "/x")  # type: ignore[arg-type]
    assert str(caught.value) == "Nova: It is in use."
    assert isinstance(caught.value, kind)


@pytest.mark.parametrize("text", ['"in use"', "[1]", "<h1>Conflict</h1>"])
@pytest.mark.parametrize("code", [400, 404, 409])
def test_a_refusal_that_is_no_error_document_is_not_the_apis(code: int, text: str) -> None:
    """Else a proxy's answer would end what only the API may end."""
    session = Answering(code, text)
    with pytest.raises(ApiError) as caught:
        Client("Nova", session, [CATALOG], 2, {}).request("GET", "/x")  # type: ignore[arg-type]
    assert not isinstance(caught.value, (rest.BadRequest, rest.NotFound, rest.Conflict))


def test_what_does_not_come_from_the_api_is_asked_of_the_next_endpoint(
    server: FakeMasakari,
) -> None:
    assert client("http://127.0.0.1:9/v1", server.url).request("GET", "/segments")["segments"]
    server.raw = "<h1>No server</h1>"
    with pytest.raises(ApiError, match=r"^Masakari: .* is not JSON, or no object$"):
        client(server.url).request("GET", "/segments")


def test_an_api_that_the_cloud_does_not_have_is_not_found() -> None:
    class Without(Answering):
        def request(self, url: str, method: str, **options: Any) -> Any:
            from keystoneauth1.exceptions import EndpointNotFound

            raise EndpointNotFound

    session = Without(0, "")
    with pytest.raises(rest.NotFound, match=r"^Barbican: "):
        Client("Barbican", session, [CATALOG], 2, {}).request("GET", "/x")  # type: ignore[arg-type]


def test_a_clock_is_compared_as_far_as_its_date_goes(server: FakeMasakari) -> None:
    asked = client(server.url)
    assert asked.ahead is None
    asked.request("GET", "/segments")
    assert asked.ahead is not None
    assert abs(asked.ahead) < 60, "it is this machine's"
