"""One request after the other to the API of MAAS, within a limit of time.

MAAS and the power controllers behind it are slow or moody at times, above all while power is
being cut. What may pass is tried again until the time is up; only what no repetition mends ends
an attempt at once. The key goes nowhere but to where the MAAS URL points.
"""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable
from email.message import Message
from typing import IO

FIRST_TIMEOUT = 15.0
"""Seconds for the first attempt of a request; each further one waits twice as long for an answer:
one that is lost must not use up the time, and a slow controller must get its answer through."""

PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Seconds before each repetition; the last is kept to."""

REDIRECTS = 4
"""How many redirects in a row are followed."""

_PASSING = frozenset({408, 409, 423, 425, 429})
"""HTTP errors below 500 that may pass; MAAS answers 409 while it works on the machine."""

_MAX_ANSWER = 64 * 1024 * 1024
"""Bytes; MAAS tells some 20 KiB of each machine."""


class MaasError(Exception):
    """MAAS does not answer, or the power is not as it should be. The text never holds the key."""


class SettingsError(MaasError):
    """MAAS cannot be used as it is configured: its URL, its key, or a machine's name."""


class PassingError(MaasError):
    """It may work when it is tried again."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Leaves redirects to `Api`: this one would turn a POST into a GET, and pass the key on."""

    def http_error_302(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message
    ) -> None:
        """Do nothing, so that the redirect is an error as others are."""

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


class Api:
    """The API of MAAS.

    Args:
        url: the MAAS URL, with or without `/api/2.0`.
        apikey: `consumer:token:secret`.
        patience: seconds from now on for which it is tried.
        clock: seconds, only ever compared with each other.
        sleep: waits for so many seconds.

    Raises:
        SettingsError: the key does not have three parts, or the URL makes no sense.
    """

    def __init__(
        self,
        url: str,
        apikey: str,
        patience: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        base = url.strip().rstrip("/")
        if "?" in base or "#" in base or "@" in base:
            raise SettingsError("the MAAS URL has more than a host and a path")
        self._base = base if "/api/" in base else f"{base}/api/2.0"
        self._origin = _origin(self._base)
        parts = apikey.strip().split(":")
        if len(parts) != 3:
            raise SettingsError("the API key is not of the form consumer:token:secret")
        self._consumer, self._token, self._secret = parts
        self.clock = clock
        self._sleep = sleep
        self.patience = patience
        self._end = clock() + patience

    def end_in(self, seconds: float) -> None:
        """Have so much time left, however much there was."""
        self._end = self.clock() + seconds

    def wait(self, seconds: float) -> bool:
        """Wait, and say whether there is time left; False, at once, where there will be none."""
        if self.clock() + seconds >= self._end:
            return False
        self._sleep(seconds)
        return True

    def pause(self, attempt: int) -> bool:
        """Wait before an attempt is repeated, the longer the more there were; as `wait`."""
        return self.wait(PAUSES[min(attempt, len(PAUSES) - 1)])

    def ask(self, method: str, path: str) -> object:
        """Send a request until it is answered.

        Returns:
            the answer, read as JSON.

        Raises:
            MaasError: it was not answered before the time was up, or refused.
        """
        attempt = 0
        while True:
            try:
                return self.send(method, path, attempt)
            except PassingError:
                if not self.pause(attempt):
                    raise
                attempt += 1

    def send(self, method: str, path: str, attempt: int = 0) -> object:
        """Send a request once, and follow redirects that are safe to follow.

        Args:
            method: `GET` or `POST`.
            path: the path below the API's.
            attempt: how often it was sent before.

        Returns:
            the answer, read as JSON.

        Raises:
            PassingError: it was not answered; another attempt may be.
            MaasError: it was refused.
        """
        url = f"{self._base}/{path}"
        for _ in range(REDIRECTS):
            answer = self._exchange(method, url, FIRST_TIMEOUT * 2**attempt)
            if not isinstance(answer, urllib.error.HTTPError):
                return answer
            url = self._redirected(method, url, answer)
        raise SettingsError("MAAS redirects in a circle: check the MAAS URL")

    def _exchange(self, method: str, url: str, timeout: float) -> object | urllib.error.HTTPError:
        """Return what is answered, or the redirect."""
        left = self._end - self.clock()
        if left <= 0:
            raise PassingError(f"MAAS did not answer within {self.patience:g} s")
        try:
            request = urllib.request.Request(  # noqa: S310 - the scheme was checked
                url,
                headers={"Authorization": self._authorization(), "Accept": "application/json"},
                data=b"" if method == "POST" else None,
                method=method,
            )
            # A power API is reached directly, as the plugin reaches it.
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)
            with opener.open(request, timeout=min(left, timeout)) as answer:
                return json.loads(answer.read(_MAX_ANSWER))
        except urllib.error.HTTPError as error:
            return _judged(error)
        except (OSError, ValueError, http.client.HTTPException, RecursionError) as error:
            text = str(error) or type(error).__name__
            raise PassingError(f"MAAS does not answer: {text}") from None

    def _redirected(self, method: str, url: str, redirect: urllib.error.HTTPError) -> str:
        """Return where to go on; never elsewhere with the key, nor with another method."""
        location = redirect.headers.get("Location") or ""
        try:
            target = urllib.parse.urljoin(url, location)
            there = _origin(target)
        except (ValueError, MaasError):
            raise SettingsError("MAAS redirects to nowhere: check the MAAS URL") from None
        kept = redirect.code in (307, 308) or method == "GET"
        if there == self._origin and kept and location:
            return target
        scheme, host, port = there
        text = f"MAAS redirects to {scheme}://{host}:{port}, where the key is not sent"
        raise SettingsError(f"{text}: set maas_url to where MAAS is")

    def _authorization(self) -> str:
        """Sign as OAuth 1.0 with PLAINTEXT; MAAS leaves the consumer's secret empty."""
        values = {
            "oauth_version": "1.0",
            "oauth_signature_method": "PLAINTEXT",
            "oauth_nonce": uuid.uuid4().hex,
            "oauth_timestamp": str(int(time.time())),
            "oauth_consumer_key": self._consumer,
            "oauth_token": self._token,
            "oauth_signature": f"&{urllib.parse.quote(self._secret, safe='')}",
        }
        pairs = (f'{key}="{urllib.parse.quote(text, safe="")}"' for key, text in values.items())
        return "OAuth " + ", ".join(pairs)


def _judged(error: urllib.error.HTTPError) -> urllib.error.HTTPError:
    """Return a redirect; raise what else an HTTP error means."""
    error.close()
    if error.code in (301, 302, 303, 307, 308):
        return error
    if error.code in (401, 403):
        raise SettingsError("MAAS refuses the API key")
    if error.code >= 500 or error.code in _PASSING:
        raise PassingError(f"MAAS answers with HTTP {error.code}")
    raise MaasError(f"MAAS answers with HTTP {error.code}")


def _origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of a URL.

    Raises:
        SettingsError: it is not one that can be asked.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        host = (parts.hostname or "").encode("idna").decode("ascii")
    except ValueError:
        raise SettingsError("the MAAS URL cannot be read") from None
    if parts.scheme not in ("http", "https") or not host:
        raise SettingsError("the MAAS URL is not an http or https URL")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise SettingsError("the MAAS URL has characters that no URL has")
    return parts.scheme, host, port
