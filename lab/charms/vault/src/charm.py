"""Stand-in for vault: a certificate authority behind the older `tls-certificates` protocol.

The leader issues; other units are idle. Each client unit gets the certificates that it asks for
under keys of its own, in all units' sight, as with the real charm.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from authority import Authority
from standin import ActionFailed, NotReady, Relation, Unit, main

DIRECTORY = "etc/vault"
ROUND = "round of issues"
"""What a certificate was issued in; another one means that it is to be issued anew."""


@dataclass(frozen=True)
class Request:
    """A server certificate that a client unit asks for.

    Attributes:
        unit: the client's name as it is in keys, ``masakari_0``.
        name: the common name.
        sans: further names and addresses.
        legacy: asked for as the single certificate of older clients, and answered likewise.
    """

    unit: str
    name: str
    sans: tuple[str, ...]
    legacy: bool


def reconcile(unit: Unit) -> list[str]:
    """Make the authority if that is wanted, and answer the related units."""
    if not unit.leader:
        return []
    authority = Authority(unit.root / DIRECTORY)
    if not authority.certificate and unit.config["auto-generate-root-ca-cert"]:
        make_root(unit, authority)
    if not authority.certificate:
        raise NotReady("blocked", "Missing CA cert")
    publish(unit, authority)
    return []


def publish(unit: Unit, authority: Authority) -> None:
    """Answer every client."""
    for relation in unit.related("certificates"):
        relation.publish(answer(unit, authority, relation))


def make_root(unit: Unit, authority: Authority) -> None:
    """Make the root authority."""
    authority.make("Vault Root Certificate Authority (charm-pki-local)", days(unit, "ca-ttl"))


def days(unit: Unit, option: str) -> int:
    """A time to live as the option ``default-<option>`` has it, in whole days."""
    return max(1, int(str(unit.config[f"default-{option}"]).removesuffix("h")) // 24)


def answer(unit: Unit, authority: Authority, relation: Relation) -> dict[str, object]:
    """What to tell the units of a relation: the authority, and each its certificates."""
    data: dict[str, object] = {"ca": authority.certificate}
    shared = issued(unit, authority, "global-client", "global-client", ())
    data |= {"client.cert": shared["cert"], "client.key": shared["key"]}
    processed: dict[str, dict[str, dict[str, str]]] = {}
    for request in requests(relation):
        about = f"{relation.id} {request.unit} {request.name}"
        pair = issued(unit, authority, about, request.name, request.sans)
        if request.legacy:
            data[f"{request.unit}.server.cert"] = pair["cert"]
            data[f"{request.unit}.server.key"] = pair["key"]
        else:
            processed.setdefault(request.unit, {})[request.name] = pair
    for client, pairs in processed.items():
        data[f"{client}.processed_requests"] = json.dumps(pairs)
    return data


def requests(relation: Relation) -> Iterator[Request]:
    """What the units of a relation ask for.

    A name that a unit asks for in both ways counts as the single certificate of older clients,
    and is answered under their keys alone.
    """
    for name, bag in sorted(relation.units.items()):
        client = (bag.get("unit_name") or name).replace("/", "_")
        single = bag.get("common_name")
        if single:
            yield Request(client, single, tuple(json.loads(bag.get("sans", "[]"))), True)
        for wanted, details in sorted(json.loads(bag.get("cert_requests", "{}")).items()):
            yield Request(client, wanted, tuple(details["sans"]), wanted == single)


def issued(
    unit: Unit, authority: Authority, about: str, name: str, sans: tuple[str, ...]
) -> dict[str, str]:
    """A certificate and its key, kept until the names change or all are issued anew."""
    made = {"sans": " ".join(sorted(set(sans))), "round": unit.secret(ROUND)}
    issue = partial(authority.issue, name, sans, days(unit, "ttl"))
    return dict(unit.keep(f"certificate {about}", issue, key=made))


def generate_root_ca(unit: Unit) -> dict[str, str]:
    """The action of that name."""
    authority = led_authority(unit)
    if authority.certificate:
        raise ActionFailed("There is a root CA already")
    make_root(unit, authority)
    publish(unit, authority)
    unit.status("active", "Unit is ready")
    return {"output": authority.certificate}


def get_root_ca(unit: Unit) -> dict[str, str]:
    """The action of that name."""
    certificate = Authority(unit.root / DIRECTORY).certificate
    if not certificate:
        raise ActionFailed("There is no root CA yet")
    return {"output": certificate}


def reissue_certificates(unit: Unit) -> dict[str, str]:
    """The action of that name."""
    authority = led_authority(unit)
    if not authority.certificate:
        raise ActionFailed("There is no root CA yet")
    unit.renew(ROUND)
    publish(unit, authority)
    return {}


def led_authority(unit: Unit) -> Authority:
    """The authority, for an action that the leader alone can do."""
    if not unit.leader:
        raise ActionFailed("Please run action on lead unit.")
    return Authority(unit.root / DIRECTORY)


ACTIONS = {
    "generate-root-ca": generate_root_ca,
    "get-root-ca": get_root_ca,
    "reissue-certificates": reissue_certificates,
}

if __name__ == "__main__":
    main(reconcile, version_of="openssl", actions=ACTIONS)
