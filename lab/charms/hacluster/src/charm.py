"""Stand-in for charm-hacluster: a real Corosync and Pacemaker cluster among its units."""

from __future__ import annotations

import functools
import json
import socket
import subprocess
import time
from pathlib import Path

import cluster
import standin
from cluster import Cib, State
from corosync import Member, node_id
from databags import Principal, Remote, decode, resources_on_remotes
from plan import Plan

FILES = Path(__file__).resolve().parent.parent / "files"
POLICIES = ("ignore", "freeze", "stop", "suicide")

CONFIGURE = (
    "ha-relation-joined", "ha-relation-changed", "hanode-relation-changed",
    "peer-availability-relation-joined", "peer-availability-relation-changed",
    "pacemaker-remote-relation-changed",
)  # fmt: skip
"""The hooks in which the leader brings the cluster to what its neighbours ask for.

A departure is not among them: what once was in the cluster stays there.
"""

START_WAIT = 30
"""Seconds until Pacemaker answers."""

FENCING_WAIT = 50
"""Seconds from the first remote unit until fencing is set up, whoever is missing."""

SETTLE_WAIT = 15
"""Seconds for quorum, and for the principal's resources to start."""


def log(text: str, level: str = "INFO") -> None:
    """Write to the unit's log."""
    standin.tool("juju-log", "--log-level", level, "--", text)


class Hacluster:
    """One unit of hacluster during one hook."""

    def __init__(self, unit: standin.Unit) -> None:
        self.unit = unit
        # Not from memory: a failed hook that is run again must see the option that was at fault.
        self.config = standin.tool_json("config-get")
        self.member = Member(unit.root)
        self.host = socket.gethostname()
        stem = unit.name.replace("/", "-")
        self._written = unit.root / f"var/lib/juju-standin/{stem}.written.json"

    # -- hooks --------------------------------------------------------------------------------

    def run(self) -> None:
        """Do what the hook is for."""
        hook = self.unit.hook
        if hook in ("install", "upgrade-charm"):
            self.unit.status("maintenance", "Installing apt packages")
            self.member.install(FILES / "external_maas.py")
            standin.tool("application-version-set", _version())
        elif hook == "config-changed":
            self.config_changed()
        elif hook in CONFIGURE:
            self.configure()
        elif hook == "update-status" and self.unit.leader:
            self.catch_up()
        elif hook == "hanode-relation-joined":
            self.publish_address()
        elif hook == "hanode-relation-departed" and not self.config["maintenance-mode"]:
            # The running ring stays as it is, until a restart of Corosync.
            self.member.write_nodes(self.nodes(), self.config)
            if self.member.running and self.unit.leader:
                self.forget(Cib.query(), patience=60)
        elif hook == "pacemaker-remote-relation-joined":
            key = self.config.get("pacemaker_key") or self.config.get("corosync_key")
            self.unit.publish("pacemaker-remote", {"pacemaker-key": key})

    def config_changed(self) -> None:
        """Apply the options; those of MAAS wait for the next event that configures the cluster."""
        if not self.config.get("corosync_key"):
            message = "No Corosync key supplied, cannot proceed"
            self.unit.status("blocked", message)
            raise RuntimeError(message)
        self.publish_address()
        self.member.configure(self.nodes(), self.config, start=False)
        if not self.member.running:
            return
        self.wait_for_pacemaker()
        cib = Cib.query()
        policy = str(self.config["no_quorum_policy"]).lower()
        properties: dict[str, object] = {}
        if self.unit.leader:
            self.set_globals(cib)
            maintenance = str(self.config["maintenance-mode"]).lower()
            if maintenance != cib.options.get("maintenance-mode", "false"):
                properties["maintenance-mode"] = maintenance
        if policy in POLICIES:
            properties["no-quorum-policy"] = policy
        cluster.set_options(Cib.query(), properties, {})

    def configure(self) -> None:
        """Form the cluster once enough units are ready, and configure it as the leader."""
        if not self.unit.related("hanode"):
            return
        self.tell_peers(ready=True)
        count = int(self.config["cluster_count"])
        if self.flagged("ready") < count:
            log(f"not enough units are ready: {self.flagged('ready')} of {count}")
            return
        principals = self.unit.related("ha") or self.unit.related("juju-info")
        if len(principals) != 1 or not principals[0].units:
            log("no principal to configure the cluster for")
            return
        bag = next(iter(principals[0].units.values()))
        wanted = Principal.read(bag)
        self.member.configure(self.nodes(), self.config, start=True)
        self.wait_for_pacemaker()
        if self.unit.leader:
            self.lead(wanted, with_remotes=self.flagged("member_ready") >= count)
        self.settle(list(wanted.resources))
        self.unit.publish("ha", {"clustered": "yes"})
        self.tell_peers(member_ready=True)

    def forget(self, cib: Cib, *, patience: float) -> None:
        """Take members that are gone for good out of the cluster's configuration.

        Args:
            cib: the cluster's configuration.
            patience: seconds that one of them may take to leave.
        """
        hosts = self.hosts()
        if len(hosts) <= len(self.unit.bags("hanode")):
            return  # Not every peer has said yet which host it is.
        for member in set(cib.members) - set(hosts):
            if cluster.wait(functools.partial(_without, member), patience):
                cluster.run("crm_node", "--force", "--remove", member)

    def catch_up(self) -> None:
        """Do what has waited: forget members, set up fencing without the missing remote units."""
        try:
            cib = Cib.query()
        except cluster.ClusterError:
            return  # The status will tell.
        self.forget(cib, patience=0)
        bags = (bag for _, bag in self.unit.bags("pacemaker-remote"))
        if "st-maas" not in cib.resources and any(decode(b, "stonith-hostname") for b in bags):
            self.configure()

    # -- the cluster --------------------------------------------------------------------------

    def wait_for_pacemaker(self) -> None:
        """Wait until Pacemaker is up on this machine and, for some time, for quorum.

        Raises:
            ClusterError: it is not up within `START_WAIT`.
        """
        if not cluster.wait(lambda state: self.host in state.nodes, START_WAIT):
            message = "Pacemaker is down. Please manually start it."
            self.unit.status("blocked", message)
            raise cluster.ClusterError(message)
        if not cluster.wait(lambda state: state.quorum, SETTLE_WAIT):
            log("there is no quorum", "WARNING")

    def set_globals(self, cib: Cib) -> None:
        """Set what holds for the whole cluster."""
        properties: dict[str, object] = {
            "no-quorum-policy": "stop",
            "cluster-recheck-interval": self.config["cluster_recheck_interval"],
        }
        if "st-maas" not in cib.resources:
            properties["stonith-enabled"] = "false"
        defaults = {
            "resource-stickiness": 100,
            "failure-timeout": self.config["failure_timeout"],
        }
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
        """Wait for resources of the cluster to start, so that the status is worth showing."""

        def settled(state: State) -> bool:
            here = [name for name in names if name in state.running]
            return here != names or all(state.runs(name, self.host) for name in names)

        if not cluster.wait(settled, SETTLE_WAIT):
            log("not all resources run yet", "WARNING")

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
            kind, _, service = agent.partition(":")
            if kind != "lsb":
                continue
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

    # -- the peers ----------------------------------------------------------------------------

    def publish_address(self) -> None:
        """Tell the peers where this unit is."""
        address = self.unit.address("hanode")
        self.tell_peers(**{"private-address": address, "hostname": self.host})

    def tell_peers(self, **data: object) -> None:
        """Publish more on the peer relation, next to what is there."""
        for relation in self.unit.related("hanode"):
            relation.publish({**relation.published, **data})

    def flagged(self, flag: str) -> int:
        """How many units have a flag, this one included."""
        return 1 + sum(1 for _, bag in self.unit.bags("hanode") if bag.get(flag))

    def nodes(self) -> dict[int, str]:
        """The address of each unit by Corosync's number for it."""
        peers = {
            node_id(name): bag["private-address"]
            for name, bag in self.unit.bags("hanode")
            if bag.get("private-address")
        }
        return {**peers, node_id(self.unit.name): self.unit.address("hanode")}

    def remote_bags(self) -> list[dict[str, str]]:
        """What the remote units publish, read anew.

        Each reconfiguration of the fencing device holds the cluster up for half a minute, so it
        pays to see what will come with the next events already.
        """
        for relation in self.unit.related("pacemaker-remote"):
            for name in relation.units:
                bag = standin.tool_json("relation-get", "-r", relation.id, "-", name)
                relation.units[name] = bag or {}
        return [bag for _, bag in self.unit.bags("pacemaker-remote")]

    def hosts(self) -> list[str]:
        """The host names of all units."""
        peers = (bag.get("hostname", "") for _, bag in self.unit.bags("hanode"))
        return [self.host, *filter(None, peers)]

    def written(self) -> dict[str, str]:
        """What this unit has written to the cluster, as digests."""
        try:
            return dict(json.loads(self._written.read_text()))
        except FileNotFoundError:
            return {}

    # -- status -------------------------------------------------------------------------------

    def assess(self) -> tuple[str, str]:
        """Return the unit's status, state and message."""
        if str(self.config.get("stonith_enabled")).lower() == "true":
            return "blocked", "stonith_enabled config option is no longer supported"
        if str(self.config["no_quorum_policy"]).lower() not in POLICIES:
            return "blocked", "Invalid no_quorum_policy specified"
        count = int(self.config["cluster_count"])
        if len(self.unit.bags("hanode")) + 1 < count:
            return "blocked", f"Insufficient peer units for ha cluster (require {count})"
        try:
            state = State.query()
        except cluster.ClusterError:
            if self.member.formed:
                return "blocked", "Pacemaker is down"
            return "waiting", "Waiting for all units to be ready to form the cluster"
        names = (name for _, bag in self.unit.bags("ha") for name in Principal.read(bag).resources)
        for name in names:
            if name not in state.running:
                return "waiting", f"Resource: {name} not yet configured"
            if not state.runs(name, self.host):
                return "blocked", f"Resource: {name} not running"
        if state.maintenance:
            return "maintenance", "Pacemaker in maintenance mode"
        return "active", "Unit is ready and clustered"


def _without(host: str, state: State) -> bool:
    return host not in state.nodes


def _version() -> str:
    query = ["dpkg-query", "--show", "--showformat=${Version}", "pacemaker"]
    text = subprocess.run(query, capture_output=True, text=True, check=True).stdout
    return text.partition("-")[0]


def main() -> None:
    """Run the hook that Juju dispatched."""
    unit = standin.Unit()
    if unit.hook == "stop":  # Juju may answer nothing any more
        Member(unit.root).leave()
        return
    unit.observe()
    hacluster = Hacluster(unit)
    hacluster.run()
    unit.status(*hacluster.assess())
    unit.commit()


if __name__ == "__main__":
    main()
