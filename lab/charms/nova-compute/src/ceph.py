"""Disks on Ceph (`libvirt-image-backend=rbd`): what is asked of ceph-mon, and who gets the key.

The names on the wire and on the machine are those of the real charm.
"""

from __future__ import annotations

import hashlib
import json

import workload
from standin import Unit

CLIENT = "nova-compute-ceph-auth-c91ce26f"
"""Name of the key in Ceph, and of the user of which QEMU and Nova speak."""

SECRET = "c91ce26f-403d-4058-9c38-6b56e1c428e0"  # noqa: S105 - by this name libvirt knows the key

CONFIGURATION = "etc/ceph/ceph.conf"
KEYRING = f"etc/ceph/ceph.client.{CLIENT}.keyring"
SECRETS = [f"etc/libvirt/secrets/{SECRET}.xml", f"etc/libvirt/secrets/{SECRET}.base64"]
"""libvirt's own store, which it reads when it starts."""

FILES = [CONFIGURATION, KEYRING]
"""What nova-compute reads when it starts, beside its own configuration."""

_XML = f"""\
<secret ephemeral='no' private='no'>
  <uuid>{SECRET}</uuid>
  <usage type='ceph'>
    <name>client.{CLIENT} secret</name>
  </usage>
</secret>
"""


def wanted(unit: Unit) -> bool:
    """Whether the instances' disks are to be there."""
    return unit.config.get("libvirt-image-backend") == "rbd"


def prepare(unit: Unit) -> bool:
    """Ask for a pool and a key, and write the key where libvirt and Nova look for it.

    Returns:
        Whether all is there.
    """
    request = broker_request(unit) if wanted(unit) else ""
    unit.publish("ceph", {"application-name": CLIENT, "broker_req": request})
    key, answer = unit.answer("ceph", "key"), _answer(unit)
    monitors = sorted({bag.get("ceph-public-address", "") for _, bag in unit.bags("ceph")} - {""})
    if not key or not monitors or not request:
        return False
    if answer.get("request-id") != json.loads(request)["request-id"] or answer.get("exit-code"):
        return False
    text = workload.ini(
        {
            "global": {
                "auth client required": "cephx",
                "mon host": " ".join(monitors),
                "keyring": "/etc/ceph/$cluster.$name.keyring",
                "log to syslog": "false",
                "log to stderr": "false",
            }
        }
    )
    workload.write(unit.root / CONFIGURATION, text)
    keyring = f"[client.{CLIENT}]\n\tkey = {key}\n"
    workload.write(unit.root / KEYRING, keyring, owner="nova", group="nova", mode=0o640)
    for path, content in zip(SECRETS, (_XML, key), strict=True):
        workload.write(unit.root / path, content, mode=0o600)
    return True


def _answer(unit: Unit) -> dict[str, object]:
    """The broker's answer to this unit; empty where there is none."""
    key = f"broker-rsp-{unit.name.replace('/', '-')}"
    return dict(json.loads(unit.answer("ceph", key) or "{}"))


def broker_request(unit: Unit) -> str:
    """Ask for the pool. The same on all units, so that the broker makes it once."""
    operation = {
        "op": "create-pool",
        "name": unit.config["rbd-pool"],
        "replicas": unit.config["ceph-osd-replication-count"],
        "group": "vms",
        "app-name": "rbd",
    }
    request: dict[str, object] = {"api-version": 1, "ops": [operation]}
    digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
    return json.dumps({**request, "request-id": digest[:32]}, sort_keys=True)


def settings(unit: Unit) -> dict[str, object]:
    """Options of nova-compute's section `libvirt`."""
    return {
        "images_rbd_pool": unit.config["rbd-pool"],
        "images_rbd_ceph_conf": f"/{CONFIGURATION}",
        "rbd_user": CLIENT,
        "rbd_secret_uuid": SECRET,
    }
