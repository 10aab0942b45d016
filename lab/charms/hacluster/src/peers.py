"""What a unit tells its peers, and what they and the remote units have told it."""

from __future__ import annotations

import socket

import standin
from corosync import node_id


class Peers:
    """One unit of hacluster among the others, during one hook."""

    def __init__(self, unit: standin.Unit) -> None:
        self.unit = unit
        # Not from memory: a failed hook that is run again must see the option that was at fault.
        self.config = standin.tool_json("config-get")
        self.host = socket.gethostname()
        self._pause_mark = unit.root / f"var/lib/juju-standin/{unit.name.replace('/', '-')}.paused"

    @property
    def paused(self) -> bool:
        """Whether the action `pause` has taken this unit out of service."""
        return self._pause_mark.exists()

    @paused.setter
    def paused(self, value: bool) -> None:
        if value:
            self._pause_mark.parent.mkdir(parents=True, exist_ok=True)
            self._pause_mark.touch()
        else:
            self._pause_mark.unlink(missing_ok=True)

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
