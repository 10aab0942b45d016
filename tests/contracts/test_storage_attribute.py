"""What pacemaker-remote records of a hypervisor is what masakari reads."""

from __future__ import annotations

import importlib.util
import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from types import ModuleType

import pytest
from charm_sources import REPOSITORY, source
from instance_ha_common.machine.commands import Runner
from instance_ha_common.testing import fake_host

sys.path.insert(0, str(REPOSITORY / "packages/masakari-fencing/src"))

from masakari_fencing.ceph import hypervisors
from masakari_fencing.cluster import computes
from masakari_fencing.cluster.computes import Compute


@pytest.fixture(scope="module")
def storage() -> ModuleType:
    return _module("storage")


@pytest.fixture(scope="module")
def compute() -> ModuleType:
    return _module("compute")


def _module(name: str) -> ModuleType:
    path = source("pacemaker-remote") / "workload" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"remote_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_is_read_as_it_was_written(storage: ModuleType, tmp_path: Path) -> None:
    host = fake_host(tmp_path)
    host.write("/etc/nova/nova-compute.conf", "[libvirt]\nimages_type = rbd\n")
    host.write(storage.CEPH_CONF, "[global]\nmon host = 10.77.4.11\n")
    host.write("/proc/sys/kernel/random/boot_id", "boot-1\n")
    found = [{"addr_info": [{"local": "10.77.4.12", "scope": "global"}]}]
    host.runner.answer(["ip", "-json", "address"], json.dumps(found))
    host.runner.answer(["ip", "-json", "route"], json.dumps([{"prefsrc": "10.77.4.12"}]))
    assert storage.ATTRIBUTE == hypervisors.ATTRIBUTE
    cib = _cib(storage.ATTRIBUTE, storage.found(host))
    read, addresses = hypervisors.clients(hypervisors.recorded(cib), "node2.maas", ["10.77.4.11"])
    assert addresses == ["10.77.4.12"]
    assert (read.images, read.boot) == (True, "boot-1")


def test_so_is_what_it_says_of_its_nova(compute: ModuleType, tmp_path: Path) -> None:
    host = fake_host(tmp_path)
    host.write("/etc/nova/nova.conf", "[DEFAULT]\nresume_guests_state_on_host_boot = true\n")
    host.write("/var/lib/nova/instances/compute_nodes", json.dumps({"node2.maas": 1e10}))
    host.write("/proc/self/mounts", "nas:/vms /var/lib/nova nfs4 rw 0 0\n")
    host.runner.answer(["timeout"], lambda argv: Runner().run(argv).stdout)
    assert compute.ATTRIBUTE == computes.ATTRIBUTE
    read = computes.recorded(_cib(compute.ATTRIBUTE, compute.found(host)))
    sharing = frozenset({"node2.maas"})
    assert read == {"node2.maas": Compute("/etc/nova/nova.conf", "nfs4", sharing)}


def _cib(attribute: str, value: str) -> ET.Element:
    cib = ET.Element("cib")
    nodes = ET.SubElement(cib, "nodes")
    node = ET.SubElement(nodes, "node", id="node2.maas", uname="node2.maas", type="remote")
    block = ET.SubElement(node, "instance_attributes", id="a")
    ET.SubElement(block, "nvpair", id="p", name=attribute, value=value)
    return cib
