"""Databags as the real neighbours write them, and models made of them."""

from __future__ import annotations

import base64
import dataclasses
import ipaddress
import json
from pathlib import Path
from typing import Any

import yaml
from instance_ha_common.testing_certificates import CERTIFICATES
from ops import testing

from config import Config

CHARMCRAFT = yaml.safe_load((Path(__file__).parents[2] / "charmcraft.yaml").read_text())
PEM, OTHER_PEM, CHAIN_PEM, _ = CERTIFICATES
KEY = "-----BEGIN RSA PRIVATE KEY-----\nS0VZ\n-----END RSA PRIVATE KEY-----\n"
VIP = "10.77.1.250"
JUJU_KEYS = {"egress-subnets", "ingress-address", "private-address"}


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


KEYSTONE = {
    "service_host": "10.5.100.0",
    "service_port": "5000",
    "service_protocol": "https",
    "internal_host": "10.6.100.0",
    "internal_port": "5000",
    "internal_protocol": "https",
    "auth_host": "10.7.100.0",
    "auth_port": "35357",
    "auth_protocol": "https",
    "service_username": "masakari",
    "service_password": "Wx4secret",
    "service_user_id": "0b4c",
    "service_tenant": "services",
    "service_tenant_id": "7e2f",
    "service_domain": "service_domain",
    "service_domain_id": "4e1f",
    "service_type": "instance-ha",
    "api_version": "3",
    "admin_domain_id": "9d1c",
    "admin_project_id": "51aa",
    "admin_user_id": "c0ff",
    "admin_role": "Admin",
}
MYSQL_ROUTER = {
    "db_host": "127.0.0.1",
    "db_port": "3306",
    "password": "8Yksecret",
    "allowed_units": "masakari/0",
    "wait_timeout": "3600",
}
RABBITMQ = {"hostname": "10.6.0.41", "private-address": "10.6.0.41", "password": "Zqsecret"}
HACLUSTER = {"clustered": "yes"}
ENDPOINTS = ("identity-service", "shared-db", "amqp", "ha", "certificates", "cluster")


def config(**options: Any) -> Config:
    """The options, with Juju's defaults for those that are not given."""
    defaults = CHARMCRAFT["config"]["options"].items()
    juju = {name.replace("-", "_"): o["default"] for name, o in defaults if "default" in o}
    return Config(**{**juju, **options})


def network(name: str, address: str, interface: str = "eth0") -> testing.Network:
    """A binding with one address, given with its prefix length."""
    parsed = ipaddress.ip_interface(address)
    entry = testing.Address(str(parsed.ip), hostname="", cidr=str(parsed.network))
    return testing.Network(name, [testing.BindAddress([entry], interface_name=interface)])


NETWORKS = {
    network("public", "10.77.1.11/24", "public"),
    network("admin", "10.77.2.11/24", "admin"),
    network("internal", "10.77.3.11/24", "internal"),
    network("shared-db", "10.77.3.11/24", "internal"),
    network("cluster", "10.77.3.11/24", "internal"),
}


def identity(**units: dict[str, str]) -> testing.Relation:
    """Keystone; one unit with a complete answer unless others are given as `u0={...}`."""
    data = {int(name[1:]): bag for name, bag in units.items()} or {0: KEYSTONE}
    return testing.Relation("identity-service", remote_app_name="keystone", remote_units_data=data)


def shared_db(bag: dict[str, str] | None = None) -> testing.Relation:
    data = {0: MYSQL_ROUTER if bag is None else bag}
    return testing.Relation("shared-db", remote_app_name="mysql", remote_units_data=data)


def amqp(**units: dict[str, str]) -> testing.Relation:
    data = {int(name[1:]): bag for name, bag in units.items()} or {0: RABBITMQ}
    return testing.Relation("amqp", remote_app_name="rabbitmq-server", remote_units_data=data)


def ha(bag: dict[str, str] | None = None) -> testing.SubordinateRelation:
    data = HACLUSTER if bag is None else bag
    return testing.SubordinateRelation("ha", remote_app_name="hacluster", remote_unit_data=data)


def certificates(bag: dict[str, str] | None = None) -> testing.Relation:
    return testing.Relation(
        "certificates", remote_app_name="vault", remote_units_data={0: bag or {}}
    )


def offer(**extra: str) -> dict[str, str]:
    """Vault's answer for node1.maas."""
    answer = {"node1.maas": {"cert": PEM, "key": KEY}}
    return {"ca": OTHER_PEM, "masakari_0.processed_requests": json.dumps(answer), **extra}


def cluster(
    units: dict[int, dict[str, str]] | None = None, app: dict[str, str] | None = None
) -> testing.PeerRelation:
    return testing.PeerRelation("cluster", peers_data=units or {}, local_app_data=app or {})


def complete(*extra: Any, **options: Any) -> testing.State:
    """The model of a leader that has everything; `options` are of `testing.State`."""
    given = {relation.endpoint for relation in extra}
    usual = (identity(), shared_db(), amqp(), ha(), cluster())
    relations = [relation for relation in usual if relation.endpoint not in given]
    options.setdefault("leader", True)
    options.setdefault("networks", NETWORKS)
    options["config"] = {"vip": VIP, **options.get("config", {})}
    return testing.State(relations=[*relations, *extra], **options)


def with_config(state: testing.State, **options: Any) -> testing.State:
    """`state` with other options; None unsets one."""
    old = ("ssl_", "vip_")  # these have kept their underscores
    given = {k if k.startswith(old) else k.replace("_", "-"): v for k, v in options.items()}
    config = {**state.config, **given}
    return dataclasses.replace(state, config={k: v for k, v in config.items() if v is not None})


def replace(state: testing.State, *relations: Any) -> testing.State:
    """`state` with these relations instead of those of the same endpoints."""
    endpoints = {relation.endpoint for relation in relations}
    kept = [relation for relation in state.relations if relation.endpoint not in endpoints]
    return dataclasses.replace(state, relations=[*kept, *relations])


def only(state: testing.State, endpoint: str) -> Any:
    """The one relation of an endpoint."""
    [relation] = [r for r in state.relations if r.endpoint == endpoint]
    return relation


def published(state: testing.State, endpoint: str) -> dict[str, str]:
    """What the unit has published, without Juju's own keys."""
    data = only(state, endpoint).local_unit_data
    return {key: value for key, value in data.items() if key not in JUJU_KEYS}
