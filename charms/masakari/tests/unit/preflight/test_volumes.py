"""Can the secrets of encrypted volumes be read, without which their instances stay down?"""

from __future__ import annotations

import dataclasses
import json
import re
import uuid
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from masakari_fencing.cluster import health
from ops import testing

import fakecloud
from action_calls import run
from fakerooms import RoomyCloud
from preflight.volumes import SAMPLES

ONE = "node1.maas"
FIXED = "00000000-0000-0000-0000-000000000000"


@dataclasses.dataclass
class Vault(RoomyCloud):
    """A cloud with Cinder and Barbican.

    Attributes:
        volumes: as Cinder lists them.
        keys: the identifier of each volume's secret.
        refused: what Barbican's policy does not let the service user read: `record`, `payload`.
        unread: what it answers to who may read a payload, and takes none: 405, or 406 where
            mod_wsgi has made a GET of a HEAD.
        apis: those that are in the catalog.
    """

    volumes: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    keys: dict[str, str] = dataclasses.field(default_factory=dict)
    refused: set[str] = dataclasses.field(default_factory=set)
    unread: int = 405
    apis: dict[str, str] = dataclasses.field(
        default_factory=lambda: {"volumev3": "cinder", "key-manager": "barbican"}
    )

    def token(self, body: Any) -> tuple[int, Any]:
        status, answer = super().token(body)
        endpoint = {"interface": "public", "region": "RegionOne", "region_id": "RegionOne"}
        answer["token"]["catalog"] += [
            {
                "type": kind,
                "name": name,
                "id": name,
                "endpoints": [{**endpoint, "id": f"e-{name}", "url": f"{self.url}/{name}"}],
            }
            for kind, name in self.apis.items()
        ]
        return status, answer

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        parts = urlsplit(path)
        if not parts.path.startswith(("/cinder", "/barbican")):
            return super().answer(method, path, body)
        self.asked[f"{method} {re.sub('[0-9a-f-]{36}', 'ID', parts.path)}"] += 1
        if any(name in parts.path for name in self.silent):
            return 503, ""
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        if parts.path == "/cinder/volumes/detail":
            assert query["all_tenants"] == "1"
            page = self._after(self.volumes, query)
            more = {"volumes_links": [{"rel": "next"}]} if len(page) == self.most else {}
            return 200, {"volumes": page, **more}
        if match := re.fullmatch("/cinder/volumes/(.+)/encryption", parts.path):
            return 200, {"encryption_key_id": self.keys[match[1]], "cipher": "aes-xts-plain64"}
        key, _, what = parts.path.removeprefix("/barbican/v1/secrets/").partition("/")
        assert key in self.keys.values()
        assert (method, what) in (("GET", ""), ("HEAD", "payload")), "no payload is asked for"
        if (what or "record") in self.refused:
            return 403, {"code": 403, "title": "Forbidden", "description": "no"}
        if what:
            return self.unread, {"code": self.unread, "title": "no", "description": "no"}
        return 200, {"status": "ACTIVE", "secret_type": "symmetric"}

    def attach(self, server: str, project: str = "p", *, encrypted: bool = True) -> str:
        """A volume of an instance."""
        volume = str(uuid.uuid4())
        self.volumes.append(
            {
                "id": volume,
                "encrypted": encrypted,
                "attachments": [{"server_id": server}],
                "os-vol-tenant-attr:tenant_id": project,
            }
        )
        self.keys[volume] = str(uuid.uuid4())
        return volume


@pytest.fixture
def vault(_server: fakecloud.Server, monkeypatch: pytest.MonkeyPatch) -> Vault:
    """Two hypervisors, of which one is in a segment."""
    monkeypatch.setattr(health, "inspect", lambda runner, **options: [])
    _server.cloud = made = Vault(url=_server.cloud.url)
    for number in (1, 2):
        made.add_hypervisor(f"node{number}.maas")
    made.add_segment("rack1", ONE)
    return made


def found(ctx: testing.Context, state: testing.State) -> list[tuple[str, str, str]]:
    every = json.loads(run(ctx, state, "check")["findings"])
    return [
        (f["level"], f["where"], f["what"])
        for f in every
        if "volume" in f["what"] or f["where"] == "Barbican"
    ]


@pytest.mark.parametrize("unread", [405, 406])
def test_secrets_that_may_be_read(
    ctx: testing.Context, state: testing.State, vault: Vault, unread: int
) -> None:
    vault.unread = unread
    vault.attach(vault.boot(ONE, "pet"))
    assert found(ctx, state) == []
    assert vault.asked["GET /barbican/v1/secrets/ID"] == 1
    assert vault.asked["HEAD /barbican/v1/secrets/ID/payload"] == 1


@pytest.mark.parametrize("refused", ["record", "payload"])
def test_secrets_that_may_not(
    ctx: testing.Context, state: testing.State, vault: Vault, refused: str
) -> None:
    """An administrator sees each secret's record, and the payload of no other project's."""
    volume = vault.attach(vault.boot(ONE, "pet"))
    vault.attach(vault.boot(ONE, "plain"), encrypted=False)
    vault.attach(vault.boot("node2.maas", "in-no-segment"), "other")
    vault.refused = {refused}
    [(level, where, what)] = found(ctx, state)
    assert (level, where) == ("warns", "project p")
    assert (
        what == f"the service user may not read the secret of the encrypted volume {volume}: pet"
    )


def test_nobody_is_asked_where_nothing_is_encrypted(
    ctx: testing.Context, state: testing.State, vault: Vault
) -> None:
    vault.attach(vault.boot(ONE, "plain"), encrypted=False)
    assert found(ctx, state) == []
    assert not [path for path in vault.asked if "barbican" in path or "encryption" in path]


def test_a_key_of_novas_own_configuration(
    ctx: testing.Context, state: testing.State, vault: Vault
) -> None:
    vault.keys[vault.attach(vault.boot(ONE, "pet"))] = FIXED
    del vault.apis["key-manager"]
    assert found(ctx, state) == []


def test_a_cloud_without_volumes(ctx: testing.Context, state: testing.State, vault: Vault) -> None:
    vault.boot(ONE, "pet")
    vault.apis.clear()
    assert found(ctx, state) == []


@pytest.mark.parametrize("silent", ["cinder", "encryption", "barbican"])
def test_what_does_not_answer_is_named(
    ctx: testing.Context, state: testing.State, vault: Vault, silent: str
) -> None:
    vault.attach(vault.boot(ONE, "pet"))
    vault.silent.add(silent)
    [(level, where, what)] = found(ctx, state)
    assert (level, where) == ("unknown", "Cinder, Barbican")
    assert "HTTP status 503" in what


@pytest.mark.timeout(300)
def test_it_costs_a_request_for_each_thousand_volumes_and_a_few_secrets(
    ctx: testing.Context, state: testing.State, vault: Vault
) -> None:
    pets = [vault.boot(ONE, f"pet{number}", ram=1) for number in range(2_500)]
    for number, pet in enumerate(pets):
        vault.attach(pet, f"project{number % 9}")
    [(level, where, what)] = found(ctx, state)
    assert (level, where) == ("unknown", "Barbican")
    assert what == f"of 9 projects with encrypted volumes, {SAMPLES} were asked for"
    assert vault.asked["GET /cinder/volumes/detail"] == 3
    assert vault.asked["GET /cinder/volumes/ID/encryption"] == SAMPLES
    assert vault.asked["GET /barbican/v1/secrets/ID"] == SAMPLES
    assert vault.asked["HEAD /barbican/v1/secrets/ID/payload"] == SAMPLES
