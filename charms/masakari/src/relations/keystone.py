"""`identity-service`: the service user and the endpoints in Keystone's catalogue.

Keystone gives every service user its admin role; further ones are asked for by `requested_roles`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from instance_ha_common.juju import addresses, databag

import values

SERVICE = "masakari"
KEYS = ("service", "region", "public_url", "admin_url", "internal_url", "requested_roles")
"""All that this charm ever publishes here. Keystone takes any further key that ends in
`_service` for another service, and fails."""


def request(
    region: str, endpoints: Mapping[str, str], roles: Sequence[str] = ()
) -> dict[str, str]:
    """What to publish to have the endpoints registered.

    Args:
        region: region of the endpoints.
        endpoints: URL of each endpoint type.
        roles: further ones of the service user.
    """
    return {
        "service": SERVICE,
        "region": region,
        **{f"{kind}_url": endpoints[kind] for kind in ("public", "admin", "internal")},
        **({"requested_roles": ",".join(roles)} if roles else {}),
    }


@dataclasses.dataclass(frozen=True)
class Identity:
    """Where Keystone is, and who this service is there.

    Attributes:
        public_url: Keystone's public URL, without version.
        internal_url: the internal one; None from keystone charms of before 2022.
        username: name of the service user.
        password: its password.
        project: project that the service user works in.
        domain: domain of the user and the project.
    """

    public_url: str
    internal_url: str | None
    username: str
    password: str = dataclasses.field(repr=False)
    project: str
    domain: str

    @classmethod
    def from_bag(cls, bag: databag.Bag) -> Identity | None:
        """The answer in one keystone unit's databag; None while it is not complete."""
        public = addresses.url(bag, "service")
        username, password = (
            values.name(bag, "service_username"),
            values.secret(bag, "service_password"),
        )
        project = values.name(bag, "service_tenant")
        domain = values.name(bag, "service_domain")
        if bag.get("api_version") == "2":
            domain = "default"
        # Keystone writes these in one go with the others; without them the answer is a torso.
        whole = addresses.url(bag, "auth") and bag.get("service_tenant_id")
        if not (public and username and password and project and domain and whole):
            return None
        return cls(public, addresses.url(bag, "internal"), username, password, project, domain)

    def auth_url(self, *, internal: bool) -> str:
        """URL to authenticate at, with version; `internal` prefers the internal endpoint."""
        base = self.internal_url if internal and self.internal_url else self.public_url
        return f"{base}/v3"
