"""The identity-credentials relation, as Keystone speaks it: raw strings in unit databags."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from instance_ha_common.juju import addresses
from instance_ha_common.juju.databag import Bag

REQUEST: Mapping[str, str] = {"username": "masakari-monitors", "project": "services"}
"""What we publish; the same on all units, because they share one account."""

_REQUIRED = (
    "credentials_username",
    "credentials_password",
    "credentials_project",
    "credentials_project_id",
    "api_version",
)


@dataclasses.dataclass(frozen=True)
class Credentials:
    """The account with which notifications are sent.

    Attributes:
        public_url: Keystone on the public network.
        admin_url: Keystone on the admin network.
        username: the account's name.
        password: its password.
        project: the project it acts in.
        user_domain: domain of the account.
        project_domain: domain of the project.
    """

    public_url: str
    admin_url: str
    username: str
    password: str = dataclasses.field(repr=False)
    project: str
    user_domain: str
    project_domain: str


def complete(bag: Bag) -> bool:
    """Whether a databag is a whole answer, with nothing in it that would break a file's line."""
    return (
        all(bag.get(key) for key in _REQUIRED)
        and all(addresses.url(bag, prefix) for prefix in ("auth", "credentials"))
        and all(v.isprintable() for key, v in bag.items() if key.startswith(_PREFIXES))
    )


_PREFIXES = ("auth_", "credentials_", "domain")


def read(bag: Bag) -> Credentials:
    """The account from a databag that is a whole answer."""
    domain = bag.get("domain", "service_domain")
    return Credentials(
        public_url=_url(bag, "credentials"),
        admin_url=_url(bag, "auth"),
        username=bag["credentials_username"],
        password=bag["credentials_password"],
        project=bag["credentials_project"],
        user_domain=bag.get("credentials_user_domain_name", domain),
        project_domain=bag.get("credentials_project_domain_name", domain),
    )


def _url(bag: Bag, prefix: str) -> str:
    return addresses.url(bag, prefix, "/v3") or ""  # never: the answer is whole
