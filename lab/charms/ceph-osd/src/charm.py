"""Stand-in for ceph-osd: a real OSD, with BlueStore in a file."""

from __future__ import annotations

import json
import socket

import workload
from standin import Unit, main, require

CONFIGURATION = "etc/ceph/ceph.conf"
BOOTSTRAP = "var/lib/ceph/bootstrap-osd/ceph.keyring"

SIZE = 4 * 1024**3
"""Bytes of the file, which has holes: it takes what is written to it."""


def reconcile(unit: Unit) -> list[str]:
    """Operate an OSD, and tell the monitors that it is there."""
    monitor = monitors(unit)
    require(unit, {"monitor": ("mon", monitor)})
    keyring = f"[client.bootstrap-osd]\n\tkey = {monitor['osd_bootstrap_key']}\n"
    workload.write(unit.root / CONFIGURATION, configuration(unit, monitor))
    workload.write(unit.root / BOOTSTRAP, keyring, owner="ceph", group="ceph", mode=0o600)
    number = unit.keep("osd", lambda: make_osd(unit))
    services = workload.serve(unit, [f"ceph-osd@{number}"], CONFIGURATION)
    count = {"bootstrapped-osds": "1", "osd-host": socket.gethostname()}
    unit.publish("mon", count)
    return services


def monitors(unit: Unit) -> dict[str, str]:
    """The answer of ceph-mon; empty until it is complete."""
    for _, bag in unit.bags("mon"):
        if bag.get("fsid") and bag.get("osd_bootstrap_key") and bag.get("ceph-public-address"):
            return bag
    return {}


def configuration(unit: Unit, monitor: dict[str, str]) -> str:
    """Ceph's configuration for a small OSD."""
    return workload.ini(
        {
            "global": {
                "fsid": monitor["fsid"],
                "mon host": monitor["ceph-public-address"],
                "public addr": unit.address("public"),
                "cluster addr": unit.address("cluster"),
                "auth cluster required": "cephx",
                "auth service required": "cephx",
                "auth client required": "cephx",
                "log to file": "true",
            },
            "osd": {
                "osd objectstore": "bluestore",
                "bluestore block create": "true",
                "bluestore block size": SIZE,
                "bluestore cache autotune": "false",
                "bluestore cache size": 32 * 1024**2,
                "osd memory target": 896 * 1024**2,
                "osd op num shards": 1,
                "osd op num threads per shard": 2,
            },
        }
    )


def make_osd(unit: Unit) -> str:
    """Have the monitors know an OSD, and make its store; return its number."""
    unit.status("maintenance", "Making the OSD's store")
    identifier = str(unit.keep("osd identifier", workload.new_uuid))
    secret = str(unit.keep("osd key", lambda: workload.run("ceph-authtool", "--gen-print-key")))
    bootstrap = ("--name", "client.bootstrap-osd", "--keyring", str(unit.root / BOOTSTRAP))
    given = json.dumps({"cephx_secret": secret.strip()})
    command = ("ceph", *bootstrap, "osd", "new", identifier, "-i", "-")
    number = workload.run(*command, stdin=given).strip()
    data = unit.root / f"var/lib/ceph/osd/ceph-{number}"
    workload.run("rm", "-rf", str(data))
    workload.run("install", "-d", "-o", "ceph", "-g", "ceph", "-m", "0750", str(data))
    keyring = f"[osd.{number}]\n\tkey = {secret.strip()}\n"
    workload.write(data / "keyring", keyring, owner="ceph", group="ceph", mode=0o600)
    workload.run(
        "ceph-osd", "--mkfs", "-i", number, "--osd-uuid", identifier,
        "--setuser", "ceph", "--setgroup", "ceph",
    )  # fmt: skip
    return number


if __name__ == "__main__":
    main(reconcile, version_of="ceph-osd")
