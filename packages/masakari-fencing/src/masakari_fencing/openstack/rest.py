"""Requests to the APIs of OpenStack, and what their answers mean."""

from __future__ import annotations

import email.utils
import logging
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import quote

LOG = logging.getLogger(__name__)

_ADDRESS = re.compile(r" object at 0x[0-9a-f]+")
"""Where Python has put an object: the same trouble would read differently each time."""

CATALOG = "catalog"
"""Stands for the endpoint in the service catalog among the endpoints to try."""

CONNECT_DELAY = 2.0
"""Seconds between two attempts to connect."""

RETRIES, RETRY_DELAY, PASSING = 2, 0.2, (502, 503)
"""How often a question is asked once more that what stands before an API answers, as a proxy does
that has just lost one of its backends; after how many seconds; and the statuses. A look at a large
cloud is a hundred questions: with one lost of a hundred, most looks would be in vain."""


class ApiError(Exception):
    """The API, or Keystone before it, did not do what it was asked; trying again may help.

    The text names the API, and says why in its own words where it has any.
    """


class BadRequest(ApiError):  # noqa: N818 - the API's answer, not an accident
    """The API refuses the request for what it says (status 400)."""


class Forbidden(ApiError):  # noqa: N818 - the API's answer, not an accident
    """The user may not do that (status 403)."""


class NotFound(ApiError):  # noqa: N818 - the API's answer, not an accident
    """There is no such thing (status 404), or no such API in the cloud."""


class Conflict(ApiError):  # noqa: N818 - the API's answer, not an accident
    """The API refuses the request in the present state of what it is about (status 409)."""


class Unfit(ApiError):  # noqa: N818 - the API's answer, not an accident
    """The API has that, but not for this method (status 405), or not in this form (406)."""


class _Foreign(ApiError):  # noqa: N818 - whose answer it is, not an accident
    """The answer is none of the API's: something in front of it spoke, or it is broken."""


_REFUSALS = {
    400: BadRequest,
    403: Forbidden,
    404: NotFound,
    405: Unfit,
    406: Unfit,
    409: Conflict,
}


class Session(Protocol):
    """What is used of `keystoneauth1.session.Session`."""

    def request(self, url: str, method: str, **options: Any) -> Any:
        """Send a request; see keystoneauth1."""
        ...

    def get_user_id(self) -> str | None:
        """Return in whose name requests are sent."""
        ...


def make_session(keystone: Mapping[str, str], timeout: float) -> Any:
    """Return a keystoneauth1 session; nothing is sent yet.

    Args:
        keystone: auth_url, username, password and project_name; cafile with trusted authorities,
            user_domain_name and project_domain_name may be missing.
        timeout: seconds for a login, and for a request that has no limit of its own.
    """
    # Not at the top of the module: the charm's hooks, unlike actions, need none of it, and it is
    # slow.
    from keystoneauth1 import session
    from keystoneauth1.identity import v3

    auth = v3.Password(
        auth_url=keystone["auth_url"],
        username=keystone["username"],
        password=keystone["password"],
        project_name=keystone["project_name"],
        user_domain_name=keystone.get("user_domain_name", "default"),
        project_domain_name=keystone.get("project_domain_name", "default"),
    )
    return session.Session(auth=auth, verify=keystone.get("cafile") or True, timeout=timeout)


class Client:
    """Talks to the first endpoint of a service that answers.

    Args:
        name: what the service is called.
        session: an authenticated session.
        endpoints: URLs up to and with the API's version, or `catalog`.
        timeout: seconds for one request.
        options: endpoint filter for the catalog: service_type, region_name, interface.
        microversion: of the API, where a request names no other; None for its lowest.
        connect_retries: how often an endpoint is tried again that accepts no connections.

    Attributes:
        ahead: by how many seconds the API's clock is ahead of this machine's, as far as a date in
            whole seconds shows; 0 where they may agree, None before the first answer.
    """

    def __init__(
        self,
        name: str,
        session: Session,
        endpoints: Sequence[str],
        timeout: float,
        options: Mapping[str, str],
        microversion: str | None = None,
        *,
        connect_retries: int = 0,
    ) -> None:
        self._name = name
        self._session = session
        self._endpoints = list(endpoints)
        self._timeout = timeout
        self._filter = dict(options)
        self._microversion = microversion
        self._retries = connect_retries
        self.ahead: float | None = None

    def listed(self, path: str, key: str, **query: str) -> Iterator[Any]:
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
            page = self.request("GET", f"{path}?{search}" if search else path).get(key)
            if not isinstance(page, list):
                raise ApiError(f"{self._name}: GET {path}: the answer has no list of {key}")
            yield from page
            if not page:
                return
            marker = page[-1].get("id") if isinstance(page[-1], dict) else None
            if not isinstance(marker, int) or marker in seen:
                raise ApiError(
                    f"{self._name}: GET {path}: there is no next page of {key} after id {marker}"
                )
            seen.add(marker)
            query["marker"] = str(marker)

    def request(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """Return the document that a request is answered with; empty where there is none.

        Args:
            method: of HTTP.
            path: below the endpoint.
            options: of `keystoneauth1.session.Session.request`, such as `json`.

        Raises:
            ApiError: no endpoint answered; those below it: what the API says.
        """
        refusal = ApiError(f"{self._name}: no endpoint is configured")
        for endpoint in self._endpoints:
            where = f"{endpoint}: " if len(self._endpoints) > 1 else ""
            begin = time.time()
            try:
                answer = self._send(endpoint, method, path, options)
            except Exception as error:  # keystoneauth1 and requests have many of their own
                kind = NotFound if type(error).__name__ == "EndpointNotFound" else ApiError
                refusal = kind(f"{self._name}: {where}{_plain(error)}")
                LOG.debug("%s %s: %s", method, path, refusal)
                continue
            self.ahead = _ahead(answer.headers.get("Date"), begin, time.time())
            try:
                return _body(answer, f"{self._name}: {where}", f"{method} {path}")
            except _Foreign as error:
                refusal = error
        raise refusal

    def _send(self, endpoint: str, method: str, path: str, options: dict[str, Any]) -> Any:
        where = {} if endpoint == CATALOG else {"endpoint_override": endpoint}
        return self._session.request(
            path,
            method,
            raise_exc=False,
            authenticated=True,
            connect_retries=self._retries,
            connect_retry_delay=CONNECT_DELAY,
            # Whatever changes something may have been carried out.
            status_code_retries=RETRIES if method == "GET" else 0,
            retriable_status_codes=PASSING,
            status_code_retry_delay=RETRY_DELAY,
            timeout=self._timeout,
            headers={"Accept": "application/json"},
            endpoint_filter=self._filter,
            **where,
            **{"microversion": self._microversion, **options},
        )


def describe(error: Exception) -> str:
    """Return an error's kind and text, the same each time that it happens."""
    return f"{type(error).__name__}: {_ADDRESS.sub('', str(error))}"


def _plain(error: Exception) -> str:
    return _ADDRESS.sub("", str(error)) or type(error).__name__


def _body(answer: Any, who: str, what: str) -> dict[str, Any]:
    """Return the content of an answer."""
    code = answer.status_code
    try:
        data = answer.json() if answer.text else {}
    except (ValueError, RecursionError):
        data = None
    if code >= 300:
        foreign = code >= 500 or not isinstance(data, dict)
        refused = _Foreign if foreign else _REFUSALS.get(code, ApiError)
        raise refused(f"{who}{_message(data) or f'HTTP status {code}'}")
    if not isinstance(data, dict):
        raise _Foreign(f"{who}the answer to {what} is not JSON, or no object")
    return data


def _message(data: Any) -> str:
    """What an API says in its error document, which has one entry of any name."""
    try:
        [error] = data.values()
        return str(error["message"])
    except (ValueError, AttributeError, KeyError, TypeError):
        return ""


def _ahead(date: str | None, begin: float, end: float) -> float:
    """By how many seconds at least another clock is ahead (behind: negative) of this one.

    Args:
        date: the other's, in an answer of HTTP: some moment of a whole second.
        begin: when the request was sent, by this machine's clock.
        end: when the answer was here.
    """
    if not date:
        return 0.0
    try:
        moment = email.utils.parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        return 0.0
    if moment > end:
        return moment - end
    return min(0.0, moment + 1 - begin)


def text(item: object, name: str) -> str:
    """Return an attribute that an entry must have.

    Raises:
        ApiError: it has none.
    """
    value = item.get(name) if isinstance(item, dict) else None
    if not isinstance(value, str) or not value:
        raise ApiError(f"the answer has an entry without {name}")
    return value
