"""Requests to the APIs of OpenStack, and what their answers mean."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import quote

LOG = logging.getLogger(__name__)

_ADDRESS = re.compile(r" object at 0x[0-9a-f]+")
"""Where Python has put an object: the same trouble would read differently each time."""

CATALOG = "catalog"
"""Stands for the endpoint in the service catalog among the endpoints to try."""


class ApiError(Exception):
    """The API, or Keystone before it, did not do what it was asked; trying again may help."""


class BadRequest(ApiError):  # noqa: N818 - the API's answer, not an accident
    """The API refuses the request for what it says."""


class Conflict(ApiError):  # noqa: N818 - the API's answer, not an accident
    """The API refuses the request in the present state of the host."""


class _Foreign(ApiError):  # noqa: N818 - whose answer it is, not an accident
    """The answer is none of the API's: something in front of it spoke, or it is broken."""


class Session(Protocol):
    """What is used of `keystoneauth1.session.Session`."""

    def request(self, url: str, method: str, **options: Any) -> Any:
        """Send a request; see keystoneauth1."""
        ...

    def get_user_id(self) -> str | None:
        """Return in whose name requests are sent."""
        ...


class Client:
    """Talks to the first endpoint of a service that answers.

    Args:
        session: an authenticated session.
        endpoints: URLs up to and with the API's version, or `catalog`.
        timeout: seconds for one request.
        options: endpoint filter for the catalog: service_type, region_name, interface.
    """

    def __init__(
        self,
        session: Session,
        endpoints: Sequence[str],
        timeout: float,
        options: Mapping[str, str],
    ) -> None:
        self._session = session
        self._endpoints = list(endpoints)
        self._timeout = timeout
        self._filter = dict(options)

    def _list(self, path: str, key: str, **query: str) -> Iterator[Any]:
        """Yield all entries of one of Masakari's lists, page by page, until a page is empty.

        Masakari gives no more than a thousand at once, or as few as its operator has set. The next
        page is asked for by the number `id` of the last entry, not by its UUID as elsewhere in
        OpenStack: that is refused, or taken for the number that it begins with (seen in the
        source of the releases 13 to 22: `filter_by(id=marker)`).

        Raises:
            ApiError: the API did not answer, or not with such a list.
        """
        seen: set[int] = set()
        while True:
            search = "&".join(f"{name}={quote(value)}" for name, value in query.items())
            page = self._request("GET", f"{path}?{search}" if search else path).get(key)
            if not isinstance(page, list):
                raise ApiError(f"GET {path}: the answer has no list of {key}")
            yield from page
            if not page:
                return
            marker = page[-1].get("id") if isinstance(page[-1], dict) else None
            if not isinstance(marker, int) or marker in seen:
                raise ApiError(f"GET {path}: there is no next page of {key} after id {marker}")
            seen.add(marker)
            query["marker"] = str(marker)

    def _request(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        failure = "no endpoint is configured"
        for endpoint in self._endpoints:
            try:
                answer = self._send(endpoint, method, path, options)
            except Exception as error:  # keystoneauth1 and requests have many of their own
                failure = f"{endpoint}: {describe(error)}"
                LOG.debug("%s %s at %s", method, path, failure)
                continue
            try:
                return _body(answer, f"{method} {path}")
            except _Foreign as error:
                failure = f"{endpoint}: {error}"
        raise ApiError(failure)

    def _send(self, endpoint: str, method: str, path: str, options: dict[str, Any]) -> Any:
        where: dict[str, Any] = (
            {"endpoint_filter": self._filter}
            if endpoint == CATALOG
            else {"endpoint_override": endpoint}
        )
        return self._session.request(
            path,
            method,
            raise_exc=False,
            authenticated=True,
            connect_retries=0,
            timeout=self._timeout,
            headers={"Accept": "application/json"},
            **where,
            **options,
        )


def describe(error: Exception) -> str:
    """Return an error's kind and text, the same each time that it happens."""
    return f"{type(error).__name__}: {_ADDRESS.sub('', str(error))}"


def _body(answer: Any, what: str) -> dict[str, Any]:
    """Return the content of an answer."""
    code = answer.status_code
    content = str(answer.text or "")
    try:
        data = answer.json() if content else {}
    except (ValueError, RecursionError):
        data = None
    if code >= 500 or not isinstance(data, dict):
        raise _Foreign(f"HTTP {code}: {content[:100] or 'no text'}")
    told = f"{what}: HTTP {code}: {content[:300]}"
    if code == 400:
        raise BadRequest(told)
    if code == 409:
        raise Conflict(told)
    if code >= 300:
        raise ApiError(told)
    return data


def text(item: object, name: str) -> str:
    """Return an attribute that an entry must have.

    Raises:
        ApiError: it has none.
    """
    value = item.get(name) if isinstance(item, dict) else None
    if not isinstance(value, str) or not value:
        raise ApiError(f"the answer has an entry without {name}")
    return value
