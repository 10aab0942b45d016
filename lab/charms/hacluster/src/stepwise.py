"""The manners of the real charm-hacluster (2.4/stable), one process of `crm` after the other.

What it does that a cluster has to get along with:

* the cluster has to be opted in to long before the rules that let anything run are there;
* a remote node's connection comes before its rules, and the device that fences it last of all,
  while STONITH is on already from the second remote node on;
* the device lists only hosts whose unit's hooks this unit has seen;
* every clone, group and remote node is cleaned up each time;
* what the principal wants is loaded once more in the hook after its creation, and by a new leader;
* nobody forgets a member that is gone: its rules, its vote and its place in the lists remain.

One thing differs: whether STONITH was ever set up is read from the cluster (`st-maas`), and not
from the leader's settings, which Juju 4 does not have.
"""

from __future__ import annotations

import hashlib
import json
import socket

import cluster
import crm
import standin
from cluster import ClusterError
from corosync import Member
from databags import Principal, Remote, resources_on_remotes
from hooks import FILES, POLICIES, Hacluster, insufficient
from leading import log
from plan import connection, devices, scores

DOWN = "Pacemaker is down"

PROGRAMS = (
    "install", "upgrade-charm", "config-changed", "start", "stop", "update-status",
    "ha-relation-joined", "ha-relation-changed",
    "hanode-relation-joined", "hanode-relation-changed", "hanode-relation-departed",
    "peer-availability-relation-joined", "peer-availability-relation-changed",
    "pacemaker-remote-relation-joined", "pacemaker-remote-relation-changed",
)  # fmt: skip
"""The hooks that the real charm has a program for. In others, such as remove, it does nothing."""

COSTS = {"default": 0.33, **dict.fromkeys(("status", "on", "off", "reset"), 1.0)}
"""Seconds of processor that each call of the real STONITH plugin takes before it does anything: it
loads aiohttp and libmaas, and most of it to connect to MAAS."""


class Stepwise(Hacluster):
    """One unit of hacluster during one hook."""

    @staticmethod
    def marked(unit: standin.Unit) -> bool:
        """Whether this machine's unit was installed with these manners; for `stop`."""
        return (unit.root / "var/lib/juju-standin/real-manners").exists()

    @staticmethod
    def leave(unit: standin.Unit) -> None:
        """Take this member out of the cluster while it still runs, then its packages."""
        crm.delete_node(socket.gethostname())
        Member(unit.root).purge()

    def run(self) -> None:
        """Do what the hook is for, if it is for anything."""
        if self.unit.hook in PROGRAMS:
            super().run()

    def install(self) -> None:
        """Install the packages, which start a cluster of this unit alone."""
        mark = self.unit.root / "var/lib/juju-standin/real-manners"
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
        self.member.write_nodes(self.nodes(), self.config)
        self.member.install_packages()
        self.member.install_plugin(FILES / "external_maas.py", COSTS)

    def departed(self) -> None:
        """Leave the member that goes in the cluster."""

    def catch_up(self) -> None:
        """Do nothing: update-status only assesses."""

    def tell(self) -> None:
        """Set the unit's status, which stays until the next hook."""
        if self.unit.hook in PROGRAMS:
            self.unit.status(*self.assess())

    def wait_for_pacemaker(self) -> None:
        """Wait until Pacemaker is up on this machine.

        Raises:
            ClusterError: it is not in time.
        """
        try:
            crm.wait_for(self.host)
        except ClusterError:
            self.unit.status("blocked", "Pacemaker is down. Please manually start it.")
            raise

    def config_changed(self) -> None:
        """Apply the options; those of MAAS wait for the next event that configures the cluster."""
        if not self.may_configure():
            return
        self.publish_address()
        self.unit.status("maintenance", "Setting up corosync")
        self.member.configure(self.nodes(), self.config, start=False)
        self.wait_for_pacemaker()
        if self.unit.leader:
            self.set_up_globals()
            wanted = str(self.config["maintenance-mode"]).lower()
            # Only a change of the option counts, not what an operator has set by hand.
            self.unit.keep("maintenance", lambda: self.maintain(wanted), key=wanted)
        policy = str(self.config["no_quorum_policy"]).lower()
        if policy in POLICIES:
            crm.configure(f"property no-quorum-policy={policy}", fatal=True, wait=False)

    def maintain(self, wanted: str) -> str:
        """Have the cluster leave its resources alone, or not; return which."""
        if crm.maintenance() != (wanted == "true"):
            crm.configure(f"property maintenance-mode={wanted}", fatal=True, wait=False)
        return wanted

    def configure(self) -> None:
        """Form the cluster once enough units are ready, and configure it as the leader."""
        if (wanted := self.due()) is None:
            return
        self.member.configure(self.nodes(), self.config, start=False)
        self.wait_for_pacemaker()
        if self.unit.leader:
            self.lead(wanted, with_remotes=self.complete("member_ready"))
        self.unit.publish("ha", {"clustered": "yes"})
        self.tell_peers(member_ready=True)

    def set_up_globals(self) -> None:
        """Set what holds for the whole cluster."""
        crm.configure("property no-quorum-policy=stop", wait=False)
        timeout = self.config["failure_timeout"]
        defaults = f"resource-stickiness=100 failure-timeout={timeout}"
        crm.configure(f"rsc_defaults $id=rsc-options {defaults}", wait=False)
        interval = self.config["cluster_recheck_interval"]
        crm.configure(f"property cluster-recheck-interval={interval}", wait=False)
        if not crm.present("st-maas"):
            crm.configure("property stonith-enabled=false", fatal=True, wait=False)

    def lead(self, wanted: Principal, *, with_remotes: bool) -> None:
        """Bring the cluster to what the principal and, if all members are in, the remotes want."""
        self.set_up_globals()
        bags = self.remote_bags()
        on_remotes = resources_on_remotes(bags)
        if on_remotes is not None:
            value = str(on_remotes).lower()
            crm.configure(f"property symmetric-cluster={value}", fatal=True, wait=False)
        self.delete_all(wanted)
        self.add_principal(wanted)
        for name in (*wanted.clones, *wanted.groups):
            crm.do("resource", "cleanup", name)
        if not with_remotes:
            log("the remote units wait for the other members")
            return
        remotes = [remote for bag in bags if (remote := Remote.read(bag)).name]
        for remote in remotes:
            if not crm.present(remote.name):
                crm.configure(connection(remote), fatal=True, wait=False)
        for remote in remotes:
            crm.do("resource", "cleanup", remote.name)
        if on_remotes is False:
            self.keep_off_remotes(wanted, list(wanted.resources), remotes)
        self.fence(wanted, remotes, members_only=on_remotes is False)

    def delete_all(self, wanted: Principal) -> None:
        """Delete what the principal wants gone and whose name occurs in the configuration."""
        for name in wanted.delete_resources:
            if crm.shown(name):
                crm.do("resource", "cleanup", name)
                crm.do("-w", "-F", "resource", "stop", name)
                crm.do("-w", "-F", "configure", "delete", name)

    def add_principal(self, wanted: Principal) -> None:
        """Create what the principal wants; load its primitives again where they are there.

        Raises:
            ClusterError: a primitive that is there cannot be loaded.
        """
        for name, agent in wanted.resources.items():
            self.stop_service(agent)
            params = wanted.resource_params.get(name, "")
            text = f"primitive {name} {agent} {params}".rstrip()
            if not crm.shown(name):
                crm.configure(text)
            elif not self.load(f"{name}-{agent}", text):
                message = f"Cannot update pcmkr resource: {name}"
                self.unit.status("blocked", message)
                raise ClusterError(message)
        for name, text in wanted.others():
            if not crm.shown(name):
                crm.configure(text)

    def keep_off_remotes(
        self, wanted: Principal, resources: list[str], remotes: list[Remote]
    ) -> None:
        """Allow resources on the members alone; the connections are spread over these."""
        together = [*wanted.clones.values(), *wanted.groups.values()]
        for name in resources:
            if name not in together:
                self.allow(name)
        for key, text in scores((remote.name for remote in remotes), crm.members()):
            self.load(key, text)
        for name in wanted.clones:
            self.allow(name)
            limit = str(len(crm.members()))
            cluster.run("crm_resource", "--resource", name, "--meta", "--set-parameter",
                        "clone-max", "--parameter-value", limit)  # fmt: skip
        for name in wanted.groups:
            self.allow(name)

    def allow(self, name: str) -> None:
        """Allow one resource on each member, unless the rule's name occurs somewhere."""
        for member in crm.members():
            rule = f"loc-{name}-{member}"
            if not crm.shown(rule):
                crm.configure(f"location {rule} {name} 0: {member}", fatal=True)

    def fence(self, wanted: Principal, remotes: list[Remote], *, members_only: bool) -> None:
        """Set up the fencing devices, and STONITH itself last.

        Raises:
            ValueError: a remote node is to be fenced, but an option of MAAS is missing.
        """
        targets = [remote.stonith_name for remote in remotes if remote.stonith_name]
        if not targets:
            crm.configure("property stonith-enabled=false", wait=False)
            return
        url, key = (self.config.get(f"maas_{name}") for name in ("url", "credentials"))
        for again in (False, True):
            for name, agent, parameters in devices(targets, self.hosts(), url, key):
                text = f"primitive {name} {agent} {parameters}"
                if crm.present(name):
                    self.load(f"{name}-{agent}", text)
                else:
                    self.add_device(text)
            if members_only and not again:
                self.keep_off_remotes(wanted, ["st-maas", "st-null"], [])
        crm.configure("property stonith-enabled=true", fatal=True, wait=False)

    def add_device(self, text: str) -> None:
        """Create a fencing device; from a file, as its key is nobody's business.

        Raises:
            ClusterError: the cluster refused.
        """
        if not crm.update(text):
            raise ClusterError(f"cannot create {text.split()[1]}")

    def load(self, key: str, text: str) -> bool:
        """Load a statement unless this unit has loaded just that before; say if it is there."""
        written, digest = self.written(), hashlib.sha256(text.encode()).hexdigest()
        if written.get(key) == digest:
            return True
        if not crm.update(text):
            return False
        self._written.parent.mkdir(parents=True, exist_ok=True)
        self._written.write_text(json.dumps({**written, key: digest}))
        return True

    def assess_cluster(self) -> tuple[str, str]:
        """Return the status of the cluster and of the principal's resources."""
        status = "active", "Unit is ready and clustered"
        try:
            crm.wait_for(self.host)
        except ClusterError:
            status = "blocked", DOWN
        count = int(self.config["cluster_count"])
        if self.unit.related("hanode") and len(self.unit.bags("hanode")) + 1 < count:
            status = "blocked", insufficient(count)
        if status[0] == "active" and crm.maintenance():
            status = "maintenance", "Pacemaker in maintenance mode"
        bags = [bag for _, bag in self.unit.bags("ha")]
        for name in (name for bag in bags for name in Principal.read(bag).resources):
            if not crm.present(name):
                return "waiting", f"Resource: {name} not yet configured"
            if not crm.runs(name, self.host):
                return "blocked", f"Resource: {name} not running"
        return status
