"""Ten hypervisors before the guard, some of which are lost."""

from __future__ import annotations

from fencing_cib import ELECTED, Cib
from fencing_fakes import Cluster, Remote
from masakari_fencing.fence_agent import limit
from masakari_fencing.fence_agent.comebacks import Comebacks
from masakari_fencing.pacemaker import properties
from masakari_fencing.pacemaker.fencing_limit import FencingLimit

NOW = 2_000_000.0
OWN = f"{properties.HOLD}set"
"""What holds the properties."""


class Remembered(Comebacks):
    """Comebacks without a folder."""

    def __init__(self) -> None:
        self.begun: dict[str, float] = {}

    def since(self, node: str, now: float) -> float:
        return self.begun.setdefault(node, now)

    def forget(self, node: str) -> None:
        self.begun.pop(node, None)


class Rack:
    """Ten hypervisors, some of which are lost."""

    def __init__(self, count: int = 10) -> None:
        self.cluster = Cluster([Remote(f"node{number}") for number in range(1, count + 1)])
        self.properties: dict[str, float] = {}
        self.unseen: set[str] = set()
        self.unrecorded: set[str] = set()
        self.silent: set[str] = set()
        self.returned = False
        self.comebacks = Remembered()
        self.began = self.now = NOW
        self.tried: set[str] = set()
        self.objection: str | None = None
        self.extra = ""
        self.asked: list[tuple[str, list[str]]] = []
        self.cluster.runner.on("cibadmin", self._cibadmin)

    def _cibadmin(self, argv: list[str]) -> str | int:
        cib = Cib(self.cib())
        answer = cib.answer(argv, self.cluster.runner.inputs[-1])
        pairs = cib.root.xpath(f"//*[@id='{OWN}']/nvpair")
        self.properties = {pair.get("name"): float(pair.get("value")) for pair in pairs}
        return answer

    def cib(self) -> str:
        pairs = "".join(
            f'<nvpair id="{k}" name="{k}" value="{v}"/>' for k, v in self.properties.items()
        )
        primitives = "".join(
            f'<primitive id="{remote.name}" class="ocf" provider="pacemaker" type="remote">'
            f'<instance_attributes><nvpair name="server" value="ip-{remote.name}"/>'
            "</instance_attributes></primitive>"
            for remote in self.cluster.remotes
        )
        states = "".join(
            f'<node_state remote_node="true" uname="{remote.name}" '
            f'node_fenced="{remote.fenced:.0f}"><lrm_resource id="{remote.name}"><lrm_rsc_op '
            f'operation="start" rc-code="0" last-rc-change="{remote.connected:.0f}"/>'
            "</lrm_resource></node_state>"
            for remote in self.cluster.remotes
            if remote.name not in self.unseen
        )
        nodes = "".join(
            f'<node uname="{remote.name}"><instance_attributes>'
            '<nvpair name="juju-machine" value="1"/></instance_attributes></node>'
            for remote in self.cluster.remotes
            if remote.name not in self.unrecorded
        )
        return (
            f'<cib have-quorum="1" dc-uuid="1"><configuration><crm_config>{ELECTED}'
            f'<cluster_property_set id="{OWN}">{pairs}</cluster_property_set>'
            f"{self.extra}</crm_config>"
            f"<nodes>{nodes}</nodes><resources>{primitives}</resources></configuration>"
            f"<status>{states}</status></cib>"
        )

    def lose(self, *names: str, noticed: bool = True) -> None:
        for name in names:
            remote = self.cluster.remote(name)
            assert remote is not None
            remote.unclean, remote.online = noticed, not noticed
            self.silent.add(name)

    def reachable(self, address: str, port: int) -> bool:
        name = address.removeprefix("ip-")
        self.tried.add(name)
        return name not in self.silent

    def check(self, target: str = "node1", **limits: int) -> str | None:
        guard = FencingLimit(**limits) if limits else FencingLimit(max_hosts=2)
        try:
            return limit.check(
                self.cluster.runner,
                target,
                guard,
                begun=self.began,
                probes=limit.Probes(
                    self.reachable,
                    returned=lambda address, port: self.returned,
                    comebacks=self.comebacks,
                    objection=self.object,
                    clock=lambda: self.now,
                ),
            )
        except limit.Spared as error:
            return f"spared: {error}"

    def object(self, addresses: list[str], host: str) -> str | None:
        self.asked.append((host, addresses))
        return self.objection
