"""What the controller knows, as plain data: everything here is persisted.

Times are seconds since the epoch. Identifiers are Juju's: machine ``1/lxd/0``, unit
``keystone/0``, relation ids are integers, task ids are strings.
"""

from dataclasses import dataclass, field
from typing import Any

ALIVE, DYING = "alive", "dying"


@dataclass
class Status:
    """One status of a unit's agent, a unit's workload, an application or a machine."""

    current: str = ""
    message: str = ""
    since: float = 0.0


@dataclass
class Endpoint:
    """One side of a relation."""

    app: str
    name: str
    role: str
    interface: str

    def __str__(self) -> str:
        return f"{self.app}:{self.name}"


@dataclass
class Relation:
    """A relation with its databags; a peer relation has one endpoint.

    Every write of a bag raises its version; a unit that has seen an older one gets
    ``relation-changed``. The bags of units that left stay readable until the relation is gone.
    """

    id: int
    endpoints: list[Endpoint]
    scope: str = "global"
    life: str = ALIVE
    members: list[str] = field(default_factory=list)
    unit_data: dict[str, dict[str, str]] = field(default_factory=dict)
    unit_versions: dict[str, int] = field(default_factory=dict)
    app_data: dict[str, dict[str, str]] = field(default_factory=dict)
    app_versions: dict[str, int] = field(default_factory=dict)

    @property
    def is_peer(self) -> bool:
        """Whether the relation is among the units of one application."""
        return len(self.endpoints) == 1

    def endpoint(self, app: str) -> Endpoint:
        """Return the endpoint of `app`, which takes part."""
        for endpoint in self.endpoints:
            if endpoint.app == app:
                return endpoint
        raise KeyError(app)

    def other(self, app: str) -> Endpoint:
        """Return the endpoint at the other end; of a peer relation, the same one."""
        return next((e for e in self.endpoints if e.app != app), self.endpoint(app))


@dataclass
class SeenRelation:
    """What one unit's hooks have been told of a relation."""

    members: dict[str, int] = field(default_factory=dict)
    apps: dict[str, int] = field(default_factory=dict)
    changed_pending: str = ""


@dataclass
class Hook:
    """One hook to run.

    Attributes:
        kind: ``install``, ``config-changed`` ...; of a relation ``joined``, ``changed`` ...
        relation: Id of the relation; None for hooks that have none.
        endpoint: The unit's own endpoint of that relation.
        version: The version of the databag that a ``changed`` tells of; of a secret, its revision.
        secret: Id of the secret that ``secret-changed`` tells of.
    """

    kind: str
    relation: int | None = None
    endpoint: str = ""
    remote_app: str = ""
    remote_unit: str = ""
    departing_unit: str = ""
    version: int = 0
    secret: str = ""

    @property
    def name(self) -> str:
        """The hook's name: ``shared-db-relation-changed``."""
        return f"{self.endpoint}-relation-{self.kind}" if self.endpoint else self.kind


@dataclass
class HookFailure:
    """A hook that failed and waits for its next try, or was interrupted by its machine."""

    hook: Hook
    tries: int = 0
    retry_at: float = 0.0
    interrupted: bool = False


@dataclass
class Secret:
    """A secret that the model's user has made.

    Attributes:
        contents: What is in each revision, from revision 1 on.
        granted: Applications that may read it.
    """

    id: str
    name: str
    contents: list[dict[str, str]]
    granted: list[str] = field(default_factory=list)

    @property
    def revision(self) -> int:
        """The newest revision."""
        return len(self.contents)


@dataclass
class Unit:
    """One unit, with what its agent has done so far (the agent's own state, in Juju).

    Attributes:
        secrets: The revision of each secret that it reads.
        secrets_told: The newest revision that `secret-changed` has told of.
    """

    name: str
    machine: str
    principal: str = ""
    subordinates: list[str] = field(default_factory=list)
    life: str = ALIVE
    workload: Status = field(default_factory=Status)
    agent: Status = field(default_factory=Status)
    version: str = ""
    ports: list[str] = field(default_factory=list)
    address: str = ""
    installed: bool = False
    started: bool = False
    stopped: bool = False
    removed: bool = False
    charm_seen: str = ""
    config_seen: str = ""
    leader_seen: bool = False
    leader_settings_seen: bool = False
    boot_seen: str = ""
    updated_at: float = 0.0
    relations: dict[str, SeenRelation] = field(default_factory=dict)
    secrets: dict[str, int] = field(default_factory=dict)
    secrets_told: dict[str, int] = field(default_factory=dict)
    failure: HookFailure | None = None

    @property
    def app(self) -> str:
        """The application that the unit belongs to."""
        return self.name.partition("/")[0]

    @property
    def number(self) -> int:
        """The unit's number in its application."""
        return int(self.name.partition("/")[2])

    @property
    def tag(self) -> str:
        """The unit's name in file names and logs: ``unit-keystone-0``."""
        return "unit-" + self.name.replace("/", "-")

    @property
    def scope_key(self) -> str:
        """The principal unit that container-scoped relations of this unit belong to."""
        return self.principal or self.name


@dataclass
class Application:
    """One application: its charm, options, bindings and the leader of its units.

    Attributes:
        charm: Key of the charm in the store.
        source: What it was deployed from: a name of the public store, or an absolute path.
    """

    name: str
    charm: str
    source: str
    charm_url: str
    charm_origin: str
    revision: int
    channel: str = ""
    base: str = ""
    subordinate: bool = False
    trust: bool = False
    constraints: str = ""
    life: str = ALIVE
    options: dict[str, Any] = field(default_factory=dict)
    bindings: dict[str, str] = field(default_factory=dict)
    status: Status = field(default_factory=Status)
    leader: str = ""
    leader_expires: float = 0.0
    next_unit: int = 0


@dataclass
class MachineState:
    """One machine of the model; what runs it is the lab's `Machine` of the same id."""

    id: str
    base: str = ""
    constraints: str = ""
    life: str = ALIVE
    status: Status = field(default_factory=Status)
    provisioned: bool = False
    next_container: int = 0

    @property
    def parent(self) -> str:
        """The machine that hosts this container; empty for a metal machine."""
        return self.id.rpartition("/lxd/")[0]


@dataclass
class Task:
    """One action or command on one unit or machine."""

    id: str
    receiver: str
    name: str
    params: dict[str, Any] = field(default_factory=dict)
    command: str = ""
    status: str = "pending"
    message: str = ""
    results: dict[str, Any] = field(default_factory=dict)
    log: list[list[Any]] = field(default_factory=list)
    enqueued: float = 0.0
    started: float = 0.0
    completed: float = 0.0

    @property
    def done(self) -> bool:
        """Whether the task has come to its end, well or not."""
        return self.status not in ("pending", "running")


@dataclass
class Stall:
    """A time in which nothing ran although units were not ready; see `jujulab.engine.stalls`.

    Attributes:
        since: when the last hook, action or command had ended.
        seconds: how long, so far.
        units: the status of each unit that was not active, by its name.
    """

    since: float
    seconds: float = 0.0
    units: dict[str, str] = field(default_factory=dict)


@dataclass
class State:
    """The whole model."""

    uuid: str = ""
    created: float = 0.0
    config: dict[str, Any] = field(default_factory=dict)
    machines: dict[str, MachineState] = field(default_factory=dict)
    applications: dict[str, Application] = field(default_factory=dict)
    units: dict[str, Unit] = field(default_factory=dict)
    relations: dict[str, Relation] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    secrets: dict[str, Secret] = field(default_factory=dict)
    stalls: list[Stall] = field(default_factory=list)
    charm_revisions: dict[str, int] = field(default_factory=dict)
    next_machine: int = 0
    next_relation: int = 0
    next_operation: int = 1
