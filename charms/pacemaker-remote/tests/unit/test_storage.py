"""What a hypervisor records about itself as a client of Ceph."""

from __future__ import annotations

import json
from typing import Any

import hypervisor
import pytest
from instance_ha_common.testing import FakeHost
from workload import storage

ADDRESSES = [
    {"ifname": "lo", "addr_info": [{"local": "127.0.0.1", "scope": "host"}]},
    {
        "ifname": "storage",
        "addr_info": [
            {"local": "10.77.4.12", "scope": "global"},
            {"local": "fe80::1", "scope": "link"},
            {"local": "FD00::12", "scope": "global"},
        ],
    },
    {"ifname": "internal", "addr_info": [{"local": "10.77.3.12", "scope": "global"}]},
]


def on_ceph(host: FakeHost, **changes: str) -> FakeHost:
    files = {
        "/etc/nova/nova-compute.conf": "[libvirt]\nimages_type = rbd\n"
        "images_rbd_ceph_conf = /var/lib/charm/nova-compute/ceph.conf\n",
        "/var/lib/charm/nova-compute/ceph.conf": "[global]\nmon host = 10.77.4.11\n",
        "/proc/sys/kernel/random/boot_id": "boot-1\n",
        **changes,
    }
    for path, text in files.items():
        host.write(path, text)
    host.runner.answer(["ip", "-json", "address"], json.dumps(ADDRESSES))
    route = [{"dst": "10.77.4.11", "dev": "storage", "prefsrc": "10.77.4.12"}]
    host.runner.answer(["ip", "-json", "route", "get"], json.dumps(route))
    return host


def test_what_nova_keeps_on_ceph_and_from_where(host: FakeHost) -> None:
    assert json.loads(storage.found(on_ceph(host))) == {
        "addresses": ["10.77.3.12", "10.77.4.12", "fd00::12"],
        "sources": ["10.77.4.12"],
        "monitors": ["10.77.4.11"],
        "images": True,
        "boot": "boot-1",
    }


def test_volumes_alone(host: FakeHost) -> None:
    on_ceph(
        host,
        **{
            "/etc/nova/nova-compute.conf": "[libvirt]\nimages_type = qcow2\n",
            storage.CEPH_CONF: "[global]\nmon_host = 10.99.0.1,10.99.0.2:6789\n",
        },
    )
    found = json.loads(storage.found(host))
    assert found["images"] is False
    assert found["monitors"] == ["10.99.0.1", "10.99.0.2"]


def test_without_ceph_there_is_nothing_to_record(host: FakeHost) -> None:
    assert storage.found(host) == ""
    assert not [call for call in host.runner.calls if call[0] == "ip"], "and nothing to ask"


@pytest.mark.parametrize(
    ("line", "monitors"),
    [
        ("mon host = 10.0.0.1 10.0.0.2 10.0.0.3", ["10.0.0.1", "10.0.0.2", "10.0.0.3"]),
        ("mon-host=[v2:10.0.0.1:3300/0,v1:10.0.0.1:6789/0]", ["10.0.0.1"]),
        ("mon_host = [v2:[fd00::1]:3300/0,v1:[fd00::1]:6789/0] fd00::2", ["fd00::1", "fd00::2"]),
        ("mon host = ceph.example", []),
        ("#mon host = 10.0.0.1", []),
    ],
)
def test_the_forms_of_mon_host(line: str, monitors: list[str]) -> None:
    assert list(storage._monitors(f"[global]\n{line}\n")) == monitors


@pytest.mark.parametrize("answer", ["", "nonsense", "{}", "[1]"])
def test_an_answer_that_nobody_can_read(host: FakeHost, answer: str) -> None:
    on_ceph(host)
    host.runner.answer(["ip"], answer)
    found = json.loads(storage.found(host))
    assert (found["addresses"], found["sources"]) == ([], [])


def _recorded(host: FakeHost) -> list[Any]:
    calls = [call for call in host.runner.calls if call[0] == "crm_attribute"]
    return [call[call.index("--name") + 2 :] for call in calls if storage.ATTRIBUTE in call]


def test_the_cluster_is_told_once_and_when_it_changes(ctx: Any, host: FakeHost) -> None:
    on_ceph(host)
    hypervisor.connect(host, machine="3")
    relation = hypervisor.hacluster()
    out = ctx.run(ctx.on.relation_changed(relation, remote_unit=0), hypervisor.state(relation))
    (first,) = _recorded(host)
    assert first == ["--update", storage.found(host)]
    hypervisor.connect(host, machine="3", storage=first[1])
    ctx.run(ctx.on.update_status(), out)
    assert len(_recorded(host)) == 1
    host.write("/proc/sys/kernel/random/boot_id", "boot-2\n")
    out = ctx.run(ctx.on.update_status(), out)
    assert '"boot":"boot-2"' in _recorded(host)[-1][1]
    host.remove("/etc/nova/nova-compute.conf")
    ctx.run(ctx.on.update_status(), out)
    assert _recorded(host)[-1] == ["--delete"]
