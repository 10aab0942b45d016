"""What the charm asks of Keystone's API: make things unless they are there."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

START = 60
"""Seconds that Keystone may take to answer after its service was started."""


class Identity:
    """Keystone's v3 API, as the charm's own administrator.

    Its methods find or make one thing and return its id.
    """

    def __init__(self, url: str, user: str, password: str) -> None:
        """Remember how to log in.

        Args:
            url: the API's root, without the version.
            user: an administrator of the project ``admin`` in the default domain.
            password: its password.
        """
        self._url = f"{url}/v3"
        self._user = user
        self._password = password
        self._token = ""

    def domain(self, name: str) -> str:
        """A domain."""
        return self._ensure("domain", {"name": name})

    def known_domain(self, name: str) -> str:
        """A domain that exists.

        Raises:
            LookupError: it does not.
        """
        found = self._find("domain", {"name": name})
        if not found:
            raise LookupError(f"Keystone has no domain {name!r}")
        return str(found["id"])

    def project(self, name: str, domain: str) -> str:
        """A project in the domain with that id."""
        return self._ensure("project", {"name": name, "domain_id": domain})

    def role(self, name: str) -> str:
        """A role; Keystone's roles differ in more than the case of letters."""
        roles = self._call("GET", "/roles")["roles"]
        for role in roles:
            if role["name"].lower() == name.lower():
                return str(role["id"])
        return self._ensure("role", {"name": name})

    def user(self, name: str, domain: str, password: str) -> str:
        """A user with that password in the domain with that id."""
        found = self._find("user", {"name": name, "domain_id": domain})
        if found:
            change = {"user": {"password": password}}
            self._call("PATCH", f"/users/{found['id']}", change)
            return str(found["id"])
        return self._ensure("user", {"name": name, "domain_id": domain}, {"password": password})

    def grant(self, role: str, user: str, *, project: str = "", domain: str = "") -> None:
        """Give a user a role on a project or a domain, all by their ids."""
        target = f"/projects/{project}" if project else f"/domains/{domain}"
        self._call("PUT", f"{target}/users/{user}/roles/{role}")

    def catalog(self, name: str, kind: str, region: str, urls: Mapping[str, str]) -> None:
        """Have a service and its endpoints in the catalog.

        Args:
            name: the service's name.
            kind: its type.
            region: the region of the endpoints; a change of it leaves the old ones.
            urls: URL by interface: public, internal, admin.
        """
        service = self._ensure("service", {"name": name, "type": kind})
        if not any(item["id"] == region for item in self._call("GET", "/regions")["regions"]):
            self._call("POST", "/regions", {"region": {"id": region}})
        query = urllib.parse.urlencode({"service_id": service, "region_id": region})
        endpoints = self._call("GET", f"/endpoints?{query}")["endpoints"]
        by_interface = {endpoint["interface"]: endpoint for endpoint in endpoints}
        for interface, url in urls.items():
            known = by_interface.get(interface)
            if known is None:
                endpoint = {"service_id": service, "region_id": region, "interface": interface}
                self._call("POST", "/endpoints", {"endpoint": {**endpoint, "url": url}})
            elif known["url"] != url:
                self._call("PATCH", f"/endpoints/{known['id']}", {"endpoint": {"url": url}})

    def _ensure(
        self, kind: str, key: Mapping[str, str], more: Mapping[str, str] | None = None
    ) -> str:
        found = self._find(kind, key)
        if not found:
            found = self._call("POST", f"/{kind}s", {kind: {**key, **(more or {})}})[kind]
        return str(found["id"])

    def _find(self, kind: str, key: Mapping[str, str]) -> dict[str, Any]:
        found = self._call("GET", f"/{kind}s?{urllib.parse.urlencode(key)}")[f"{kind}s"]
        return dict(found[0]) if found else {}

    def _log_in(self) -> str:
        domain = {"id": "default"}
        user = {"name": self._user, "domain": domain, "password": self._password}
        auth = {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"name": "admin", "domain": domain}},
        }
        headers, _ = self._send("POST", "/auth/tokens", {"auth": auth}, {})
        return headers["X-Subject-Token"]

    def _call(self, method: str, path: str, body: object = None) -> Any:
        if not self._token:
            self._token = self._log_in()
        _, answer = self._send(method, path, body, {"X-Auth-Token": self._token})
        return answer

    def _send(
        self, method: str, path: str, body: object, headers: Mapping[str, str]
    ) -> tuple[Mapping[str, str], Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310  (the URL is this machine's own)
            self._url + path,
            data=data,
            method=method,
            headers={"Content-Type": "application/json", **headers},
        )
        end = time.monotonic() + START
        while True:
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                    text = answer.read()
                    return answer.headers, json.loads(text) if text else {}
            except urllib.error.HTTPError as exc:
                if exc.code != 503 or time.monotonic() > end:
                    said = exc.read().decode(errors="replace")[:500]
                    raise RuntimeError(f"Keystone: {method} {path}: {exc.code} {said}") from None
            except OSError:
                if time.monotonic() > end:
                    raise
            time.sleep(0.1)
