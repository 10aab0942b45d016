"""The content of a cloud with so many hypervisors, as Keystone, Nova, Masakari, ... tell of it.

Ten instances on each, racks of twenty, half of the hypervisors in one failover segment and the
others in segments of a hundred, one of a hundred in maintenance since its recovery. Lists have
pages of at most a thousand, where the real ones have. What the cloud is told it does not remember:
what is measured is how often, and how long, it is asked. It was held against no real API: its
paths and keys are those that are asked for here.
"""

import itertools
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

PAGE = 1000
"""Entries of one answer at most: `max_limit` of Nova and Masakari by default."""
INSTANCES, RACK, SEGMENT, OUT = 10, 20, 100, 100
"""Instances of a hypervisor; hypervisors of a rack, of a segment, and of which one is out."""
IMAGE = "11111111-0000-4000-8000-000000000001"
PROJECT = "22222222-0000-4000-8000-000000000001"
ZONES = 3
DAY = 86400

Entry = dict[str, Any]


class NoSuchError(Exception):
    """There is nothing at that path."""


def identifier(kind: int, number: int) -> str:
    """Return a UUID."""
    return f"{kind:08x}-0000-4000-8000-{number:012x}"


def moment(ago: float) -> str:
    """Return a time so many seconds ago, as OpenStack writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - ago))


def name(number: int) -> str:
    """Return the name of a hypervisor; they are counted from 1 on."""
    return f"node{number}.maas"


def out(size: int) -> list[int]:
    """Return the hypervisors that are in maintenance; one at least."""
    return list(range(2, size + 1, OUT))


class Cloud:
    """Answers for all APIs.

    Args:
        size: how many hypervisors.
        url: where it is reached.
    """

    def __init__(self, size: int, url: str) -> None:
        self.size = size
        self._url = url
        self._numbers = range(1, size + 1)
        self._out = set(out(size))
        self._services = [self._service(n) for n in self._numbers]
        self._hypervisors = [self._hypervisor(n) for n in self._numbers]
        self._segments = _segments(size)
        self._notifications = [self._notification(n) for n in self._numbers]
        self._paths: list[tuple[re.Pattern[str], Callable[..., Entry]]] = [
            (re.compile(path), answer)
            for path, answer in (
                (r"/v3/auth/tokens", self._token),
                (r"/compute/servers(?:/detail)?", self._servers),
                (r"/compute/os-services(?:/[^/]+)?", self._of_services),
                (r"/compute/os-hypervisors/detail", self._of_hypervisors),
                (r"/compute/os-hypervisors/([^/]+)/uptime", self._uptime),
                (r"/compute/os-aggregates", self._aggregates),
                (r"/compute/os-server-groups", self._groups),
                (r"/compute/os-migrations", lambda query: {"migrations": []}),
                (r"/placement/allocation_candidates", self._candidates),
                (r"/image/v2/images/([^/]+)", lambda query, image: {"id": image}),
                (r"/v1/segments", self._of_segments),
                (r"/v1/segments/([^/]+)", self._one_segment),
                (r"/v1/segments/([^/]+)/hosts(?:/[^/]+)?", self._hosts),
                (r"/v1/notifications", self._of_notifications),
                (r"/v1/notifications/([^/]+)", self._one_notification),
                (r"/MAAS/api/2.0/machines/([^/]+)/", lambda query, machine: {"state": "on"}),
            )
        ]

    def answer(self, method: str, path: str, query: Mapping[str, Sequence[str]]) -> Any:
        """Return the document that a request is answered with.

        Raises:
            NoSuchError: there is nothing there.
        """
        if path == "/MAAS/api/2.0/machines/":
            return [self._machine(label) for label in query.get("hostname", ())]
        single = {key: values[0] for key, values in query.items()}
        for pattern, answer in self._paths:
            if match := pattern.fullmatch(path):
                return answer(single, *match.groups())
        raise NoSuchError(path)

    def _token(self, query: Mapping[str, str]) -> Entry:
        kinds = {"compute": "/compute", "placement": "/placement", "image": "/image"}
        catalog = [
            {
                "type": kind, "name": kind, "id": kind,
                "endpoints": [
                    {"interface": side, "region": "r", "region_id": "r", "url": self._url + path}
                    for side in ("internal", "public")
                ],
            }
            for kind, path in {**kinds, "instance-ha": "/v1"}.items()
        ]  # fmt: skip
        domain = {"id": "d", "name": "d"}
        own = {
            "methods": ["password"], "catalog": catalog,
            "user": {"id": "u", "name": "u", "domain": domain},
            "project": {"id": PROJECT, "name": "services", "domain": domain},
            "expires_at": "2999-01-01T00:00:00.0Z", "issued_at": "2020-01-01T00:00:00.0Z",
        }  # fmt: skip
        return {"token": own}

    # Nova

    def _service(self, number: int) -> Entry:
        down = number in self._out
        return {
            "id": identifier(1, number), "host": name(number), "binary": "nova-compute",
            "status": "disabled" if down else "enabled", "state": "up", "forced_down": False,
            "disabled_reason": "Masakari detected host failed." if down else None,
            "updated_at": moment(5), "zone": f"zone{number % ZONES}",
        }  # fmt: skip

    def _of_services(self, query: Mapping[str, str]) -> Entry:
        others = [
            {**self._services[0], "binary": f"nova-{kind}", "host": "control", "status": "enabled"}
            for kind in ("scheduler", "conductor")
        ]
        found = [
            one
            for one in (*self._services, *others)
            if query.get("binary", one["binary"]) == one["binary"]
            and query.get("host", one["host"]) == one["host"]
        ]
        return {"services": found, "service": self._services[0]}

    def _hypervisor(self, number: int) -> Entry:
        return {
            "id": identifier(2, number), "hypervisor_hostname": name(number), "state": "up",
            "status": "enabled", "service": {"id": identifier(1, number), "host": name(number)},
            "vcpus": 128, "memory_mb": 524288, "local_gb": 4000, "hypervisor_type": "QEMU",
            "cpu_info": {"arch": "x86_64", "model": "Cascadelake", "features": ["x"] * 60},
            "free_ram_mb": 300000, "host_ip": "10.0.0.1", "running_vms": INSTANCES,
        }  # fmt: skip

    def _of_hypervisors(self, query: Mapping[str, str]) -> Entry:
        pattern = query.get("hypervisor_hostname_pattern")
        if pattern is None:
            return _paged("hypervisors", self._hypervisors, query)
        found = [one for one in self._hypervisors if pattern in one["hypervisor_hostname"]]
        if not found:
            raise NoSuchError(pattern)
        return {"hypervisors": found}

    def _uptime(self, query: Mapping[str, str], uuid: str) -> Entry:
        text = " 12:00:00 up 12 days,  3:04,  1 user,  load average: 0.1, 0.1, 0.1"
        return {"hypervisor": {"id": uuid, "uptime": text}}

    def _aggregates(self, query: Mapping[str, str]) -> Entry:
        zones = [
            (zone, {"availability_zone": zone}, range(z or ZONES, self.size + 1, ZONES))
            for z, zone in enumerate(f"zone{z}" for z in range(ZONES))
        ]
        racks = [
            (f"rack{first}", {"rack": str(first)}, self._numbers[first : first + RACK])
            for first in range(0, self.size, RACK)
        ]
        return {
            "aggregates": [
                {"id": n, "name": one, "metadata": metadata, "hosts": [name(h) for h in hosts]}
                for n, (one, metadata, hosts) in enumerate([*zones, *racks], 1)
            ]
        }

    def _groups(self, query: Mapping[str, str]) -> Entry:
        """One of ten instances is in a group of three that are to be apart."""
        offset, limit = int(query.get("offset", 0)), int(query.get("limit", PAGE))
        found = [
            {
                "id": identifier(5, n), "policy": "anti-affinity", "rules": {},
                "members": [identifier(3, (n + i) * INSTANCES) for i in range(3)],
            }
            for n in range(0, self.size - 2, 3)
        ]  # fmt: skip
        return {"server_groups": found[offset : offset + min(limit, PAGE)]}

    def _servers(self, query: Mapping[str, str]) -> Entry:
        every = range(self.size * INSTANCES)
        if "host" in query:
            match = re.fullmatch(r"node(\d+)\.maas", query["host"])
            first = (int(match[1]) - 1) * INSTANCES if match else len(every)
            every = every[first : first + INSTANCES]
        begin = int(query["marker"][-12:], 16) + 1 if "marker" in query else every.start
        limit = min(PAGE, int(query.get("limit", PAGE)))
        numbers = every[begin - every.start :][:limit]
        found: Entry = {"servers": [_server(n) for n in numbers]}
        if numbers and numbers[-1] != every[-1]:
            found["servers_links"] = [{"rel": "next", "href": "next"}]
        return found

    def _candidates(self, query: Mapping[str, str]) -> Entry:
        resources = {
            "VCPU": {"capacity": 512, "used": 4 * INSTANCES},
            "MEMORY_MB": {"capacity": 500000, "used": 8192 * INSTANCES},
            "DISK_GB": {"capacity": 4000, "used": 20 * INSTANCES},
        }
        traits = [f"HW_CPU_X86_{n}" for n in range(40)]
        summaries = {
            identifier(2, n): {"resources": resources, "traits": traits} for n in self._numbers
        }
        return {"allocation_requests": [], "provider_summaries": summaries}

    # Masakari

    def _of_segments(self, query: Mapping[str, str]) -> Entry:
        every = [_segment(n) for n in range(1, len(self._segments) + 1)]
        return {**_paged("segments", every, query), "segment": every[0]}

    def _one_segment(self, query: Mapping[str, str], uuid: str) -> Entry:
        return {"segment": _segment(int(uuid[-12:], 16))}

    def _hosts(self, query: Mapping[str, str], uuid: str) -> Entry:
        numbers = self._segments[int(uuid[-12:], 16) - 1]
        every = [
            {
                "uuid": identifier(6, n), "id": n, "name": name(n), "reserved": n % RACK == 0,
                "on_maintenance": n in self._out, "type": "COMPUTE", "control_attributes": "SSH",
                "failover_segment_id": uuid,
            }
            for n in numbers
        ]  # fmt: skip
        return {**_paged("hosts", every, query), "host": every[0]}

    def _notification(self, number: int) -> Entry:
        """Each hypervisor has failed once, long ago; those in maintenance just now."""
        ago = 3600 if number in self._out else 30 * DAY + number
        return {
            "notification_uuid": identifier(7, number), "id": number, "type": "COMPUTE_HOST",
            "source_host_uuid": identifier(6, number), "generated_time": moment(ago),
            "created_at": moment(ago), "updated_at": moment(ago - 20), "status": "finished",
            "payload": {"event": "STOPPED", "cluster_status": "OFFLINE"},
        }  # fmt: skip

    def _of_notifications(self, query: Mapping[str, str]) -> Entry:
        keys = [key for key in ("source_host_uuid", "type", "status") if key in query]
        found = [n for n in self._notifications if all(n[key] == query[key] for key in keys)]
        if query.get("sort_dir") == "desc":
            found = sorted(found, key=lambda one: one["generated_time"], reverse=True)
        return {**_paged("notifications", found, query), "notification": self._notifications[0]}

    def _one_notification(self, query: Mapping[str, str], uuid: str) -> Entry:
        return {"notification": self._notifications[int(uuid[-12:], 16) - 1]}

    # MAAS

    def _machine(self, label: str) -> Entry:
        """MAAS tells some 20 KiB of each machine."""
        return {
            "system_id": label, "hostname": label, "fqdn": f"{label}.maas", "power_state": "on",
            "power_type": "ipmi", "filler": "x" * 20000,
        }  # fmt: skip


def entries(document: Any) -> int:
    """Return how many entries the longest list of an answer has."""
    if isinstance(document, dict):
        lists = (value for value in document.values() if isinstance(value, list | dict))
        return max(map(len, lists), default=0)
    return len(document)


def _segments(size: int) -> list[range]:
    """Return the hypervisors of each segment: a large one, and others."""
    half = max(1, size // 2)
    rest = range(half + 1, size + 1)
    others = [rest[first : first + SEGMENT] for first in range(0, len(rest), SEGMENT)]
    return [range(1, half + 1), *others]


def _segment(number: int) -> Entry:
    return {
        "uuid": identifier(8, number), "id": number, "name": f"segment{number}", "enabled": True,
        "recovery_method": "auto", "service_type": "COMPUTE", "description": "",
    }  # fmt: skip


def _server(number: int) -> Entry:
    flavor = {
        "vcpus": 4, "ram": 8192, "disk": 20, "ephemeral": 0, "swap": 0, "original_name": "m1",
        "extra_specs": {"hw:cpu_max_sockets": "2", "quota:disk_total_iops_sec": "2000"},
    }  # fmt: skip
    address = {"OS-EXT-IPS-MAC:mac_addr": "fa:16:3e:00:00:01", "version": 4, "addr": "10.1.2.3"}
    host = name(number // INSTANCES + 1)
    return {
        "id": identifier(3, number), "name": f"server-{number}", "tenant_id": PROJECT,
        "user_id": PROJECT, "status": "ACTIVE", "flavor": flavor, "image": {"id": IMAGE},
        "metadata": {"HA_Enabled": "True"}, "addresses": {"net": [address]},
        "created": "2026-01-01T00:00:00Z", "updated": "2026-01-01T00:00:00Z", "key_name": None,
        "security_groups": [{"name": "default"}], "locked": False, "config_drive": "",
        "OS-EXT-SRV-ATTR:host": host, "OS-EXT-SRV-ATTR:hypervisor_hostname": host,
        "OS-EXT-SRV-ATTR:instance_name": f"instance-{number:08x}", "OS-EXT-STS:vm_state": "active",
        "OS-EXT-STS:task_state": None, "OS-EXT-STS:power_state": 1,
        "OS-SRV-USG:launched_at": "2026-01-01T00:00:00.000000", "OS-SRV-USG:terminated_at": None,
    }  # fmt: skip


def _paged(key: str, every: Sequence[Entry], query: Mapping[str, str]) -> Entry:
    """Return the entries after the one whose `id` is the marker, as many as are wanted."""

    def after() -> Iterator[Entry]:
        left = iter(every)
        if "marker" in query:
            for one in left:
                if str(one["id"]) == query["marker"]:
                    break
        return left

    limit = min(PAGE, int(query.get("limit", PAGE)))
    return {key: list(itertools.islice(after(), limit))}
