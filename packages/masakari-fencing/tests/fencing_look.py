"""A host in a cluster, as one look shows it, and what follows from that."""

from __future__ import annotations

from dataclasses import replace

from fencing_fakes import Cluster, Remote
from masakari_fencing.pacemaker import crm_mon
from masakari_fencing.records.recovery import Record
from masakari_fencing.workflow.proof.decision import (
    Judgement,
    Observation,
    Policy,
    Report,
    Verdict,
)
from masakari_fencing.workflow.proof.decision import judge as decide

NOW = 2_000_000.0
HOST = "node1.maas"
FRESH = Record(HOST, "a-notification", "unit-0.12345678.17.900")
"""Of a recovery that has just begun, and of no earlier one."""


class Look:
    """A host in a cluster, as it is seen at one moment."""

    def __init__(self, **remote: object) -> None:
        self.remote = Remote(HOST, **remote)  # type: ignore[arg-type]
        self.cluster = Cluster([self.remote])
        self.seen: dict[str, object] = {"now": NOW, "connected": self.remote.connected}
        self.seen["others_heard"] = NOW - 7200
        self.report = Report(HOST, NOW)
        self.record = FRESH
        self.policy = Policy()

    def judge(self, **policy: object) -> Judgement:
        status = crm_mon.parse_status(self.cluster.crm_mon())
        (node,) = status.named(HOST)
        fenced = self.remote.fenced or None
        observed = Observation(status, node, fenced=fenced, **self.seen)  # type: ignore[arg-type]
        return decide(observed, self.report, self.record, replace(self.policy, **policy))

    def verdict(self, text: str, **policy: object) -> Verdict:
        """Return what follows; the reason holds `text`."""
        judgement = self.judge(**policy)
        assert text in judgement.reason
        return judgement.verdict


def dead(**changes: object) -> Look:
    return Look(**{"online": False, "role": "Stopped", "failed": True, **changes})


def fenced(seconds: float, **changes: object) -> dict[str, object]:
    """A fence so long ago in the history, which outlasts the return of the host."""
    return {"events": [("reboot", "success", NOW - seconds)], **changes}


def kept_off(seconds: float) -> dict[str, object]:
    """A fence so long ago that switched the host off, and nobody has switched it on since."""
    return {"fenced": NOW - seconds, "events": [("off", "success", NOW - seconds)]}
