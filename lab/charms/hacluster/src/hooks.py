"""What a unit does in each hook, as quickly as a lab wants it; `stepwise` has the real manners."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

import cluster
import standin
from cluster import Cib, State
from corosync import Member
from databags import Principal, decode
from leading import Leading, log

FILES = Path(__file__).resolve().parent.parent / "files"
POLICIES = ("ignore", "freeze", "stop", "suicide")

PAUSED = "Paused. Use 'resume' action to resume normal service."

RESOURCE = "Resource: "
"""How a status begins that tells of a resource of the principal."""

CONFIGURE = (
    "ha-relation-joined", "ha-relation-changed", "hanode-relation-changed",
    "peer-availability-relation-joined", "peer-availability-relation-changed",
    "pacemaker-remote-relation-changed",
)  # fmt: skip
"""The hooks in which the leader brings the cluster to what its neighbours ask for.

A departure is not among them: what once was in the cluster stays there.
"""


class Hacluster(Leading):
    """One unit of hacluster during one hook."""

    def __init__(self, unit: standin.Unit) -> None:
        super().__init__(unit)
        self.member = Member(unit.root)

    def run(self) -> None:
        """Do what the hook is for."""
        hook = self.unit.hook
        if hook in ("install", "upgrade-charm"):
            self.unit.status("maintenance", "Installing apt packages")
            self.install()
            standin.tool("application-version-set", _version())
        elif hook == "config-changed":
            self.config_changed()
        elif hook in CONFIGURE:
            self.configure()
        elif hook == "update-status":
            self.catch_up()
        elif hook == "hanode-relation-joined":
            self.publish_address()
        elif hook == "hanode-relation-departed" and not self.config["maintenance-mode"]:
            # The running ring stays as it is, until a restart of Corosync.
            self.member.write_nodes(self.nodes(), self.config)
            # A unit that goes sees each of the others depart, and they stay.
            if self.unit.environ.get("JUJU_DEPARTING_UNIT") != self.unit.name:
                self.departed()
        elif hook == "pacemaker-remote-relation-joined":
            key = self.config.get("pacemaker_key") or self.config.get("corosync_key")
            self.unit.publish("pacemaker-remote", {"pacemaker-key": key})

    def install(self) -> None:
        """Install the packages and the STONITH plugin."""
        self.member.install(FILES / "external_maas.py")

    def departed(self) -> None:
        """A peer is going: the leader takes it out of the cluster."""
        if self.member.running and self.unit.leader:
            self.forget(Cib.query(), patience=60)

    def may_configure(self) -> bool:
        """Whether the options are applied now; those of a paused unit wait.

        Raises:
            RuntimeError: the key is missing.
        """
        if self.paused:
            log("the unit is paused: the options wait", "WARNING")
            return False
        if not self.config.get("corosync_key"):
            message = "No Corosync key supplied, cannot proceed"
            self.unit.status("blocked", message)
            raise RuntimeError(message)
        return True

    def ring_renewed(self) -> bool:
        """Have Corosync read its members anew where a peer's action has just asked for it."""
        remote = self.unit.environ.get("JUJU_REMOTE_UNIT", "")
        asked = dict(self.unit.bags("hanode")).get(remote, {}).get("trigger-corosync-update")
        return asked is not None and self.renew_ring(asked)

    def renew_ring(self, request: str) -> bool:
        """Have Corosync read its members anew, once for each request; say if it was done now."""
        done = False

        def renew() -> str:
            nonlocal done
            done = True
            self.member.write_nodes(self.nodes(), self.config)
            cluster.run("corosync-cfgtool", "-R")
            return request

        self.unit.keep("ring", renew, key=request)
        return done

    def config_changed(self) -> None:
        """Apply the options; those of MAAS wait for the next event that configures the cluster."""
        if not self.may_configure():
            return
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

    def due(self) -> Principal | None:
        """Return what the principal wants, once enough units are ready to form the cluster.

        Raises:
            ValueError, SyntaxError: what it wants cannot be read.
        """
        if not self.unit.related("hanode"):
            return None
        self.tell_peers(ready=True)
        if self.ring_renewed():
            return None
        if not self.complete("ready"):
            count = self.config["cluster_count"]
            log(f"not enough units are ready: {self.flagged('ready')} of {count}")
            return None
        principals = self.unit.related("ha") or self.unit.related("juju-info")
        if len(principals) != 1 or not principals[0].units:
            log("no principal to configure the cluster for")
            return None
        return Principal.read(next(iter(principals[0].units.values())))

    def complete(self, flag: str) -> bool:
        """Whether as many units have a flag as the cluster is to have."""
        return self.flagged(flag) >= int(self.config["cluster_count"])

    def configure(self) -> None:
        """Form the cluster once enough units are ready, and configure it as the leader."""
        if (wanted := self.due()) is None:
            return
        self.member.configure(self.nodes(), self.config, start=True)
        self.wait_for_pacemaker()
        if self.unit.leader:
            self.lead(wanted, with_remotes=self.complete("member_ready"))
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
        if not self.unit.leader:
            return
        try:
            cib = Cib.query()
        except cluster.ClusterError:
            return  # The status will tell.
        self.forget(cib, patience=0)
        bags = (bag for _, bag in self.unit.bags("pacemaker-remote"))
        if "st-maas" not in cib.resources and any(decode(b, "stonith-hostname") for b in bags):
            self.configure()

    def tell(self) -> None:
        """Set the unit's status, and look again soon while resources are not running."""
        status, message = self.assess()
        self.unit.status(status, message)
        self.look_again(wanted=message.startswith(RESOURCE))

    def assess(self) -> tuple[str, str]:
        """Return the unit's status, state and message."""
        return self.refused_options() or self.assess_cluster()

    def refused_options(self) -> tuple[str, str] | None:
        """Return the status where it has nothing to do with the cluster."""
        if str(self.config.get("stonith_enabled")).lower() == "true":
            return "blocked", "stonith_enabled config option is no longer supported"
        if str(self.config["no_quorum_policy"]).lower() not in POLICIES:
            return "blocked", "Invalid no_quorum_policy specified"
        if self.paused:
            return "maintenance", PAUSED
        return None

    def assess_cluster(self) -> tuple[str, str]:
        """Return the status of the cluster and of the principal's resources."""
        count = int(self.config["cluster_count"])
        if len(self.unit.bags("hanode")) + 1 < count:
            return "blocked", insufficient(count)
        try:
            state = State.query()
        except cluster.ClusterError:
            if self.member.formed:
                return "blocked", "Pacemaker is down"
            return "waiting", "Waiting for all units to be ready to form the cluster"
        names = (name for _, bag in self.unit.bags("ha") for name in Principal.read(bag).resources)
        for name in names:
            if name not in state.running:
                return "waiting", f"{RESOURCE}{name} not yet configured"
            if not state.runs(name, self.host):
                return "blocked", f"{RESOURCE}{name} not running"
        if state.maintenance:
            return "maintenance", "Pacemaker in maintenance mode"
        return "active", "Unit is ready and clustered"


def insufficient(count: int) -> str:
    """Return the message of a unit that has too few peers."""
    return f"Insufficient peer units for ha cluster (require {count})"


def _without(host: str, state: State) -> bool:
    return host not in state.nodes


def _version() -> str:
    query = ["dpkg-query", "--show", "--showformat=${Version}", "pacemaker"]
    text = subprocess.run(query, capture_output=True, text=True, check=True).stdout
    return text.partition("-")[0]
