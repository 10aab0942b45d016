"""`ceph`: a key for Ceph's blocklist, by the broker of ceph-mon (interface ceph-client).

The monitors make a key for each application that is related, with rights to write all data, and
set its rights anew by request: `set-key-permissions` of `charms_ceph.broker`. This charm needs to
read the cluster's state and to write the blocklist, and asks for nothing else.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping

from instance_ha_common.juju import addresses, databag

import values

KEYS = ("broker_req",)

PERMISSIONS = ("mon", 'allow r, allow command "osd blocklist"')
"""As `ceph auth caps` takes them: no data (`osd`), nothing of the managers."""


def request(application: str) -> dict[str, str]:
    """What to publish.

    Args:
        application: this application's name, after which the monitors call the key.
    """
    content = {
        "api-version": 1,
        "ops": [
            {
                "op": "set-key-permissions",
                "client": application,
                "permissions": list(PERMISSIONS),
            }
        ],
    }
    # The monitors carry a request out once; another one has another identifier.
    text = json.dumps(content, sort_keys=True)
    identifier = hashlib.sha256(text.encode()).hexdigest()[:32]
    return {"broker_req": json.dumps({**content, "request-id": identifier}, sort_keys=True)}


@dataclasses.dataclass(frozen=True)
class Ceph:
    """How the monitors are reached.

    Attributes:
        monitors: their addresses.
        key: the key.
        client: its name, such as `client.masakari`.
        limited: the monitors have carried the request out, so the key has no other rights.
        refusal: why they have not; empty where they have, or have yet to.
    """

    monitors: tuple[str, ...]
    key: str = dataclasses.field(repr=False)
    client: str
    limited: bool = False
    refusal: str = ""


def read(bags: Mapping[str, databag.Bag], unit: str, application: str) -> Ceph | None:
    """The answer, from the databag of each unit of ceph-mon; None until there is one.

    Args:
        bags: the databags.
        unit: name of this unit.
        application: name of this application.
    """
    ready = [
        (address, key, bags[name])
        for name in sorted(bags)
        if (address := addresses.first_host(bags[name], "ceph-public-address", "private-address"))
        and (key := values.secret(bags[name], "key"))
    ]
    if not ready:
        return None
    identifier = json.loads(request(application)["broker_req"])["request-id"]
    answers = [_answer(bag.get(f"broker-rsp-{unit.replace('/', '-')}", "")) for *_, bag in ready]
    own = [answer for answer in answers if answer.get("request-id") == identifier]
    refused = [str(a.get("stderr") or "no reason given") for a in own if a.get("exit-code") != 0]
    limited = any(answer.get("exit-code") == 0 for answer in own)
    return Ceph(
        monitors=tuple(sorted({address for address, _, _ in ready})),
        key=ready[0][1],
        client=f"client.{application}",
        limited=limited,
        refusal="" if limited or not refused else refused[0],
    )


def _answer(text: str) -> dict[str, object]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
