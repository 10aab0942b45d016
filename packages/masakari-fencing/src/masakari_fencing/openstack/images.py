"""The one request to Glance's API that a recovery needs."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from masakari_fencing.openstack.rest import CATALOG, Client

TIMEOUT = 3.0
"""Seconds for one request: what it tells is worth no long wait."""


class Images(Client):
    """The one request to Glance's API; see `Client`."""

    @classmethod
    def beside(cls, nova: Any) -> Images:
        """Return a client with the login, region and interface of a novaclient."""
        adapter = nova.client
        found = {
            "service_type": "image",
            "region_name": getattr(adapter, "region_name", None),
            "interface": getattr(adapter, "interface", None),
        }
        options = {key: value for key, value in found.items() if value}
        return cls("Glance", adapter.session, [CATALOG], TIMEOUT, options)

    def properties(self, image: str) -> dict[str, Any]:
        """Return an image: its properties stand in it beside Glance's own attributes.

        Raises:
            ApiError: there is no such image, or Glance does not answer.
        """
        return self.request("GET", f"/v2/images/{quote(image, safe='')}")
