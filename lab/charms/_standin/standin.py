"""What the lab's stand-in charms need of Juju, over the hook tools.

A stand-in carries the name and the wire protocol of a Charmhub charm and operates the real
service. It is one function, ``reconcile(unit)``, that :func:`main` calls at every hook: it reads
what the relations say, brings the workload there, publishes the answers, and raises
:class:`NotReady` where something is missing.

A cloud's units run hundreds of hooks while it is deployed, so a hook that changes nothing has to
cost next to nothing. A unit remembers between its hooks what Juju told it: every later change of a
relation, of an option or of an address comes with an event of its own (``relation-changed``,
``config-changed``), and only what that event names is read again. Modules that take long to import
are imported where they are used.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

READY = "Unit is ready"
JUJU_KEYS = frozenset({"egress-subnets", "ingress-address", "private-address"})


class NotReady(Exception):  # noqa: N818  (a state of the unit, not a defect)
    """The unit cannot work yet; :func:`main` turns it into the unit's status.

    Attributes:
        state: ``waiting`` where time will help, ``blocked`` where only an operator can.
    """

    def __init__(self, state: str, message: str) -> None:
        super().__init__(message)
        self.state = state


class ActionFailed(Exception):  # noqa: N818  (named after action-fail)
    """An action cannot do what it was asked; the text goes to ``action-fail``."""


_GONE = re.compile("permission denied|relation not found")
"""Juju's words, of 3.6 and of 4, for a relation that has gone under the hook of another."""


def tool(*argv: str, stdin: str | None = None) -> str:
    """Run a hook tool.

    Args:
        argv: the tool's name and its arguments; never a secret, which other users could see.
        stdin: text for its standard input.

    Returns:
        Its standard output.

    Raises:
        RuntimeError: it failed; the text is the tool's own.
    """
    done = subprocess.run(
        argv, input=stdin, capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode:
        raise RuntimeError(f"{argv[0]}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def tool_json(*argv: str) -> Any:
    """Run a hook tool with ``--format=json`` and decode its answer (None for no answer)."""
    return json.loads(tool(argv[0], "--format=json", *argv[1:]) or "null")


class Relation:
    """One relation as this unit sees it.

    Attributes:
        id: Juju's id, ``endpoint:number``.
        app: the remote application (the own one in a peer relation).
        units: the databag of each remote unit that has joined.
        app_data: the remote application's databag.
        published: what this unit has in its own databag, Juju's own keys left out.
        published_app: what this unit has put in its application's databag.
    """

    def __init__(self, id: str, remembered: Mapping[str, Any] | None = None) -> None:  # noqa: A002
        """Know a relation by its id, and by what an earlier hook remembered of it."""
        past = remembered or {}
        self.id = id
        self.app: str = past.get("app", "")
        self.units: dict[str, dict[str, str]] = past.get("units", {})
        self.app_data: dict[str, str] = past.get("app_data", {})
        self.published: dict[str, str] = past.get("published", {})
        self.published_app: dict[str, str] = past.get("published_app", {})

    @property
    def endpoint(self) -> str:
        """The name of the endpoint on this side."""
        return self.id.partition(":")[0]

    def publish(self, data: Mapping[str, object]) -> None:
        """Make this unit's databag hold exactly ``data``; None and '' leave a key out."""
        self.published = self._set(self.published, data)

    def publish_app(self, data: Mapping[str, object]) -> None:
        """Make the application's databag hold exactly ``data``; for the leader only."""
        self.published_app = self._set(self.published_app, data, "--app")

    def _set(
        self, old: Mapping[str, str], data: Mapping[str, object], *flags: str
    ) -> dict[str, str]:
        new = {key: str(value) for key, value in data.items() if value not in (None, "")}
        change = {key: value for key, value in new.items() if old.get(key) != value}
        change.update({key: "" for key in old if key not in new})
        if change:
            words = ("relation-set", "-r", self.id, *flags, "--file", "-")
            try:
                tool(*words, stdin=json.dumps(change))
            except RuntimeError as error:
                if not _GONE.search(str(error)):
                    raise
                return dict(old)
        return new


class Unit:
    """This unit: the hook that runs, and what Juju has told it so far.

    Attributes:
        name: the unit's name, ``keystone/0``.
        hook: the hook that runs, ``config-changed``; '' in an action.
        root: the machine's root directory, for tests.
        relations: all relations by their id.
        services: the systemd services that it runs, as far as known.
    """

    def __init__(self, environ: Mapping[str, str] | None = None, root: Path = Path("/")) -> None:
        self.environ = os.environ if environ is None else environ
        self.root = root
        self.name = self.environ["JUJU_UNIT_NAME"]
        kind, _, name = self.environ.get("JUJU_DISPATCH_PATH", "").partition("/")
        self.hook = name if kind == "hooks" else ""
        stem = self.name.replace("/", "-")
        self._seen_file = root / f"var/lib/juju-standin/{stem}.seen.json"
        self._kept_file = root / f"var/lib/juju-standin/{stem}.kept.json"
        seen = self._read(self._seen_file)
        self._config: dict[str, Any] | None = seen.get("config")
        self._addresses: dict[str, str] = seen.get("addresses", {})
        self.relations = {
            rid: Relation(rid, past) for rid, past in seen.get("relations", {}).items()
        }
        self.services: list[str] = seen.get("services", [])
        self._kept = self._read(self._kept_file)

    # -- what Juju says -----------------------------------------------------------------------

    @property
    def config(self) -> dict[str, Any]:
        """The application's options, those without a value left out."""
        if self._config is None:
            self._config = tool_json("config-get")
        return self._config

    @property
    def leader(self) -> bool:
        """Whether this unit leads its application now."""
        return bool(tool_json("is-leader"))

    def address(self, binding: str) -> str:
        """This unit's address in the space that an endpoint or extra binding is bound to."""
        if binding not in self._addresses:
            network = tool_json("network-get", binding)
            self._addresses[binding] = network["bind-addresses"][0]["addresses"][0]["value"]
        return self._addresses[binding]

    def related(self, endpoint: str) -> list[Relation]:
        """The relations of an endpoint, oldest first."""
        found = (rel for rel in self.relations.values() if rel.endpoint == endpoint)
        return sorted(found, key=lambda rel: int(rel.id.partition(":")[2]))

    def bags(self, endpoint: str) -> list[tuple[str, dict[str, str]]]:
        """Name and databag of every remote unit of an endpoint, in a stable order."""
        return [item for rel in self.related(endpoint) for item in sorted(rel.units.items())]

    def answer(self, endpoint: str, key: str) -> str:
        """The value of a key in the first databag of an endpoint that has it; '' for none."""
        return next((bag[key] for _, bag in self.bags(endpoint) if bag.get(key)), "")

    def publish(self, endpoint: str, data: Mapping[str, object]) -> None:
        """Publish the same data in this unit's databag on every relation of an endpoint."""
        for relation in self.related(endpoint):
            relation.publish(data)

    def status(self, state: str, message: str) -> None:
        """Set the unit's workload status, unless it is that already."""
        if self._kept.get("status") != [state, message]:
            tool("status-set", state, message)
            self._kept["status"] = [state, message]
            self._write(self._kept_file, self._kept)

    def parameter(self, name: str) -> str:
        """A parameter of the action that runs; '' without a value."""
        return str(tool_json("action-get", name) or "")

    # -- what the unit keeps ------------------------------------------------------------------

    def secret(self, name: str, length: int = 32) -> str:
        """A password of this deployment, made at random when first asked for."""

        def make() -> str:
            import secrets
            import string

            alphabet = string.ascii_letters + string.digits
            return "".join(secrets.choice(alphabet) for _ in range(length))

        return str(self.keep(name, make))

    def renew(self, name: str, length: int = 32) -> str:
        """Replace a password of this deployment by another one, and return that."""
        self._kept.pop(name, None)
        return self.secret(name, length)

    def keep(self, name: str, make: Callable[[], Any], key: object = None) -> Any:
        """A value that is made once and then kept, also when the hook fails later.

        Args:
            name: what to keep it under.
            make: makes it; may be called for its effect alone.
            key: what it was made of (text, or a dictionary of text); made anew when this changes.
        """
        kept = self._kept.get(name)
        if kept is None or kept["key"] != key:
            self._kept[name] = kept = {"key": key, "value": make()}
            self._write(self._kept_file, self._kept)
        return kept["value"]

    def forget(self) -> None:
        """Leave nothing to a later unit of this name, which would take it for its own."""
        for path in (self._seen_file, self._kept_file):
            path.unlink(missing_ok=True)

    # -- the event ----------------------------------------------------------------------------

    def observe(self) -> None:
        """Take in what the event of this hook changed."""
        if self.hook in ("config-changed", "upgrade-charm"):
            self._config, self._addresses = None, {}
        rid = self.environ.get("JUJU_RELATION_ID", "")
        if not rid:
            return
        event = self.hook.removeprefix(rid.partition(":")[0] + "-relation-")
        remote = self.environ.get("JUJU_REMOTE_UNIT", "")
        if event == "broken":
            self.relations.pop(rid, None)
            return
        relation = self.relations.setdefault(rid, Relation(rid))
        relation.app = self.environ.get("JUJU_REMOTE_APP") or relation.app
        if event == "departed":
            relation.units.pop(remote, None)
        elif remote:
            relation.units[remote] = tool_json("relation-get", "-r", rid, "-", remote) or {}
        elif event == "changed":
            bag = tool_json("relation-get", "-r", rid, "--app", "-", relation.app)
            relation.app_data = bag or {}

    def commit(self) -> None:
        """Remember what was seen and published; only after a hook or action that succeeds.

        Juju drops what a failed hook published, so it must not be remembered as published.
        """
        relations = {
            rid: {key: value for key, value in vars(rel).items() if key != "id"}
            for rid, rel in self.relations.items()
        }
        seen = {
            "config": self._config,
            "addresses": self._addresses,
            "relations": relations,
            "services": self.services,
        }
        self._write(self._seen_file, seen)

    @staticmethod
    def _read(path: Path) -> dict[str, Any]:
        try:
            return dict(json.loads(path.read_text()))
        except FileNotFoundError:
            return {}

    @staticmethod
    def _write(path: Path, data: object) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(data, file)
        part.replace(path)


def shared(unit: Unit, key: str, make: Callable[[], dict[str, str]]) -> dict[str, str]:
    """What all units share through the relation `cluster`, laid down by the first leader.

    Args:
        unit: this unit.
        key: what is in it once it is laid down.
        make: makes it.

    Raises:
        NotReady: it is not known yet.
    """
    peers = unit.related("cluster")
    if not peers:
        raise NotReady("maintenance", "Waiting for the peer relation")
    bag = peers[0].app_data | peers[0].published_app
    if key not in bag:
        if not unit.leader:
            raise NotReady("waiting", "Waiting for the leader")
        bag = make()
        peers[0].publish_app(bag)
    return bag


def require(unit: Unit, needs: Mapping[str, tuple[str, object]]) -> None:
    """Stop here unless everything that the workload needs has arrived.

    Args:
        unit: this unit.
        needs: for each kind of peer (``database``) its endpoint and what was read from it, which
            is false while the peer's answer is incomplete.

    Raises:
        NotReady: with the text of the OpenStack charms, which names the kinds.
    """
    missing = [kind for kind, (endpoint, _) in needs.items() if not unit.related(endpoint)]
    partial = [
        kind for kind, (endpoint, got) in needs.items() if unit.related(endpoint) and not got
    ]
    texts = []
    if missing:
        texts.append("Missing relations: " + ", ".join(missing))
    if partial:
        texts.append(
            ("incomplete" if missing else "Incomplete") + " relations: " + ", ".join(partial)
        )
    if texts:
        raise NotReady("blocked" if missing else "waiting", "; ".join(texts))


def main(
    reconcile: Callable[[Unit], Sequence[str]],
    *,
    version_of: str = "",
    actions: Mapping[str, Callable[[Unit], Mapping[str, object]]] | None = None,
    unit: Unit | None = None,
) -> None:
    """Run the hook or the action that Juju dispatched.

    Args:
        reconcile: brings the workload to what Juju says, returns the services that should run.
        version_of: the package whose version the status shows.
        actions: the charm's actions by name; each returns its results.
        unit: the unit, if not the one that the environment tells of.
    """
    unit = unit or Unit()
    action = unit.environ.get("JUJU_ACTION_NAME", "")
    if action:
        _run_action(unit, (actions or {})[action])
        return
    if unit.hook == "install" and version_of:
        _show_version(version_of)
    if unit.hook in ("stop", "remove"):  # Juju may answer nothing any more
        if unit.services:
            subprocess.run(["systemctl", "disable", "--now", *unit.services], check=False)
        unit.forget()
        return
    unit.observe()
    try:
        unit.services = list(reconcile(unit))
        _check_running(unit.services)
    except NotReady as exc:
        unit.status(exc.state, str(exc))
    else:
        unit.status("active", READY)
    unit.commit()


def _run_action(unit: Unit, action: Callable[[Unit], Mapping[str, object]]) -> None:
    try:
        results = action(unit)
    except ActionFailed as exc:
        tool("action-fail", "--", str(exc))
        return
    if results:
        # action-set takes results as arguments only, also the password that was asked for.
        tool("action-set", *(f"{key}={value}" for key, value in results.items()))
    unit.commit()


def _show_version(package: str) -> None:
    query = ["dpkg-query", "--show", "--showformat=${Version}", package]
    done = subprocess.run(query, capture_output=True, text=True, check=False, timeout=60)
    version = done.stdout.rpartition(":")[2].partition("-")[0].partition("+")[0]
    if version:
        tool("application-version-set", version)


def _check_running(names: Sequence[str]) -> None:
    if not names:
        return
    command = ["systemctl", "is-active", *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    states = done.stdout.split()
    down = [name for name, state in zip(names, states, strict=False) if state != "active"]
    if down:
        # What a hook prints is in the unit's log: why they are down, when nobody is there to ask.
        words = ["systemctl", "status", "--no-pager", "--full", "--lines=20", *down]
        subprocess.run(words, check=False, timeout=60)
        text = "Services not running that should be: " + ", ".join(down)
        raise NotReady("blocked", text)
