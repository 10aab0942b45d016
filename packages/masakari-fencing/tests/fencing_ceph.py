"""Ceph's monitors, as far as fencing asks them: what 16.2.15 printed for the same commands."""

from __future__ import annotations

import datetime
import json
from typing import Any

from fencing_cib import Cib
from lxml import etree
from masakari_fencing.ceph.monitors import CephError
from masakari_fencing.records import storage_fences
from masakari_fencing.records.storage_fences import StorageFence

MONITOR = "10.77.4.11"
NODE = "node2.maas"

_MON_DUMP = {
    "epoch": 1,
    "mons": [
        {
            "rank": 0,
            "name": "node1",
            "public_addrs": {"addrvec": [{"type": "v1", "addr": f"{MONITOR}:6789", "nonce": 0}]},
            "addr": f"{MONITOR}:6789/0",
            "public_addr": f"{MONITOR}:6789/0",
        }
    ],
}


class FakeCeph:
    """A connection to monitors that keep a blocklist.

    Attributes:
        blocked: until when, in seconds since the epoch, by entry.
        may: whether the key may change it.
        full: names of the checks of Ceph's health.
        away: nobody answers.
        deaf: it takes entries and keeps none.
        now: seconds since the epoch.
        closed: how many connections have ended.
    """

    def __init__(self, now: float = 2_000_000.0) -> None:
        self.blocked: dict[str, float] = {}
        self.may = True
        self.full: list[str] = []
        self.away = self.deaf = False
        self.now = now
        self.closed = self.opened = 0
        self.asked: list[dict[str, Any]] = []

    def connect(self) -> FakeCeph:
        if self.away:
            raise CephError("its monitors do not let this unit in: error connecting")
        self.opened += 1
        return self

    def shutdown(self) -> None:
        self.closed += 1

    def mon_command(self, cmd: str, inbuf: bytes, timeout: int = 0) -> tuple[int, bytes, str]:
        if self.away:
            raise OSError("[errno 110] RADOS timed out")
        asked = json.loads(cmd)
        self.asked.append(asked)
        prefix = asked["prefix"]
        if prefix == "osd blocklist":
            return self._change(asked)
        if prefix == "osd blocklist ls":
            items = [{"addr": k, "until": _moment(v)} for k, v in self.blocked.items()]
            ranges = [{"range": "10.77.9.0:0/24", "until": _moment(self.now + 60)}]
            # Two documents, as it prints them.
            return 0, (json.dumps(items) + json.dumps(ranges)).encode(), "listed 1 entries"
        answers = {
            "fsid": {"fsid": "a3dda617-3605-437f-aebc-d5dfb01fa389"},
            "health": {"status": "HEALTH_WARN", "checks": {name: {} for name in self.full}},
            "mon dump": _MON_DUMP,
        }
        if prefix not in answers:
            return -22, b"", "command not known"
        return 0, f"\n{json.dumps(answers[prefix])}".encode(), ""

    def _change(self, asked: dict[str, Any]) -> tuple[int, bytes, str]:
        if not self.may:
            return -13, b"", "access denied"
        address = asked["addr"]
        if asked["blocklistop"] == "rm":
            known = self.blocked.pop(address, None)
            return (
                0,
                b"",
                f"un-blocklisting {address}" if known else f"{address} isn't blocklisted",
            )
        if not self.deaf:
            self.blocked[address] = self.now + asked["expire"]
        return 0, b"", f"blocklisting {address}"


def storage(address: str = "10.77.4.12", boot: str = "boot-1", **changes: Any) -> str:
    """What a hypervisor has recorded about itself."""
    found = {
        "addresses": [address, "10.77.3.12", "192.168.122.1"],
        "sources": [address],
        "monitors": [MONITOR],
        "images": True,
        "boot": boot,
        **changes,
    }
    return json.dumps(found)


def cut_off(node: str, time: float = 1_999_999.0) -> str:
    """The record of a node that is cut off from its storage."""
    cib = Cib()
    fence = StorageFence(node, 1_999_998.0, ("10.77.4.12",), (MONITOR,), time=time)
    storage_fences.write(cib, fence)
    [found] = cib.root.xpath(f"//*[@id='{storage_fences.PREFIX}{node}']")
    return etree.tostring(found, encoding="unicode")


def nodes(**recorded: str) -> str:
    """The `nodes` element, of hypervisors `nodeN.maas` that have recorded something."""
    lines = [
        f'<node id="{name}.maas" uname="{name}.maas" type="remote">'
        f'<instance_attributes id="a-{name}">'
        f'<nvpair id="p-{name}" name="instance-ha-storage" value=\'{text}\'/>'
        "</instance_attributes></node>"
        for name, text in recorded.items()
    ]
    return f"<nodes>{''.join(lines)}</nodes>"


def _moment(seconds: float) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}+0000"
