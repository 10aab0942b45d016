"""Which statements bring the cluster to what its neighbours ask for.

charm-hacluster creates far more than it changes, and finds out what exists in three ways. All
three are kept, because what a charm publishes has to get along with them:

* most objects are created unless their name *occurs anywhere* in the configuration, even as part
  of another name, and never changed afterwards;
* the connections of remote nodes are created unless a resource of exactly that name exists, and
  never changed afterwards, whatever becomes of the node's address;
* primitives of the principal, fencing devices and the scores of the remote nodes are written
  again when they differ from what *this unit* wrote last: a new leader writes all of them, over
  whatever somebody else has changed, and the same leader writes none that somebody has changed.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

from cluster import Cib, Statement
from databags import Principal, Remote


class Plan:
    """The statements that are still to be made, in order.

    Args:
        cib: the cluster's configuration.
        written: digests of what this unit has written before; see `digests`.

    Attributes:
        statements: what to hand to crm.
        digests: what this unit will have written once that is done.
        clone_max: the clones whose limit is to be set, and to how many instances.
    """

    def __init__(self, cib: Cib, written: Mapping[str, str]) -> None:
        self.statements: list[Statement] = []
        self.digests = dict(written)
        self.clone_max: dict[str, str] = {}
        self._cib = cib
        self._shown = cib.shown
        self._resources = set(cib.resources)

    def create(self, name: str, text: str, *, fatal: bool = False) -> None:
        """Create an object unless its name occurs in the configuration."""
        if name not in self._shown:
            self._add(Statement(text, fatal))

    def write(
        self, key: str, text: str, *, exists: bool = True, fatal: bool = False, blocked: str = ""
    ) -> None:
        """Write an object, unless it exists and this unit has written just that last."""
        digest = hashlib.sha256(text.encode()).hexdigest()
        if not exists or self.digests.get(key) != digest:
            self.digests[key] = digest
            self._add(Statement(text, fatal, blocked, key))

    def set_property(self, name: str, value: bool) -> None:
        """Set a property of the cluster.

        It belongs into the same change as the objects that rest on it: resources stop where a
        cluster has to be opted in to before they are, and every change interrupts the last one.
        """
        text = str(value).lower()
        if self._cib.options.get(name) != text:
            self._add(Statement(f"property {name}={text}", fatal=True))

    def add_principal(self, wanted: Principal) -> None:
        """Add what the principal wants, constraints after what they refer to."""
        for name, agent in wanted.resources.items():
            text = f"primitive {name} {agent} {wanted.resource_params.get(name, '')}".rstrip()
            exists = name in self._shown
            blocked = f"Cannot update pcmkr resource: {name}"
            self.write(f"{name}-{agent}", text, exists=exists, fatal=exists, blocked=blocked)
        for name, text in wanted.others():
            self.create(name, text)

    def add_remotes(self, remotes: Iterable[Remote]) -> None:
        """Add the connections of remote nodes."""
        for remote in remotes:
            if remote.name not in self._resources:
                self._add(Statement(connection(remote), fatal=True))

    def keep_off_remotes(self, wanted: Principal, remotes: Iterable[Remote]) -> None:
        """Allow resources on the members alone, in a cluster that has to be opted in to.

        The connections of the remote nodes are spread over the members.
        """
        members = self._cib.members
        together = [*wanted.clones.values(), *wanted.groups.values()]
        for name in wanted.resources:
            if name not in together:
                self._allow(name)
        for key, text in scores((remote.name for remote in remotes), members):
            self.write(key, text)
        for name in wanted.clones:
            self._allow(name)
            if self._cib.clone_max.get(name) != str(len(members)):
                self.clone_max[name] = str(len(members))
        for name in wanted.groups:
            self._allow(name)

    def add_devices(
        self,
        targets: Iterable[str],
        members: Iterable[str],
        url: str | None,
        apikey: str | None,
        *,
        members_only: bool,
    ) -> None:
        """Add the fencing devices: MAAS for remote nodes, a null device for the members.

        Args:
            targets: the names that the remote nodes are fenced by.
            members: the host names of the members, which are containers unknown to MAAS.
            url: the option ``maas_url``.
            apikey: the option ``maas_credentials``.
            members_only: whether the cluster has to be opted in to.

        Raises:
            ValueError: an option is missing.
        """
        for name, agent, parameters in devices(targets, members, url, apikey):
            exists = name in self._resources
            text = f"primitive {name} {agent} {parameters}"
            self.write(f"{name}-{agent}", text, exists=exists, fatal=not exists)
            if members_only:
                self._allow(name)

    def _allow(self, name: str) -> None:
        for member in self._cib.members:
            rule = f"loc-{name}-{member}"
            self.create(rule, f"location {rule} {name} 0: {member}", fatal=True)

    def _add(self, statement: Statement) -> None:
        self.statements.append(statement)
        self._shown += f" {statement.text}"


def connection(remote: Remote) -> str:
    """Return the statement that connects a remote node."""
    return (
        f"primitive {remote.name} ocf:pacemaker:remote params server={remote.address} "
        "reconnect_interval=60 op monitor interval=30s"
    )


def scores(connections: Iterable[str], members: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the rules that spread the connections over the members, each with what it is kept by.

    Args:
        connections: names of the remote nodes.
        members: the host names of the members, sorted.
    """
    for name, preferred in zip(sorted(connections), itertools.cycle(members), strict=False):
        for member in members:
            rule = f"loc-{name}-{member}"
            score = 200 if member == preferred else 0
            yield f"{rule}-{name}", f"location {rule} {name} {score}: {member}"


def devices(
    targets: Iterable[str], members: Iterable[str], url: str | None, apikey: str | None
) -> list[tuple[str, str, str]]:
    """Return name, agent and parameters of the fencing devices, as `Plan.add_devices` has them.

    Raises:
        ValueError: an option is missing.
    """
    if not (url and apikey):
        missing = [n for n, v in (("maas_url", url), ("maas_credentials", apikey)) if not v]
        raise ValueError(f"Missing configuration: {', '.join(missing)}")
    maas = f"url='{url}' apikey='{apikey}' hostnames='{fencing_names(targets)}'"
    null = f"hostlist='{fencing_names(members)}'"
    monitor = "op monitor interval=25 start-delay=25 timeout=25"
    return [
        ("st-maas", "stonith:external/maas", f"params {maas} {monitor}"),
        ("st-null", "stonith:null", f"params {null} {monitor}"),
    ]


def fencing_names(hosts: Iterable[str]) -> str:
    """Return the list of hosts of a fencing device: each by its full and by its short name."""
    names = {name for host in hosts for name in (host, host.partition(".")[0])}
    return " ".join(sorted(names))
