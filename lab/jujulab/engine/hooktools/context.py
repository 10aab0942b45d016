"""What one run of a hook, an action or a command may see, and what it has written so far."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from jujulab.engine.model import relations
from jujulab.engine.model.model import Model
from jujulab.engine.model.state import ALIVE, Hook, Relation, Task, Unit
from jujulab.juju.errors import JujuError
from jujulab.juju.names import JUJU4, MODEL, VERSION

TOOL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class ToolError(Exception):
    """A hook tool's refusal: printed after ``ERROR``, exit code 1."""


@dataclass
class Context:
    """One run in a unit's context.

    Writes to databags and ports are kept here, visible to this run alone, until `commit`.

    Attributes:
        logger: Takes charm log lines: level and message.
        hook: None for actions and commands.
        task: The action or command; None for hooks.
    """

    model: Model
    unit: Unit
    logger: Callable[[str, str], None]
    hook: Hook | None = None
    task: Task | None = None
    id: str = ""
    bags: dict[tuple[int, str], dict[str, str]] = field(default_factory=dict)
    ports: dict[str, bool] = field(default_factory=dict)
    failure: str | None = None

    def __post_init__(self) -> None:
        what = self.hook.name if self.hook else f"task-{self.task.id}" if self.task else ""
        self.id = f"{self.unit.name}-{what}-{secrets.token_hex(8)}"

    @property
    def is_leader(self) -> bool:
        """Whether the unit leads its application now."""
        return self.model.application(self.unit.app).leader == self.unit.name

    def visible_relations(self) -> list[Relation]:
        """Return the relations that the unit is in, or has not left yet."""
        return [
            relation
            for relation in self.model.relations_of(self.unit.app)
            if self.unit.name in relation.members or str(relation.id) in self.unit.relations
        ]

    def relation(self, reference: str | None) -> Relation:
        """Return the relation that ``-r`` names, or the hook's own, or raise ToolError."""
        if not reference:
            if self.hook is None or self.hook.relation is None:
                raise ToolError("no relation id specified")
            reference = str(self.hook.relation)
        number = reference.rpartition(":")[2]
        for relation in self.visible_relations():
            if str(relation.id) == number:
                return relation
        raise ToolError(f'invalid value "{reference}" for option -r: relation not found')

    def must_be(self, relation: Relation, words: str = "relation not found") -> None:
        """Refuse to write to, read or ask about a relation that has gone under another's hook.

        While an application is removed its relations go together, and those whose turn has not
        come may be gone already.

        Args:
            relation: which.
            words: what Juju 4 says; those of 3.6 are always the same.

        Raises:
            ToolError: it has gone.
        """
        own = self.hook is not None and self.hook.relation == relation.id
        if not own and self.unit.life != ALIVE and relation.life != ALIVE:
            raise ToolError(words if JUJU4 else "permission denied")

    @property
    def loses_its_agent(self) -> bool:
        """Whether Juju 4 ends the agent while this hook runs: `stop` of a subordinate."""
        return bool(self.unit.principal and self.hook and self.hook.kind == "stop")

    def bag(self, relation: Relation, owner: str) -> dict[str, str]:
        """Return a databag as this run sees it, its own writes included."""
        stored = relation.unit_data if "/" in owner else relation.app_data
        return relations.changed(stored.get(owner, {}), self.bags.get((relation.id, owner), {}))

    def members(self, relation: Relation) -> list[str]:
        """Return the remote units of a relation, as far as hooks have told of them.

        A remote unit that this unit's hooks do not know of yet is left out, and so is one whose
        departed hook is running.
        """
        seen = self.unit.relations.get(str(relation.id))
        known = set(seen.members) if seen else set()
        if self.hook and self.hook.relation == relation.id:
            if self.hook.kind in ("joined", "changed") and self.hook.remote_unit:
                known.add(self.hook.remote_unit)
            if self.hook.kind == "departed":
                known.discard(self.hook.remote_unit)
        if self.unit.life == "alive" and relation.life == "alive":
            known &= set(relations.members(self.model, relation, self.unit))
        return sorted(known, key=lambda name: int(name.partition("/")[2]))

    def opened_ports(self) -> list[str]:
        """Return the unit's open ports as this run sees them."""
        ports = set(self.unit.ports) | {p for p, is_open in self.ports.items() if is_open}
        return sorted(ports - {p for p, is_open in self.ports.items() if not is_open})

    def commit(self) -> None:
        """Make the buffered writes known to everybody."""
        for (number, owner), changes in self.bags.items():
            relation = self.model.state.relations.get(str(number))
            if relation is not None:
                relations.write(relation, owner, changes)
        self.unit.ports = self.opened_ports()

    def environment(self, inside: str, socket: str) -> dict[str, str]:
        """Return the environment of the charm's process.

        Args:
            inside: `/var/lib/juju` as the machine knows it.
            socket: Path of the tools' socket in the machine.
        """
        charm_dir = f"{inside}/agents/{self.unit.tag}/charm"
        return {
            "PATH": f"{inside}/tools:{TOOL_PATH}",
            "LANG": "C.UTF-8",
            "HOME": "/root",
            "DEBIAN_FRONTEND": "noninteractive",
            "APT_LISTCHANGES_FRONTEND": "none",
            "CHARM_DIR": charm_dir,
            "JUJU_AGENT_SOCKET_ADDRESS": socket,
            "JUJU_AGENT_SOCKET_NETWORK": "unix",
            "JUJU_AVAILABILITY_ZONE": "default",
            "JUJU_CHARM_DIR": charm_dir,
            "JUJU_CONTEXT_ID": self.id,
            "JUJU_HOOK_NAME": self.hook.name if self.hook else "",
            "JUJU_MACHINE_ID": self.unit.machine,
            "JUJU_MODEL_NAME": MODEL,
            "JUJU_MODEL_UUID": self.model.state.uuid,
            "JUJU_PRINCIPAL_UNIT": self.unit.principal,
            "JUJU_UNIT_NAME": self.unit.name,
            "JUJU_VERSION": VERSION,
            **self._hook_environment(),
            **self._task_environment(),
        }

    def _hook_environment(self) -> dict[str, str]:
        if self.hook is None:
            return {}
        environment = {"JUJU_DISPATCH_PATH": f"hooks/{self.hook.name}"}
        if self.hook.relation is not None:
            environment |= {
                "JUJU_RELATION": self.hook.endpoint,
                "JUJU_RELATION_ID": f"{self.hook.endpoint}:{self.hook.relation}",
                "JUJU_REMOTE_APP": self.hook.remote_app,
                "JUJU_REMOTE_UNIT": self.hook.remote_unit,
            }
        if self.hook.secret:
            secret = f"secret:{self.hook.secret}"
            environment |= {"JUJU_SECRET_ID": secret, "JUJU_SECRET_LABEL": ""}
        if self.hook.departing_unit:
            environment["JUJU_DEPARTING_UNIT"] = self.hook.departing_unit
        return environment

    def _task_environment(self) -> dict[str, str]:
        if self.task is None or self.task.command:
            return {}
        return {
            "JUJU_DISPATCH_PATH": f"actions/{self.task.name}",
            "JUJU_ACTION_NAME": self.task.name,
            "JUJU_ACTION_UUID": self.task.id,
            "JUJU_ACTION_TAG": f"action-{self.task.id}",
        }

    def action(self) -> Task:
        """Return the running action, or raise ToolError."""
        if self.task is None or self.task.command:
            raise ToolError("not running an action")
        return self.task

    def network(self, binding: str) -> dict[str, Any]:
        """Return what network-get tells of an endpoint or extra binding, or raise ToolError."""
        names = self.model.meta(self.unit.app).binding_names | {"juju-info", ""}
        if binding not in names:
            raise ToolError(f'no network config found for binding "{binding}"')
        try:
            interface = self.model.interface(self.unit, binding)
        except JujuError as error:
            raise ToolError(str(error)) from error
        address, name = str(interface.ip), self.model.space(self.unit.app, binding)
        bound = {"hostname": "", "value": address, "cidr": str(interface.network)}
        return {
            "bind-addresses": [{"mac-address": "", "interface-name": name, "addresses": [bound]}],
            "egress-subnets": [f"{address}/32"],
            "ingress-addresses": [address],
        }


def iso_time(seconds: float) -> str:
    """Return a time as Juju's hook tools print it."""
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(seconds))
