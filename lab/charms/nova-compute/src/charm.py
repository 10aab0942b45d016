"""Stand-in for nova-compute: a hypervisor with nova-compute, libvirt and QEMU."""

from __future__ import annotations

import socket
from collections.abc import Mapping

import ceph
import kvm
import migration
import openstack_peers
import workload
from standin import Unit, main, require

SETTINGS = "etc/nova/nova.conf"
DRIVER_SETTINGS = "etc/nova/nova-compute.conf"
QEMU_SETTINGS = "etc/libvirt/qemu.conf"
LIBVIRT_ARGUMENTS = "etc/default/libvirtd"

RESTARTS = "etc/systemd/system/nova-compute.service.d/lab-restarts.conf"

_RESTARTS = """\
# nova-compute says that it is ready before it has begun, and ends with 0 where it then fails to:
# one lost answer of nova-conductor's, and after a minute it is gone for good, as after a stop.
[Service]
Restart=always
"""

QEMU = """\
# A container may not make the namespaces and control groups in which libvirt confines its guests,
# and all hypervisors share one directory of disks, whose owner none of them may change.
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
"""


def reconcile(unit: Unit) -> list[str]:
    """Operate the hypervisor and tell Nova its name."""
    name = unit.keep("host", fqdn)
    virt_type = choose_virt_type(unit)
    openstack_peers.ask_messaging(unit)
    unit.publish("cloud-compute", {"hostname": name, "private-address": unit.address("migration")})
    workload.write(unit.root / QEMU_SETTINGS, QEMU, mode=0o600)
    # Without its default of ending after two idle minutes.
    workload.write(unit.root / LIBVIRT_ARGUMENTS, "LIBVIRTD_ARGS=\n")
    moves = bool(unit.config["enable-live-migration"])
    if moves:
        migration.prepare(unit)
    storage = ceph.prepare(unit)
    read = [QEMU_SETTINGS, LIBVIRT_ARGUMENTS, *([migration.LIBVIRT] if moves else [])]
    read += ceph.SECRETS if storage else []
    libvirt = workload.serve(unit, ["libvirtd"], *read)
    transport_url = openstack_peers.transport_url(unit)
    image_url = unit.answer("image-service", "glance-api-server")
    cloud = controller(unit)
    needs: dict[str, tuple[str, object]] = {
        "messaging": ("amqp", transport_url),
        "image": ("image-service", image_url),
        "compute": ("cloud-compute", cloud),
    }
    if ceph.wanted(unit):
        needs["storage-backend"] = ("ceph", storage)
    require(unit, needs)
    if workload.write(unit.root / RESTARTS, _RESTARTS):
        workload.run("systemctl", "daemon-reload")
    text = workload.ini(settings(unit, name, transport_url, image_url, cloud))
    workload.write(unit.root / SETTINGS, text, group="nova", mode=0o640)
    workload.write(unit.root / DRIVER_SETTINGS, workload.ini(driver_settings(unit, virt_type)))
    read = [SETTINGS, DRIVER_SETTINGS, QEMU_SETTINGS, *(migration.FILES if moves else ())]
    read += ceph.FILES if storage else []
    nova = workload.serve(unit, ["nova-compute"], *read)
    return libvirt + nova


def fqdn() -> str:
    """This machine's canonical name, `hostname -f`; kept for good once it is in use."""
    name = socket.gethostname()
    found = socket.getaddrinfo(name, None, flags=socket.AI_CANONNAME)
    return found[0][3] or name


def controller(unit: Unit) -> dict[str, str]:
    """The answer of nova-cloud-controller; empty until it is complete."""
    for _, bag in unit.bags("cloud-compute"):
        if bag.get("service_password") and bag.get("auth_host"):
            return bag
    return {}


def settings(
    unit: Unit, name: str, transport_url: str, image_url: str, cloud: Mapping[str, str]
) -> workload.Ini:
    """The configuration of nova-compute."""
    keys = {
        "service_tenant": cloud["service_tenant_name"],
        "service_domain": cloud["admin_domain_name"],
    }
    auth = openstack_peers.auth_section({**cloud, **keys})
    return {
        "DEFAULT": {
            "debug": unit.config["debug"],
            "host": name,
            "my_ip": unit.address("internal"),
            "transport_url": transport_url,
            "log_dir": "/var/log/nova",
            "state_path": "/var/lib/nova",
            "force_raw_images": unit.config["force-raw-images"],
            # Its default looks after guests that libvirt lost, ten minutes after the fact, by
            # deleting them; the lab's hypervisors see each other's disks.
            "running_deleted_instance_timeout": 0,
            "resume_guests_state_on_host_boot": unit.config["resume-guests-state-on-host-boot"],
            "vif_plugging_is_fatal": False,
            "vif_plugging_timeout": 0,
            # All hypervisors share one machine: what each seems to have says nothing.
            "reserved_host_memory_mb": 0,
            "ram_allocation_ratio": 20,
            "cpu_allocation_ratio": 64,
            "disk_allocation_ratio": 20,
            **workload.flags(unit.config.get("config-flags", "")),
        },
        "glance": {"api_servers": image_url},
        "neutron": {
            **auth,
            "region_name": cloud.get("region"),
            "endpoint_override": cloud.get("quantum_url"),
        },
        "placement": {**auth, "region_name": cloud.get("region")},
        "spice": {"enabled": False},
        "vnc": {"enabled": False},
        "oslo_concurrency": {"lock_path": "/var/lock/nova"},
        "oslo_messaging_notifications": {"driver": "noop"},
    }


def choose_virt_type(unit: Unit) -> str:
    """How guests run: as the option says, but emulated where KVM is of no use."""
    wish = str(unit.config["virt-type"])
    return "qemu" if wish == "kvm" and not unit.keep("kvm works", kvm.works) else wish


def driver_settings(unit: Unit, virt_type: str) -> workload.Ini:
    """The part of the configuration that says how guests run."""
    return {
        "DEFAULT": {"compute_driver": "libvirt.LibvirtDriver"},
        "libvirt": {
            "virt_type": virt_type,
            "cpu_mode": unit.config.get("cpu-mode", "none"),
            "images_type": unit.config.get("libvirt-image-backend") or "qcow2",
            "disk_cachemodes": unit.config.get("disk-cachemodes"),
            **(ceph.settings(unit) if ceph.wanted(unit) else {}),
            **(migration.settings(unit) if unit.config["enable-live-migration"] else {}),
        },
    }


if __name__ == "__main__":
    main(reconcile, version_of="nova-common")
