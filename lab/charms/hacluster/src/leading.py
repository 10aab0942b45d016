"""What a member, the leader above all, does to the running cluster."""

from __future__ import annotations

import json
import time

import cluster
import standin
from cluster import Cib, State
from databags import Principal, Remote, resources_on_remotes
from peers import Peers
from plan import Plan

START_WAIT = 30
"""Seconds until Pacemaker answers."""

FENCING_WAIT = 50
"""Seconds from the first remote unit until fencing is set up, whoever is missing."""

QUORUM_WAIT = 15
"""Seconds for quorum."""

SETTLE_WAIT = 3
"""Seconds in a hook for the principal's resources to start."""

LOOKS, LOOK_PAUSE = 180, 4
"""For how many seconds, and how often, a unit looks whether they have started after that."""

_LOOK = """\
while sleep "$2"; do juju-exec "$1" "JUJU_DISPATCH_PATH=hooks/update-status ./dispatch"; done"""


def log(text: str, level: str = "INFO") -> None:
    """Write to the unit's log."""
    standin.tool("juju-log", "--log-level", level, "--", text)


class Leading(Peers):
    """Brings the cluster to what its neighbours ask for."""

    def __init__(self, unit: standin.Unit) -> None:
        super().__init__(unit)
        stem = unit.name.replace("/", "-")
        self._written = unit.root / f"var/lib/juju-standin/{stem}.written.json"

    def wait_for_pacemaker(self) -> None:
        """Wait until Pacemaker is up on this machine and, for some time, for quorum.

        Raises:
            ClusterError: it is not up within `START_WAIT`.
        """
        if not cluster.wait(lambda state: self.host in state.nodes, START_WAIT):
            message = "Pacemaker is down. Please manually start it."
            self.unit.status("blocked", message)
            raise cluster.ClusterError(message)
        if not cluster.wait(lambda state: state.quorum, QUORUM_WAIT):
            log("there is no quorum", "WARNING")

    def set_globals(self, cib: Cib) -> None:
        """Set what holds for the whole cluster."""
        properties: dict[str, object] = {
            "no-quorum-policy": "stop",
            "cluster-recheck-interval": self.config["cluster_recheck_interval"],
        }
        if "st-maas" not in cib.resources:
            properties["stonith-enabled"] = "false"
        defaults = {"resource-stickiness": 100, "failure-timeout": self.config["failure_timeout"]}
        cluster.set_options(cib, properties, defaults)
        if "dc-deadtime" in cib.options:  # It was for the start only.
            argv = ("crm_attribute", "--type", "crm_config", "--name", "dc-deadtime", "--delete")
            cluster.run(*argv)

    def lead(self, wanted: Principal, *, with_remotes: bool) -> None:
        """Bring the cluster to what the principal and, if all members are in, the remotes want."""
        cib = Cib.query()
        self.set_globals(cib)
        bags = self.remote_bags()
        on_remotes = resources_on_remotes(bags)
        if self.delete(wanted, cib):
            cib = Cib.query()
        self.stop_services(wanted)
        plan = Plan(cib, self.written())
        plan.add_principal(wanted)
        if on_remotes is not None:
            plan.set_property("symmetric-cluster", on_remotes)
        if not with_remotes:
            self.apply(plan)
            return
        remotes = [remote for bag in bags if (remote := Remote.read(bag)).name]
        plan.add_remotes(remotes)
        members_only = on_remotes is False
        if members_only:
            plan.keep_off_remotes(wanted, remotes)
        self.apply(plan)
        self.lead_fencing(remotes, members_only=members_only)
        self.clean_up([*wanted.clones, *wanted.groups, *(remote.name for remote in remotes)])

    def lead_fencing(self, remotes: list[Remote], *, members_only: bool) -> None:
        """Set up the fencing devices, after all that works without them is in place.

        Raises:
            ValueError: a remote node is to be fenced, but an option of MAAS is missing.
        """
        cib = Cib.query()
        plan = Plan(cib, self.written())
        targets = [remote.stonith_name for remote in remotes if remote.stonith_name]
        if targets and not self.fencing_due(cib):
            log("fencing waits for the other remote units")
            return
        if targets:
            url, key = (self.config.get(f"maas_{name}") for name in ("url", "credentials"))
            plan.add_devices(targets, self.hosts(), url, key, members_only=members_only)
        plan.set_property("stonith-enabled", bool(targets))
        self.apply(plan)

    def fencing_due(self, cib: Cib) -> bool:
        """Whether to set up fencing now, or only once more remote units have said what they are.

        Its devices have a monitor with a delay of 25 s, and with every change the cluster goes
        through it before it does anything else. charm-hacluster changes them with every remote
        unit; here the first time covers all that Juju knows of, within reason.
        """
        if "st-maas" in cib.resources:
            return True
        first = self.unit.keep("first-remote", time.time)
        goal = standin.tool_json("goal-state")["relations"].get("pacemaker-remote", {})
        here = {name for name, bag in self.unit.bags("pacemaker-remote") if "remote-ip" in bag}
        expected = {name for name in goal if "/" in name}
        return expected <= here or time.time() - first > FENCING_WAIT

    def apply(self, plan: Plan) -> None:
        """Make a plan true and remember what was written."""
        try:
            refused = cluster.commit(plan.statements, log)
        except cluster.StatementError as error:
            if error.blocked:
                self.unit.status("blocked", error.blocked)
            raise
        for statement in refused:
            plan.digests.pop(statement.key, None)
        for clone, limit in plan.clone_max.items():
            cluster.run("crm_resource", "--resource", clone, "--meta", "--set-parameter",
                        "clone-max", "--parameter-value", limit)  # fmt: skip
        if plan.digests != self.written():
            self._written.parent.mkdir(parents=True, exist_ok=True)
            self._written.write_text(json.dumps(plan.digests))

    def settle(self, names: list[str]) -> None:
        """Wait a moment for resources to start, so that the status is worth showing.

        Not for long: some start only after a hook of the principal, which waits for this one.
        """

        def settled(state: State) -> bool:
            here = [name for name in names if name in state.running]
            return here != names or all(state.runs(name, self.host) for name in names)

        cluster.wait(settled, SETTLE_WAIT)

    def look_again(self, *, wanted: bool) -> None:
        """Have the status looked at again every few seconds, for some time, or no more."""
        service = f"{self.unit.name.replace('/', '-')}-looks.service"
        looking = (self.unit.root / "run/systemd/transient" / service).exists()
        if wanted and not looking:
            argv = ["systemd-run", "--quiet", "--collect", f"--unit={service}"]
            argv += [f"--property=RuntimeMaxSec={LOOKS}", "sh", "-c", _LOOK, "sh"]
            cluster.run(*argv, self.unit.name, str(LOOK_PAUSE))
        elif looking and not wanted:
            cluster.run("systemctl", "stop", service)

    def delete(self, wanted: Principal, cib: Cib) -> bool:
        """Delete the resources that the principal wants gone; return whether there were any."""
        doomed = [name for name in wanted.delete_resources if name in cib.resources]
        for name in doomed:
            cluster.run("crm", "-w", "-F", "resource", "stop", name, timeout=120)
            cluster.run("crm", "-w", "-F", "configure", "delete", name, timeout=120)
        return bool(doomed)

    def stop_services(self, wanted: Principal) -> None:
        """Stop the services on this machine that the cluster is to start.

        As in charm-hacluster this happens every time, so it also stops one that the cluster has
        started; the cluster's monitor then finds out and starts it again.
        """
        for agent in wanted.resources.values():
            self.stop_service(agent)

    def stop_service(self, agent: str) -> None:
        """Stop the service on this machine that a resource is to start."""
        kind, _, service = agent.partition(":")
        if kind != "lsb":
            return
        if any(self.unit.root.glob(f"etc/rc?.d/S??{service}")):
            cluster.run("update-rc.d", "-f", service, "remove")
        if cluster.is_active(service):
            log(f"stopping {service}")
            cluster.run("systemctl", "stop", service)

    def clean_up(self, names: list[str]) -> None:
        """Forget the failures of resources, so that the cluster tries them again at once."""
        failed = State.query().failed
        for name in names:
            if name in failed:
                try:
                    cluster.run("crm_resource", "--cleanup", "--resource", name)
                except cluster.ClusterError as error:
                    log(str(error), "WARNING")

    def written(self) -> dict[str, str]:
        """What this unit has written to the cluster, as digests."""
        try:
            return dict(json.loads(self._written.read_text()))
        except FileNotFoundError:
            return {}
