"""Stand-in for ceph-mon: a real monitor and manager, and the broker that its clients talk to."""

from __future__ import annotations

import functools
import json
import socket

import broker
import workload
from standin import JUJU_KEYS, NotReady, Unit, main

CONFIGURATION = "etc/ceph/ceph.conf"
ADMIN = "etc/ceph/ceph.client.admin.keyring"
BOOTSTRAP = "var/lib/ceph/bootstrap-osd/ceph.keyring"

_ADMIN_CAPS = ("mon", "allow *", "osd", "allow *", "mgr", "allow *", "mds", "allow *")
_MGR_CAPS = ("mon", "allow profile mgr", "osd", "allow *", "mds", "allow *")


def reconcile(unit: Unit) -> list[str]:
    """Operate the monitor, and serve OSDs and clients."""
    if unit.config["monitor-count"] > 1 or not unit.leader:
        raise NotReady("blocked", "The lab's ceph-mon is one unit: set monitor-count=1")
    name, address = socket.gethostname(), unit.address("public")
    fsid = unit.keep("fsid", workload.new_uuid)
    workload.write(unit.root / CONFIGURATION, configuration(fsid, address))
    monitor, manager = f"ceph-mon@{name}", f"ceph-mgr@{name}"
    unit.keep("monitor", lambda: make_monitor(unit, name, fsid, address))
    workload.serve(unit, [monitor], CONFIGURATION)
    unit.keep("manager", lambda: make_manager(unit, name))
    workload.serve(unit, [manager], CONFIGURATION)
    serve_osds(unit, fsid, address)
    if osds(unit) < unit.config["expected-osd-count"]:
        missing = unit.config["expected-osd-count"]
        raise NotReady("waiting", f"Monitor bootstrapped but waiting for {missing} OSDs")
    serve_clients(unit, address)
    return [monitor, manager]


def configuration(fsid: str, address: str) -> str:
    """Ceph's configuration: one monitor, one copy of everything, little memory."""
    return workload.ini(
        {
            "global": {
                "fsid": fsid,
                "mon host": address,
                "public addr": address,
                "auth cluster required": "cephx",
                "auth service required": "cephx",
                "auth client required": "cephx",
                "log to file": "true",
                "osd pool default size": 1,
                "osd pool default min size": 1,
            },
            "mon": {
                "auth allow insecure global id reclaim": "false",
                "mon allow pool size one": "true",
                "mon allow pool delete": "true",
                "mon warn on pool no redundancy": "false",
                # The disk is that of the machine that the lab runs on.
                "mon data avail warn": 2,
                "mon data avail crit": 1,
                "osd pool default pg autoscale mode": "off",
                "osd crush chooseleaf type": 0,
                "mgr initial modules": "always_on_only",
            },
        }
    )


def make_monitor(unit: Unit, name: str, fsid: str, address: str) -> bool:
    """Make the monitor's store, with the first keys of the cluster in it."""
    unit.status("maintenance", "Making the monitor's store")
    keyring, admin = unit.root / "var/lib/ceph/tmp/bootstrap.keyring", unit.root / ADMIN
    workload.write(keyring, "", mode=0o600, owner="ceph", group="ceph")
    workload.write(admin, "", mode=0o600)
    tool = "ceph-authtool"
    workload.run(tool, str(keyring), "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
    workload.run(tool, str(admin), "--gen-key", "-n", "client.admin", *_caps(_ADMIN_CAPS))
    workload.run(tool, str(keyring), "--import-keyring", str(admin))
    monmap = str(keyring.with_name("monmap"))
    workload.run(
        "monmaptool", "--create", "--clobber", "--fsid", fsid,
        "--addv", name, f"[v2:{address}:3300,v1:{address}:6789]", monmap,
    )  # fmt: skip
    data = str(unit.root / f"var/lib/ceph/mon/ceph-{name}")
    workload.run("rm", "-rf", data)
    workload.run("install", "-d", "-o", "ceph", "-g", "ceph", "-m", "0750", data)
    workload.run(
        "ceph-mon", "--mkfs", "-i", name, "--monmap", monmap, "--keyring", str(keyring),
        "--setuser", "ceph", "--setgroup", "ceph",
    )  # fmt: skip
    return True


def _caps(pairs: tuple[str, ...]) -> list[str]:
    words = zip(pairs[::2], pairs[1::2], strict=True)
    return [word for kind, rights in words for word in ("--cap", kind, rights)]


def make_manager(unit: Unit, name: str) -> bool:
    """Give the manager its key; the monitor has to run."""
    unit.status("maintenance", "Making the manager")
    key = workload.run("ceph", "auth", "get-or-create", f"mgr.{name}", *_MGR_CAPS, timeout=120)
    path = unit.root / f"var/lib/ceph/mgr/ceph-{name}/keyring"
    workload.write(path, key, owner="ceph", group="ceph", mode=0o600)
    return True


def serve_osds(unit: Unit, fsid: str, address: str) -> None:
    """Tell those who bring OSDs how to join."""
    if not unit.related("osd"):
        return
    key = unit.keep("osd bootstrap key", lambda: broker.key("client.bootstrap-osd", _BOOTSTRAP))
    answer = {
        "fsid": fsid,
        "auth": "cephx",
        "osd_bootstrap_key": key,
        "ceph-public-address": address,
    }
    unit.publish("osd", answer)


_BOOTSTRAP = ("mon", "allow profile bootstrap-osd")


def osds(unit: Unit) -> int:
    """How many OSDs the units say that they have."""
    counts = (bag.get("bootstrapped-osds", "") for _, bag in unit.bags("osd"))
    return sum(int(count) for count in counts if count.isdigit())


def serve_clients(unit: Unit, address: str) -> None:
    """Give each client its key, and carry out what it asks the broker for."""
    for relation in unit.related("client"):
        answer = {"auth": "cephx", "ceph-public-address": address}
        for remote, bag in sorted(relation.units.items()):
            if not bag.keys() - JUJU_KEYS:
                continue  # it has not said yet in whose name it comes
            name = bag.get("application-name") or relation.app
            answer["key"] = unit.keep(f"key of {name}", functools.partial(broker.client_key, name))
            if text := bag.get("broker_req", ""):
                said = respond(unit, text)
                answer[f"broker-rsp-{bag.get('unit-name', remote).replace('/', '-')}"] = said
                answer["broker_rsp"] = said
        relation.publish(answer if "key" in answer else {})


def respond(unit: Unit, text: str) -> str:
    """Carry a request out, once; return the answer, JSON."""
    identifier = broker.identifier(text)
    return str(unit.keep(f"request {identifier}", lambda: json.dumps(broker.answer(text))))


if __name__ == "__main__":
    main(reconcile, version_of="ceph-mon")
